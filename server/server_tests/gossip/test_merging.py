"""States that are taken in by slices. See gossip/merging.py."""

import itertools

import pytest

from proconsul.gossip import packets
from proconsul.gossip.effects import Exchange
from proconsul.gossip.merging import MERGES_MAX, SLICE_ROWS, Merges, Merging, Moment, slices
from proconsul.gossip.messages import Dead, NodeState, Ping, PushedNode, PushPull
from server_tests.gossip.bench import US, VSN, Bench, at, names, row


def many(count: int, prefix: str = "m") -> tuple[PushedNode, ...]:
    return tuple(row(f"{prefix}{number}", number + 2) for number in range(count))


def state(*rows: PushedNode, join: bool = False) -> PushPull:
    return PushPull(join=join, nodes=rows, user_state=b"Serf's part")


def test_slices_are_all_rows_in_order() -> None:
    assert [list(part) for part in slices(range(3))] == [[0, 1, 2]]
    parts = list(slices(range(2 * SLICE_ROWS + 1)))
    assert [len(part) for part in parts] == [SLICE_ROWS, SLICE_ROWS, 1]
    assert [one for part in parts for one in part] == list(range(2 * SLICE_ROWS + 1))


def test_a_small_state_is_taken_in_at_once() -> None:
    us = Bench()
    us.us.absorb(state(*many(SLICE_ROWS), join=True), us.now_s)
    assert not us.us.is_merging
    assert len(us.us.nodes()) == SLICE_ROWS + 1
    assert us.ears.merged == [(b"Serf's part", True)]


def test_a_large_one_is_taken_in_by_so_many_rows_at_a_time_and_in_its_order() -> None:
    us = Bench()
    rows = many(10 * SLICE_ROWS)
    us.us.absorb(state(*rows), us.now_s)
    known = [len(us.us.nodes())]
    while us.us.is_merging:
        assert us.ears.merged == []
        us.us.go_on(us.now_s)
        known.append(len(us.us.nodes()))
    steps = [after - before for before, after in itertools.pairwise(known)]
    assert max(steps) == SLICE_ROWS
    assert us.ears.heard == [("joined", one.name) for one in rows]
    assert us.ears.merged == [(b"Serf's part", False)]


def test_between_two_slices_pings_are_answered_and_claims_are_heard() -> None:
    us = Bench()
    us.us.absorb(state(*many(3 * SLICE_ROWS)), us.now_s)
    answered = 0
    while us.us.is_merging:
        us.hear(Ping(seq_no=7, node="us"), source=at(9))
        answered += 1
        us.us.go_on(us.now_s)
        us.hear(Dead(incarnation=1, node="m0", accuser="m0"))
    assert answered >= 3
    assert us.state("m0") is NodeState.LEFT, "what was heard meanwhile is not undone"
    assert len(us.us.nodes()) == 3 * SLICE_ROWS + 1


def test_what_was_heard_before_its_row_has_its_turn_wins_if_it_is_newer() -> None:
    us = Bench()
    last = many(3 * SLICE_ROWS)[-1]
    us.us.absorb(state(*many(3 * SLICE_ROWS)), us.now_s)
    us.push(row(last.name, SLICE_ROWS * 3 + 1, incarnation=4, meta=b"new"))
    us.merge_all()
    node = us.us.node(last.name)
    assert node is not None
    assert node.meta == b"new"


@pytest.mark.parametrize("count", [3, 3 * SLICE_ROWS])
def test_a_refused_join_is_refused_as_a_whole_before_anything_is_taken_in(count: int) -> None:
    us = Bench()
    us.ears.refuses_merge = "Member 'a' part of wrong datacenter 'dc2'"
    us.us.absorb(state(*many(count), join=True), us.now_s)
    us.merge_all()
    assert len(us.ears.asked_to_merge[0]) == count
    assert names(us.us.nodes()) == {"us"}
    assert (us.ears.heard, us.ears.merged) == ([], [])
    assert us.lines("Failed push/pull merge: Member 'a' part of wrong datacenter 'dc2'")


def test_versions_in_the_last_row_refuse_the_first() -> None:
    us = Bench()
    rows = (*many(3 * SLICE_ROWS), row("odd", vsn=bytes([1, 9, 9, 2, 5, 4])))
    us.us.absorb(state(*rows), us.now_s)
    us.merge_all()
    assert names(us.us.nodes()) == {"us"}
    assert us.lines("Node 'odd' protocol version (9) is incompatible: [1, 5]")


def test_a_join_is_over_when_the_last_slice_is_in() -> None:
    us = Bench()
    token = us.us.join(at(2), "a", us.now_s)
    us.settle()
    answer = state(*many(3 * SLICE_ROWS), join=True)
    us.us.exchange_done(us.exchanges[0].token, answer, "", us.now_s)
    while us.us.is_merging:
        assert us.joined == []
        us.us.go_on(us.now_s)
    assert us.joined == [(token, None)]
    assert len(us.us.nodes()) == 3 * SLICE_ROWS + 1


def test_no_exchange_of_ours_begins_before_the_last_one_is_taken_in() -> None:
    us = Bench()

    def pushes() -> list[Exchange]:
        return [one for one in us.exchanges if one.data[0] == packets.Kind.PUSH_PULL]

    us.know("a")
    us.pass_time(30.1)
    us.us.exchange_done(us.exchanges[0].token, state(*many(3 * SLICE_ROWS)), "", us.now_s)
    us.exchanges.clear()
    us.pass_time(300.0)
    assert pushes() == []
    us.merge_all()
    us.pass_time(300.0)
    assert len(pushes()) == 1


def test_the_oldest_of_several_goes_on_first_and_small_ones_need_not_wait() -> None:
    us = Bench()
    us.us.absorb(state(*many(3 * SLICE_ROWS, "x")), us.now_s)
    us.us.absorb(state(*many(3 * SLICE_ROWS, "y")), us.now_s)
    us.us.absorb(state(row("small")), us.now_s)
    assert us.ears.heard == [("joined", "small")]
    us.merge_all()
    order = [name[0] for _, name in us.ears.heard[1:]]
    assert order == ["x"] * (3 * SLICE_ROWS) + ["y"] * (3 * SLICE_ROWS)


def test_of_states_that_others_push_only_so_many_are_held_and_those_asked_for_always() -> None:
    us = Bench()
    large = state(*many(SLICE_ROWS + 1))
    for _ in range(MERGES_MAX):
        us.us.absorb(large, us.now_s)
    us.us.absorb(state(row("late")), us.now_s)
    us.settle()
    assert us.lines("Failed push/pull merge: too many states are being taken in at once")
    token = us.us.join(at(2), "", us.now_s)
    us.settle()
    us.us.exchange_done(token, state(*many(3 * SLICE_ROWS, "asked"), join=True), "", us.now_s)
    us.merge_all()
    assert us.joined == [(token, None)]
    assert us.state("late") is None
    us.push(row("late"))
    assert us.state("late") is NodeState.ALIVE


def test_a_merge_that_goes_wrong_ends_and_the_next_one_goes_on() -> None:
    merges = Merges()
    ended: list[tuple[str | None, float]] = []

    def broken(moment: Moment) -> Merging:
        yield
        raise KeyError("a mistake of ours")

    def good(moment: Moment) -> Merging:
        yield
        assert moment.now_s == 3.0
        return "done"

    def note(problem: str | None, now_s: float) -> None:
        ended.append((problem, now_s))

    merges.begin(broken, note, 1.0)
    merges.begin(good, note, 1.0)
    with pytest.raises(KeyError):
        merges.go_on(2.0)
    assert ended == [("taking it in went wrong", 2.0)]
    merges.go_on(3.0)
    assert ended[1:] == [("done", 3.0)]
    assert not merges.is_under_way
    merges.go_on(4.0)


def test_what_is_told_of_a_member_is_what_it_is_at_that_time() -> None:
    us = Bench()
    us.know("a")
    before = us.push()
    assert {(one.name, one.state) for one in before.nodes} == {
        ("us", NodeState.ALIVE),
        ("a", NodeState.ALIVE),
    }
    us.hear(Dead(incarnation=1, node="a", accuser="a"))
    us.push(PushedNode(name="us", address=US, meta=b"", incarnation=4, state=2, vsn=VSN))
    after = {one.name: (one.state, one.incarnation) for one in us.push().nodes}
    assert after == {"us": (NodeState.ALIVE, 5), "a": (NodeState.LEFT, 1)}
