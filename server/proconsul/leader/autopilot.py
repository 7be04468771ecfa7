"""How the servers of raft are, who becomes a voter, who is dead (consul: autopilot.go of 1.8).

A server is healthy if it lives, heard the leader lately and has nearly all of its log. One that
was so for long enough may vote; one that is dead is removed, as long as only few are.

A server is dead if the pool says so *and* raft has not heard it for a while: a pool can be
mistaken, and a server that answers raft is not dead. That also makes a removal safe: this server
leads, so a majority answers; of whom is removed we know that it does not; and a majority of n
voters is one of the n - 1 others as well.

Pure: what was asked, and the time, come from runtime/autopilot.py. Times `..._s` are monotonic.
"""

from collections.abc import Iterable, Mapping

from msgspec import Struct

from proconsul.leader.pool import PoolMember, Status
from proconsul.model.operator import (
    AutopilotConfig,
    OperatorHealthReply,
    ServerHealth,
    ServerStats,
)
from proconsul.raft.messages import Configuration, Index, Server, ServerId, Suffrage, Term
from proconsul.wire.golang import (
    SECOND,
    ZERO_TIME,
    Duration,
    DurationError,
    Time,
    parse_duration,
    time_from_unix_ns,
)

UNKNOWN_DEAD_AFTER_S = 60.0  # of leading without the pool hearing of a server at all
SILENT_DEAD_AFTER_S = 10.0  # at least, without a word to raft
ELECTION_TIMEOUTS_DEAD_AFTER = 2
NO_CONTACT = Duration(-1)  # how Consul shows a server that did not answer, or heard no leader

Members = Mapping[str, PoolMember]  # by server ID


class Now(Struct, frozen=True, kw_only=True):
    """When something is judged, on both clocks."""

    monotonic_s: float
    unix_ns: int


class LeaderLog(Struct, frozen=True, kw_only=True):
    """Who leads, and how far its log goes."""

    id: ServerId
    last_term: Term
    last_index: Index


class Judgement(Struct, frozen=True):
    """What is thought of a server, and since when its health is the same."""

    shown: ServerHealth
    stable_since_s: float


Health = Mapping[ServerId, Judgement]  # in the order of the configuration


def by_id(members: Iterable[PoolMember]) -> dict[str, PoolMember]:
    """The pool's members by server ID; of two with one ID the one that is alive."""
    found: dict[str, PoolMember] = {}
    for member in members:
        other = found.get(member.server.node_id)
        if other is None or other.status is not Status.ALIVE:
            found[member.server.node_id] = member
    return found


# -------------------------------------------------------------------- health


def judge(
    config: AutopilotConfig,
    leader: LeaderLog,
    configuration: Configuration,
    members: Members,
    stats: Mapping[ServerId, ServerStats],
    previous: Health,
    now: Now,
) -> dict[ServerId, Judgement]:
    """How each server of the configuration is.

    `stats` holds the answers to `Status.RaftStats`, of those that answered; `leader` is as it
    was when they were asked; `previous` is the last result of this term.
    """
    return {
        server.id: _judge_one(
            config,
            leader,
            server,
            members.get(server.id),
            stats.get(server.id),
            previous.get(server.id),
            now,
        )
        for server in configuration.servers
    }


def _judge_one(
    config: AutopilotConfig,
    leader: LeaderLog,
    server: Server,
    member: PoolMember | None,
    stats: ServerStats | None,
    previous: Judgement | None,
    now: Now,
) -> Judgement:
    leads = server.id == leader.id
    if leads:
        stats = ServerStats(
            last_contact="0", last_term=leader.last_term, last_index=leader.last_index
        )
    contact = NO_CONTACT if stats is None else _contact(stats)
    alive = leads or member is None or member.status is Status.ALIVE
    healthy = stats is not None and alive and _keeps_up(config, leader, stats, contact)
    since, since_s = _stable_since(healthy, answered=stats is not None, previous=previous, now=now)
    shown = ServerHealth(
        id=server.id,
        name=member.server.node if member is not None else "",
        address=server.address,
        serf_status=int(Status.NONE if member is None else member.status),
        version=member.server.version if member is not None else "",
        leader=leads,
        last_contact=contact,
        last_term=stats.last_term if stats is not None else 0,
        last_index=stats.last_index if stats is not None else 0,
        healthy=healthy,
        voter=server.suffrage is Suffrage.VOTER,
        stable_since=since,
    )
    return Judgement(shown, since_s)


def _contact(stats: ServerStats) -> Duration:
    """How long ago it heard the leader; `never`, and what is no duration, is NO_CONTACT."""
    try:
        return parse_duration(stats.last_contact)
    except DurationError:
        return NO_CONTACT


def _keeps_up(
    config: AutopilotConfig, leader: LeaderLog, stats: ServerStats, contact: Duration
) -> bool:
    return (
        0 <= contact <= config.last_contact_threshold
        and stats.last_term == leader.last_term
        and stats.last_index >= leader.last_index - config.max_trailing_logs
    )


def _stable_since(
    healthy: bool, *, answered: bool, previous: Judgement | None, now: Now
) -> tuple[Time, float]:
    """Since when its health is as it is; the zero time if it does not even answer (as Consul)."""
    if not answered:
        return ZERO_TIME, now.monotonic_s
    if previous is not None and previous.shown.healthy == healthy:
        return previous.shown.stable_since, previous.stable_since_s
    seconds = round(now.unix_ns / SECOND)  # Consul shows whole ones
    return time_from_unix_ns(seconds * SECOND), now.monotonic_s


def reply(health: Health) -> OperatorHealthReply:
    """The answer to an operator: all healthy? how many voters may still fail?"""
    servers = [one.shown for one in health.values()]
    voters = sum(server.voter for server in servers)
    healthy_voters = sum(server.voter and server.healthy for server in servers)
    return OperatorHealthReply(
        healthy=all(server.healthy for server in servers),
        failure_tolerance=max(healthy_voters - (voters // 2 + 1), 0),
        servers=servers,
    )


# -------------------------------------------------------------------- promotion


def next_promotion(
    config: AutopilotConfig,
    configuration: Configuration,
    members: Members,
    health: Health,
    now_s: float,
) -> Server | None:
    """A non-voter that was healthy for `ServerStabilizationTime`, and may vote; None: nobody."""
    stable_s = config.server_stabilization_time / SECOND
    for server in configuration.servers:
        judged, member = health.get(server.id), members.get(server.id)
        if server.suffrage is not Suffrage.NONVOTER or judged is None:
            continue
        if member is not None and member.server.non_voter:
            continue  # it was configured to be none
        if judged.shown.healthy and now_s - judged.stable_since_s >= stable_s:
            return server
    return None


# -------------------------------------------------------------------- cleaning up


class Watch(Struct, frozen=True, kw_only=True):
    """Since when this server leads, and what raft heard meanwhile, in seconds."""

    led_s: float
    silent_s: Mapping[ServerId, float]  # since each follower's last answer to this leader
    election_timeout_s: float

    @property
    def dead_after_s(self) -> float:
        """For how long one must be silent to be dead."""
        return max(SILENT_DEAD_AFTER_S, ELECTION_TIMEOUTS_DEAD_AFTER * self.election_timeout_s)


class Cleanup(Struct, frozen=True):
    """Whom to remove first, or nobody although some are dead; and why, for the log."""

    server: Server | None
    why: str


def next_removal(
    config: AutopilotConfig,
    me: ServerId,
    configuration: Configuration,
    members: Members,
    watch: Watch,
) -> Cleanup | None:
    """What to do about dead servers; None if there are none, or they may stay.

    Removed one by one, by the rules of Consul for all of them together: dead non-voters at once,
    they carry nothing; dead voters only if they are fewer than half, (n - 1) / 2 of n, and as
    many as `MinQuorum` are left. What is true of all stays true after each removal.
    """
    if not config.cleanup_dead_servers:
        return None
    dead = [
        (server, why)
        for server in configuration.servers
        if server.id != me and (why := _death(server, members.get(server.id), watch))
    ]
    for server, why in dead:
        if server.suffrage is not Suffrage.VOTER:
            return Cleanup(server, f"removing the dead non-voter {_named(server)}: {why}")
    if not dead:
        return None
    voters = sum(server.suffrage is Suffrage.VOTER for server in configuration.servers)
    left = voters - len(dead)
    if left < config.min_quorum:
        return Cleanup(
            None,
            f"denied, because removing {len(dead)}/{voters} servers would leave less than the "
            f"minimal allowed quorum of {config.min_quorum} servers",
        )
    if len(dead) > (voters - 1) // 2:
        return Cleanup(
            None,
            f"denied, because removing the majority of servers {len(dead)}/{voters} is not safe",
        )
    server, why = dead[0]
    return Cleanup(server, f"removing the dead server {_named(server)}: {why}")


def _named(server: Server) -> str:
    return f"(ID: {server.id} Address: {server.address})"


def _death(server: Server, member: PoolMember | None, watch: Watch) -> str:
    """Why it is dead, or "" if it is not."""
    silent_s = watch.silent_s.get(server.id, 0.0)  # one that was just added has all its time
    if silent_s <= watch.dead_after_s:
        return ""
    silence = f"raft has not heard it for {silent_s:.0f} s"
    if member is None:
        may_come = watch.led_s <= UNKNOWN_DEAD_AFTER_S
        return "" if may_come else f"no member of the pool has this ID, and {silence}"
    if member.status in (Status.FAILED, Status.LEFT):
        return f"member {member.server.node} {member.status.name.lower()}, and {silence}"
    return ""
