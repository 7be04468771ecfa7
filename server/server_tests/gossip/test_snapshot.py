"""See gossip/snapshot.py."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proconsul.gossip.address import Address, address_of
from proconsul.gossip.effects import Effect, Remember
from proconsul.gossip.snapshot import ALIVE_MAX, FILE_BYTES_MIN, NODE_BYTES, Kept, Ledger, read

A = address_of("10.0.0.1", 8301)
B = address_of("10.0.0.2", 8301)
SIX = address_of("fd00::1", 8301)


def kept(text: str, *, rejoin_after_leave: bool = False) -> Kept:
    return read(text.encode(), rejoin_after_leave=rejoin_after_leave)


class Desk:
    """A ledger and its file; `time` is the members' clock."""

    def __init__(self, before: Kept | None = None, *, rejoins: bool = False) -> None:
        self.time = 1
        self.effects: list[Effect] = []
        self.ledger = Ledger(before or Kept(), self.effects, lambda: self.time, rejoins=rejoins)

    def lines(self) -> list[str]:
        return [effect.line for effect in self.effects if isinstance(effect, Remember)]

    def file(self) -> bytes:
        return "".join(f"{line}\n" for line in self.lines()).encode("utf-8", "surrogateescape")


# -------------------------------------------------------------------- reading

CONSULS = """\
alive: s1 127.60.0.1:8301
clock: 1
alive: c1 127.60.0.2:8301
alive: six [fd00::1]:8301
event-clock: 2
not-alive: c1
clock: 4
query-clock: 7
# a comment
coordinate: {"Vec":[0,0]}
"""


def test_a_file_says_who_was_alive_and_what_time_it_was() -> None:
    assert kept(CONSULS) == Kept(
        alive={"s1": address_of("127.60.0.1", 8301), "six": SIX},
        clock=4,
        event_clock=2,
        query_clock=7,
    )


def test_an_empty_file_says_nothing() -> None:
    assert kept("") == Kept()


def test_a_leave_undoes_what_stands_before_it() -> None:
    assert kept(CONSULS + "leave\nclock: 5\n") == Kept(clock=5, left=True)


def test_unless_it_shall_not() -> None:
    found = kept(CONSULS + "leave\nclock: 5\n", rejoin_after_leave=True)
    assert found.left
    assert set(found.alive) == {"s1", "six"}
    assert (found.clock, found.event_clock) == (5, 2)


def test_who_came_back_after_a_leave_has_not_left() -> None:
    found = kept("leave\nalive: a 10.0.0.1:8301\n")
    assert found == Kept(alive={"a": A})


@pytest.mark.parametrize(
    "line",
    [
        "alive: a",
        "alive: a 10.0.0.1",
        "alive: a 10.0.0.1:",
        "alive: a 10.0.0.1:x",
        "alive: a 10.0.0.1:65536",
        "alive: a 10.0.0.1:123456789012345678901234567890",
        "alive: a 10.0.0:8301",
        "alive: 10.0.0.1:8301",
        "alive:  10.0.0.1:8301",
        "clock: ",
        "clock: -1",
        "clock: 1_0",
        "clock: \u0663",
        "clock: " + "9" * 5000,
        "event-clock: x",
        "query-clock: 1.5",
        "nonsense",
        "nonsense: 5",
        "leave me",
        "\x00\x00\x00\x00",
        "",
    ],
)
def test_a_damaged_line_costs_what_it_says_and_no_more(line: str) -> None:
    found = kept(f"alive: b 10.0.0.2:8301\nclock: 3\n{line}\nevent-clock: 2\n")
    assert found == Kept(alive={"b": B}, clock=3, event_clock=2, damaged=1)


def test_a_last_line_that_was_not_written_whole_does_not_count() -> None:
    assert kept("clock: 3\nclock: 42") == Kept(clock=3)
    assert kept("alive: a 10.0.0.1:83") == Kept()


def test_a_clock_that_no_peer_could_have_is_cut() -> None:
    assert kept("clock: 99999999999999999999\n").clock == 2**64 - 1


def test_names_may_hold_anything_but_a_new_line() -> None:
    for name in ("with space", "with: colon", "alive: x", "\u00fc", "\udcff"):
        desk = Desk()
        desk.ledger.alive(name, A)
        assert read(desk.file(), rejoin_after_leave=False).alive == {name: A}


def test_a_file_does_not_make_us_hold_more_members_than_a_pool_has() -> None:
    text = "".join(f"alive: n{number} 10.0.0.1:8301\n" for number in range(ALIVE_MAX + 1))
    assert len(kept(text).alive) == ALIVE_MAX
    assert kept(text + "alive: n5 10.0.0.2:8301\n").alive["n5"] == B


@given(st.binary())
def test_any_bytes_are_a_file(data: bytes) -> None:
    read(data, rejoin_after_leave=False)


# -------------------------------------------------------------------- writing


def test_what_happens_is_appended_with_the_clock_if_that_is_new() -> None:
    desk = Desk()
    desk.ledger.alive("a", A)
    desk.time = 3
    desk.ledger.alive("six", SIX)
    desk.time = 4
    desk.ledger.not_alive("a")
    desk.ledger.event(5)
    desk.ledger.event(5)
    desk.ledger.event(4)
    desk.ledger.query(6)
    desk.ledger.query(6)
    assert desk.lines() == [
        "alive: a 10.0.0.1:8301",
        "alive: six [fd00::1]:8301",
        "clock: 2",
        "not-alive: a",
        "clock: 3",
        "event-clock: 5",
        "query-clock: 6",
    ]


def test_the_clock_is_noted_when_it_is_another() -> None:
    desk = Desk()
    assert not desk.ledger.is_clock_new
    desk.time = 2
    assert desk.ledger.is_clock_new
    desk.ledger.note_clock()
    desk.ledger.note_clock()
    assert desk.lines() == ["clock: 1"]


def test_after_a_leave_only_the_clock_is_noted() -> None:
    desk = Desk()
    desk.ledger.alive("a", A)
    desk.ledger.leave()
    desk.ledger.alive("b", B)
    desk.ledger.not_alive("a")
    desk.ledger.event(5)
    desk.ledger.query(5)
    desk.time = 9
    desk.ledger.note_clock()
    assert desk.lines() == ["alive: a 10.0.0.1:8301", "leave", "clock: 8"]
    assert list(desk.ledger.whole()) == ["clock: 8", "event-clock: 0", "query-clock: 0"]


def test_who_rejoins_keeps_its_members_over_a_leave() -> None:
    desk = Desk(rejoins=True)
    desk.ledger.alive("a", A)
    desk.ledger.leave()
    assert next(desk.ledger.whole()) == "alive: a 10.0.0.1:8301"


def test_a_name_cannot_write_lines_of_its_own() -> None:
    desk = Desk()
    desk.ledger.alive("x\nleave", A)
    desk.ledger.not_alive("x\nleave")
    desk.ledger.alive("", A)
    desk.ledger.alive("y", Address(b"\x01", 1))
    assert desk.lines() == []


def test_what_an_earlier_life_knew_goes_on() -> None:
    before = Kept(alive={"a": A}, clock=4, event_clock=5, query_clock=6)
    desk = Desk(before)
    desk.time = 5
    desk.ledger.event(5)
    desk.ledger.note_clock()
    assert desk.lines() == []
    assert list(desk.ledger.whole()) == [
        "alive: a 10.0.0.1:8301",
        "clock: 4",
        "event-clock: 5",
        "query-clock: 6",
    ]


def test_a_file_may_be_so_large() -> None:
    many = FILE_BYTES_MIN // NODE_BYTES
    desk = Desk()
    for number in range(many + 1):
        assert desk.ledger.bytes_max == FILE_BYTES_MIN
        desk.ledger.alive(f"n{number}", A)
    assert desk.ledger.bytes_max == NODE_BYTES * (many + 1)


names = st.text(min_size=1, max_size=5).filter(lambda name: "\n" not in name)
steps = st.lists(
    st.one_of(
        st.tuples(st.just("alive"), names, st.integers(0, 255)),
        st.tuples(st.just("gone"), names, st.just(0)),
        st.tuples(st.just("event"), st.just(""), st.integers(0, 50)),
        st.tuples(st.just("query"), st.just(""), st.integers(0, 50)),
        st.tuples(st.just("time"), st.just(""), st.integers(1, 50)),
    )
)


@given(steps)
def test_the_whole_says_the_same_as_all_that_was_appended(
    done: list[tuple[str, str, int]],
) -> None:
    desk = Desk()
    for what, name, number in done:
        match what:
            case "alive":
                desk.ledger.alive(name, address_of(f"10.0.0.{number}", 8301))
            case "gone":
                desk.ledger.not_alive(name)
            case "event":
                desk.ledger.event(number)
            case "query":
                desk.ledger.query(number)
            case _:
                desk.time = max(desk.time, number)
                desk.ledger.note_clock()
    appended = read(desk.file(), rejoin_after_leave=False)
    whole = "".join(f"{line}\n" for line in desk.ledger.whole()).encode("utf-8", "surrogateescape")
    assert read(whole, rejoin_after_leave=False) == appended
    assert appended.damaged == 0
