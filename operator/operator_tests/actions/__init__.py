"""Tests of the operator's edge, against the real thing wherever there is one."""
