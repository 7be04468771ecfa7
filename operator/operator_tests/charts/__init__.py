"""Tests of the charts and of what is rendered from them; see helm.py for which helm they use."""
