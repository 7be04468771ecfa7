"""Of the load, its ledger and its checker."""
