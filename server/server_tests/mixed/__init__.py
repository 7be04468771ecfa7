"""Clusters of our servers and servers of HashiCorp's own raft library, each a process."""
