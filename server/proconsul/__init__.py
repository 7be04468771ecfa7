"""A Consul-compatible server."""

__version__ = "0.1.0"

# What is told to clients and peers that decide by Consul's version: the behaviour is this one's.
CONSUL_VERSION = "1.8.7"
