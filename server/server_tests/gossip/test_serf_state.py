"""Serf's part of a full exchange."""

import struct
from typing import Any

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from proconsul.gossip import fields, serf_state
from proconsul.gossip.failure import PacketError
from proconsul.gossip.serf_messages import EventRow, EventSlot, State

EMPTY = State(ltime=0, status_ltimes={}, left_members=(), event_ltime=0, events=(), query_ltime=0)

ltimes = st.integers(0, (1 << 64) - 1)
names = st.text(max_size=12)
rows = st.builds(EventRow, name=names, payload=st.binary(max_size=20))
slots = st.builds(EventSlot, ltime=ltimes, events=st.lists(rows, max_size=3).map(tuple))
states = st.builds(
    State,
    ltime=ltimes,
    status_ltimes=st.dictionaries(names, ltimes, max_size=5),
    left_members=st.lists(names, max_size=5).map(tuple),
    event_ltime=ltimes,
    events=st.lists(st.none() | slots, max_size=20).map(tuple),
    query_ltime=ltimes,
)


@given(state=states)
def test_every_state_comes_back(state: State) -> None:
    assert serf_state.decode(serf_state.encode(state)) == state


def test_the_keys_are_sorted_as_go_sorts_them() -> None:
    keys = list(msgpack.unpackb(serf_state.encode(EMPTY)))
    assert keys == sorted(keys)


def decoded(body: dict[str, Any]) -> State:
    """Read from a map in the old way of strings."""
    return serf_state.decode(msgpack.packb(body, use_bin_type=False))


def test_what_is_missing_unknown_or_nil_does_no_harm() -> None:
    assert decoded({}) == EMPTY
    assert serf_state.decode(b"\xc0") == EMPTY
    assert decoded(dict.fromkeys(("LTime", "StatusLTimes", "LeftMembers", "Events"))) == EMPTY
    assert decoded({"New": [[{"a": 1}]] * 3, "LTime": 5, "": {}}).ltime == 5


def test_an_old_ring_is_read_slot_by_slot() -> None:
    slot = {"LTime": 7, "Events": [{"Name": "deploy", "Payload": None}, {"Name": "x"}]}
    state = decoded({"Events": [None, slot, {"LTime": 8, "Events": None}]})
    rows_read = (EventRow(name="deploy", payload=b""), EventRow(name="x", payload=b""))
    assert state.events == (
        None,
        EventSlot(ltime=7, events=rows_read),
        EventSlot(ltime=8, events=()),
    )


@pytest.mark.parametrize(
    "body",
    [
        {"LTime": -1},
        {"LTime": "1"},
        {"StatusLTimes": []},
        {"StatusLTimes": {"a": -1}},
        {"StatusLTimes": {5: 1}},
        {"StatusLTimes": {"a": {}}},
        {"LeftMembers": {}},
        {"LeftMembers": [1]},
        {"Events": 5},
        {"Events": [5]},
        {"Events": [{"Events": {}}]},
        {"Events": [{"Events": [5]}]},
        {5: 5, "LTime": []},
    ],
)
def test_a_field_of_another_type_spoils_the_state(body: dict[str, Any]) -> None:
    with pytest.raises(PacketError):
        decoded(body)


def test_every_beginning_of_a_state_is_refused() -> None:
    slot = EventSlot(ltime=7, events=(EventRow(name="deploy", payload=b"p"),))
    whole = serf_state.encode(
        State(
            ltime=300,
            status_ltimes={"a": 1, "b": 70_000},
            left_members=("b",),
            event_ltime=8,
            events=(None, slot),
            query_ltime=1,
        )
    )
    for size in range(len(whole)):
        with pytest.raises(PacketError):
            serf_state.decode(whole[:size])
    assert serf_state.decode(whole + b"more").ltime == 300


# ---------------------------------------------------------------- limits


def with_list(name: str, head: int, count: int, items: bytes) -> bytes:
    """A state of one field, with so many items announced."""
    return b"\x81" + fields.pack(name) + struct.pack(">BI", head, count) + items


LIST, MAP = 0xDD, 0xDF
MEMBERS, SLOTS = serf_state.MEMBERS_MAX, serf_state.SLOTS_MAX


@pytest.mark.parametrize(
    ("name", "head", "limit", "item"),
    [
        ("LeftMembers", LIST, MEMBERS, b"\xa1a"),
        ("StatusLTimes", MAP, MEMBERS, b"\xa1a\x01"),
        ("Events", LIST, SLOTS, b"\xc0"),
    ],
)
def test_a_list_of_the_limit_is_read_and_a_longer_one_is_not(
    name: str, head: int, limit: int, item: bytes
) -> None:
    serf_state.decode(with_list(name, head, limit, item * limit))
    with pytest.raises(PacketError, match=f"at most {limit} are taken"):
        serf_state.decode(with_list(name, head, limit + 1, item * (limit + 1)))


def test_fields_have_a_limit_too() -> None:
    def unknown(count: int) -> bytes:
        return struct.pack(">BI", MAP, count) + b"\xa1a\xc0" * count

    assert serf_state.decode(unknown(serf_state.FIELDS_MAX)) == EMPTY
    with pytest.raises(PacketError, match="fields are announced"):
        serf_state.decode(unknown(serf_state.FIELDS_MAX + 1))


def test_a_slot_of_as_many_events_as_a_list_may_have_is_read_and_no_larger_one() -> None:
    row = {"Name": "e", "Payload": None}
    full = decoded({"Events": [{"LTime": 1, "Events": [row] * fields.ARRAY_MAX}]})
    assert full.events[0] is not None
    assert len(full.events[0].events) == fields.ARRAY_MAX
    with pytest.raises(PacketError):
        decoded({"Events": [{"LTime": 1, "Events": [row] * (fields.ARRAY_MAX + 1)}]})


def test_events_cannot_be_more_than_containers_may_be() -> None:
    # Each slot is two containers, and each event one.
    events = {"LTime": 1, "Events": [{"Name": "e"}] * 62}
    slots = serf_state.CONTAINERS_MAX // 64
    assert len(decoded({"Events": [events] * slots}).events) == slots
    with pytest.raises(PacketError, match="lists and maps"):
        decoded({"Events": [events] * (slots + 1)})


def test_unknown_fields_are_skipped_however_they_nest() -> None:
    deep = b"\x91" * 900 + b"\xc0"
    assert serf_state.decode(b"\x82\xa1a" + deep + b"\xa5LTime\x07").ltime == 7
    with pytest.raises(PacketError):
        serf_state.decode(b"\x82\xa1a" + b"\x91" * 5000 + b"\xc0\xa5LTime\x07")
