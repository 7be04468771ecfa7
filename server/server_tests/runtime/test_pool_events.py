"""Events from the pool: users' are kept, a new leader is heeded, all else is let be."""

import logging

import pytest
from msgspec.structs import replace

from proconsul.endpoints.user_events import UserEvent, UserEvents, to_gossip
from proconsul.gossip.effects import UserEventHeard
from proconsul.runtime.pool_events import PoolEvents

FIRED = UserEvent(
    id="5e2a1c3b-1111-2222-3333-444455556666",
    name="deploy",
    payload=b"go",
    node_filter="",
    service_filter="",
    tag_filter="",
)


def heard(name: str, payload: bytes) -> UserEventHeard:
    return UserEventHeard(ltime=7, name=name, payload=payload, coalesce=False)


def test_a_users_event_is_kept_with_its_time() -> None:
    events = UserEvents()
    PoolEvents(events, "n1", lambda: None).hear(heard("consul:event:deploy", to_gossip(FIRED)))
    assert [(one.name, one.payload, one.lamport_time) for one in events.all()] == [
        ("deploy", b"go", 7)
    ]


def test_what_consul_exec_tells_is_no_event_and_is_not_obeyed(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    events = UserEvents()
    desk = PoolEvents(events, "n1", lambda: None)
    rexec = replace(FIRED, name="_rexec")
    desk.hear(heard("consul:event:_rexec", to_gossip(replace(rexec, node_filter="n2"))))
    assert caplog.text == ""  # others are meant
    desk.hear(heard("consul:event:_rexec", to_gossip(rexec)))
    assert f"ignoring remote exec event, disabled: event_id={FIRED.id}" in caplog.text
    desk.hear(heard("consul:event:_rexec2", to_gossip(replace(FIRED, name="_rexec2"))))
    assert [one.name for one in events.all()] == ["_rexec2"]


def test_a_new_leader_is_heeded() -> None:
    leaders = []
    desk = PoolEvents(UserEvents(), "n1", lambda: leaders.append("new"))
    desk.hear(heard("consul:new-leader", b"s2"))
    assert leaders == ["new"]


@pytest.mark.parametrize(
    ("name", "payload", "told"),
    [
        ("consul:event:x", b"\xc1", "Failed to decode event"),
        ("consul:event:x", b"\x81\xa2ID\xa1x", "Failed to decode event"),
        ("consul:other", b"", "Unhandled local event: event=consul:other"),
        ("deploy", b"", ""),  # somebody's own, of a plain Serf agent
    ],
)
def test_what_is_no_event_of_ours_is_told_and_let_be(
    name: str, payload: bytes, told: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    events = UserEvents()
    PoolEvents(events, "n1", lambda: None).hear(heard(name, payload))
    assert events.all() == []
    assert told in caplog.text
    assert bool(caplog.records) == bool(told)
