"""Each rule of how a member is. See gossip/member_table.py."""

from dataclasses import dataclass, field

import pytest

from proconsul.gossip.delegate import Node
from proconsul.gossip.effects import Change, Effect, MemberStatus, PoolMember
from proconsul.gossip.journal import Journal
from proconsul.gossip.member_table import MemberTable, pool_member
from proconsul.gossip.messages import NodeState
from proconsul.gossip.settings import SerfSettings
from server_tests.gossip.bench import US, VSN, at

ALIVE, LEAVING, LEFT, FAILED = (
    MemberStatus.ALIVE,
    MemberStatus.LEAVING,
    MemberStatus.LEFT,
    MemberStatus.FAILED,
)
PRUNE_DELAY_S = 5.0 + 3.0


def node(name: str, number: int = 2, meta: bytes = b"") -> Node:
    return Node(name=name, address=at(number), meta=meta, vsn=VSN, state=NodeState.ALIVE)


@dataclass
class Desk:
    """A table, and what is heard of it."""

    rows_max: int = 100
    heard: list[tuple[Change, str]] = field(default_factory=list)
    effects: list[Effect] = field(default_factory=list)
    now_s: float = 1000.0

    def __post_init__(self) -> None:
        own = Node(name="us", address=US, meta=b"", vsn=VSN, state=NodeState.ALIVE)
        self.table = MemberTable(
            own=pool_member(own, {}, ALIVE, self.now_s),
            settings=SerfSettings(),
            rows_max=self.rows_max,
            changed=self._changed,
            journal=Journal(self.effects, "serf"),
        )

    def _changed(self, change: Change, member: PoolMember, now_s: float) -> None:
        self.heard.append((change, member.name))

    def joined(self, name: str) -> None:
        self.table.joined(node(name), {}, self.now_s)

    def gone(self, name: str) -> None:
        self.table.gone(name, self.now_s)

    def leaves(self, name: str, ltime: int, *, prune: bool = False) -> bool:
        return self.table.leave_intent(name, ltime, prune=prune, now_s=self.now_s)

    def joins(self, name: str, ltime: int) -> bool:
        return self.table.join_intent(name, ltime, self.now_s)

    def status(self, name: str) -> MemberStatus | None:
        member = self.table.get(name)
        return member.status if member is not None else None


def desk_with(status: MemberStatus) -> Desk:
    """A table where x is so, by an intent of time 5 if there was one."""
    desk = Desk()
    desk.joined("x")
    if status in (LEAVING, LEFT):
        desk.leaves("x", 5)
    if status in (LEFT, FAILED):
        desk.gone("x")
    assert desk.status("x") is status
    desk.heard.clear()
    return desk


@pytest.mark.parametrize(
    ("status", "after", "change"),
    [
        (ALIVE, FAILED, Change.FAILED),
        (LEAVING, LEFT, Change.LEAVE),
        (LEFT, LEFT, None),
        (FAILED, FAILED, None),
    ],
)
def test_what_being_out_of_reach_means(
    status: MemberStatus, after: MemberStatus, change: Change | None
) -> None:
    desk = desk_with(status)
    desk.gone("x")
    assert desk.status("x") is after
    assert desk.heard == ([(change, "x")] if change else [])


@pytest.mark.parametrize("status", [ALIVE, LEAVING, LEFT, FAILED])
def test_who_can_be_reached_again_is_alive(status: MemberStatus) -> None:
    desk = desk_with(status)
    desk.now_s += 5
    desk.joined("x")
    assert desk.status("x") is ALIVE
    assert desk.heard == [(Change.JOIN, "x")]
    assert desk.table.failed_count == 0
    assert desk.table.left_names == ()


@pytest.mark.parametrize(
    ("status", "after", "change"),
    [
        (ALIVE, LEAVING, None),
        (LEAVING, LEAVING, None),
        (LEFT, LEFT, None),
        (FAILED, LEFT, Change.LEAVE),
    ],
)
def test_what_a_leave_intent_means(
    status: MemberStatus, after: MemberStatus, change: Change | None
) -> None:
    desk = desk_with(status)
    assert desk.leaves("x", 6), "it is told on, even if it changes nothing"
    assert desk.status("x") is after
    assert desk.heard == ([(change, "x")] if change else [])
    assert not desk.leaves("x", 6), "but once"


@pytest.mark.parametrize(
    ("status", "after"), [(ALIVE, ALIVE), (LEAVING, ALIVE), (LEFT, LEFT), (FAILED, FAILED)]
)
def test_what_a_join_intent_means(status: MemberStatus, after: MemberStatus) -> None:
    desk = desk_with(status)
    assert desk.joins("x", 6)
    assert desk.status("x") is after
    assert desk.heard == []
    assert not desk.joins("x", 6)


@pytest.mark.parametrize("ltime", [0, 4, 5])
def test_an_intent_that_is_not_newer_changes_nothing(ltime: int) -> None:
    desk = desk_with(LEAVING)
    assert not desk.joins("x", ltime)
    assert not desk.leaves("x", ltime, prune=True)
    assert desk.status("x") is LEAVING
    assert desk.table.status_ltime("x") == 5


def test_no_time_is_told_of_who_leaves_until_it_is_gone() -> None:
    """Who is told a time alone takes it for that of a join, and the leave for old."""
    desk = Desk()
    desk.joined("x")
    desk.leaves("x", 5)
    assert "x" not in desk.table.status_ltimes()
    desk.gone("x")
    assert desk.table.status_ltimes()["x"] == 5


def test_a_leave_of_time_zero_is_no_news_about_anybody() -> None:
    desk = Desk()
    desk.joined("x")
    assert not desk.leaves("x", 0)
    assert desk.status("x") is ALIVE


def test_an_intent_is_held_until_its_member_turns_up() -> None:
    desk = Desk()
    assert desk.leaves("x", 7)
    assert not desk.leaves("x", 7)
    assert desk.joins("y", 3)
    desk.joined("x")
    desk.joined("y")
    assert (desk.status("x"), desk.table.status_ltime("x")) == (LEAVING, 7)
    assert (desk.status("y"), desk.table.status_ltime("y")) == (ALIVE, 3)
    desk.gone("x")
    assert desk.status("x") is LEFT


def test_the_newer_of_two_held_intents_counts() -> None:
    desk = Desk()
    desk.leaves("x", 7)
    assert desk.joins("x", 8)
    assert not desk.leaves("x", 6)
    desk.joined("x")
    assert desk.status("x") is ALIVE


def test_held_intents_are_dropped_after_five_minutes() -> None:
    desk = Desk()
    desk.leaves("x", 7)
    desk.now_s += 301
    desk.table.reap(desk.now_s)
    desk.joined("x")
    assert desk.status("x") is ALIVE


def test_other_tags_of_a_member_are_told() -> None:
    desk = desk_with(LEAVING)
    desk.table.updated(node("x", 9), {"a": "b"}, desk.now_s + 1)
    member = desk.table.get("x")
    assert member is not None
    assert (member.tags, member.address, member.status) == ({"a": "b"}, at(9), LEAVING)
    assert member.since_s == desk.now_s
    assert desk.heard == [(Change.UPDATE, "x")]
    desk.table.updated(node("y"), {}, desk.now_s)
    assert desk.heard == [(Change.UPDATE, "x")]


def test_nothing_is_said_of_who_is_not_known() -> None:
    desk = Desk()
    desk.gone("x")
    assert desk.heard == []


# -------------------------------------------------------------------- forgetting


@pytest.mark.parametrize("status", [FAILED, LEFT])
def test_who_is_gone_is_pruned_at_once(status: MemberStatus) -> None:
    desk = desk_with(status)
    assert desk.leaves("x", 6, prune=True)
    assert desk.status("x") is None
    assert desk.heard[-1] == (Change.REAP, "x")
    assert desk.table.left_names == ()
    assert desk.table.failed_count == 0


def test_who_leaves_is_pruned_when_it_had_time_to_leave() -> None:
    desk = desk_with(ALIVE)
    desk.leaves("x", 6, prune=True)
    desk.gone("x")
    assert desk.status("x") is LEFT
    desk.table.prune(desk.now_s + PRUNE_DELAY_S - 0.1)
    assert desk.status("x") is LEFT
    desk.table.prune(desk.now_s + PRUNE_DELAY_S)
    assert desk.heard == [(Change.LEAVE, "x"), (Change.REAP, "x")]


def test_whom_memberlist_still_reaches_is_not_forgotten_before_it_is_gone() -> None:
    """memberlist would not tell of it a second time, and it would be lost for us."""
    desk = desk_with(ALIVE)
    desk.leaves("x", 6, prune=True)
    desk.table.prune(desk.now_s + PRUNE_DELAY_S)
    assert desk.status("x") is LEAVING
    desk.gone("x")
    assert desk.heard == [(Change.LEAVE, "x"), (Change.REAP, "x")]


def test_who_stays_after_all_is_not_pruned() -> None:
    desk = desk_with(ALIVE)
    desk.leaves("x", 6, prune=True)
    desk.joins("x", 7)
    desk.table.prune(desk.now_s + PRUNE_DELAY_S)
    desk.gone("x")
    assert desk.status("x") is FAILED
    assert desk.heard == [(Change.FAILED, "x")]


def test_we_do_not_forget_ourselves() -> None:
    desk = Desk()
    assert desk.leaves("us", 6, prune=True)
    desk.gone("us")
    desk.table.prune(desk.now_s + PRUNE_DELAY_S)
    assert desk.status("us") is LEFT


@pytest.mark.parametrize(("status", "hours"), [(FAILED, 72), (LEFT, 24)])
def test_who_is_gone_for_long_is_reaped(status: MemberStatus, hours: int) -> None:
    desk = desk_with(status)
    desk.table.reap(desk.now_s + hours * 3600)
    assert desk.status("x") is status
    desk.table.reap(desk.now_s + hours * 3600 + 1)
    assert desk.heard == [(Change.REAP, "x")]
    assert len(desk.table) == 1


def test_who_leaves_for_five_minutes_and_can_still_be_reached_stays() -> None:
    desk = desk_with(ALIVE)
    desk.leaves("x", 6, prune=True)
    desk.table.reap(desk.now_s + 299)
    assert desk.status("x") is LEAVING
    desk.table.reap(desk.now_s + 300)
    assert desk.status("x") is ALIVE
    assert not desk.joins("x", 6)
    desk.gone("x")
    assert desk.status("x") is FAILED
    assert desk.heard == [(Change.FAILED, "x")]


@pytest.mark.parametrize(
    ("status", "ltime", "after"),
    [
        (ALIVE, 4, ALIVE),
        (ALIVE, 5, ALIVE),
        (ALIVE, 6, LEAVING),
        (FAILED, 4, FAILED),
        (FAILED, 5, LEFT),
        (FAILED, 6, LEFT),
        (LEFT, 5, LEFT),
        (LEAVING, 5, LEAVING),
    ],
)
def test_what_it_means_that_another_takes_a_member_for_one_that_left(
    status: MemberStatus, ltime: int, after: MemberStatus
) -> None:
    desk = Desk()
    desk.joined("x")
    desk.joins("x", 4)
    if status in (LEAVING, LEFT):
        desk.leaves("x", 5)
    else:
        desk.joins("x", 5)
    if status in (LEFT, FAILED):
        desk.gone("x")
    assert desk.status("x") is status
    desk.heard.clear()
    desk.table.left_elsewhere("x", ltime, desk.now_s)
    assert desk.status("x") is after
    assert desk.table.status_ltime("x") == max(5, ltime)
    assert desk.heard == ([(Change.LEAVE, "x")] if (status, after) == (FAILED, LEFT) else [])


def test_for_reaping_counts_since_when_a_member_is_gone_not_since_it_was_made_to_leave() -> None:
    desk = desk_with(FAILED)
    gone_s = desk.now_s
    desk.now_s += 20 * 3600
    desk.leaves("x", 6)
    desk.table.reap(gone_s + 24 * 3600 + 1)
    assert desk.status("x") is None


def test_when_no_more_fit_who_is_gone_for_the_longest_time_is_forgotten() -> None:
    desk = Desk(rows_max=4)
    for name in "abc":
        desk.joined(name)
    for name in "ba":
        desk.gone(name)
        desk.now_s += 1
    desk.joined("d")
    assert [member.name for member in desk.table.all()] == ["a", "c", "d", "us"]
    assert desk.heard[-2:] == [(Change.REAP, "b"), (Change.JOIN, "d")]


def test_members_are_listed_by_name() -> None:
    desk = Desk()
    for name in ("x", "b", "a"):
        desk.joined(name)
    desk.leaves("x", 1)
    desk.gone("b")
    assert [member.name for member in desk.table.all()] == ["a", "b", "us", "x"]
    assert [member.name for member in desk.table.alive()] == ["a"]
    assert [member.name for member in desk.table.failed()] == ["b"]
    assert desk.table.status_ltimes() == {"us": 0, "b": 0, "a": 0}


def test_a_vsn_that_is_none_gives_no_versions() -> None:
    short = Node(name="x", address=at(2), meta=b"", vsn=b"\x01", state=NodeState.ALIVE)
    member = pool_member(short, {}, ALIVE, 0.0)
    assert (member.protocol, member.delegate) == ((0, 0, 0), (0, 0, 0))
