"""Consensus: Raft in the paper's words, as a core that owns no socket, file, clock or die."""
