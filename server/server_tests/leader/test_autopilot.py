"""How servers are judged, when they may vote, and when they are removed for good."""

from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from proconsul.leader import autopilot
from proconsul.leader.autopilot import Cleanup, Judgement, LeaderLog, Now, Watch, by_id
from proconsul.leader.pool import PoolMember, Status
from proconsul.model.operator import (
    AutopilotConfig,
    OperatorHealthReply,
    ServerHealth,
    ServerStats,
)
from proconsul.raft.membership import RemoveServer, changed
from proconsul.raft.messages import Configuration, Index, ServerId, Suffrage, Term
from proconsul.raft.quorum import majority
from proconsul.wire.golang import MILLISECOND, SECOND, ZERO_TIME, Duration, time_from_unix_ns
from server_tests.leader.pool_and_raft import alive, failed, left, raft, server, shown

CONFIG = AutopilotConfig(
    cleanup_dead_servers=True,
    last_contact_threshold=Duration(200 * MILLISECOND),
    max_trailing_logs=250,
    server_stabilization_time=Duration(10 * SECOND),
)
ME = ServerId("s1")
LEADER = LeaderLog(id=ME, last_term=Term(4), last_index=Index(1000))
GOOD = ServerStats(last_contact="15.2ms", last_term=4, last_index=1000)
ALL = [alive(server(name)) for name in ("s1", "s2", "s3")]


def at(second: float) -> Now:
    return Now(monotonic_s=second, unix_ns=round(1e9 * second))


@dataclass
class Rounds:
    """Health, asked for time and again."""

    configuration: Configuration
    members: list[PoolMember]
    health: dict[ServerId, Judgement] = field(default_factory=dict)
    config: AutopilotConfig = CONFIG

    def ask(self, second: float, **stats: ServerStats) -> OperatorHealthReply:
        """A round at this second: who answers, and what."""
        answers = {ServerId(name): one for name, one in stats.items()}
        self.health = autopilot.judge(
            self.config,
            LEADER,
            self.configuration,
            by_id(self.members),
            answers,
            self.health,
            at(second),
        )
        return autopilot.reply(self.health)

    def server(self, name: str) -> ServerHealth:
        return self.health[ServerId(name)].shown

    def promotion(self, second: float) -> str:
        """Whom to promote at this second."""
        found = autopilot.next_promotion(
            self.config, self.configuration, by_id(self.members), self.health, second
        )
        return found.id if found is not None else ""


def rounds(*names: str, members: list[PoolMember] | None = None) -> Rounds:
    return Rounds(raft(*names), ALL if members is None else members)


# ---------------------------------------------------------------- health


def test_a_leader_alone_is_healthy_and_nobody_may_fail() -> None:
    answer = rounds("s1").ask(100.4)
    assert answer == OperatorHealthReply(
        healthy=True,
        failure_tolerance=0,
        servers=[
            ServerHealth(
                id="s1",
                name="s1",
                address="10.0.0.1:8300",
                serf_status=1,
                version="1.8.7",
                leader=True,
                last_contact=Duration(0),
                last_term=4,
                last_index=1000,
                healthy=True,
                voter=True,
                stable_since=time_from_unix_ns(100 * SECOND),
            )
        ],
    )


@pytest.mark.parametrize(
    ("stats", "healthy"),
    [
        (GOOD, True),
        (ServerStats(last_contact="0", last_term=4, last_index=1000), True),
        (ServerStats(last_contact="200ms", last_term=4, last_index=1000), True),
        (ServerStats(last_contact="200.001ms", last_term=4, last_index=1000), False),
        (ServerStats(last_contact="never", last_term=4, last_index=1000), False),
        (ServerStats(last_contact="soon", last_term=4, last_index=1000), False),
        (ServerStats(last_contact="", last_term=4, last_index=1000), False),
        (ServerStats(last_contact="-1s", last_term=4, last_index=1000), False),
        (ServerStats(last_contact="1ms", last_term=3, last_index=1000), False),
        (ServerStats(last_contact="1ms", last_term=5, last_index=1000), False),
        (ServerStats(last_contact="1ms", last_term=4, last_index=750), True),
        (ServerStats(last_contact="1ms", last_term=4, last_index=749), False),
        (ServerStats(last_contact="1ms", last_term=4, last_index=2000), True),
    ],
)
def test_a_server_is_healthy_that_heard_the_leader_and_has_nearly_all_of_its_log(
    stats: ServerStats, healthy: bool
) -> None:
    asked = rounds("s1", "s2")
    assert asked.ask(100, s2=stats).healthy is healthy
    assert asked.server("s2").healthy is healthy
    assert asked.server("s2").last_index == stats.last_index


def test_a_log_shorter_than_what_may_be_missing_is_long_enough() -> None:
    asked = rounds("s1", "s2")
    asked.config = AutopilotConfig(last_contact_threshold=Duration(SECOND), max_trailing_logs=1500)
    assert asked.ask(100, s2=ServerStats(last_contact="0", last_term=4, last_index=0)).healthy


@pytest.mark.parametrize(
    ("member", "status", "healthy"),
    [
        (alive(server("s2")), "alive", True),
        (failed(server("s2")), "failed", False),
        (left(server("s2")), "left", False),
        (PoolMember(server("s2"), Status.LEAVING, 0.0), "leaving", False),
        (None, "none", True),  # a real server, say, that the pool cannot know yet
    ],
)
def test_who_answers_is_healthy_unless_the_pool_says_that_it_is_not(
    member: PoolMember | None, status: str, healthy: bool
) -> None:
    asked = rounds("s1", "s2", members=[ALL[0]] if member is None else [ALL[0], member])
    asked.ask(100, s2=GOOD)
    assert asked.server("s2").healthy is healthy
    assert asked.server("s2").serf_status == Status[status.upper()]
    assert asked.server("s2").name == ("" if member is None else "s2")
    assert asked.server("s2").version == ("" if member is None else "1.8.7")


def test_who_does_not_answer_is_shown_as_consul_shows_it() -> None:
    asked = rounds("s1", "s2")
    assert not asked.ask(100).healthy
    assert asked.server("s2") == ServerHealth(
        id="s2",
        name="s2",
        address="10.0.0.2:8300",
        serf_status=1,
        version="1.8.7",
        last_contact=Duration(-1),
        voter=True,
        stable_since=ZERO_TIME,
    )


def test_it_is_stable_since_its_health_changed_last() -> None:
    asked = rounds("s1", "s2")
    behind = ServerStats(last_contact="1ms", last_term=4, last_index=1)
    since = []
    for second, stats in ((100, GOOD), (102, GOOD), (104, behind), (106, behind), (108, GOOD)):
        asked.ask(second, s2=stats)
        since.append(asked.server("s2").stable_since)
    assert since == [time_from_unix_ns(at_s * SECOND) for at_s in (100, 100, 104, 104, 108)]
    assert asked.server("s1").stable_since == time_from_unix_ns(100 * SECOND)


@pytest.mark.parametrize(
    ("names", "healthy", "all_healthy", "tolerance"),
    [
        (["s1", "s2", "s3"], ["s2", "s3"], True, 1),
        (["s1", "s2", "s3"], ["s2"], False, 0),
        (["s1", "s2"], ["s2"], True, 0),
        (["s1", "s2", "s3", "s4", "s5"], ["s2", "s3", "s4", "s5"], True, 2),
        (["s1", "s2", "s3", "s4", "s5"], ["s2", "s3", "s4"], False, 1),
        (["s1", "s2", "s3?"], ["s2", "s3"], True, 0),
        (["s1", "s2", "s3", "s4?"], ["s2", "s3"], False, 1),
    ],
)
def test_as_many_voters_may_fail_as_are_healthy_beyond_a_majority(
    names: list[str], healthy: list[str], all_healthy: bool, tolerance: int
) -> None:
    answer = rounds(*names).ask(100, **dict.fromkeys(healthy, GOOD))
    assert (answer.healthy, answer.failure_tolerance) == (all_healthy, tolerance)


def test_of_two_members_with_one_id_the_one_that_lives_counts() -> None:
    old, new = failed(server("s2", id_="x")), alive(server("s3", id_="x"))
    assert by_id([old, new]) == by_id([new, old]) == {"x": new}


# ---------------------------------------------------------------- promotion


def test_a_non_voter_is_promoted_after_the_time_it_has_to_be_stable() -> None:
    asked = rounds("s1", "s2?")
    assert asked.promotion(100) == ""  # never asked yet
    asked.ask(100, s2=GOOD)
    assert asked.promotion(109.9) == ""
    assert asked.promotion(110) == "s2"


def test_a_lapse_begins_the_time_anew() -> None:
    asked = rounds("s1", "s2?")
    asked.ask(100, s2=GOOD)
    asked.ask(108)
    asked.ask(110, s2=GOOD)
    assert asked.promotion(119.9) == ""
    assert asked.promotion(120) == "s2"


def test_who_is_not_healthy_is_not_promoted_however_long_that_lasts() -> None:
    asked = rounds("s1", "s2?")
    asked.ask(100, s2=ServerStats(last_contact="never", last_term=4, last_index=1000))
    assert asked.promotion(1000) == ""


def test_one_that_was_configured_not_to_vote_never_does() -> None:
    members = [ALL[0], alive(server("s2", non_voter=True)), ALL[2]]
    asked = rounds("s1", "s2?", "s3?", members=members)
    asked.ask(100, s2=GOOD, s3=GOOD)
    assert asked.promotion(200) == "s3"


def test_one_that_the_pool_does_not_know_is_promoted() -> None:
    asked = rounds("s1", "s2?", members=[ALL[0]])
    asked.ask(100, s2=GOOD)
    assert asked.promotion(110) == "s2"


def test_voters_are_not_promoted() -> None:
    asked = rounds("s1", "s2")
    asked.ask(100, s2=GOOD)
    assert asked.promotion(200) == ""


# ---------------------------------------------------------------- cleaning up

FIVE = ("s1", "s2", "s3", "s4", "s5")
LONG = 1000.0


def watch(*silent: str, led_s: float = LONG, silent_s: float = 30.0) -> Watch:
    """So long does this server lead; those have been silent."""
    return Watch(
        led_s=led_s, silent_s=dict.fromkeys(map(ServerId, silent), silent_s), election_timeout_s=1.0
    )


def removal(
    names: tuple[str, ...],
    members: list[PoolMember],
    watched: Watch,
    config: AutopilotConfig = CONFIG,
) -> Cleanup | None:
    return autopilot.next_removal(config, ME, raft(*names), by_id(members), watched)


def pool(*down: str, unknown: tuple[str, ...] = ()) -> list[PoolMember]:
    return [
        (failed if name in down else alive)(server(name)) for name in FIVE if name not in unknown
    ]


def cleaned(
    names: tuple[str, ...],
    members: list[PoolMember],
    watched: Watch,
    config: AutopilotConfig = CONFIG,
) -> list[str]:
    """What is left when all is done that can be done."""
    configuration = raft(*names)
    while True:
        found = autopilot.next_removal(config, ME, configuration, by_id(members), watched)
        if found is None or found.server is None:
            return [one.partition("@")[0] for one in shown(configuration)]
        configuration = changed(configuration, RemoveServer(found.server.id))


def test_while_all_live_nobody_is_removed() -> None:
    assert removal(FIVE, pool(), watch()) is None


def test_failed_servers_are_removed_as_long_as_they_are_a_minority() -> None:
    assert cleaned(FIVE, pool("s4", "s5"), watch("s4", "s5")) == ["s1", "s2", "s3"]
    found = removal(FIVE, pool("s5"), watch("s5"))
    assert found is not None
    assert found.why == (
        "removing the dead server (ID: s5 Address: 10.0.0.5:8300): "
        "member s5 failed, and raft has not heard it for 30 s"
    )


@pytest.mark.parametrize(
    ("names", "down", "denied"),
    [
        (FIVE, ("s3", "s4", "s5"), True),
        (FIVE, ("s4", "s5"), False),
        (("s1", "s2", "s3", "s4"), ("s3", "s4"), True),
        (("s1", "s2", "s3", "s4"), ("s4",), False),
        (("s1", "s2", "s3"), ("s3",), False),
        (("s1", "s2", "s3"), ("s2", "s3"), True),
        (("s1", "s2"), ("s2",), True),
    ],
)
def test_no_half_of_the_voters_is_ever_removed(
    names: tuple[str, ...], down: tuple[str, ...], denied: bool
) -> None:
    found = removal(names, pool(*down), watch(*down))
    assert found is not None
    assert (found.server is None) is denied
    if denied:
        assert cleaned(names, pool(*down), watch(*down)) == list(names)
        assert f"removing the majority of servers {len(down)}/{len(names)}" in found.why


@pytest.mark.parametrize(("min_quorum", "stays"), [(0, 4), (3, 4), (4, 4), (5, 5)])
def test_as_many_voters_stay_as_the_operator_wants(min_quorum: int, stays: int) -> None:
    config = AutopilotConfig(cleanup_dead_servers=True, min_quorum=min_quorum)
    assert len(cleaned(FIVE, pool("s5"), watch("s5"), config)) == stays


def test_all_or_none_of_the_dead_are_removed() -> None:
    config = AutopilotConfig(cleanup_dead_servers=True, min_quorum=4)
    assert cleaned(FIVE, pool("s4", "s5"), watch("s4", "s5"), config) == list(FIVE)


def test_dead_non_voters_are_removed_even_where_too_many_voters_are_dead() -> None:
    names = ("s1", "s2", "s3?")
    assert cleaned(names, pool("s2", "s3"), watch("s2", "s3")) == ["s1", "s2"]


def test_nobody_is_removed_where_that_is_switched_off() -> None:
    assert removal(FIVE, pool("s5"), watch("s5"), AutopilotConfig()) is None


@pytest.mark.parametrize(
    ("silent_s", "election_timeout_s", "dead"),
    [(10.0, 1.0, False), (10.1, 1.0, True), (19.9, 10.0, False), (20.1, 10.0, True)],
)
def test_one_that_raft_hears_is_not_dead_whatever_the_pool_says(
    silent_s: float, election_timeout_s: float, dead: bool
) -> None:
    watched = replace(watch("s5", silent_s=silent_s), election_timeout_s=election_timeout_s)
    assert (removal(FIVE, pool("s5"), watched) is not None) is dead


def test_one_that_lives_is_not_dead_however_silent_raft_is() -> None:
    assert removal(FIVE, pool(), watch("s2", "s3", "s4", "s5")) is None


def test_one_that_was_added_just_now_is_not_dead() -> None:
    assert removal(FIVE, pool("s5"), watch()) is None


@pytest.mark.parametrize(("led_s", "dead"), [(60.0, False), (60.1, True)])
def test_one_that_the_pool_never_heard_of_is_dead_after_a_while(led_s: float, dead: bool) -> None:
    members = pool(unknown=("s5",))
    found = removal(FIVE, members, watch("s5", led_s=led_s))
    assert (found is not None) is dead
    assert removal(FIVE, members, watch(led_s=led_s)) is None  # it answers raft


def test_the_leader_does_not_remove_itself() -> None:
    assert removal(FIVE, pool("s1", unknown=("s1",)), watch("s1")) is None


@given(
    st.lists(st.sampled_from(["up", "failed", "left", "unknown", "silent"]), max_size=8),
    st.lists(st.booleans(), min_size=8, max_size=8),
    st.integers(0, 5),
)
def test_a_majority_that_answers_is_left_with_a_majority_after_each_removal(
    fates: list[str], voters: list[bool], min_quorum: int
) -> None:
    config = AutopilotConfig(cleanup_dead_servers=True, min_quorum=min_quorum)
    others = {f"s{number}": fate for number, fate in enumerate(fates, 2)}
    members = [alive(server("s1"))] + [
        PoolMember(
            server(name), Status[{"up": "ALIVE", "silent": "ALIVE"}.get(fate, fate.upper())], 0
        )
        for name, fate in others.items()
        if fate != "unknown"
    ]
    mute = {name for name, fate in others.items() if fate != "up"}
    configuration = raft(
        "s1",
        *(f"{name}{'' if votes else '?'}" for name, votes in zip(others, voters, strict=False)),
    )

    def answer(one: Configuration) -> bool:
        voting = [server.id for server in one.servers if server.suffrage is Suffrage.VOTER]
        return len(set(voting) - mute) >= majority(len(voting))

    if not answer(configuration):
        return  # then it does not lead
    before = sum(one.suffrage is Suffrage.VOTER for one in configuration.servers)
    while True:
        found = autopilot.next_removal(config, ME, configuration, by_id(members), watch(*mute))
        if found is None or found.server is None:
            break
        assert found.server.id in mute
        configuration = changed(configuration, RemoveServer(found.server.id))
        assert answer(configuration)
    after = sum(one.suffrage is Suffrage.VOTER for one in configuration.servers)
    assert after == before or after >= max(min_quorum, before // 2 + 1)
