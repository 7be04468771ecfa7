"""What each RPC method means: rights, what only the leader can judge, one proposal."""
