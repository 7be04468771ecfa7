"""The meaning of the log: commands to state changes, state to snapshots and back."""
