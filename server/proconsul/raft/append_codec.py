"""AppendEntries and its reply, which every write is made of, to bytes and back.

The bytes are those that codec.py tells of, and are put together here without maps in between.
Entries that go to several followers become bytes once. `AppendReader` reads the form that
`encode_append` writes, from a sender that it knows; whatever else there is, codec.py reads.
"""

import struct
from typing import Final

import msgpack

from proconsul.raft.entry import Entry
from proconsul.raft.messages import AppendEntries, AppendReply, EntryKind, Index, Peer, Term, Token
from proconsul.wire.pieces import number, number_at, string_head

KEPT_BYTES_MAX: Final = 1024 * 1024  # of encoded entries, until others are encoded

_NIL: Final = b"\xc0"
_BOOLEANS: Final = (b"\xc2", b"\xc3")
_SHORT: Final = struct.Struct(">BH")
_INT: Final = struct.Struct(">BI")

# An entry: a map of five, its keys sorted.
_DATA: Final = b"\x85\xa4Data"
_EXTENSIONS: Final = b"\xaaExtensions"
_INDEX: Final = b"\xa5Index"
_NO_EXTENSIONS_INDEX: Final = b"\xaaExtensions\xc0\xa5Index"
_TERM: Final = b"\xa4Term"
_TYPE: Final = b"\xa4Type"

# A request, behind its entries.
_COMMIT: Final = b"\xb1LeaderCommitIndex"
_PREVIOUS_INDEX: Final = b"\xacPrevLogEntry"
_PREVIOUS_TERM: Final = b"\xabPrevLogTerm"
_VERSION_TERM: Final = b"\xafProtocolVersion\x03\xa4Term"

# What may be read without a further look; a configuration is looked into.
_PLAIN_KINDS: Final = {
    int(kind): kind for kind in (EntryKind.COMMAND, EntryKind.NOOP, EntryKind.BARRIER)
}


class _Sender:
    """What is the same in all requests of a leader: the bytes before the entries, and behind."""

    def __init__(self, peer: Peer) -> None:
        self.peer = peer
        address = _text(peer.address)
        leader = b"\xa6Leader" + address + _COMMIT
        if peer.id:
            self.before = b"\x89\xa4Addr" + address + b"\xa7Entries"
            self.behind = b"\xa2ID" + _text(peer.id) + leader
        else:
            self.before = b"\x87\xa7Entries"
            self.behind = leader


class _Last:
    """What was encoded last: a leader speaks to several, and says them the same."""

    def __init__(self) -> None:
        self.sender: _Sender | None = None
        self.entries: tuple[tuple[Entry, ...], bytes] = ((), b"")


_LAST: Final = _Last()


def _text(text: str) -> bytes:
    packed: bytes = msgpack.packb(text, use_bin_type=False)
    return packed


def _count(count: int) -> bytes:
    """What stands in front of a list."""
    if count < 16:
        return bytes((0x90 | count,))
    return _SHORT.pack(0xDC, count) if count <= 0xFFFF else _INT.pack(0xDD, count)


def encode_append(request: AppendEntries) -> bytes:
    """The request's map."""
    sender = _LAST.sender
    if sender is None or sender.peer != request.leader:
        sender = _LAST.sender = _Sender(request.leader)
    return b"".join(
        (
            sender.before,
            _NIL if request.is_heartbeat else _encoded(request.entries),
            sender.behind,
            number(request.commit_index),
            _PREVIOUS_INDEX,
            number(request.previous_index),
            _PREVIOUS_TERM,
            number(request.previous_term),
            _VERSION_TERM,
            number(request.term),
        )
    )


def _encoded(entries: tuple[Entry, ...]) -> bytes:
    """The list of entries; the same as that of the last request, as a rule."""
    last, encoded = _LAST.entries
    if entries != last or not encoded:
        encoded = _encode_entries(entries)
        if len(encoded) <= KEPT_BYTES_MAX:
            _LAST.entries = entries, encoded
    return encoded


def _encode_entries(entries: tuple[Entry, ...]) -> bytes:
    pieces = [_count(len(entries))]
    end, end_term, end_kind = b"", -1, -1
    for entry in entries:
        data, extensions, term, kind = entry.data, entry.extensions, entry.term, entry.kind
        pieces.append(_DATA)
        if data:
            pieces.append(string_head(len(data)))
            pieces.append(data)
        else:
            pieces.append(_NIL)
        if extensions:
            pieces += (_EXTENSIONS, string_head(len(extensions)), extensions, _INDEX)
        else:
            pieces.append(_NO_EXTENSIONS_INDEX)
        pieces.append(number(entry.index))
        if term != end_term or kind != end_kind:
            end, end_term, end_kind = _TERM + number(term) + _TYPE + number(kind), term, kind
        pieces.append(end)
    return b"".join(pieces)


def encode_append_reply(reply: AppendReply) -> bytes:
    """The reply's map."""
    return b"".join(
        (
            b"\x85\xa7LastLog",
            number(reply.last_index),
            b"\xaeNoRetryBackoff",
            _BOOLEANS[reply.no_retry_backoff],
            b"\xafProtocolVersion\x03\xa7Success",
            _BOOLEANS[reply.accepted],
            _TERM,
            number(reply.term),
        )
    )


class _OtherFormError(Exception):
    """The bytes are not in the form that `encode_append` writes."""


class ReadAppend:
    """A request that was read, and where it ends; it has no token yet."""

    def __init__(self, leader: Peer, entries: list[Entry]) -> None:
        self.leader = leader
        self.entries = tuple(entries)
        self.commit_index = 0
        self.previous_index = 0
        self.previous_term = 0
        self.term = 0
        self.end = 0

    def request(self, token: Token) -> AppendEntries:
        """As codec.decode_request gives it."""
        return AppendEntries(
            token=token,
            term=Term(self.term),
            leader=self.leader,
            previous_index=Index(self.previous_index),
            previous_term=Term(self.previous_term),
            entries=self.entries,
            commit_index=Index(self.commit_index),
        )


class AppendReader:
    """Reads the requests that come in on one connection."""

    def __init__(self) -> None:
        self._sender: _Sender | None = None

    def expect(self, leader: Peer) -> None:
        """Who speaks here, as far as is known."""
        if self._sender is None or self._sender.peer != leader:
            self._sender = _Sender(leader)

    def read(self, data: bytes, at: int) -> ReadAppend | None:
        """What codec.decode_request would make of the map that begins there; None: ask that.

        It is for that, too, if the map is not whole; and with pieces of chunked commands,
        configurations, other senders and older protocols.
        """
        sender = self._sender
        if sender is None or not data.startswith(sender.before, at):
            return None
        try:
            return _read(data, at + len(sender.before), sender)
        except (_OtherFormError, IndexError):
            return None


def _read(data: bytes, at: int, sender: _Sender) -> ReadAppend:
    entries, at = _read_entries(data, at)
    found = ReadAppend(sender.peer, entries)
    found.commit_index, at = _read_number(data, _behind(data, at, sender.behind))
    found.previous_index, at = _read_number(data, _behind(data, at, _PREVIOUS_INDEX))
    found.previous_term, at = _read_number(data, _behind(data, at, _PREVIOUS_TERM))
    found.term, found.end = _read_number(data, _behind(data, at, _VERSION_TERM))
    return found


def _read_entries(value: bytes, at: int) -> tuple[list[Entry], int]:
    """The entries, and where they end."""
    first = value[at]
    at += 1
    if first == 0xC0:
        count = 0
    elif first & 0xF0 == 0x90:
        count = first & 0x0F
    elif first == 0xDC:
        count = value[at] << 8 | value[at + 1]
        at += 2
    else:
        raise _OtherFormError
    entries: list[Entry] = []
    for _ in range(count):
        begin = _behind(value, at, _DATA)
        begin, end = _read_string(value, begin)
        index, at = _read_number(value, _behind(value, end, _NO_EXTENSIONS_INDEX))
        term, at = _read_number(value, _behind(value, at, _TERM))
        number, at = _read_number(value, _behind(value, at, _TYPE))
        kind = _PLAIN_KINDS.get(number)
        if kind is None:
            raise _OtherFormError
        entries.append(Entry(Index(index), Term(term), kind, value[begin:end]))
    return entries, at


def _behind(value: bytes, at: int, expected: bytes) -> int:
    """The place behind what has to stand there."""
    end = at + len(expected)
    if end > len(value) or value[at:end] != expected:
        raise _OtherFormError
    return end


def _read_string(value: bytes, at: int) -> tuple[int, int]:
    """Where the string begins and ends; nil is an empty one."""
    first = value[at]
    begin = at + 1
    if first == 0xC0:
        length = 0
    elif first & 0xE0 == 0xA0:
        length = first & 0x1F
    elif first == 0xDA:
        length = value[at + 1] << 8 | value[at + 2]
        begin = at + 3
    elif first == 0xDB:
        length = value[at + 1] << 24 | value[at + 2] << 16 | value[at + 3] << 8 | value[at + 4]
        begin = at + 5
    else:
        raise _OtherFormError
    if begin + length > len(value):
        raise _OtherFormError
    return begin, begin + length


def _read_number(value: bytes, at: int) -> tuple[int, int]:
    """The number, and where it ends."""
    found, end = number_at(value, at)
    if found < 0:
        raise _OtherFormError
    return found, end
