"""The cases, a file a story; they run on the cluster that KUBECONFIG names (`make e2e`)."""
