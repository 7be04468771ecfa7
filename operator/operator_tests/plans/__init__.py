"""Tests of the plans: decision tables, and a small world to run them in."""
