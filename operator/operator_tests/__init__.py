"""Tests of the operator; the tree mirrors `proconsul_operator`."""
