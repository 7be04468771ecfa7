"""What a cluster is made of in Kubernetes: pure builders, a ProconsulCluster in, manifests out."""
