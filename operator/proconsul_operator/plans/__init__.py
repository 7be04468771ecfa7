"""What to do next: pure functions from what was observed to one action."""
