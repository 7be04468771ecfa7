"""The words of Raft: ids, entries, what must outlive a crash, and one frozen type a message.

A request has a token that its sender chose, and gets exactly one outcome with it: the reply or
`Lost`. Replies on HashiCorp's wire name neither sender, match index nor round, so all of that is
rebuilt from the request which the token names. At the receiving side the token is whatever the
transport wants to find the waiting connection by: the node only copies it into its reply.
"""

from enum import IntEnum
from typing import Final, NewType

import msgspec

from proconsul.raft.entry import Entry

Term = NewType("Term", int)
Index = NewType("Index", int)
ServerId = NewType("ServerId", str)
ServerAddress = NewType("ServerAddress", str)
Token = NewType("Token", int)
ReadId = NewType("ReadId", int)


class EntryKind(IntEnum):
    """What a log entry is, in HashiCorp's numbers (raft: log.go); those left out are retired."""

    COMMAND = 0
    NOOP = 1
    BARRIER = 4
    CONFIGURATION = 5


_KINDS: Final = {int(kind): kind for kind in EntryKind}


def entry_kind(number: int) -> EntryKind:
    """`EntryKind(number)`, in a tenth of its time: each entry asks. Raises ValueError."""
    kind = _KINDS.get(number)
    return EntryKind(number) if kind is None else kind


class Suffrage(IntEnum):
    """Whether a server's copy counts (raft: configuration.go)."""

    VOTER = 0
    NONVOTER = 1
    STAGING = 2


class Peer(msgspec.Struct, frozen=True, gc=False):
    """Who sent a request. Servers before raft 1.3.7 send no id: it is then empty."""

    id: ServerId
    address: ServerAddress

    def is_same(self, other: "Peer") -> bool:
        """Compare by id; by address only with a peer that sends none.

        An address passes from one pod to another, and with it would a vote.
        """
        if self.id and other.id:
            return self.id == other.id
        return self.address == other.address


class Server(msgspec.Struct, frozen=True, gc=False):
    """A member of a configuration."""

    id: ServerId
    address: ServerAddress
    suffrage: Suffrage = Suffrage.VOTER


class Configuration(msgspec.Struct, frozen=True, gc=False):
    """The members, in the order in which the log has them. Empty before the bootstrap."""

    servers: tuple[Server, ...] = ()


class HardState(msgspec.Struct, frozen=True, gc=False):
    """What must be on disk before anything that follows from it leaves (paper, figure 2)."""

    term: Term = Term(0)
    vote: Peer | None = None


class SnapshotMeta(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """The last entry that a snapshot covers, and the members at it. Index 0: no snapshot."""

    index: Index = Index(0)
    term: Term = Term(0)
    configuration: Configuration = Configuration()
    configuration_index: Index = Index(0)


class AppendEntries(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """Entries for a follower (paper, 5.3).

    With no previous entry, entries nor commit index it is a heartbeat: HashiCorp's receivers
    answer that one out of band (wire/raft.md, 3).
    """

    token: Token
    term: Term
    leader: Peer
    previous_index: Index = Index(0)
    previous_term: Term = Term(0)
    entries: tuple[Entry, ...] = ()
    commit_index: Index = Index(0)

    @property
    def is_heartbeat(self) -> bool:
        """Whether it says no more than who leads."""
        return not (self.previous_index or self.entries or self.commit_index)


class AppendReply(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """Accepted: all of the request's entries are on the follower's disk.

    Refused: `last_index`, the end of the follower's log, says where to try again.
    """

    token: Token
    term: Term
    accepted: bool
    last_index: Index = Index(0)
    no_retry_backoff: bool = False


class RequestVote(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """A candidate asks for the vote of a term (paper, 5.2)."""

    token: Token
    term: Term
    candidate: Peer
    last_index: Index
    last_term: Term
    leadership_transfer: bool = False


class VoteReply(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """The answer to RequestVote; the term is the voter's."""

    token: Token
    term: Term
    granted: bool


class PreVote(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """Would you vote for me in this term? Changes nothing at the receiver (thesis, 9.6)."""

    token: Token
    term: Term
    candidate: Peer
    last_index: Index
    last_term: Term


class PreVoteReply(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """The answer to PreVote.

    For a peer that does not know the question the transport answers: granted, our own term.
    """

    token: Token
    term: Term
    granted: bool


class InstallSnapshot(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """The leader's snapshot instead of entries that it no longer has (paper, 7).

    The body travels beside it: a receiving transport steps this once the body is in a file.
    """

    token: Token
    term: Term
    leader: Peer
    snapshot: SnapshotMeta


class InstallReply(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """Accepted: the follower's state is the snapshot."""

    token: Token
    term: Term
    accepted: bool


class TimeoutNow(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """The leader asks for an election at once (thesis, 3.10).

    HashiCorp's tell no term: of theirs one that comes late, when somebody else leads already,
    cannot be told from a new one.
    """

    token: Token
    term: Term | None = None  # of the leader that hands over


class TimeoutNowReply(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """The candidate-to-be has heard it."""

    token: Token


class Lost(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """The transport's word that no reply to this request will come: reset, timeout, error text."""

    token: Token


class LeaderGone(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """The transport's word that the connection with a leader's heartbeats broke off."""

    leader: Peer


Request = AppendEntries | RequestVote | PreVote | InstallSnapshot | TimeoutNow
Reply = AppendReply | VoteReply | PreVoteReply | InstallReply | TimeoutNowReply
Message = Request | Reply | Lost
Input = Message | LeaderGone  # all that the transport tells a node
