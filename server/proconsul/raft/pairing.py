"""Which reply belongs to which request: on a connection only their order says so.

HashiCorp's transport has neither sequence numbers nor lengths (wire/raft.md, 1). So the side that
asks keeps its requests in the order in which they were written, and the side that answers holds
back a reply that is ready before an earlier one. Every request that was written gets exactly one
outcome: its reply, or `Lost`.
"""

from collections import deque
from collections.abc import Iterator
from typing import NamedTuple

import msgpack

from proconsul.raft import codec
from proconsul.raft.codec import CodecError
from proconsul.raft.messages import (
    Lost,
    Peer,
    PreVote,
    PreVoteReply,
    Reply,
    Request,
    ServerAddress,
    Token,
)

REPLY_BYTES_MAX = 256 * 1024  # waiting to be read on one connection; a reply has about 100
ADDRESS_BYTES_MAX = 300  # of a name of DNS (253) and a port
UNEXPECTED_COMMAND = b"unexpected command"  # how raft 1.7 recognizes a peer without pre-vote


class WrongServerError(CodecError):
    """Another server answers than the one that was meant."""


class PreVotes:
    """Whether a peer knows pre-vote; one that does not is counted as granting (wire/raft.md, 2).

    What was learnt is forgotten when a connection ends: the next server there may be another.
    """

    def __init__(self) -> None:
        self.are_known: bool | None = None

    def granted_by_ignorance(self, request: PreVote) -> PreVoteReply:
        """What a peer that cannot be asked is taken to say, in the term of the one who asks."""
        term = type(request.term)(max(request.term - 1, 0))
        return PreVoteReply(token=request.token, term=term, granted=True)


class _Asked(NamedTuple):
    request: Request
    deadline_s: float


class Asking:
    """The requests under way on one connection."""

    def __init__(self, peer_id: str, pre_votes: PreVotes) -> None:
        """`peer_id` is compared with the ID in a reply, if there is one there."""
        self._peer_id = peer_id.encode()
        self._pre_votes = pre_votes
        self._asked: deque[_Asked] = deque()
        self._unpacker = codec.unpacker(REPLY_BYTES_MAX)
        self._error: bytes | None = None  # the first half of a reply whose second is to come
        self.peer_address = ServerAddress("")  # where the peer says that it is, if it does

    def __len__(self) -> int:
        """How many wait for their reply."""
        return len(self._asked)

    @property
    def deadline_s(self) -> float | None:
        """When the oldest must have its reply."""
        return self._asked[0].deadline_s if self._asked else None

    def asked(self, request: Request, deadline_s: float) -> None:
        """It is about to be written."""
        self._asked.append(_Asked(request, deadline_s))

    def feed(self, data: bytes) -> Iterator[Reply | Lost]:
        """The outcomes in what was read.

        Raises CodecError, WrongServerError: the connection is of no more use.
        """
        try:
            self._unpacker.feed(data)
            while True:
                value = self._unpacker.unpack()
                if self._error is None:
                    self._error = _text(value)
                else:
                    error, self._error = self._error, None
                    yield self._outcome(error, value)
        except msgpack.OutOfData:
            return
        except CodecError:
            raise
        except (ValueError, msgpack.UnpackException, RecursionError) as failure:
            raise CodecError(f"not msgpack: {failure!r}") from failure

    def _outcome(self, error: bytes, body: object) -> Reply | Lost:
        if not self._asked:
            raise CodecError("a reply that nobody asked for")
        request = self._asked[0].request
        outcome = self._read(request, error, body)
        self._asked.popleft()  # only now: of a reply that cannot be read the token is lost
        return outcome

    def _read(self, request: Request, error: bytes, body: object) -> Reply | Lost:
        if error:
            if isinstance(request, PreVote) and UNEXPECTED_COMMAND in error:
                return self._pre_votes.granted_by_ignorance(request)
            return Lost(token=request.token)
        if not isinstance(body, dict):
            raise CodecError("a reply is no map")
        sender = body.get(b"ID")
        if sender and self._peer_id and sender != self._peer_id:
            # Its copy of the log would be counted as that of the server which was meant.
            raise WrongServerError(f"server {sender!r} answers in place of {self._peer_id!r}")
        reply = codec.decode_reply(codec.kind_of(request), body, request.token)
        if sender and self._peer_id:
            self._note_address(body.get(b"Addr"))
        if isinstance(request, PreVote):
            self._pre_votes.are_known = True
        return reply

    def _note_address(self, address: object) -> None:
        if isinstance(address, bytes) and len(address) <= ADDRESS_BYTES_MAX:
            self.peer_address = ServerAddress(address.decode(errors="replace"))

    def end(self, *, closed_by_peer: bool) -> list[Reply | Lost]:
        """The connection is over: what becomes of those that had no reply, in their order."""
        asked = [one.request for one in self._asked]
        self._asked.clear()
        outcomes: list[Reply | Lost] = [Lost(token=request.token) for request in asked]
        pre_votes = self._pre_votes
        were_known, pre_votes.are_known = pre_votes.are_known, None
        if closed_by_peer and asked and were_known is None:
            first = asked[0]
            if isinstance(first, PreVote):
                pre_votes.are_known = False
                outcomes[0] = pre_votes.granted_by_ignorance(first)
        return outcomes


def _text(value: object) -> bytes:
    if not isinstance(value, bytes):
        raise CodecError("a reply does not begin with its error text")
    return value


class Answering:
    """The requests that came in on one connection and have no reply yet."""

    def __init__(self) -> None:
        self._order: deque[Token] = deque()
        self._ready: dict[Token, bytes] = {}

    def __len__(self) -> int:
        """How many are not answered, or not before an earlier one."""
        return len(self._order)

    def asked(self, token: Token) -> None:
        """A request came in."""
        self._order.append(token)

    def answered(self, token: Token, reply: bytes) -> bytes:
        """A reply is there; returns what may be written now."""
        self._ready[token] = reply
        written = []
        while self._order and self._order[0] in self._ready:
            written.append(self._ready.pop(self._order.popleft()))
        return b"".join(written)


class Signature:
    """Says in each reply who answers, as servers since raft 1.3.7 do and older ones skip.

    Without it a server that came to another one's address could pass for that one.
    """

    def __init__(self, me: Peer) -> None:
        fields = {"Addr": me.address, "ID": me.id}
        self._fields: bytes = msgpack.packb(fields, use_bin_type=False)[1:]
        self._count = len(fields)

    def sign(self, encoded: bytes) -> bytes:
        """The same reply (no error text and a small map, as encode_reply writes it) with both."""
        assert encoded[0] == 0xA0, "no error text"
        assert 0x80 <= encoded[1] <= 0x8F - self._count, "a map whose length is in its first byte"
        return encoded[:1] + bytes([encoded[1] + self._count]) + self._fields + encoded[2:]
