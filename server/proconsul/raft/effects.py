"""What a node wants done, in the order in which it must be done.

The driver takes an Effects and does:

1. `persist`: queue it for the log's writer. Writes are done in the order of their numbers, as
   many as are waiting under one fdatasync; then `Node.persisted(number of the last one)`.
2. `send` and `replies`: give them to the transport. Whatever must not leave before a write is on
   disk is held back by the node and appears in an Effects taken after `persisted`, so nothing in
   here has to wait: a leader's entries go out while its own disk syncs.
3. `install`: put the received snapshot in place, restore the state from it, then
   `Node.installed(meta)`.
4. `apply`: apply the entries in order, then `Node.applied(last index)`. Every committed entry
   comes exactly once; entries of all kinds come, so that the applied index has no holes.
5. `reads`: answer the reads; they come when what they must see is applied.
6. `events`: log, count, start and stop the leader's duties.
"""

from enum import Enum
from typing import NewType

import msgspec

from proconsul.raft.entry import Entry
from proconsul.raft.messages import (
    Configuration,
    HardState,
    Index,
    Peer,
    ReadId,
    Reply,
    Request,
    Server,
    SnapshotMeta,
    Term,
    Token,
)

WriteNumber = NewType("WriteNumber", int)


class Persist(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """One write of the log, its parts in this order."""

    number: WriteNumber
    hard_state: HardState | None = None
    reset_to: SnapshotMeta | None = None  # no entry stays: the log begins behind this snapshot
    truncate_from: Index | None = None  # this entry and all behind it go
    entries: tuple[Entry, ...] = ()


class Send(msgspec.Struct, frozen=True, gc=False):
    """A request and whom it is for; the address is looked up by the id at dial time."""

    to: Server
    request: Request


class Install(msgspec.Struct, frozen=True, gc=False):
    """A received snapshot that is worth having; `token` is that of its InstallSnapshot."""

    token: Token
    snapshot: SnapshotMeta


class ReadAnswer(msgspec.Struct, frozen=True, gc=False):
    """The read may be served: `index` is applied. None: leadership was lost, ask elsewhere."""

    read: ReadId
    index: Index | None


class Role(Enum):
    """The paper's roles, and the one that pre-vote adds."""

    FOLLOWER = "follower"
    PRE_CANDIDATE = "pre-candidate"
    CANDIDATE = "candidate"
    LEADER = "leader"


class RoleChanged(msgspec.Struct, frozen=True, gc=False):
    """The node has another role, or the same one in another term. `why` is for the log."""

    role: Role
    term: Term
    why: str


class LeaderChanged(msgspec.Struct, frozen=True, gc=False):
    """Whom this node takes for the leader; None: nobody that it knows of."""

    leader: Peer | None
    term: Term


class ConfigurationChanged(msgspec.Struct, frozen=True, gc=False):
    """The members in force are others: by a new entry, a snapshot, or a rollback."""

    configuration: Configuration
    index: Index


class TransferEnded(msgspec.Struct, frozen=True, gc=False):
    """A transfer of leadership came to its end; True: the other one has been told to stand."""

    told: bool
    why: str


class MessageIgnored(msgspec.Struct, frozen=True, gc=False):
    """A message that makes no sense here and now, and why."""

    message: str
    why: str


Event = RoleChanged | LeaderChanged | ConfigurationChanged | TransferEnded | MessageIgnored


class Effects(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """All that a node wants since it was last asked; see the module for the order."""

    persist: Persist | None = None
    send: tuple[Send, ...] = ()
    replies: tuple[Reply, ...] = ()
    install: Install | None = None
    apply: tuple[Entry, ...] = ()
    reads: tuple[ReadAnswer, ...] = ()
    events: tuple[Event, ...] = ()

    def __bool__(self) -> bool:
        """Whether there is anything to do."""
        return bool(
            self.persist
            or self.send
            or self.replies
            or self.install
            or self.apply
            or self.reads
            or self.events
        )


class RefusedError(Exception):
    """The node cannot do that now: it does not lead, or another change is under way."""


class AbandonedSnapshotError(Exception):
    """This server's state is a user's snapshot that the others never took: it must end.

    It was restored while this server led, another was elected before a majority had it, and the
    log went on without. The state that was here before is gone, so nothing can be built on.
    """

    def __init__(self, snapshot: SnapshotMeta, leader: Peer) -> None:
        super().__init__(
            f"the snapshot here at index {snapshot.index}, term {snapshot.term}, that was restored "
            f"or made from peers.json, is not in the log of the leader "
            f"{leader.id or leader.address}: a majority never took it. This server cannot go on "
            "from it. Move its data directory away and let it join anew; then restore again what "
            "a user had restored."
        )
        self.snapshot = snapshot
