"""The Secret of the gossip keys."""

import pytest

from operator_tests.specs.clusters import wanted
from proconsul_operator.specs.gossip_key import gossip_secret


def test_a_pod_starts_with_the_primary_key_and_all_keys_are_kept() -> None:
    made = gossip_secret(wanted(gossip={}), ["new", "old"])
    assert made["metadata"]["name"] == "consul-gossip"
    assert made["stringData"] == {"key": "new", "keys": "new\nold\n"}


def test_keys_outlive_the_cluster_as_the_volumes_do() -> None:
    assert "ownerReferences" not in gossip_secret(wanted(gossip={}), ["one"])["metadata"]


def test_no_key_at_all_is_our_mistake() -> None:
    with pytest.raises(AssertionError):
        gossip_secret(wanted(gossip={}), [])
