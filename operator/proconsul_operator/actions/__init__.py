"""The operator's edge: Kubernetes, the servers' HTTP API, object stores, and what runs in Jobs."""
