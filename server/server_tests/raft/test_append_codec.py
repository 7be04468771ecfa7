"""The quick way to write and read AppendEntries gives what the plain one does, byte for byte."""

from typing import Any

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from proconsul.raft import codec
from proconsul.raft.append_codec import AppendReader
from proconsul.raft.entry import Entry
from proconsul.raft.messages import (
    AppendEntries,
    AppendReply,
    Configuration,
    EntryKind,
    Index,
    Peer,
    ServerAddress,
    ServerId,
    Term,
    Token,
)

TOKEN = Token(7)
LEADER = Peer(ServerId("5e0a"), ServerAddress("10.0.0.1:8300"))
OLD_LEADER = Peer(ServerId(""), ServerAddress("10.0.0.2:8300"))
U64 = st.sampled_from(
    [edge + by for edge in (0, 1 << 7, 1 << 8, 1 << 16, 1 << 32, 1 << 63) for by in (-1, 0, 1)][1:]
) | st.integers(0, 2**64 - 1)
DATA = st.binary(max_size=40) | st.sampled_from(
    [bytes(size) for size in (31, 32, 255, 256, 65_535, 65_536)]
)
ENTRY = st.builds(
    Entry,
    index=U64.map(Index),
    term=U64.map(Term),
    kind=st.sampled_from([EntryKind.COMMAND, EntryKind.NOOP, EntryKind.BARRIER]),
    data=DATA,
    extensions=st.just(b"") | st.binary(max_size=40),
)
REQUEST = st.builds(
    AppendEntries,
    token=st.just(TOKEN),
    term=U64.map(Term),
    leader=st.sampled_from([LEADER, OLD_LEADER]),
    previous_index=U64.map(Index),
    previous_term=U64.map(Term),
    entries=st.lists(ENTRY, max_size=20).map(tuple),
    commit_index=U64.map(Index),
)


def plain(request: AppendEntries) -> dict[str, Any]:
    """The map that the wire has (wire/raft.md, 2)."""
    entries = [
        {
            "Data": entry.data or None,
            "Extensions": entry.extensions or None,
            "Index": entry.index,
            "Term": entry.term,
            "Type": int(entry.kind),
        }
        for entry in request.entries
    ]
    leader = request.leader
    return ({"Addr": leader.address} if leader.id else {}) | {
        "Entries": None if request.is_heartbeat else entries,
        **({"ID": leader.id} if leader.id else {}),
        "Leader": leader.address,
        "LeaderCommitIndex": request.commit_index,
        "PrevLogEntry": request.previous_index,
        "PrevLogTerm": request.previous_term,
        "ProtocolVersion": 3,
        "Term": request.term,
    }


def append(*entries: Entry, leader: Peer = LEADER) -> AppendEntries:
    return AppendEntries(
        token=TOKEN,
        term=Term(3),
        leader=leader,
        previous_index=Index(8),
        previous_term=Term(3),
        entries=entries,
        commit_index=Index(8),
    )


def command(index: int, data: bytes = b"set", *, extensions: bytes = b"") -> Entry:
    return Entry(Index(index), Term(3), EntryKind.COMMAND, data, extensions)


def read(value: bytes, leader: Peer | None = LEADER, at: int = 0) -> AppendEntries | None:
    reader = AppendReader()
    if leader is not None:
        reader.expect(leader)
    found = reader.read(value, at)
    return found.request(TOKEN) if found is not None and found.end == len(value) else None


@given(request=REQUEST)
def test_a_request_is_written_as_the_map_that_it_is(request: AppendEntries) -> None:
    encoded = codec.encode_request(request)
    assert encoded == b"\x00" + msgpack.packb(plain(request), use_bin_type=False)
    assert codec.encode_request(request) == encoded


@given(request=REQUEST)
def test_what_is_read_at_once_is_what_the_map_says(request: AppendEntries) -> None:
    value = codec.encode_request(request)[1:]
    found = read(value, request.leader)
    assert found == codec.decode_request(0, msgpack.unpackb(value, raw=True), TOKEN) or (
        found is None and any(entry.extensions for entry in request.entries)
    )


@pytest.mark.parametrize("count", [0, 1, 15, 16, 300])
def test_lists_of_any_length_are_read(count: int) -> None:
    request = append(*(command(9 + at) for at in range(count)))
    assert read(codec.encode_request(request), at=1) == request


def test_entries_that_only_resemble_those_before_are_written_as_they_are() -> None:
    for request in (append(command(9)), append(command(9, b"get")), append(command(10, b"get"))):
        assert codec.encode_request(request)[1:] == msgpack.packb(
            plain(request), use_bin_type=False
        )


def test_many_bytes_are_written_as_few_are() -> None:
    request = append(command(9, bytes(2 * 1024 * 1024)), command(10))
    for _ in range(2):
        assert codec.encode_request(request)[1:] == msgpack.packb(
            plain(request), use_bin_type=False
        )


def changed(key: str, value: Any) -> bytes:
    packed: bytes = msgpack.packb(plain(append(command(9))) | {key: value}, use_bin_type=False)
    return packed


def of_entry(key: str, value: Any) -> bytes:
    return changed("Entries", [plain(append(command(9)))["Entries"][0] | {key: value}])


CONFIGURED = Entry(
    Index(9), Term(3), EntryKind.CONFIGURATION, codec.encode_configuration(Configuration())
)


@pytest.mark.parametrize(
    "value",
    [
        changed("Addr", "10.0.0.9:8300"),
        changed("ID", "other"),
        changed("Leader", "10.0.0.9:8300"),
        changed("ProtocolVersion", 2),
        changed("Term", -1),
        changed("Term", "3"),
        changed("PrevLogEntry", None),
        changed("Later", 1),
        changed("Entries", {}),
        changed("Entries", 5),
        changed("Entries", [None]),
        of_entry("Data", 5),
        of_entry("Data", [b""]),
        of_entry("Extensions", b"x"),
        of_entry("Index", None),
        of_entry("Type", 2),
        of_entry("AppendedAt", b"now"),
        codec.encode_request(append(CONFIGURED))[1:],
        codec.encode_request(append(command(9), leader=OLD_LEADER))[1:],
        b"\x80",
        b"\xc0",
        b"",
    ],
)
def test_every_other_form_is_left_to_the_codec(value: bytes) -> None:
    assert read(value) is None
    assert read(value, None) is None


def test_what_ends_early_is_not_read_and_of_what_goes_on_the_end_is_told() -> None:
    value = codec.encode_request(append(command(9, bytes(300)), command(10)))[1:]
    for end in range(len(value)):
        reader = AppendReader()
        reader.expect(LEADER)
        assert reader.read(value[:end], 0) is None
    assert read(value + b"\x00") is None
    assert read(value) is not None


@given(last=U64, term=U64, accepted=st.booleans(), hasty=st.booleans())
def test_a_reply_is_written_as_the_map_that_it_is(
    last: int, term: int, accepted: bool, hasty: bool
) -> None:
    reply = AppendReply(
        token=TOKEN,
        term=Term(term),
        accepted=accepted,
        last_index=Index(last),
        no_retry_backoff=hasty,
    )
    fields = {
        "LastLog": last,
        "NoRetryBackoff": hasty,
        "ProtocolVersion": 3,
        "Success": accepted,
        "Term": term,
    }
    assert codec.encode_reply(reply) == b"\xa0" + msgpack.packb(fields, use_bin_type=False)
