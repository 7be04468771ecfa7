"""A Raft server as a value that thinks: it is told what happens and says what is to be done.

Calls change the node; `take` then says, once for all of them, what is to be done about it. So
whatever came in one turn shares a write, a sync and a message to each follower. The node keeps
back itself what may not leave before a write is on disk, so its driver cannot get that wrong:

- nothing leaves before the term and vote that it follows from are on disk;
- a follower's "accepted" does not leave before the entries are;
- a leader's entries do not wait for its own disk, but its own copy counts only from there.

Terms are settled here, then the role is asked: follower.py, candidate.py, leader.py.
"""

from collections.abc import Sequence
from typing import Final

from proconsul.raft import candidate, follower, leader
from proconsul.raft.codec import encode_configuration
from proconsul.raft.effects import Effects, Install, RefusedError, Role, WriteNumber
from proconsul.raft.entry import Entry
from proconsul.raft.membership import Change, check
from proconsul.raft.messages import (
    AppendEntries,
    Configuration,
    EntryKind,
    Index,
    Input,
    InstallSnapshot,
    LeaderGone,
    Lost,
    PreVote,
    PreVoteReply,
    ReadId,
    Reply,
    RequestVote,
    ServerId,
    SnapshotMeta,
    Term,
    TimeoutNow,
    TimeoutNowReply,
)
from proconsul.raft.settings import Settings, Stored
from proconsul.raft.state import State

_CONFIGURATION: Final = EntryKind.CONFIGURATION  # asked for each entry

__all__ = ["Node", "Settings", "Stored"]


class Node(State):
    """One server. Not for several threads: its driver calls it from the event loop only."""

    # What the driver tells.

    def start(self) -> None:
        """Begin. A server that decides alone does not wait for a timeout."""
        candidate.stand_if_alone(self)

    def bootstrap(self, configuration: Configuration, *, stand: bool = False) -> None:
        """Found a cluster: entry 1 of term 1 says who belongs to it (wire/raft.md, 9).

        `stand`: this server alone founds it, so it need not wait for a timeout to lead it.

        Raises RefusedError when there is anything already, or the members make no cluster.
        """
        if not self.log.is_empty or self.term:
            raise RefusedError("bootstrap only works on new clusters")
        check(configuration)
        self.set_hard_state(Term(1), None)
        self.append_own(EntryKind.CONFIGURATION, encode_configuration(configuration))
        candidate.stand_if_alone(self)
        if stand and self.role is Role.FOLLOWER and self.may_stand:
            candidate.stand(self, "it founded the cluster", transfer=False)

    def step(self, message: Input) -> None:
        """A message came in."""
        match message:
            case AppendEntries():
                follower.step_append(self, message)
            case InstallSnapshot():
                follower.step_install(self, message)
            case RequestVote():
                follower.step_vote(self, message)
            case PreVote():
                follower.step_pre_vote(self, message)
            case TimeoutNow():
                follower.step_timeout_now(self, message)
            case LeaderGone():
                follower.step_leader_gone(self, message)
            case Lost():
                self._step_outcome(message)
            case _:
                if self._is_of_our_time(message):
                    self._step_outcome(message)

    def _is_of_our_time(self, reply: Reply) -> bool:
        """Settle the term of a reply; whether there is anything else in it for us."""
        if isinstance(reply, TimeoutNowReply):
            return True
        if isinstance(reply, PreVoteReply) and reply.term <= self.term + 1:
            return True  # HashiCorp's echo the term that was asked for, one above ours
        if self.leadership is None and self.candidacy is None:
            # Late: of a candidacy before we followed. To take its term would be to forget what we
            # promised the leader by our answers.
            return False
        if reply.term > self.term:
            self.become_follower(reply.term, None, "a reply has a higher term")
        return reply.term == self.term

    def _step_outcome(self, message: Reply | Lost) -> None:
        if self.leadership is not None:
            leader.step_outcome(self, self.leadership, message)
        elif self.candidacy is not None:
            candidate.step_outcome(self, self.candidacy, message)

    def tick(self) -> None:
        """A tick of time passed."""
        self.age()
        if self.leadership is not None:
            leader.tick(self, self.leadership)
            return
        self.silent_ticks += 1
        if self.silent_ticks >= self.timeout_ticks:
            self.silent_ticks = 0
            self.draw_timeout()
            self.set_leader(None)
            if self.may_stand:
                candidate.stand(self, "no leader was heard", transfer=False)

    def propose(self, kind: EntryKind, data: bytes, extensions: bytes = b"") -> Index:
        """Append an entry as the leader; its term is `node.term`.

        Raises RefusedError when this server does not lead, hands its leadership over, or is
        too far ahead of what is committed.
        """
        assert kind is not _CONFIGURATION, "use change()"
        leader.require_open(self).front.grew(len(data))
        return self.log.append(self.term, kind, data, extensions)

    def change(self, change: Change) -> Index:
        """Append a change of the members; it holds at once, and is done when committed.

        Raises RefusedError for the reasons of `propose`, while another change is under way,
        before an entry of this term is committed, or when the result could not be a cluster.
        """
        return leader.change(self, leader.require_open(self), change)

    def transfer(self, target: ServerId | None) -> None:
        """Hand leadership over, to the voter that is furthest if none is named.

        Raises RefusedError when that cannot begin; TransferEnded says how it went.
        """
        leader.begin_transfer(self, leader.require_open(self), target)

    def read(self) -> ReadId:
        """Ask for an index at which a consistent read may be served.

        Raises RefusedError when this server does not lead.
        """
        if self.leadership is None:
            raise RefusedError("not the leader")
        self.last_read += 1
        self.leadership.reads.ask(ReadId(self.last_read))
        return ReadId(self.last_read)

    def decides_alone(self, entries: Sequence[Entry]) -> bool:
        """Whether these follow what is applied, and are committed once this server has them."""
        return (
            bool(entries)
            and entries[0].index == self.applied_index + 1
            and self.leadership is not None
            and self.is_only_voter
            and self.membership.latest_index <= self.commit_index
        )

    def tell_commit(self) -> None:
        """A follower is waited for to apply what is committed: tell it so with the next turn."""
        if self.leadership is not None:
            self.leadership.commit_due = True

    def persisted(self, number: WriteNumber) -> None:
        """This write, and all with smaller numbers, are on disk."""
        assert self._persisted <= number <= self._written, "of a write that was asked for"
        self._persisted = number
        self.log.persisted(number)
        if self.leadership is not None:
            leader.maybe_commit(self, self.leadership)
        elif self.candidacy is not None and self.own_vote_is_written:
            candidate.count_own_vote(self, self.candidacy)

    def applied(self, index: Index) -> None:
        """The state holds all entries up to this one."""
        assert self.applied_index <= index <= self.applying_index, "what was handed out"
        self.applied_index = index
        self.log.trim(index)

    def compacted(self, snapshot: SnapshotMeta, keep_from: Index) -> None:
        """A snapshot is durable, and the log gives up what is in front of `keep_from`."""
        assert snapshot.index <= self.applied_index, "a snapshot holds what is applied"
        self.log.compact(snapshot, keep_from)
        self.membership.compact(min(snapshot.index, Index(keep_from - 1)))

    def begin_restore(self, beyond: Index) -> SnapshotMeta:
        """Begin to replace the state by a user's snapshot, and say where it must be put.

        `beyond` is the index that the snapshot was taken at, here or elsewhere.
        It goes behind all of the log, which leaves a hole, so that followers have to fetch it
        (wire/raft.md, 9). No proposals until `end_restore` or `abort_restore`.
        """
        leadership = leader.require_open(self)
        if self.membership.latest_index > self.commit_index:
            raise RefusedError("a change of the members is under way")
        leadership.is_restoring = True
        return SnapshotMeta(
            index=Index(max(self.log.last_index, self.log.snapshot.index, beyond) + 1),
            term=self.term,
            configuration=self.membership.latest,
            configuration_index=self.membership.latest_index,
        )

    def end_restore(self, snapshot: SnapshotMeta) -> None:
        """The state is the snapshot, which is durable. Uncommitted entries are gone.

        Raises RefusedError when leadership was lost meanwhile: the driver must then start
        anew from what is on disk, for another leader's log may have gone on differently.
        """
        if self.leadership is None or snapshot.term != self.term:
            raise RefusedError("leadership lost while restoring a snapshot")
        self.leadership.is_restoring = False
        self.begin_at(snapshot)
        leader.restored(self, self.leadership)

    def abort_restore(self) -> None:
        """The snapshot was not good; the state is what it was."""
        if self.leadership is not None:
            self.leadership.is_restoring = False

    def installed(self, install: Install) -> None:
        """The leader's snapshot is durable and restored (Effects.install)."""
        assert self.installing is install, "what was handed out"
        self.installing = None
        snapshot = install.snapshot
        if self.log.term_at(snapshot.index) == snapshot.term:
            keep_from = Index(min(snapshot.index, self.log.stable_index) + 1)
            self.log.compact(snapshot, keep_from)
            self.commit_index = max(self.commit_index, snapshot.index)
            self.applied_index = self.applying_index = snapshot.index
        else:
            self.begin_at(snapshot)
        follower.reply_installed(self, install, accepted=True)

    def install_failed(self, install: Install) -> None:
        """The received snapshot was no good; the state is what it was."""
        assert self.installing is install, "what was handed out"
        self.installing = None
        follower.reply_installed(self, install, accepted=False)

    def take(self) -> Effects:
        """What is to be done about all that was told since the last time."""
        if self.leadership is not None:
            leader.fill_outbox(self, self.leadership)
        persist = self.take_persist()
        send, replies = self.take_messages()
        return Effects(
            persist=persist,
            send=send,
            replies=replies,
            install=self.take_install(),
            apply=self.take_apply(),
            reads=self.take_reads(),
            events=self.take_events(),
        )
