"""A whole Serf node: it is told anything by packets and streams, time passes, and it acts.

An input is a byte of options and records. The first byte of a record says what happens: a
datagram comes, a stream is accepted, an exchange of the node ends, time passes, its user does
something. After all of it the node must still work: it answers a ping, it has no more members than
it may have, and what it has written down can be read.
"""

import math
import random
from collections.abc import Callable, Iterator

from proconsul.gossip import coordinate_codec, packets, serf_codec, streams, tags
from proconsul.gossip.address import Address
from proconsul.gossip.admission import Everybody
from proconsul.gossip.coordinates import Coordinate
from proconsul.gossip.effects import (
    Exchange,
    KeyringEnded,
    MemberStatus,
    QueryEnded,
    QueryHeard,
    Remember,
    SendPacket,
)
from proconsul.gossip.failure import PacketError, SerfError
from proconsul.gossip.framing import Framing
from proconsul.gossip.joining import JoinTarget
from proconsul.gossip.key_rotation import KeyOperation
from proconsul.gossip.keyring import Keyring
from proconsul.gossip.messages import (
    Ack,
    Alive,
    IndirectPing,
    PacketMessage,
    Ping,
    StreamMessage,
    User,
)
from proconsul.gossip.serf import Serf
from proconsul.gossip.serf_messages import ConflictResponse, Query, QueryResponse
from proconsul.gossip.settings import GossipSettings, SerfSettings
from proconsul.gossip.snapshot import Kept, read
from server_tests.fuzz.msgpack_mutation import MSGPACK
from server_tests.fuzz.mutation import ANY_BYTES
from server_tests.fuzz.records import RECORDS, in_a_record, join, split
from server_tests.fuzz.target import Target, promise
from server_tests.gossip.captured import SOUND, capture

RECORDS_MAX = 60
MEMBERS_MAX = 40
EFFECTS_MAX = 4000  # of one record: packets to all members, and lines
KEYS = (bytes(16), bytes(range(16)))
US = Address(b"\x7f\x00\x00\x01", 8301)
OTHERS = [Address(bytes([127, 0, 0, number]), 8301) for number in range(2, 10)]
GOSSIP = GossipSettings(nodes_max=MEMBERS_MAX)
BEGIN_S = 1000.0
_DATAGRAM, _SERF_MESSAGE, _STREAM, _ANSWER, _FAILURE, _TIME, _ACT, _META = range(8)
_QUERY_KIND = bytes([serf_codec.Kind.QUERY])


class Node:
    """The node, its clock, and what it wants of the world."""

    def __init__(self, options: int) -> None:
        self.now_s = BEGIN_S
        dice = random.Random(options)
        self._ring = Keyring(KEYS) if options & 1 else None
        self._all_keys = Keyring(KEYS) if options & 1 else None  # that were on it at some time
        self.reading = Framing(self._all_keys, GOSSIP, bytes)
        self.serf = Serf(
            name="us",
            address=US,
            tags={"role": "node"},
            gossip=GOSSIP,
            settings=SerfSettings(),
            ring=self._ring,
            admission=Everybody(),
            dice=dice.randrange,
            nonce=bytes,
            now_s=self.now_s,
            kept=Kept(alive={"c1": OTHERS[0]}, clock=5),
        )
        self.framing = self.serf.framing
        self.exchanges: list[Exchange] = []
        self.queries: list[QueryHeard] = []
        self.file: list[str] = []
        self.packets: list[SendPacket] = []
        self.settle()

    def settle(self) -> None:
        """Go on with what is taken in, take the effects, and look at what the node holds."""
        self.serf.go_on(self.now_s)
        self._note_keys()
        effects = self.serf.take_effects()
        promise(len(effects) <= EFFECTS_MAX, "one thing has not so many effects")
        for effect in effects:
            match effect:
                case Exchange():
                    self._open(effect.data)
                    self.exchanges.append(effect)
                case SendPacket():
                    promise(len(effect.data) <= 65507, "a datagram")
                    self.reading.open(effect.data)
                    self.packets.append(effect)
                case QueryHeard():
                    self.queries.append(effect)
                case Remember():
                    promise("\n" not in effect.line, "one line")
                    self.file.append(effect.line)
                case QueryEnded() | KeyringEnded():
                    promise(effect.token > 0, "it was asked")
                case _:
                    pass
        members = self.serf.members()
        promise(len(members) <= MEMBERS_MAX + 1, "not more members than may be")
        promise(len({one.name for one in members}) == len(members), "each once")
        promise(math.isfinite(self.serf.next_tick_s()), "something is always due")

    def _note_keys(self) -> None:
        """Somebody may change its keyring: what it has sealed can be opened all the same."""
        if self._ring is not None and self._all_keys is not None:
            keys = self._ring.keys()  # a tuple: it is no mapping
            for key in keys:
                self._all_keys.add(key)

    def _open(self, data: bytes) -> None:
        message = self.reading.stream_reader(is_answer=False).feed(data)
        promise(message is not None, "what we dial with can be read")

    def happen(self, record: bytes) -> None:
        """One record."""
        kind, argument, body = record[0] & 7, record[0] >> 3, record[1:]
        source = OTHERS[argument % len(OTHERS)]
        if kind in (_DATAGRAM, _SERF_MESSAGE):
            message = body if kind == _DATAGRAM else packets.encode(User(body))
            if message:
                self._hear(message, source)
        elif kind == _STREAM:
            self._accept(self._message(body))
        elif kind in (_ANSWER, _FAILURE):
            self._answer(kind, argument, body)
        elif kind == _TIME:
            self._wait(argument, len(body))
        elif kind == _ACT:
            self._act(argument, body)
        else:
            alive = _alive(f"c{argument}", argument, body)
            self._hear(packets.encode(alive), source)
        self.settle()

    def _answer(self, kind: int, argument: int, body: bytes) -> None:
        """An exchange of its own ends; if it has none, somebody answers its probe or query."""
        if self.exchanges:
            exchange = self.exchanges.pop(argument % len(self.exchanges))
            wanted = kind == _ANSWER and exchange.wants_answer
            answer = self._message(body) if wanted else None
            failure = "" if answer else "connection refused"
            self.serf.exchange_done(exchange.token, answer, failure, self.now_s)
        elif kind == _ANSWER:
            self._answer_a_probe(body)
        else:
            self._answer_a_query(argument, body)

    def _hear(self, message: bytes, source: Address) -> None:
        datagram = self.framing.seal([message], checksum=False)
        self.serf.receive(datagram, source, self.now_s)

    def _said(self) -> Iterator[PacketMessage]:
        """What it said by packets, the last first."""
        for packet in reversed(self.packets[-50:]):
            yield from self.reading.open(packet.data).messages

    def _answer_a_probe(self, body: bytes) -> None:
        ping = next((one for one in self._said() if isinstance(one, Ping | IndirectPing)), None)
        if ping is not None:
            self._hear(packets.encode(Ack(seq_no=ping.seq_no, payload=body)), OTHERS[0])

    def _answer_a_query(self, argument: int, body: bytes) -> None:
        for one in self._said():
            if isinstance(one, User) and one.body[:1] == _QUERY_KIND:
                query = serf_codec.decode(one.body)
                assert isinstance(query, Query)
                flags = argument & 1
                answer = QueryResponse(
                    ltime=query.ltime, id=query.id, sender="c1", flags=flags, payload=body
                )
                self._hear(packets.encode(User(serf_codec.encode(answer))), OTHERS[0])
                return

    def _message(self, body: bytes) -> StreamMessage | None:
        try:
            return Framing(None, GOSSIP, bytes).stream_reader(is_answer=True).feed(body)
        except PacketError:
            return None

    def _accept(self, message: StreamMessage | None) -> None:
        if message is None:
            return
        answer = self.serf.answer(message, self.now_s)
        if answer is not None:
            heard = self.reading.stream_reader(is_answer=True).feed(answer)
            promise(heard is not None, "our answer can be read")
        self.serf.absorb(message, self.now_s)

    def _wait(self, argument: int, length: int) -> None:
        """A moment, a while, or days, in steps as they are due."""
        end_s = self.now_s + (0.2, 1.0, 30.0, 90_000.0)[argument & 3] * (1 + length)
        for _ in range(30):
            due_s = self.serf.next_tick_s()
            if due_s > end_s:
                break
            self.now_s = max(self.now_s, due_s)
            self.serf.tick(self.now_s)
            self.settle()
        self.now_s = max(self.now_s, end_s)
        self.serf.tick(self.now_s)

    def _act(self, argument: int, body: bytes) -> None:
        try:
            _ACTS[argument % len(_ACTS)](self, body)
        except SerfError as failure:
            promise(bool(str(failure)), "it says why")

    def is_well(self) -> None:
        """It answers, and what it remembers can be read again."""
        lines = [*self.serf.snapshot_lines(), *self.file]
        data = "".join(f"{line}\n" for line in lines).encode("utf-8", "surrogateescape")
        promise(read(data, rejoin_after_leave=False).damaged == 0, "its file can be read")
        self.serf.stats()
        if self.serf.has_left:
            return
        promise(self.serf.members() != [], "it is its own member")
        self.packets.clear()
        self._hear(packets.encode(Ping(seq_no=77, node="us")), OTHERS[0])
        self.settle()
        said = [
            message
            for packet in self.packets
            for message in self.reading.open(packet.data).messages
        ]
        promise(any(isinstance(one, Ack) and one.seq_no == 77 for one in said), "it answers")


def _alive(name: str, number: int, meta: bytes) -> Alive:
    address = OTHERS[number % len(OTHERS)]
    vsn = bytes((1, 5, 2, 2, 5, 4))
    return Alive(incarnation=number, node=name, address=address, meta=meta, vsn=vsn)


def _name(body: bytes) -> str:
    return body[:40].decode("utf-8", "surrogateescape")


def _respond(node: Node, body: bytes) -> None:
    if node.queries:
        node.serf.respond(node.queries.pop(), body, node.now_s)


def _ask(node: Node, body: bytes) -> None:
    node.serf.query(
        _name(body), body, want_ack=True, relay_factor=1, timeout_s=None, now_s=node.now_s
    )


def _change_keys(node: Node, body: bytes) -> None:
    operation = list(KeyOperation)[len(body) % len(KeyOperation)]
    node.serf.keyring(operation, body[:16], relay_factor=0, now_s=node.now_s)


def _force_leave(node: Node, body: bytes) -> None:
    names = [one.name for one in node.serf.members() if one.status is not MemberStatus.NONE]
    name = names[len(body) % len(names)]
    if name != "us":
        node.serf.force_leave(name, prune=bool(body[:1]), now_s=node.now_s)


def _tell(node: Node, body: bytes) -> None:
    node.serf.user_event(_name(body), body[:100], coalesce=bool(body[:1]), now_s=node.now_s)


def _join(node: Node, body: bytes) -> None:
    address = OTHERS[len(body) % len(OTHERS)]
    node.serf.join([JoinTarget(address, "", "a name")], node.now_s)


_ACTS: tuple[Callable[[Node, bytes], None], ...] = (
    _join,
    _tell,
    _ask,
    _respond,
    lambda node, body: node.serf.set_tags({"role": _name(body)}, node.now_s),
    _force_leave,
    _change_keys,
    lambda node, body: node.serf.rejoin_kept(node.now_s),
    lambda node, body: node.serf.leave(node.now_s) if len(body) == 3 else None,
)


def _check_codec(record: bytes) -> None:
    """Serf's messages by themselves."""
    body = record[1:]
    for decode, encode in (
        (serf_codec.decode, serf_codec.encode),
        (tags.meta_to_tags, tags.tags_to_meta),
        (coordinate_codec.decode, coordinate_codec.encode),
    ):
        _check_round_trip(decode, encode, body)  # type: ignore[arg-type]  # each with its own


def _check_round_trip(
    decode: Callable[[bytes], object], encode: Callable[[object], bytes], body: bytes
) -> None:
    try:
        value = decode(body)
    except PacketError:
        return
    written = encode(value)
    promise(encode(decode(written)) == written, "read as it was written")


def check(data: bytes) -> None:
    """Let it all happen."""
    node = Node(data[0] if data else 0)
    for record in split(data[1:])[:RECORDS_MAX]:
        if record:
            if record[0] & 7 == _SERF_MESSAGE:
                _check_codec(record)
            node.happen(record)
    node.is_well()


def seeds() -> list[bytes]:
    """What captured agents said, in their order, with time between."""
    made = []
    tick = bytes([_TIME])
    for name in SOUND:
        sound = capture(name)
        heard = [packets.encode(one) for one in sound.packet_messages()]
        said = [streams.encode(one) for one in sound.stream_messages()]
        streamed = [bytes([_STREAM]) + one for one in said if len(one) < 3000]
        for start in range(0, len(heard), max(1, len(heard) // 12)):
            some = [bytes([_DATAGRAM | start % 8 << 3]) + one for one in heard[start : start + 15]]
            made.append(b"\0" + join([*streamed[:1], tick, *some, tick, tick]))
        made += [b"\1" + join([one, tick]) for one in streamed[:12]]
        acts = [bytes([_ACT | number << 3]) + b"abc" for number in range(len(_ACTS))]
        joined = [b"\6", *[bytes([_ANSWER]) + one[1:] for one in streamed[:2]]]
        made.append(b"\2" + join([*joined, tick, *acts, tick, bytes([_TIME | 2 << 3])]))
        made.append(b"\1" + join([*streamed[:3], *acts[:-1], bytes([_TIME | 3 << 3]), tick]))
    coordinate = coordinate_codec.encode(Coordinate(vec=(0.1,) * 8, error=1.0))
    conflict = serf_codec.encode_conflict(None)
    asked = [bytes([_ACT | 2 << 3]) + b"q", bytes([_ACT | 6 << 3]) + b"k"]
    answers = [bytes([_ANSWER]) + coordinate, bytes([_FAILURE | 8]) + b"x", b"\4yes"]
    made.append(b"\0" + join([b"\7", tick, *asked, *answers, tick, *answers]))
    known = ConflictResponse(
        name="us",
        address=US,
        tags={"role": "node"},
        status=1,
        protocol=(1, 5, 2),
        delegate=(2, 5, 4),
    )
    alone = [conflict, serf_codec.encode_conflict(known), coordinate]
    made += [b"\0" + join([bytes([_SERF_MESSAGE]) + one for one in alone])]
    made.append(b"\2" + join([bytes([_DATAGRAM]) + packets.encode(_alive("us", 3, b"")), tick]))
    meta = tags.tags_to_meta({"role": "consul", "dc": "dc1"})
    members = [bytes([_META | number << 3]) + meta for number in range(30)]
    made.append(b"\0" + join([*members, tick, bytes([_TIME | 2 << 3]), bytes([_FAILURE])]))
    return made


TARGET = Target(
    name="serf",
    check=check,
    seeds=seeds,
    mutations=(*RECORDS, *RECORDS, *map(in_a_record, (*MSGPACK, *ANY_BYTES))),
    size_bytes_max=12_000,
    memory_bytes_max=16 << 20,
)
