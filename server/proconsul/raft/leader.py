"""Leading: replication, commit, reads, changes of the members, handing over.

A leader sends only in `fill_outbox`, once a turn, so that all that came in a turn goes to each
follower together. What an answer means stands in the flight that its token names.
"""

from proconsul.raft.codec import encode_configuration
from proconsul.raft.effects import RefusedError, Role, TransferEnded
from proconsul.raft.entry import Entry
from proconsul.raft.membership import Change, changed
from proconsul.raft.messages import (
    AppendEntries,
    AppendReply,
    EntryKind,
    Index,
    InstallReply,
    InstallSnapshot,
    Lost,
    Reply,
    Server,
    ServerId,
    TimeoutNow,
)
from proconsul.raft.progress import Flight, Leadership, Pace, Progress, Transfer
from proconsul.raft.quorum import agreed, majority
from proconsul.raft.state import State


def begin(state: State) -> None:
    """Won: lead, and append the no-op that will commit what earlier leaders left (paper, 8)."""
    state.set_role(Role.LEADER, "a majority voted for it")
    state.set_leader(state.me)
    state.leadership = leadership = Leadership(
        Index(state.log.last_index + 1), state.settings.held_entries_max
    )
    _follow_membership(state, leadership)
    state.append_own(EntryKind.NOOP)


def _follow_membership(state: State, leadership: Leadership) -> None:
    """Have a Progress for each other member, and for nobody else."""
    followers = leadership.followers
    members = state.membership.by_id
    for gone in followers.keys() - members.keys():
        for token in followers.pop(gone).flights:
            del leadership.asked[token]
    for new in members:  # in their order, so that the same happenings give the same effects
        if new != state.me.id and new not in followers:
            followers[new] = Progress(leadership.first_index)
    leadership.front.forget()


def _choose_front(state: State, leadership: Leadership) -> None:
    """Have those in front without whom there is no majority, and nobody else."""
    voters = state.membership.voters
    able = [
        (server, progress.match_index)
        for server, progress in leadership.followers.items()
        if progress.pace is Pace.REPLICATE and state.membership.is_voter(server)
    ]
    needed = majority(len(voters)) - int(state.membership.is_voter(state.me.id))
    leadership.front.choose(able, needed)


def require_open(state: State) -> Leadership:
    """The leadership of a server that takes proposals; raises RefusedError for any other."""
    leadership = state.leadership
    if leadership is None:
        raise RefusedError("not the leader")
    if leadership.transfer is not None:
        raise RefusedError("leadership is being handed over")
    if leadership.is_restoring:
        raise RefusedError("a snapshot is being restored")
    if state.log.last_index - state.commit_index >= state.settings.uncommitted_entries_max:
        raise RefusedError("too many entries are not committed yet")
    return leadership


def tick(state: State, leadership: Leadership) -> None:
    """Time passes at the leader: heartbeats, and is it still heard?"""
    heard = int(state.membership.is_voter(state.me.id))
    for server, progress in leadership.followers.items():
        progress.tick(state.settings.election_ticks)
        if state.membership.is_voter(server):
            heard += progress.silent_ticks < state.settings.lease_ticks
    if heard < majority(len(state.membership.voters)):
        state.become_follower(state.term, None, "no majority answers")
        return
    leadership.front.tick(state.log.last_index, state.commit_index)
    leadership.commit_due = True
    leadership.ticks_to_heartbeat -= 1
    if leadership.ticks_to_heartbeat <= 0:
        leadership.heartbeat_due = True
    _tick_transfer(state, leadership)


def fill_outbox(state: State, leadership: Leadership) -> None:
    """Send to each follower what it lacks."""
    _begin_round(state, leadership)
    if leadership.heartbeat_due:
        leadership.heartbeat_due = False
        leadership.reads.renew()
        leadership.ticks_to_heartbeat = state.settings.heartbeat_ticks
        for server, progress in leadership.followers.items():
            _send_heartbeat(state, leadership, state.membership.by_id[server], progress)
    front = leadership.front
    front.turn(state.log.last_index, asked=leadership.commit_due or leadership.transfer is not None)
    for server, progress in leadership.followers.items():
        if not front.holds(server, progress.next_index) or progress.pace is not Pace.REPLICATE:
            _replicate(state, leadership, state.membership.by_id[server], progress)
    leadership.commit_due = False
    _tell_transfer_target(state, leadership)


def _begin_round(state: State, leadership: Leadership) -> None:
    """Begin a read round, if somebody waits and an entry of our term is committed.

    Before that the commit index may be older than what an earlier leader acknowledged.
    """
    if leadership.reads.wants_round and state.commit_index >= leadership.first_index:
        leadership.reads.begin(state.commit_index)
        leadership.heartbeat_due = True
        _confirm_reads(state, leadership)


def _confirm_reads(state: State, leadership: Leadership) -> None:
    reads = leadership.reads
    rounds = [
        reads.round if voter == state.me.id else leadership.followers[voter].round
        for voter in state.membership.voters
    ]
    leadership.confirmed_round = agreed(rounds)
    if reads.has_open_round:
        state.answer_reads(reads.confirmed(leadership.confirmed_round))


def _send_heartbeat(
    state: State, leadership: Leadership, server: Server, progress: Progress
) -> None:
    request = AppendEntries(token=state.next_token(), term=state.term, leader=state.me)
    flight = Flight(Index(0), Index(0), leadership.reads.round, is_heartbeat=True)
    _dispatch(state, leadership, server, progress, request, flight)


def _replicate(state: State, leadership: Leadership, server: Server, progress: Progress) -> None:
    flights_max = state.settings.flights_max
    while progress.may_send(flights_max):
        has_entries = progress.next_index <= state.log.last_index
        has_commit = leadership.commit_due and progress.commit_sent < state.commit_index
        if not (has_entries or has_commit or progress.pace is Pace.PROBE):
            return
        _send_next(state, leadership, server, progress)
        if not has_entries:
            return


def _send_next(state: State, leadership: Leadership, server: Server, progress: Progress) -> None:
    log = state.log
    first = progress.next_index
    previous = Index(first - 1)
    previous_term = log.term_at(previous) if previous >= log.base_index else None
    if previous_term is None:
        return _send_snapshot(state, leadership, server, progress)
    last = min(log.last_index, Index(previous + state.settings.entries_a_message_max))
    entries: tuple[Entry, ...] = ()
    if first <= last:
        entries = tuple(log.entries(first, last, state.settings.message_bytes_max))
    request = AppendEntries(
        token=state.next_token(),
        term=state.term,
        leader=state.me,
        previous_index=previous,
        previous_term=previous_term,
        entries=entries,
        commit_index=state.commit_index,
    )
    match_index = Index(previous + len(entries))
    progress.next_index = Index(match_index + 1)
    progress.commit_sent = min(state.commit_index, match_index)
    flight = Flight(match_index, previous, leadership.reads.round)
    return _dispatch(state, leadership, server, progress, request, flight)


def _send_snapshot(
    state: State, leadership: Leadership, server: Server, progress: Progress
) -> None:
    snapshot = state.log.snapshot
    assert snapshot.index >= state.log.base_index, "what the log lacks is in the snapshot"
    progress.pace = Pace.SNAPSHOT
    request = InstallSnapshot(
        token=state.next_token(), term=state.term, leader=state.me, snapshot=snapshot
    )
    flight = Flight(snapshot.index, Index(0), leadership.reads.round)
    _dispatch(state, leadership, server, progress, request, flight)


def _dispatch(
    state: State,
    leadership: Leadership,
    server: Server,
    progress: Progress,
    request: AppendEntries | InstallSnapshot,
    flight: Flight,
) -> None:
    leadership.asked[request.token] = server.id
    progress.sent(request.token, flight)
    state.send(server, request)


def step_outcome(state: State, leadership: Leadership, message: Reply | Lost) -> None:
    """A request has its outcome."""
    server = leadership.asked.pop(message.token, None)
    if server is None:
        return  # late: of an earlier leadership or of a server that left
    progress = leadership.followers[server]
    flight = progress.landed(message.token)
    pace, match_index = progress.pace, progress.match_index
    match message:
        case AppendReply(accepted=True) | InstallReply(accepted=True):
            if progress.accepted(flight):
                maybe_commit(state, leadership)
        case AppendReply(last_index=last_index):
            progress.refused(flight, last_index)
        case InstallReply():
            progress.heard(flight)
            progress.lost(flight, state.settings.probe_pause_ticks_max)
        case _:
            progress.lost(flight, state.settings.probe_pause_ticks_max)
    if progress.pace is not pace or (
        progress.match_index > match_index and server not in leadership.front.members
    ):
        _choose_front(state, leadership)
    # Most answers belong to a round that is confirmed already.
    if flight.round > leadership.confirmed_round and state.leadership is leadership:
        _confirm_reads(state, leadership)


def maybe_commit(state: State, leadership: Leadership) -> None:
    """Commit what a majority has on disk, if an entry of our term is among it (paper, 5.4.2)."""
    stable = state.log.stable_index
    matches = [
        stable if voter == state.me.id else leadership.followers[voter].match_index
        for voter in state.membership.voters
    ]
    index = Index(agreed(matches))
    if index <= state.commit_index or index < leadership.first_index:
        return
    assert state.log.term_at(index) == state.term, "entries from first_index on are ours"
    state.commit_index = index
    if index >= state.membership.latest_index and state.me.id not in state.membership.by_id:
        state.become_follower(state.term, None, "removed from the cluster")


def change(state: State, leadership: Leadership, wanted: Change) -> Index:
    """Append another configuration; see `Node.change`."""
    if state.commit_index < leadership.first_index:
        raise RefusedError("no entry of this term is committed yet")
    if state.membership.latest_index > state.commit_index:
        raise RefusedError("another change of the members is under way")
    following = changed(state.membership.latest, wanted)
    index = state.append_own(EntryKind.CONFIGURATION, encode_configuration(following))
    _follow_membership(state, leadership)
    return index


def restored(state: State, leadership: Leadership) -> None:
    """The log begins anew behind a restored snapshot, which nobody else has."""
    leadership.first_index = Index(state.log.last_index + 1)
    leadership.front.forget()
    for progress in leadership.followers.values():
        progress.next_index = Index(state.log.last_index)  # in front of the log: the snapshot


def begin_transfer(state: State, leadership: Leadership, target: ServerId | None) -> None:
    """Choose who is to lead; it is told once it has all entries."""
    voters = [server for server in leadership.followers if state.membership.is_voter(server)]
    if target is None and voters:
        target = max(voters, key=lambda server: _fitness(state, leadership.followers[server]))
    if target is None or target not in voters:
        raise RefusedError("leadership can only go to another voter")
    leadership.transfer = Transfer(target)


def _fitness(state: State, progress: Progress) -> tuple[bool, Index]:
    """Who is heard goes before who has more."""
    return progress.silent_ticks < state.settings.lease_ticks, progress.match_index


def _tell_transfer_target(state: State, leadership: Leadership) -> None:
    transfer = leadership.transfer
    if transfer is None or transfer.told:
        return
    if leadership.followers[transfer.target].match_index == state.log.last_index:
        transfer.told = leadership.was_handing_over = True
        server = state.membership.by_id[transfer.target]
        state.send(server, TimeoutNow(token=state.next_token(), term=state.term))


def _tick_transfer(state: State, leadership: Leadership) -> None:
    transfer = leadership.transfer
    if transfer is None:
        return
    transfer.ticks += 1
    if transfer.ticks > state.settings.election_ticks:
        leadership.transfer = None
        state.emit(TransferEnded(transfer.told, "the other server did not take over in time"))
