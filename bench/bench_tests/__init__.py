"""The parts of the benchmark that only think: no server is started, no time is taken."""
