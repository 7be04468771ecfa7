"""The kinds: round trips, rules, schema, manifests, and a real API server."""
