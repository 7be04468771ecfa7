"""Duties of the leader, as decisions: the state in, commands out."""
