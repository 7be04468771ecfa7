"""Bugs, each planted into the core on purpose: a checker that does not find them checks nothing.

Each is a context: within it the raft core is wrong in one way, afterwards it is right again. The
first seven are those that a Raft in this world is most likely to have, the last seven those of its
leases; the others are kept because they are as easy to write.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import msgspec

from proconsul.raft import follower, leader
from proconsul.raft.effects import Persist
from proconsul.raft.entry import Entry
from proconsul.raft.lease import Lease
from proconsul.raft.log import Log
from proconsul.raft.membership import Membership
from proconsul.raft.messages import (
    AppendEntries,
    HardState,
    Index,
    LeaderGone,
    Lost,
    Peer,
    PreVote,
    Reply,
    RequestVote,
    TimeoutNow,
)
from proconsul.raft.progress import Leadership
from proconsul.raft.quorum import agreed
from proconsul.raft.state import State
from server_tests.sim.servers import SimServer


@contextmanager
def swapped(owner: object, name: str, wrong: object) -> Iterator[None]:
    """Have something else there for a while."""
    right = getattr(owner, name)
    setattr(owner, name, wrong)
    try:
        yield
    finally:
        setattr(owner, name, right)


def vote_not_persisted() -> AbstractContextManager[None]:
    """The vote is never on the disk: after a crash it can be given again."""
    right = State.take_persist

    def wrong(self: State) -> Persist | None:
        persist = right(self)
        if persist is None or persist.hard_state is None:
            return persist
        return msgspec.structs.replace(persist, hard_state=HardState(persist.hard_state.term))

    return swapped(State, "take_persist", wrong)


def vote_by_address() -> AbstractContextManager[None]:
    """Candidates are told apart by their address, which another server may have by now."""
    return swapped(Peer, "is_same", lambda self, other: self.address == other.address)


def commit_of_an_old_term_by_counting() -> AbstractContextManager[None]:
    """An entry of an earlier term counts as committed once a majority has it (paper, figure 8)."""

    def wrong(state: State, leadership: Leadership) -> None:
        matches = [
            state.log.stable_index
            if voter == state.me.id
            else leadership.followers[voter].match_index
            for voter in state.membership.voters
        ]
        state.commit_index = max(state.commit_index, Index(agreed(matches)))
        gone = state.me.id not in state.membership.by_id
        if gone and state.commit_index >= state.membership.latest_index:
            state.become_follower(state.term, None, "removed from the cluster")

    return swapped(leader, "maybe_commit", wrong)


def commit_by_last_index() -> AbstractContextManager[None]:
    """A follower commits up to the end of its log, not of what the leader vouches for."""
    right = follower.step_append

    def wrong(state: State, message: AppendEntries) -> None:
        right(state, message)
        follows = state.term == message.term
        if follows and state.log.term_at(message.previous_index) == message.previous_term:
            end = min(message.commit_index, state.log.last_index)
            state.commit_index = max(state.commit_index, end)

    return swapped(follower, "step_append", wrong)


def acknowledged_before_the_sync() -> AbstractContextManager[None]:
    """A follower says that it has entries which its disk does not have."""

    def wrong(self: State, reply: Reply, *, after_log: bool = False) -> None:
        self._outbox.append((False, reply))

    return swapped(State, "reply", wrong)


def read_without_quorum() -> AbstractContextManager[None]:
    """A consistent read is answered by whoever takes itself for the leader."""

    def wrong(state: State, leadership: Leadership) -> None:
        state.answer_reads(leadership.reads.confirmed(leadership.reads.round))

    return swapped(leader, "_confirm_reads", wrong)


def earlier_heartbeat_confirms_a_read() -> AbstractContextManager[None]:
    """An answer counts for the rounds that began after its request had left."""
    right = leader.step_outcome

    def wrong(state: State, leadership: Leadership, message: Reply | Lost) -> None:
        server = leadership.asked.get(message.token)
        if server is not None:
            flights = leadership.followers[server].flights
            flights[message.token] = msgspec.structs.replace(
                flights[message.token], round=leadership.reads.round
            )
        right(state, leadership, message)

    return swapped(leader, "step_outcome", wrong)


def read_before_the_noop_is_committed() -> AbstractContextManager[None]:
    """A new leader reads at a commit index that may be older than what others acknowledged."""

    def wrong(state: State, leadership: Leadership) -> None:
        if leadership.reads.wants_round:
            leadership.reads.begin(state.commit_index)
            leadership.heartbeat_due = True
            leader._confirm_reads(state, leadership)

    return swapped(leader, "_begin_round", wrong)


def leader_counts_what_it_has_not_synced() -> AbstractContextManager[None]:
    """The leader's own copy counts from the moment when it is appended."""
    right = leader.maybe_commit

    def wrong(state: State, leadership: Leadership) -> None:
        stable, state.log.stable_index = state.log.stable_index, state.log.last_index
        right(state, leadership)
        state.log.stable_index = stable

    return swapped(leader, "maybe_commit", wrong)


def own_vote_before_the_sync() -> AbstractContextManager[None]:
    """Everything leaves before term and vote are on the disk."""
    right = State.take_messages

    def wrong(self: State) -> object:
        self._hard_state_written, written = 0, self._hard_state_written  # type: ignore[assignment]
        messages = right(self)
        self._hard_state_written = written
        return messages

    return swapped(State, "take_messages", wrong)


def vote_for_an_older_log() -> AbstractContextManager[None]:
    """A voter does not look at the candidate's log."""
    return swapped(Log, "is_up_to_date", lambda self, last_index, last_term: True)


def late_copy_cuts_the_log() -> AbstractContextManager[None]:
    """Entries replace what is behind them, even when they are there already."""
    right = Log.merge

    def wrong(self: Log, entries: Sequence[Entry]) -> tuple[Index | None, Sequence[Entry]]:
        if entries and self.base_index < entries[0].index <= self.last_index:
            self.truncate(entries[0].index)
            right(self, entries)
            return entries[0].index, entries
        return right(self, entries)

    return swapped(Log, "merge", wrong)


def term_of_the_previous_entry_is_not_compared() -> AbstractContextManager[None]:
    """A follower looks only at whether it has an entry there."""
    right = follower.step_append

    def wrong(state: State, message: AppendEntries) -> None:
        held = state.log.term_at(message.previous_index)
        if held is not None and not message.is_heartbeat:
            message = msgspec.structs.replace(message, previous_term=held)
        right(state, message)

    return swapped(follower, "step_append", wrong)


def configuration_survives_its_entry() -> AbstractContextManager[None]:
    """The members stay what an entry said that was cut off."""
    return swapped(Membership, "truncate", lambda self, from_index: False)


def two_changes_at_once() -> AbstractContextManager[None]:
    """The members change while an earlier change is not committed yet."""
    right = leader.change

    def wrong(state: State, leadership: Leadership, change: Any) -> Index:
        commit, state.commit_index = state.commit_index, state.log.last_index
        try:
            return right(state, leadership, change)
        finally:
            state.commit_index = commit

    return swapped(leader, "change", wrong)


def reply_of_an_earlier_request_counts_for_all() -> AbstractContextManager[None]:
    """Success is taken for "I have all that you sent", not for what that request held."""
    right = leader.step_outcome

    def wrong(state: State, leadership: Leadership, message: Reply | Lost) -> None:
        server = leadership.asked.get(message.token)
        if server is not None:
            progress = leadership.followers[server]
            flight = progress.flights[message.token]
            if not flight.is_heartbeat:
                sent = Index(max(flight.match_index, progress.next_index - 1))
                progress.flights[message.token] = msgspec.structs.replace(flight, match_index=sent)
        right(state, leadership, message)

    return swapped(leader, "step_outcome", wrong)


def lease_without_a_clock() -> AbstractContextManager[None]:
    """Who was confirmed once believes that it leads until somebody says otherwise."""
    return swapped(Lease, "holds", lambda self, now_s: self._until_s > 0)


def lease_from_the_answer() -> AbstractContextManager[None]:
    """The lease lasts from the moment when the answers came."""
    right = Lease.confirmed

    def wrong(self: SimServer) -> None:
        before = self._lease._until_s
        right(self._lease, self.node.confirmed_round)
        if self._lease._until_s != before:
            self._lease._until_s = self.clock.now_us() + self._lease._duration_s

    return swapped(SimServer, "_renew_lease", wrong)


def lease_survives_a_transfer() -> AbstractContextManager[None]:
    """A leader reads by its lease although it told another server that it may stand."""

    def wrong(self: State) -> bool:
        leadership = self.leadership
        return leadership is not None and self.applied_index >= leadership.first_index

    return swapped(State, "may_hold_a_lease", property(wrong))


def lease_before_the_first_entry() -> AbstractContextManager[None]:
    """A new leader reads by its lease before it has applied all that others acknowledged."""
    return swapped(State, "may_hold_a_lease", property(lambda self: self.is_leader))


def votes_at_once_after_a_reset() -> AbstractContextManager[None]:
    """Whoever is told that the leader is gone stands and votes without waiting for its lease."""
    right_gone, right_knows = follower.step_leader_gone, follower._knows_another_leader

    def wrong_gone(state: State, message: LeaderGone) -> None:
        right_gone(state, message)
        if state.leader_seems_gone:
            state.timeout_ticks = state.silent_ticks + 1

    def wrong_knows(state: State, message: RequestVote | PreVote) -> bool:
        return right_knows(state, message) and not state.leader_seems_gone

    return both(
        swapped(follower, "step_leader_gone", wrong_gone),
        swapped(follower, "_knows_another_leader", wrong_knows),
    )


def votes_at_once_after_a_restart() -> AbstractContextManager[None]:
    """Who has just been started votes, whatever it may have promised before."""
    return swapped(State, "may_owe_a_lease", False)


def transfer_of_an_earlier_term() -> AbstractContextManager[None]:
    """A server stands although the leader which told it so has been replaced since."""
    right = follower.step_timeout_now

    def wrong(state: State, message: TimeoutNow) -> None:
        right(state, msgspec.structs.replace(message, term=None))

    return swapped(follower, "step_timeout_now", wrong)


@contextmanager
def both(one: AbstractContextManager[None], other: AbstractContextManager[None]) -> Iterator[None]:
    """Two changes that make one bug."""
    with one, other:
        yield


PLANTED: tuple[Callable[[], AbstractContextManager[None]], ...] = (
    vote_not_persisted,
    vote_by_address,
    commit_of_an_old_term_by_counting,
    commit_by_last_index,
    acknowledged_before_the_sync,
    read_without_quorum,
    earlier_heartbeat_confirms_a_read,
    read_before_the_noop_is_committed,
    leader_counts_what_it_has_not_synced,
    own_vote_before_the_sync,
    vote_for_an_older_log,
    late_copy_cuts_the_log,
    term_of_the_previous_entry_is_not_compared,
    configuration_survives_its_entry,
    two_changes_at_once,
    reply_of_an_earlier_request_counts_for_all,
    lease_without_a_clock,
    lease_from_the_answer,
    lease_survives_a_transfer,
    lease_before_the_first_entry,
    votes_at_once_after_a_reset,
    votes_at_once_after_a_restart,
    transfer_of_an_earlier_term,
)
