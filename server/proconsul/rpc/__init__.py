"""The RPC port's languages, without I/O: bytes in, events and bytes out (wire/rpc.md)."""
