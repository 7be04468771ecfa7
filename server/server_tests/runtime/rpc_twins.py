"""The same raw calls to the RPC ports of two servers, and what may differ in their answers.

Indexes become their rank in a story, random UUIDs their order of appearance, times a word. What
Consul packs into blobs (configuration entries) is taken out of them, so that maps can be compared.
"""

import itertools
import re
import select
import socket
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, field
from typing import Any

from proconsul.rpc.msgpack_rpc import Call, Reply, ReplyReader, encode_call
from proconsul.wire import msgpack
from proconsul.wire.golang import ZERO_TIME
from server_tests.differential.normalise import OF_A_CASE
from server_tests.differential.target import NODE_ID

RPC_PORT = 8300
PATIENCE_S = 30.0
REPLY_BYTES_MAX = 1 << 24
MARKER = "zz-rpc-marker"
INDEX_FIELDS = frozenset({"CreateIndex", "ModifyIndex", "PrimaryModifyIndex", "Index"})
# Go writes these out of maps, in any order.
UNORDERED = frozenset({"UpstreamIDConfigs", "Services", "Tags"})

_marks = itertools.count(1)
_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
# What a codec or a parser says in its own words.
_OWN_WORDS = tuple(
    (re.compile(pattern, re.DOTALL), replacement)
    for pattern, replacement in (
        (r"(?<=index )\d+", "<index>"),
        (r"^(codec\.decoder|reflect|\w+(Request|Query)): .*", "<cannot be read>"),
        (r"(?<=Failed to create boolean expression evaluator: ).*", "<parser>"),
    )
)


@dataclass(frozen=True, slots=True)
class Step:
    """A call; `masked` fields of its answer are not compared, `quiet` ones not at all."""

    method: str
    args: Any
    masked: frozenset[str] = frozenset()
    quiet: bool = False


def step(method: str, args: Any = None, *masked: str) -> Step:
    """A call with builtins, or ready bytes, for arguments; "-KVS.Apply" is a quiet one."""
    return Step(method.removeprefix("-"), args, frozenset(masked), method.startswith("-"))


@dataclass(frozen=True, slots=True)
class Story:
    """Calls on one connection, in order."""

    name: str
    steps: Sequence[Step]


@dataclass(slots=True)
class Wire:
    """A conversation on a connection of its own, which begins with the byte 0."""

    address: str
    seq: int = 0
    _socket: socket.socket = field(init=False)
    _replies: ReplyReader = field(init=False)

    def __post_init__(self) -> None:
        self._socket = socket.create_connection((self.address, RPC_PORT), PATIENCE_S)
        self._socket.sendall(b"\0")
        self._replies = ReplyReader(REPLY_BYTES_MAX)

    def say(self, method: str, args: Any) -> None:
        """Ask, and do not wait."""
        self.seq += 1
        body = args if isinstance(args, bytes) else msgpack.pack({} if args is None else args)
        self._socket.sendall(encode_call(Call(self.seq, method, body)))

    def hear(self) -> Reply:
        """The next answer."""
        while (reply := self._replies.next_reply()) is None:
            data = self._socket.recv(1 << 16)
            assert data, "it closed instead of answering"
            self._replies.feed(data)
        return reply

    def ask(self, method: str, args: Any) -> Reply:
        """Ask, and wait."""
        self.say(method, args)
        return self.hear()

    def has_heard(self, patience_s: float) -> bool:
        """Whether something is said within that time; it is left to be heard."""
        ready, _, _ = select.select([self._socket], [], [], patience_s)
        return bool(ready)

    def is_closed(self) -> bool:
        """Whether the server has closed: it answers nothing more."""
        try:
            return self.ask("Status.Ping", None).method != "Status.Ping"
        except (AssertionError, ConnectionError):
            return True

    def close(self) -> None:
        """Close it."""
        self._socket.close()


@dataclass(frozen=True, slots=True)
class Heard:
    """An answer, as it came."""

    step: Step
    error: str
    body: Any


@dataclass(slots=True)
class Telling:
    """A story told to one server."""

    base_index: int
    heard: list[Heard]
    is_closed: bool


def tell(story: Story, address: str) -> Telling:
    """Say all of it; a refusal that ends the connection ends the story."""
    with closing(Wire(address)) as wire:
        base_index = _mark(wire)
        heard = []
        for one in story.steps:
            reply = wire.ask(one.method, one.args)
            heard.append(Heard(one, reply.error, opened(one.method, reply)))
            if reply.error and wire.is_closed():
                return Telling(base_index, heard, is_closed=True)
        return Telling(base_index, heard, is_closed=False)


def _mark(wire: Wire) -> int:
    # Each time another value: one that is written again keeps its index.
    entry = {"Key": MARKER, "Value": f"mark {next(_marks)}"}
    wire.ask("KVS.Apply", {"Datacenter": "dc1", "Op": "set", "DirEnt": entry})
    found = wire.ask("KVS.Get", {"Datacenter": "dc1", "Key": MARKER})
    index: int = msgpack.unpack(found.body)["Entries"][0]["ModifyIndex"]
    return index


# ---------------------------------------------------------------- blobs


def config_entry(kind: str, fields: dict[str, Any], **request: Any) -> bytes:
    """The arguments of `ConfigEntry.Apply` and `.Delete`."""
    entry: Any = fields
    if kind == "proxy-defaults":
        entry = msgpack.bytes_text(msgpack.pack(fields))
    around = {"Datacenter": "dc1", "Op": "upsert", "Token": "", **request, "Entry": entry}
    return msgpack.pack(msgpack.bytes_text(msgpack.pack(kind) + msgpack.pack(around)))


def opened(method: str, reply: Reply) -> list[Any]:
    """The body; of a blob all that is in it, and in the blobs in there."""
    body = msgpack.unpack(reply.body)
    if not method.startswith("ConfigEntry.") or not isinstance(body, str):
        return [body]
    values = list(msgpack.unpack_chunks([msgpack.text_bytes(body)]))
    return [_opened_proxy(value) for value in values]


def _opened_proxy(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _opened_proxy(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_opened_proxy(item) for item in value]
    if isinstance(value, str):
        with suppress(msgpack.MsgpackError):
            inner = msgpack.unpack(msgpack.text_bytes(value))
            return inner if isinstance(inner, dict) else value
    return value


# ---------------------------------------------------------------- what may differ


def normalised(telling: Telling, address: str) -> list[Any]:
    """Builtins that are equal for two servers that behave alike."""
    compared = [one for one in telling.heard if not one.step.quiet]
    view = _View(telling.base_index, address, compared)
    shown = [
        [one.step.method, view.text(one.error), view.value(one.body, "", one.step.masked)]
        for one in compared
    ]
    return [*shown, ["closed", telling.is_closed]]


class _View:
    def __init__(self, base_index: int, address: str, heard: Iterable[Heard]) -> None:
        self._address = address
        self._uuids: dict[str, str] = {}
        indexes = {index for one in heard for index in _indexes_in(one.body, "")}
        newer = sorted(index for index in indexes if index > base_index)
        self._ranks = {index: f"<{rank}>" for rank, index in enumerate(newer, 1)}
        self._ranks |= {index: "<old>" for index in indexes if 1 < index < base_index}
        self._ranks[base_index] = "<base>"

    def value(self, value: Any, name: str, masked: frozenset[str]) -> Any:
        if name in masked:
            return "<masked>"
        if isinstance(value, dict):
            return {
                self.text(key): self.value(value[key], key, masked)
                for key in sorted(value)
                if key != "LastContact"
            }
        if isinstance(value, list):
            items = [self.value(item, name, masked) for item in value]
            return sorted(items, key=str) if name in UNORDERED else items
        if name in INDEX_FIELDS and type(value) is int:
            return self._ranks.get(value, value)
        return self.text(value) if isinstance(value, str) else value

    def text(self, text: str) -> str:
        data = msgpack.text_bytes(text)
        if len(data) == len(ZERO_TIME) and data[0] == ZERO_TIME[0]:
            return "<no time>" if data == ZERO_TIME else "<time>"
        text = text.replace(NODE_ID, "<node id>").replace(self._address, "<address>")
        for pattern, replacement in _OWN_WORDS:
            text = pattern.sub(replacement, text)
        return _UUID.sub(lambda found: self._named(found[0]), text)

    def _named(self, uuid: str) -> str:
        if OF_A_CASE in uuid:  # written by a story, so it is the same for both
            return uuid
        return self._uuids.setdefault(uuid, f"<uuid {len(self._uuids) + 1}>")


def _indexes_in(value: Any, name: str) -> Iterator[int]:
    if isinstance(value, dict):
        for key, item in value.items():
            yield from _indexes_in(item, key)
    elif isinstance(value, list):
        for item in value:
            yield from _indexes_in(item, name)
    elif name in INDEX_FIELDS and type(value) is int:
        yield value
