"""End-to-end tests on a real Kubernetes: a cluster, faults, and whether a promise was broken.

`make e2e` makes a kind cluster (e2e/kind.yaml) or takes the one that KUBECONFIG names, loads the
images that `make images` built, and runs e2e/cases, a file a story. Through each story a load
(e2e/load) writes down what it asked and what it was answered, a checker judges that ledger, and a
watcher looks at what must be true at every moment. Both are shown to fail in e2e/e2e_tests.

No case is run again because it failed: in a consensus system a flake is a finding.
"""
