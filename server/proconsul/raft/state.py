"""What a server knows, and the tools with which the roles change it.

Messages go into an outbox with what they wait for; `take_*` turn all that changed into effects.
"""

from collections import deque
from collections.abc import Callable, Iterable
from typing import Final

from proconsul.raft.codec import decode_configuration
from proconsul.raft.effects import (
    ConfigurationChanged,
    Event,
    Install,
    LeaderChanged,
    MessageIgnored,
    Persist,
    ReadAnswer,
    Role,
    RoleChanged,
    Send,
    TransferEnded,
    WriteNumber,
)
from proconsul.raft.entry import Entry
from proconsul.raft.log import Log, ReadLog
from proconsul.raft.membership import Membership
from proconsul.raft.messages import (
    Configuration,
    EntryKind,
    HardState,
    Index,
    Peer,
    Reply,
    Request,
    Server,
    ServerId,
    SnapshotMeta,
    Term,
    Token,
)
from proconsul.raft.progress import Leadership
from proconsul.raft.settings import Settings, Stored

_LEADER: Final = Role.LEADER  # asked for each request


class Candidacy:
    """What a server has while it stands for election, and for one term only."""

    def __init__(self, *, is_pre_vote: bool, transfer: bool) -> None:
        self.is_pre_vote = is_pre_vote
        self.transfer = transfer
        self.asked: dict[Token, ServerId] = {}
        self.granted: set[ServerId] = set()
        self.refused: set[ServerId] = set()


class State:
    """One server's knowledge. Role modules change it; `Node` is what the driver sees of it."""

    def __init__(
        self,
        me: Peer,
        settings: Settings,
        die: Callable[[int], int],
        read_log: ReadLog,
        stored: Stored,
    ) -> None:
        self.me = me
        self.settings = settings
        self.term = stored.hard_state.term
        self.vote = stored.hard_state.vote
        self.role = Role.FOLLOWER
        self.leader: Peer | None = None
        self.candidacy: Candidacy | None = None
        self.leadership: Leadership | None = None
        self.silent_ticks = 0
        self.timeout_ticks = 0
        self.leader_seems_gone = False  # its connection broke; it may still live
        self._die = die

        snapshot = stored.snapshot
        self.membership = Membership(snapshot.configuration_index, snapshot.configuration)
        seen = self._noting_configurations(stored.entries, snapshot.index)
        self.log = Log(snapshot, seen, read_log, settings.young_entries_max)
        assert stored.applied <= self.log.last_index, "the state store is ahead of the log"
        assert self.log.last_term <= self.term, "the log is ahead of the hard state"
        self.commit_index = max(snapshot.index, stored.applied)
        self.applied_index = self.commit_index
        self.applying_index = self.commit_index  # handed out to be applied

        self._hard_state_changed = False
        self._written = WriteNumber(0)
        self._hard_state_written = WriteNumber(0)  # the write that has the newest term and vote
        self._persisted = WriteNumber(0)
        self._outbox: list[tuple[bool, Send | Reply]] = []  # (waits for the log too, message)
        self._held: deque[tuple[WriteNumber, Send | Reply]] = deque()
        self._install: Install | None = None
        self.installing: Install | None = None
        self._read_answers: list[ReadAnswer] = []
        self._events: list[Event] = []
        self._last_token = 0
        self.last_read = 0
        # Who ran before may have answered a leader just now, whose lease rests on it.
        self._owing_ticks = settings.promise_ticks if stored.hard_state.term else 0
        self.draw_timeout()

    def _noting_configurations(
        self, entries: Iterable[Entry], snapshot_index: Index
    ) -> Iterable[Entry]:
        # The snapshot's members may be newer than its entries (recovery by peers.json).
        covered = max(self.membership.latest_index, snapshot_index)
        for entry in entries:
            if entry.kind is EntryKind.CONFIGURATION and entry.index > covered:
                self.membership.append(entry.index, decode_configuration(entry.data))
            yield entry

    # What others may look at.

    @property
    def is_leader(self) -> bool:
        """Whether this server leads, as far as it knows."""
        return self.role is _LEADER

    @property
    def last_index(self) -> Index:
        """The end of the log."""
        return self.log.last_index

    @property
    def last_term(self) -> Term:
        """The term of the log's last entry."""
        return self.log.last_term

    @property
    def snapshot(self) -> SnapshotMeta:
        """The newest snapshot."""
        return self.log.snapshot

    @property
    def configuration(self) -> Configuration:
        """The members in force, committed or not."""
        return self.membership.latest

    @property
    def configuration_index(self) -> Index:
        """The entry that brought them."""
        return self.membership.latest_index

    def snapshot_meta(self, index: Index) -> SnapshotMeta:
        """What a snapshot of the state at this applied index says of itself."""
        assert index <= self.applied_index, "a snapshot holds what is applied"
        term = self.log.term_at(index)
        assert term is not None, "the snapshot would be older than the log"
        since, configuration = self.membership.at(index)
        return SnapshotMeta(
            index=index, term=term, configuration=configuration, configuration_index=since
        )

    @property
    def round(self) -> int:
        """The newest round of heartbeats or reads that was begun; 0 when not leading."""
        return self.leadership.reads.round if self.leadership is not None else 0

    @property
    def confirmed_round(self) -> int:
        """The newest one that a majority has answered."""
        return self.leadership.confirmed_round if self.leadership is not None else 0

    @property
    def may_hold_a_lease(self) -> bool:
        """Whether reads may rest on a lease, if there is one (raft/lease.py).

        Not before what earlier leaders acknowledged is applied, nor once another server was told
        that it may stand: those it asks do not look whether they hear a leader. Nor once we have
        no vote: who is then the only voter need ask nobody.
        """
        leadership = self.leadership
        return (
            leadership is not None
            and leadership.transfer is None
            and not leadership.was_handing_over
            and self.membership.is_voter(self.me.id)
            and self.applied_index >= leadership.first_index
        )

    @property
    def has_only_to_wait(self) -> bool:
        """Whether a leader has nothing to write, to send or to apply, nor has anything to say."""
        return (
            self.leadership is not None
            and self.commit_index == self.applying_index
            and not (self.log.has_work or self._outbox or self._held or self._events)
        )

    @property
    def is_handing_over(self) -> bool:
        """Whether this server leads, and another is to take its place."""
        return self.leadership is not None and self.leadership.transfer is not None

    @property
    def is_only_voter(self) -> bool:
        """Whether this server decides alone."""
        return self.membership.is_only_voter(self.me.id)

    # What the roles do with it.

    @property
    def may_owe_a_lease(self) -> bool:
        """Whether this server was started so recently that a lease may rest on what it forgot."""
        return self._owing_ticks > 0

    def age(self) -> None:
        """A tick of time passed."""
        self._owing_ticks = max(0, self._owing_ticks - 1)

    def draw_timeout(self) -> None:
        """Have another election timeout, so that servers seldom stand at the same time."""
        ticks = self.settings.election_ticks
        self.timeout_ticks = ticks + self._die(ticks)

    def next_token(self) -> Token:
        """A token that no other request of this process has."""
        self._last_token += 1
        return Token(self._last_token)

    def send(self, to: Server, request: Request) -> None:
        """A request leaves as soon as the term and vote are on disk."""
        self._outbox.append((False, Send(to, request)))

    def reply(self, reply: Reply, *, after_log: bool = False) -> None:
        """A reply leaves then, too; or only when all that was written so far is on disk."""
        self._outbox.append((after_log, reply))

    def emit(self, event: Event) -> None:
        """Something happened that others may want to know."""
        self._events.append(event)

    def ignore(self, message: object, why: str) -> None:
        """A message makes no sense here and now."""
        self.emit(MessageIgnored(type(message).__name__, why))

    def set_hard_state(self, term: Term, vote: Peer | None) -> None:
        """Take a term or a vote, to be on disk before anything else leaves."""
        assert term > self.term or (term == self.term and self.vote is None), "no term goes back"
        self.term = term
        self.vote = vote
        self._hard_state_changed = True

    def set_leader(self, leader: Peer | None) -> None:
        """Know another leader, or none."""
        if leader != self.leader:
            self.leader = leader
            self.leader_seems_gone = False
            self.emit(LeaderChanged(leader, self.term))

    def set_role(self, role: Role, why: str) -> None:
        """Have another role; what belonged to the old one ends."""
        if self.leadership is not None:
            self._read_answers += self.leadership.reads.abandon()
            if self.leadership.transfer is not None:
                self.emit(TransferEnded(self.leadership.transfer.told, why))
        self.leadership = None
        self.candidacy = None
        self.role = role
        self.silent_ticks = 0
        self.draw_timeout()
        self.emit(RoleChanged(role, self.term, why))

    def become_follower(self, term: Term, leader: Peer | None, why: str) -> None:
        """Follow in this term, which is at least ours."""
        was = (self.role, self.term)
        if term > self.term:
            self.set_hard_state(term, None)
        if was != (Role.FOLLOWER, term):
            self.set_role(Role.FOLLOWER, why)
        self.set_leader(leader)

    def answer_reads(self, answers: list[ReadAnswer]) -> None:
        """These reads have their answer."""
        self._read_answers += answers

    def append_own(self, kind: EntryKind, data: bytes = b"") -> Index:
        """Append an entry of our own term."""
        index = self.log.append(self.term, kind, data, b"")
        if kind is EntryKind.CONFIGURATION:
            self.note_configuration(index, data)
        return index

    def note_configuration(self, index: Index, data: bytes) -> None:
        """An entry with members was appended: they are in force."""
        self.membership.append(index, decode_configuration(data))
        self.emit(ConfigurationChanged(self.membership.latest, index))

    def roll_back_configuration(self, from_index: Index) -> None:
        """Entries from here on were cut off."""
        if self.membership.truncate(from_index):
            latest = self.membership
            self.emit(ConfigurationChanged(latest.latest, latest.latest_index))

    def hand_install(self, install: Install) -> None:
        """Have the driver put a snapshot in place; nothing is applied meanwhile."""
        self._install = self.installing = install

    def begin_at(self, snapshot: SnapshotMeta) -> None:
        """The state is this snapshot, and the log begins behind it."""
        self.log.reset(snapshot)
        self.commit_index = self.applied_index = self.applying_index = snapshot.index
        before = self.membership.latest
        self.membership = Membership(snapshot.configuration_index, snapshot.configuration)
        if before != snapshot.configuration:
            self.emit(ConfigurationChanged(snapshot.configuration, snapshot.configuration_index))

    @property
    def may_stand(self) -> bool:
        """Whether this server may stand for election.

        One that is no voter may, as long as the entry that says so can still be rolled back:
        it could be the only one that has it (paper, 6: a leader that removes itself).
        """
        if self.installing is not None:
            return False
        return self.membership.may_be_voter(self.me.id, self.commit_index)

    @property
    def own_vote_is_written(self) -> bool:
        """Whether term and vote are on disk as they are."""
        return not self._hard_state_changed and self._hard_state_written <= self._persisted

    def take_install(self) -> Install | None:
        """The snapshot to put in place, once."""
        install, self._install = self._install, None
        return install

    def take_reads(self) -> tuple[ReadAnswer, ...]:
        """The reads that got their answer and whose index is applied, once."""
        if not self._read_answers:
            return ()
        applied = self.applied_index
        ready = [one for one in self._read_answers if one.index is None or one.index <= applied]
        self._read_answers = [one for one in self._read_answers if one not in ready]
        return tuple(ready)

    def take_events(self) -> tuple[Event, ...]:
        """What happened, once."""
        events, self._events = self._events, []
        return tuple(events)

    def take_persist(self) -> Persist | None:
        if not (self._hard_state_changed or self.log.has_work):
            return None
        self._written = number = WriteNumber(self._written + 1)
        hard_state = None
        if self._hard_state_changed:
            hard_state = HardState(self.term, self.vote)
            self._hard_state_changed = False
            self._hard_state_written = number
        reset_to, truncate_from, entries = self.log.hand(number)
        return Persist(
            number=number,
            hard_state=hard_state,
            reset_to=reset_to,
            truncate_from=truncate_from,
            entries=entries,
        )

    def take_messages(self) -> tuple[tuple[Send, ...], tuple[Reply, ...]]:
        if not (self._outbox or self._held):
            return (), ()
        for waits_for_log, message in self._outbox:
            after = self._written if waits_for_log else self._hard_state_written
            self._held.append((after, message))
        self._outbox.clear()
        free = [message for after, message in self._held if after <= self._persisted]
        self._held = deque(one for one in self._held if one[0] > self._persisted)
        return (
            tuple(one for one in free if isinstance(one, Send)),
            tuple(one for one in free if not isinstance(one, Send)),
        )

    def take_apply(self) -> tuple[Entry, ...]:
        """Committed entries that are on our disk, too: the state must not get ahead of it."""
        first = Index(self.applying_index + 1)
        last = min(self.commit_index, self.log.stable_index)
        if first > last or self.installing is not None:
            return ()
        ahead = self.applying_index - self.applied_index
        if ahead >= (self.settings.apply_ahead_max if self.log.is_young(first) else 1):
            return ()
        last = min(last, Index(first + self.settings.apply_entries_max - 1))
        entries = self.log.entries(first, last, self.settings.message_bytes_max)
        assert entries[0].index == first, "the log reads what it was asked for"
        self.applying_index = entries[-1].index
        return tuple(entries)
