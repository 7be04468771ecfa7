"""See gossip/announcements.py."""

from dataclasses import dataclass, field

from proconsul.gossip import serf_codec
from proconsul.gossip.announcements import Announcements
from proconsul.gossip.delegate import Node
from proconsul.gossip.effects import Effect, MemberStatus
from proconsul.gossip.journal import Journal
from proconsul.gossip.lamport import LTIME_MAX, Clock
from proconsul.gossip.member_table import MemberTable, pool_member
from proconsul.gossip.merging import SLICE_ROWS, Moment
from proconsul.gossip.messages import NodeState
from proconsul.gossip.serf_broadcasts import SerfBroadcasts
from proconsul.gossip.serf_messages import Join, Leave, SerfMessage, State
from proconsul.gossip.settings import GossipSettings, SerfSettings
from server_tests.gossip.bench import US, VSN, at

NOW_S = 1000.0


def state(ltime: int, statuses: dict[str, int], *left: str) -> State:
    return State(
        ltime=ltime,
        status_ltimes=statuses,
        left_members=left,
        event_ltime=0,
        events=(),
        query_ltime=0,
    )


@dataclass
class Desk:
    """A member, and x, which it knows."""

    effects: list[Effect] = field(default_factory=list)

    def __post_init__(self) -> None:
        journal = Journal(self.effects, "serf")
        self.clock = Clock()
        own = Node(name="us", address=US, meta=b"", vsn=VSN, state=NodeState.ALIVE)
        self.table = MemberTable(
            own=pool_member(own, {}, MemberStatus.ALIVE, NOW_S),
            settings=SerfSettings(),
            rows_max=100,
            changed=lambda change, member, now_s: None,
            journal=journal,
        )
        self.queues = SerfBroadcasts(
            gossip=GossipSettings(),
            settings=SerfSettings(),
            body_bytes_max=1000,
            member_count=lambda: len(self.table),
        )
        self.ours = Announcements(
            clock=self.clock, table=self.table, broadcasts=self.queues, journal=journal
        )
        self.add("x")

    def add(self, name: str) -> None:
        node = Node(name=name, address=at(2), meta=b"", vsn=VSN, state=NodeState.ALIVE)
        self.table.joined(node, {}, NOW_S)

    def merge(self, state: State) -> int:
        """Take it in; after how many slices there were more."""
        return len(list(self.ours.merge(state, Moment(NOW_S))))

    def status(self, name: str) -> MemberStatus | None:
        member = self.table.get(name)
        return member.status if member is not None else None

    def told(self) -> list[SerfMessage]:
        return [serf_codec.decode(body) for body in self.queues.take(3, 1000)]


def test_a_join_of_ours_is_later_than_all_that_was_heard() -> None:
    desk = Desk()
    assert desk.ours.heard(Join(ltime=41, node="x"), NOW_S)
    desk.ours.say_joined(NOW_S)
    assert desk.told() == [Join(ltime=42, node="us")]
    assert desk.table.status_ltimes() == {"us": 42, "x": 41}
    assert desk.clock.time == 43


def test_that_we_leave_is_refuted_while_we_stay() -> None:
    desk = Desk()
    assert not desk.ours.heard(Leave(ltime=7, node="us", prune=True), NOW_S)
    assert desk.status("us") is MemberStatus.ALIVE
    assert desk.told() == [Join(ltime=9, node="us")]


def test_once_is_enough() -> None:
    desk = Desk()
    desk.ours.heard(Leave(ltime=7, node="us"), NOW_S)
    for ltime in (0, 1, 7):
        assert not desk.ours.heard(Leave(ltime=ltime, node="us"), NOW_S)
    assert desk.told() == [Join(ltime=9, node="us")]
    assert desk.clock.time == 10


def test_a_leave_of_the_time_of_our_last_join_is_refuted_too() -> None:
    """Who heard it before the join takes the join for old."""
    desk = Desk()
    desk.ours.say_joined(NOW_S)
    desk.ours.heard(Leave(ltime=1, node="us"), NOW_S)
    assert desk.told() == [Join(ltime=3, node="us"), Join(ltime=1, node="us")]


def test_a_leave_of_time_zero_convinces_nobody_and_is_not_refuted() -> None:
    desk = Desk()
    desk.ours.heard(Leave(ltime=0, node="us"), NOW_S)
    assert desk.told() == []


def test_when_we_leave_it_is_right() -> None:
    desk = Desk()
    desk.ours.is_leaving = True
    ticket = desk.ours.say_leaves("us", NOW_S)
    assert ticket is not None
    assert ticket in desk.queues.intents
    assert desk.status("us") is MemberStatus.LEAVING
    assert desk.told() == [Leave(ltime=1, node="us")]
    assert desk.ours.heard(Leave(ltime=9, node="us"), NOW_S)
    desk.ours.say_joined(NOW_S)
    assert desk.status("us") is MemberStatus.LEAVING


def test_where_nobody_is_alive_nothing_is_told() -> None:
    desk = Desk()
    desk.table.gone("x", NOW_S)
    assert desk.ours.say_leaves("x", NOW_S) is None
    assert desk.status("x") is MemberStatus.LEFT
    assert desk.told() == []


# -------------------------------------------------------------------- states of others


def test_the_clock_follows_that_of_another() -> None:
    """Its clock is the time of its next message, which was not sent yet."""
    desk = Desk()
    desk.merge(state(10, {}))
    assert desk.clock.time == 10
    desk.merge(state(0, {}))
    assert desk.clock.time == 10


def test_what_another_knows_is_taken_and_not_told_on() -> None:
    desk = Desk()
    desk.add("y")
    desk.table.gone("y", NOW_S)
    desk.merge(state(10, {"x": 4, "y": 5, "z": 6, "w": 7}, "y", "z"))
    assert desk.status("x") is MemberStatus.ALIVE
    assert desk.status("y") is MemberStatus.LEFT
    assert desk.table.status_ltimes() == {"us": 0, "x": 4, "y": 5}
    assert desk.told() == []
    desk.add("z")
    desk.add("w")
    assert desk.status("z") is MemberStatus.LEAVING
    assert desk.status("w") is MemberStatus.ALIVE


def test_a_state_does_not_make_a_member_leave_that_joined_since() -> None:
    desk = Desk()
    desk.ours.heard(Join(ltime=9, node="x"), NOW_S)
    desk.merge(state(10, {"x": 7}, "x"))
    assert desk.status("x") is MemberStatus.ALIVE


def test_a_leave_counts_although_its_time_was_known_before() -> None:
    """Real agents put the time of a leave that was not heard yet into their state."""
    desk = Desk()
    desk.merge(state(10, {"x": 8}))
    assert desk.ours.heard(Leave(ltime=8, node="x"), NOW_S), "others have not heard it, either"
    assert not desk.ours.heard(Leave(ltime=8, node="x"), NOW_S)
    desk.table.gone("x", NOW_S)
    assert desk.status("x") is MemberStatus.LEFT


def test_a_leave_of_the_time_of_a_join_that_was_heard_is_old() -> None:
    desk = Desk()
    desk.merge(state(10, {"x": 7}))
    desk.ours.heard(Join(ltime=8, node="x"), NOW_S)
    assert not desk.ours.heard(Leave(ltime=8, node="x"), NOW_S)
    assert desk.status("x") is MemberStatus.ALIVE


def test_a_state_with_us_among_the_left_is_answered() -> None:
    desk = Desk()
    desk.merge(state(10, {"us": 8, "x": 4}, "us"))
    (told,) = desk.told()
    assert told == Join(ltime=11, node="us")
    assert desk.status("us") is MemberStatus.ALIVE


def test_what_was_said_about_us_without_our_knowledge_is_answered() -> None:
    """We were away when somebody made us leave; all that shows of it is the time."""
    desk = Desk()
    desk.merge(state(10, {"us": 8}))
    assert desk.told() == [Join(ltime=11, node="us")]
    desk.merge(state(12, {"us": 11}))
    desk.merge(state(12, {"us": 8}))
    assert desk.told() == [Join(ltime=11, node="us")], "nothing else is to be said"


def test_one_of_our_name_does_not_make_us_talk_without_end() -> None:
    """It says that it joined; if each answered the other by gossip, that would go on for ever."""
    desk = Desk()
    assert desk.ours.heard(Join(ltime=8, node="us"), NOW_S)
    assert desk.told() == []


def test_one_that_came_back_does_not_leave_because_another_has_not_heard() -> None:
    desk = Desk()
    desk.ours.heard(Leave(ltime=8, node="x"), NOW_S)
    desk.table.gone("x", NOW_S)
    desk.add("x")
    desk.merge(state(10, {"x": 8}, "x"))
    assert desk.status("x") is MemberStatus.ALIVE
    assert desk.table.status_ltime("x") == 8
    assert desk.clock.time == 10


def test_the_clock_passes_all_that_is_said_of_who_left() -> None:
    desk = Desk()
    desk.merge(state(1, {"x": 8}, "x"))
    assert desk.clock.time == 9


def test_one_that_failed_here_and_left_elsewhere_has_left() -> None:
    """We knew the time of its leave from another exchange, but not that it was one."""
    desk = Desk()
    desk.merge(state(10, {"x": 8}))
    desk.table.gone("x", NOW_S)
    desk.merge(state(10, {"x": 8}, "x"))
    assert desk.status("x") is MemberStatus.LEFT


def test_exchanges_between_those_that_know_the_same_do_not_move_the_clock() -> None:
    desk = Desk()
    desk.ours.heard(Leave(ltime=8, node="x"), NOW_S)
    desk.table.gone("x", NOW_S)
    for _ in range(5):
        desk.merge(state(9, {"x": 8}, "x"))
    assert desk.clock.time == 9


def test_at_the_end_of_time_states_can_still_be_merged() -> None:
    desk = Desk()
    everything = state(LTIME_MAX, {"x": LTIME_MAX, "us": LTIME_MAX}, "x", "us")
    for _ in range(3):
        desk.merge(everything)
    assert desk.told() == [Join(ltime=LTIME_MAX, node="us")], "there is no later time"
    assert desk.clock.time == LTIME_MAX
    assert desk.table.status_ltime("us") == desk.table.status_ltime("x") == LTIME_MAX


def test_what_another_knows_of_many_is_taken_in_by_slices() -> None:
    desk = Desk()
    names = [f"n{number}" for number in range(2 * SLICE_ROWS)]
    assert desk.merge(state(9, dict.fromkeys(names[: SLICE_ROWS - 1], 5))) == 0
    assert desk.merge(state(9, dict.fromkeys(names, 6), *names)) == 4
