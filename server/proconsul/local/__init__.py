"""What this agent itself has: services, checks, their states, and what of it the catalog lacks."""
