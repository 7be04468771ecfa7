"""The world: the only sockets, files, clocks, threads and dice. It decides nothing."""
