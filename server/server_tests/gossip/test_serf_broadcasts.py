"""See gossip/serf_broadcasts.py."""

from proconsul.gossip.serf_broadcasts import SerfBroadcasts
from proconsul.gossip.settings import GossipSettings, SerfSettings


def broadcasts(members: int = 5, depth_min: int = 4096) -> SerfBroadcasts:
    return SerfBroadcasts(
        gossip=GossipSettings(),
        settings=SerfSettings(queue_depth_min=depth_min),
        body_bytes_max=1000,
        member_count=lambda: members,
    )


def test_intents_go_before_queries_and_these_before_events() -> None:
    ours = broadcasts()
    ours.tell(ours.events, b"event")
    ours.tell(ours.queries, b"query")
    ours.tell(ours.intents, b"intent")
    assert ours.take(3, 1000) == [b"intent", b"query", b"event"]
    assert ours.take(3, 3 + 6) == [b"intent"]
    assert ours.take(3, 3 + 6 + 3 + 5) == [b"intent", b"query"]
    assert ours.take(3, 3 + 6 + 3 + 4) == [b"intent"], "query does not fit any more"


def test_each_is_told_as_often_as_the_pool_is_large() -> None:
    for members, times in ((1, 4), (9, 4), (10, 8), (100, 12)):
        ours = broadcasts(members)
        ticket = ours.tell(ours.intents, b"x")
        assert sum(ours.take(3, 1000) == [b"x"] for _ in range(20)) == times
        assert ticket not in ours.intents


def test_equal_messages_are_told_each() -> None:
    ours = broadcasts()
    ours.tell(ours.events, b"x")
    ours.tell(ours.events, b"x")
    assert ours.take(3, 1000) == [b"x", b"x"]


def test_what_fits_in_no_packet_is_not_kept() -> None:
    ours = broadcasts()
    assert ours.fits(bytes(1000))
    assert not ours.fits(bytes(1001))
    ticket = ours.tell(ours.events, bytes(1001))
    assert len(ours.events) == 0
    assert ticket not in ours.events


def test_a_queue_is_as_deep_as_twice_the_members_or_the_minimum() -> None:
    for members, depth_min, depth in ((2, 10, 10), (8, 10, 16)):
        ours = broadcasts(members, depth_min)
        for number in range(100):
            ours.tell(ours.events, b"%d" % number)
        assert len(ours.events) == depth
