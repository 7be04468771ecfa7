"""The gossip pool without I/O: SWIM as memberlist speaks it, and Serf on top (wire/gossip/)."""
