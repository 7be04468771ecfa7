"""Tests of the tools of the cases, without a cluster: a checker that never fails proves nothing."""
