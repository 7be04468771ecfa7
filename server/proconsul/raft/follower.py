"""What a server answers to those who lead or want to (paper, figure 2; wire/raft.md, 5)."""

from typing import Final

from proconsul.raft import candidate
from proconsul.raft.effects import AbandonedSnapshotError, Install, Role
from proconsul.raft.messages import (
    AppendEntries,
    AppendReply,
    EntryKind,
    Index,
    InstallReply,
    InstallSnapshot,
    LeaderGone,
    PreVote,
    PreVoteReply,
    RequestVote,
    SnapshotMeta,
    TimeoutNow,
    TimeoutNowReply,
    VoteReply,
)
from proconsul.raft.state import State

_CONFIGURATION: Final = EntryKind.CONFIGURATION  # asked for each entry

GONE_MARGIN_TICKS = 2  # servers' ticks do not begin together; see `_knows_another_leader`


def step_append(state: State, message: AppendEntries) -> None:
    """Take the leader's entries (paper, 5.3)."""
    if not _accepts_leader(state, message):
        reply = AppendReply(token=message.token, term=state.term, accepted=False)
        return state.reply(reply)
    log = state.log
    last_before = log.last_index
    if message.is_heartbeat:
        return state.reply(_accepted(state, message, last_before))

    previous = message.previous_index
    if previous <= log.snapshot.index:
        _require_agreement(log.snapshot, message)
    known = log.term_at(previous)
    if previous > state.commit_index and known != message.previous_term:
        return state.reply(
            AppendReply(
                token=message.token,
                term=state.term,
                accepted=False,
                last_index=_hint(state, previous),
                no_retry_backoff=True,
            )
        )
    # What is committed is the same in every leader's log, known to us or compacted away.
    assert known in (None, message.previous_term), "committed is forever"

    cut, new = log.merge(message.entries)
    if cut is not None:
        assert cut > state.commit_index, "committed is forever"
        state.roll_back_configuration(cut)
    for entry in new:
        if entry.kind is _CONFIGURATION:
            state.note_configuration(entry.index, entry.data)

    match_index = Index(previous + len(message.entries))
    # Past match_index our entries may not be the leader's, however far it has committed.
    state.commit_index = max(state.commit_index, min(message.commit_index, match_index))
    return state.reply(
        _accepted(state, message, last_before), after_log=log.stable_index < match_index
    )


def _require_agreement(snapshot: SnapshotMeta, message: AppendEntries) -> None:
    """Raise AbandonedSnapshotError if the leader's log goes another way than our snapshot.

    What was committed is in every leader's log, and terms never go down in one. So it did not
    agree on a snapshot if it has a higher term at or in front of it, or another one at it.
    """
    covered = min(snapshot.index - message.previous_index, len(message.entries))
    term = message.entries[covered - 1].term if covered else message.previous_term
    is_last = message.previous_index + covered == snapshot.index
    if term > snapshot.term or (is_last and term != snapshot.term):
        raise AbandonedSnapshotError(snapshot, message.leader)


def _accepted(state: State, message: AppendEntries, last_before: Index) -> AppendReply:
    return AppendReply(token=message.token, term=state.term, accepted=True, last_index=last_before)


def _hint(state: State, previous: Index) -> Index:
    """The last entry that may match: in front of the whole term that does not."""
    log = state.log
    if previous > log.last_index:
        return log.last_index
    return Index(max(log.first_of_its_term(previous) - 1, state.commit_index))


def _accepts_leader(state: State, message: AppendEntries | InstallSnapshot) -> bool:
    """Settle the term; whether the sender leads as far as we know."""
    if message.term < state.term:
        return False
    if message.term > state.term:
        state.become_follower(message.term, message.leader, "a leader has a higher term")
    else:
        assert state.role is not Role.LEADER, "two leaders in one term"
        state.become_follower(message.term, message.leader, "another server won the election")
    state.silent_ticks = 0
    if state.leader_seems_gone:
        state.leader_seems_gone = False
        state.draw_timeout()
    return True


def step_leader_gone(state: State, message: LeaderGone) -> None:
    """Stand before the timeout: whoever led has died, or one connection of it has.

    Not before the lease is over that it may have by our last answer, so its reads stay right
    where it lives; and with a pre-vote first, so it stays where the others still hear it. One
    after the other, by their place among the voters, so that they do not split the votes.
    """
    leader = state.leader
    if state.role is not Role.FOLLOWER or leader is None or not leader.is_same(message.leader):
        return
    state.leader_seems_gone = True
    others = sorted(state.membership.voters - {leader.id})
    place = others.index(state.me.id) if state.me.id in others else len(others)
    settings = state.settings
    # From now on, if it is that late already: else all would stand in one tick.
    soon = max(settings.promise_ticks + GONE_MARGIN_TICKS, state.silent_ticks + 1)
    state.timeout_ticks = min(state.timeout_ticks, soon + place * settings.stagger_ticks)


def step_vote(state: State, message: RequestVote) -> None:
    """Vote, at most once a term, for a server whose log is no older than ours (paper, 5.4.1)."""
    if _has_promised_another(state, message) and not message.leadership_transfer:
        # Not even its term: it was cut off, or has been removed, and would unseat our leader.
        return state.reply(VoteReply(token=message.token, term=state.term, granted=False))
    if message.term > state.term:
        state.become_follower(message.term, None, "a candidate has a higher term")
    granted = (
        message.term == state.term
        and (state.vote is None or state.vote.is_same(message.candidate))
        and state.log.is_up_to_date(message.last_index, message.last_term)
    )
    if granted:
        if state.vote is None:
            state.set_hard_state(state.term, message.candidate)
        state.silent_ticks = 0
    return state.reply(VoteReply(token=message.token, term=state.term, granted=granted))


def step_pre_vote(state: State, message: PreVote) -> None:
    """Say how we would vote; nothing changes by it (thesis, 9.6)."""
    granted = (
        not _has_promised_another(state, message)
        and message.term >= state.term
        and state.log.is_up_to_date(message.last_index, message.last_term)
    )
    state.reply(PreVoteReply(token=message.token, term=state.term, granted=granted))


def _has_promised_another(state: State, message: RequestVote | PreVote) -> bool:
    """Whether our last answer may be what another leader's lease rests on."""
    return state.may_owe_a_lease or _knows_another_leader(state, message)


def _knows_another_leader(state: State, message: RequestVote | PreVote) -> bool:
    """Whether we heard another leader within the shortest election timeout (thesis, 4.2.3)."""
    if state.leader is None or state.leader.is_same(message.candidate):
        return False
    settings = state.settings
    # Of one that seems gone all that counts is its lease.
    after = settings.promise_ticks if state.leader_seems_gone else settings.election_ticks
    return state.role is Role.LEADER or state.silent_ticks < after


def step_timeout_now(state: State, message: TimeoutNow) -> None:
    """Stand at once: the leader hands over to us (thesis, 3.10).

    Voters will not look whether they hear a leader. So it must be the one that gave its lease up
    for this: not one of another term, whose word was long on its way.
    """
    state.reply(TimeoutNowReply(token=message.token))
    if message.term not in (None, state.term):
        return state.ignore(message, "it was sent in another term")
    if state.leadership is not None or not state.may_stand:
        return state.ignore(message, "this server leads already, or has no vote")
    state.set_leader(None)
    return candidate.stand(state, "the leader handed over", transfer=True)


def step_install(state: State, message: InstallSnapshot) -> None:
    """Take a snapshot that has been received in full."""
    if not _accepts_leader(state, message):
        state.reply(InstallReply(token=message.token, term=state.term, accepted=False))
    elif message.snapshot.index <= state.commit_index:
        ours, theirs = state.log.snapshot, message.snapshot
        if theirs.index <= ours.index and theirs.term > ours.term:
            raise AbandonedSnapshotError(ours, message.leader)
        # We hold all that it covers already.
        state.reply(
            InstallReply(token=message.token, term=state.term, accepted=True), after_log=True
        )
    elif state.installing is not None:
        state.reply(InstallReply(token=message.token, term=state.term, accepted=False))
    else:
        state.hand_install(Install(message.token, message.snapshot))


def reply_installed(state: State, install: Install, *, accepted: bool) -> None:
    """The snapshot is in place, or not; the reply waits for the log that begins behind it."""
    reply = InstallReply(token=install.token, term=state.term, accepted=accepted)
    state.reply(reply, after_log=True)
