"""What somebody would have learned who heard all packets of a recording, in their order."""

import pytest

from proconsul.gossip.effects import Change, MemberStatus
from server_tests.gossip.bench import at
from server_tests.gossip.captured import GO, capture
from server_tests.gossip.serf_world import Host, SerfWorld

LEFT, FAILED, ALIVE = MemberStatus.LEFT, MemberStatus.FAILED, MemberStatus.ALIVE


def observer(recording: str) -> Host:
    heard = capture(recording)
    world = SerfWorld(keys=heard.keys)
    host = world.start("observer")
    for datagram in heard.datagrams:
        host.serf.receive(datagram, at(9), world.now_s)
        world.settle(host)
    return host


@pytest.mark.parametrize("recording", ["consul-plain", "consul-enc"])
def test_the_story_of_a_consul_datacenter(recording: str) -> None:
    """c2 is killed and comes back, c1 leaves, c2 is killed again; s1 leaves with nobody to hear."""
    us = observer(recording)
    assert us.changes("c1") == [Change.JOIN, Change.LEAVE]
    assert us.changes("c2") == [Change.JOIN, Change.FAILED, Change.JOIN, Change.FAILED]
    assert us.changes("s1") == [Change.JOIN, Change.FAILED]
    assert us.events() == ["consul:new-leader", "consul:event:deploy"]
    member = us.serf.member("s1")
    assert member is not None
    assert member.tags["role"] == "consul"
    assert (member.protocol, member.delegate) == ((1, 5, 2), (2, 5, 4))
    assert us.serf.stats()["member_time"] == "5"


@pytest.mark.parametrize("recording", ["serf-plain", "serf-enc"])
def test_the_story_of_a_serf_pool(recording: str) -> None:
    """d leaves; c is killed and made to leave; b leaves, then a with nobody to hear."""
    us = observer(recording)
    assert [us.status(name) for name in "abcd"] == [FAILED, LEFT, LEFT, LEFT]
    assert us.changes("c") == [Change.JOIN, Change.UPDATE, Change.LEAVE]
    assert sorted(us.events()) == ["evt-c", "evt-n"]


def test_the_story_of_two_datacenters() -> None:
    us = observer("consul-wan")
    assert us.status("s1.dc1") is ALIVE
    assert us.status("s2.dc1") is LEFT
    assert us.status("t1.dc2") is LEFT


@pytest.mark.parametrize("recording", GO)
def test_nothing_in_a_recording_is_a_surprise(recording: str) -> None:
    """But pings and answers for others, who heard them too."""
    surprises = ("Error", "rror decoding", "unknown type", "Failed to decode", "Bad state")
    assert not [line for line in observer(recording).log if any(word in line for word in surprises)]
