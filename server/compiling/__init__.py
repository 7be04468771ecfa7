"""Makes machine code of the busiest modules (docs/adr/0015-compiled-modules.md)."""
