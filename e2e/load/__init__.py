"""The load of a case: its generator (in a pod), its ledger, and the checker of its promises."""
