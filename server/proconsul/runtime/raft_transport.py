"""The raft messages of this server to and from the others, on HashiCorp's wire.

A server is talked to on four lanes, each with a connection of its own, so that none waits for
another: entries (pipelined), heartbeats, votes, snapshots. What comes in is handed to the driver
as it is; what the driver answers goes back on the connection that asked, in the order in which it
asked. Nothing is decided here about raft.
"""

import asyncio
import ssl
from collections.abc import Callable, Collection
from dataclasses import dataclass
from functools import partial

from proconsul.raft.effects import Send
from proconsul.raft.messages import (
    AppendEntries,
    Input,
    InstallSnapshot,
    LeaderGone,
    Peer,
    PreVote,
    Reply,
    Request,
    RequestVote,
    Server,
    ServerAddress,
    ServerId,
    Token,
)
from proconsul.raft.pairing import Signature
from proconsul.rpc.first_byte import FirstByte
from proconsul.runtime.logs import logger
from proconsul.runtime.raft_conversation import (
    ConversationLimits,
    RaftConversation,
    SnapshotSink,
)
from proconsul.runtime.raft_peer_connection import ConnectionLimits, PeerConnection
from proconsul.runtime.raft_snapshot_sending import SnapshotSender, SnapshotSource
from proconsul.runtime.rpc_client import dial
from proconsul.runtime.rpc_streams import SocketStream
from proconsul.runtime.server_lookup import Dial, ServerDialer, ServerLookup
from proconsul.runtime.tls import ClientTls

TOLD_MAX = 256  # addresses of which it is remembered what was told

log = logger("raft")

__all__ = ["LIMITS", "RaftTransport", "TransportLimits", "raft_dial"]


@dataclass(frozen=True, slots=True, kw_only=True)
class TransportLimits:
    """Deadlines and sizes; see the classes for what each is for."""

    entries: ConnectionLimits
    heartbeats: ConnectionLimits
    votes: ConnectionLimits
    snapshot_s: float  # for a piece to be taken, and for each 256 KiB to be restored
    incoming: ConversationLimits


LIMITS = TransportLimits(
    entries=ConnectionLimits(reply_s=10.0),
    # Answered out of band, and at once: a connection that is silent for so long sits in TCP's
    # growing pauses after a cut, and a new one gets through as soon as the network does.
    heartbeats=ConnectionLimits(reply_s=3.0),
    # Rare, and each counts: no pause after a dial that failed.
    votes=ConnectionLimits(reply_s=3.0, backoff_first_s=0.0),
    snapshot_s=10.0,
    incoming=ConversationLimits(),
)


def raft_dial(tls: Callable[[], ClientTls | None]) -> Dial:
    """Connects in the clear or with the TLS of the moment, and says the raft byte.

    A certificate that is not believed is told once: nobody else would hear of it.
    """
    told: dict[str, str] = {}

    async def open_(address: str) -> SocketStream:
        try:
            stream = await dial(address, FirstByte.RAFT, tls())
        except ssl.SSLError as failure:
            if told.get(address) != str(failure):
                if len(told) >= TOLD_MAX:
                    told.clear()
                told[address] = str(failure)
                log.warning("failed to make a TLS connection to %s: %s", address, failure)
            raise
        told.pop(address, None)
        return stream

    return open_


class _Lanes:
    """All connections to one server."""

    def __init__(
        self,
        server: Server,
        dialer: ServerDialer,
        deliver: Callable[[Input], None],
        source: SnapshotSource,
        limits: TransportLimits,
        said: Callable[[ServerAddress, str], None],
    ) -> None:
        self.entries = PeerConnection(server, dialer, deliver, limits.entries, said)
        self.heartbeats = PeerConnection(server, dialer, deliver, limits.heartbeats, said)
        self.votes = PeerConnection(server, dialer, deliver, limits.votes, said)
        self.snapshots = SnapshotSender(server, dialer.open, deliver, source, limits.snapshot_s)

    def all(self) -> tuple[PeerConnection | SnapshotSender, ...]:
        """The four of them."""
        return self.entries, self.heartbeats, self.votes, self.snapshots

    def moved(self, addresses: Collection[str]) -> None:
        """The server was started anew, and answers there."""
        for lane in (self.entries, self.heartbeats, self.votes):
            lane.moved(addresses)

    def send(self, request: Request) -> None:
        """On the lane where it belongs."""
        match request:
            case AppendEntries():
                (self.heartbeats if request.is_heartbeat else self.entries).send(request)
            case InstallSnapshot():
                self.snapshots.send(request)
            case _:
                self.votes.send(request)


class RaftTransport:
    """Carries messages for one node. All calls from the event loop."""

    def __init__(
        self,
        *,
        me: Peer,
        lookup: ServerLookup,
        dial: Dial,
        deliver: Callable[[Input], None],
        source: SnapshotSource,
        sink: SnapshotSink,
        limits: TransportLimits,
    ) -> None:
        """`deliver` is `Node.step` with a turn behind it; it must not raise."""
        self._deliver = deliver
        self._source = source
        self._sink = sink
        self._limits = limits
        self._dialer = ServerDialer(lookup, dial)
        self._lanes: dict[ServerId, _Lanes] = {}
        self._conversations: dict[Token, RaftConversation] = {}
        self._last_token = 0
        self._leader: Peer | None = None  # whose heartbeats come in
        self._leader_conversation: RaftConversation | None = None  # and where
        self._sign = Signature(me).sign
        self._stopped = False

    def send(self, send: Send) -> None:
        """A request to another server; its reply or Lost comes to `deliver`, never from in here."""
        if self._stopped:
            return
        server = send.to
        lanes = self._lanes.get(server.id)
        if lanes is None:
            said = partial(self._said, server.id)
            lanes = _Lanes(server, self._dialer, self._step, self._source, self._limits, said)
            self._lanes[server.id] = lanes
        for lane in lanes.all():
            lane.server = server
        lanes.send(send.request)

    def reply(self, reply: Reply) -> None:
        """The node's reply to a request that came in; it is dropped if nobody waits any more."""
        conversation = self._conversations.pop(reply.token, None)
        if conversation is not None:
            conversation.reply(reply)

    async def handoff(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve a connection behind its first byte, to its end. Raises OSError."""
        stream = SocketStream(reader, writer)
        await RaftConversation(stream, self._limits.incoming, self._sink, self, self._sign).run()

    async def stop(self) -> None:
        """End all connections that this server opened; nothing is delivered any more.

        Those that others opened end with the RPC port.
        """
        self._stopped = True
        lanes = [lane for server in self._lanes.values() for lane in server.all()]
        await asyncio.gather(*(lane.stop() for lane in lanes))
        self._lanes.clear()

    # ------------------------------------------------------------ the desk of the conversations

    def open(self, conversation: RaftConversation) -> Token:
        """A token by which the reply finds its way back."""
        self._last_token += 1
        token = Token(self._last_token)
        self._conversations[token] = conversation
        return token

    def take(self, request: Request) -> None:
        """A whole request came in; who sent it says in it where it is."""
        match request:
            case AppendEntries(leader=sender) | InstallSnapshot(leader=sender):
                self._said(sender.id, sender.address)
            case PreVote(candidate=sender) | RequestVote(candidate=sender):
                self._said(sender.id, sender.address)
            case _:
                pass
        self._step(request)

    def close(self, token: Token) -> None:
        """No reply to it is wanted any more."""
        self._conversations.pop(token, None)

    def led(self, conversation: RaftConversation, leader: Peer) -> None:
        """The leader's heartbeats come in there."""
        self._leader, self._leader_conversation = leader, conversation

    def ended(self, conversation: RaftConversation) -> None:
        """A connection is gone; was it that one, the leader may be, too."""
        if conversation is self._leader_conversation and self._leader is not None:
            self._leader_conversation = None
            self._step(LeaderGone(leader=self._leader))

    def _said(self, server_id: ServerId, address: ServerAddress, reached: str = "") -> None:
        """A server says where it is, in a reply from the address where it was `reached`."""
        if not server_id or not address or not self._dialer.heard(server_id, address):
            return
        if (lanes := self._lanes.get(server_id)) is not None:
            lanes.moved((address, reached))

    def _step(self, message: Input) -> None:
        if not self._stopped:
            self._deliver(message)
