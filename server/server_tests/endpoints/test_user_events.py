"""Events reach the agents that their filters mean."""

import pytest

from proconsul.endpoints.user_events import (
    EVENTS_MAX,
    UserEvent,
    UserEvents,
    check_filters,
    concerns,
    event_index,
    from_gossip,
    newest_index,
    to_gossip,
)
from proconsul.errors import RpcError

ID = "5e2a1c3b-1111-2222-3333-444455556666"
SERVICES = {"web-1": ["blue", "v2"], "db": []}


def event(
    name: str = "deploy",
    *,
    id: str = ID,
    payload: bytes | None = None,
    node: str = "",
    service: str = "",
    tag: str = "",
) -> UserEvent:
    return UserEvent(
        id=id,
        name=name,
        payload=payload,
        node_filter=node,
        service_filter=service,
        tag_filter=tag,
    )


@pytest.mark.parametrize(
    ("fired", "taken"),
    [
        (event(), True),
        (event(node="^n1$"), True),
        (event(node="2"), False),
        (event(service="web"), True),
        (event(service="^web$"), False),
        (event(service="web", tag="blue|green"), True),
        (event(service="db", tag="blue"), False),
        (event(node="2", service="web"), False),
    ],
)
def test_filters_say_whom_an_event_concerns(fired: UserEvent, taken: bool) -> None:
    assert concerns(fired, "n1", SERVICES) is taken


@pytest.mark.parametrize(
    ("fired", "text"),
    [
        (event(tag="x"), "Cannot provide tag filter without service filter"),
        (event(node="("), "Invalid node filter: error parsing regexp: missing closing ): `(`"),
        (event(service="("), "Invalid service filter: error parsing regexp: missing closing"),
        (event(service="x", tag="("), "Invalid tag filter: error parsing regexp: missing"),
    ],
)
def test_filters_that_mean_nothing_are_refused(fired: UserEvent, text: str) -> None:
    with pytest.raises(RpcError, match="^" + text.replace("(", "\\(").replace(")", "\\)")):
        check_filters(fired)


def test_an_event_survives_the_way_to_another_agent() -> None:
    sent = event(payload=b"\x00\xff", node="n", service="s", tag="t")
    came = from_gossip(to_gossip(sent), 7)
    assert came.lamport_time == 7
    assert (came.id, came.name, came.payload) == (ID, "deploy", b"\x00\xff")
    assert (came.node_filter, came.service_filter, came.tag_filter) == ("n", "s", "t")
    assert from_gossip(to_gossip(event()), 8).payload is None


def test_the_index_is_made_of_the_newest_event() -> None:
    assert event_index("00000000-0000-0001-0000-000000000002") == 3
    assert newest_index([]) == 1
    assert newest_index([event(), event(id="00000000-0000-0000-0000-000000000009")]) == 9


def test_only_the_newest_are_kept_and_each_one_wakes() -> None:
    events = UserEvents()
    woken = []
    events.changed = lambda: woken.append(len(events.all()))
    for number in range(EVENTS_MAX + 2):
        events.receive(event(f"e{number}"), "n1")
    events.receive(event("elsewhere", node="other"), "n1")
    assert [events.all()[0].name, events.all()[-1].name] == ["e2", f"e{EVENTS_MAX + 1}"]
    assert len(woken) == EVENTS_MAX + 2
