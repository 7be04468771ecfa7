"""The rules of yamux between two of our sessions, and towards peers that break them."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proconsul.rpc import yamux
from proconsul.rpc.yamux import Session, SessionClosedError, StreamClosedError
from proconsul.rpc.yamux_events import (
    DataReceived,
    PeerLeaves,
    PingAnswered,
    SessionEnded,
    StreamAccepted,
    StreamEnded,
    StreamOpened,
    StreamReset,
)
from proconsul.rpc.yamux_frame import Flags, GoAwayCode, Header, Kind
from proconsul.rpc.yamux_stream import WINDOW_BYTES
from server_tests.rpc.captured import client_bytes, frames_of
from server_tests.rpc.yamux_ends import (
    MUCH,
    assert_ends_with_a_protocol_error,
    frame,
    open_from_outside,
    opened,
    pair,
    pass_on,
)


def test_a_stream_carries_bytes_both_ways_and_ends_when_both_have_finished() -> None:
    client, server, stream = opened()
    client.send(stream, b"question")
    assert pass_on(client, server) == [DataReceived(stream, b"question")]
    server.send(stream, b"answer")
    server.finish(stream)
    assert pass_on(server, client) == [DataReceived(stream, b"answer"), StreamEnded(stream)]
    client.send(stream, b"thanks")
    client.finish(stream)
    assert pass_on(client, server) == [DataReceived(stream, b"thanks"), StreamEnded(stream)]
    assert client.stream_count == server.stream_count == 0
    with pytest.raises(StreamClosedError):
        client.send(stream, b"too late")


def test_clients_have_odd_streams_and_servers_even_ones() -> None:
    client, server = pair()
    assert [client.open_stream(), client.open_stream()] == [1, 3]
    assert [server.open_stream(), server.open_stream()] == [2, 4]


def test_a_sender_stops_at_the_window_and_goes_on_when_half_of_it_is_consumed() -> None:
    client, server, stream = opened()
    client.send(stream, bytes(WINDOW_BYTES + 1))
    events = pass_on(client, server)
    assert sum(len(one.data) for one in events if isinstance(one, DataReceived)) == WINDOW_BYTES
    assert client.waiting_bytes(stream) == 1

    server.consumed(stream, WINDOW_BYTES // 2 - 1)
    assert server.data_to_send(MUCH) == b""
    server.consumed(stream, 1)
    update = server.data_to_send(MUCH)
    assert update == frame(Kind.WINDOW_UPDATE, Flags.NONE, stream, WINDOW_BYTES // 2)
    client.receive(update)
    assert pass_on(client, server) == [DataReceived(stream, b"\0")]


def test_the_end_of_a_stream_waits_behind_its_data() -> None:
    client, server, stream = opened()
    client.send(stream, bytes(WINDOW_BYTES + 5))
    client.finish(stream)
    assert StreamEnded(stream) not in pass_on(client, server)
    server.consumed(stream, WINDOW_BYTES)
    pass_on(server, client)
    assert pass_on(client, server) == [DataReceived(stream, bytes(5)), StreamEnded(stream)]


def test_streams_take_turns() -> None:
    client, server, first = opened()
    second = client.open_stream()
    client.send(first, bytes(3 * yamux.FRAME_BYTES_MAX))
    client.send(second, b"short")
    kinds = [header.stream for header, _ in frames_of(client.data_to_send(MUCH)) if header.length]
    assert kinds == [first, second, first, first]
    assert server.stream_count == 1


def test_no_more_data_is_taken_than_asked_for_but_control_frames_always_are() -> None:
    client, _, stream = opened()
    client.send(stream, bytes(WINDOW_BYTES))
    client.ping()
    first = frames_of(client.data_to_send(1))
    assert [header.kind for header, _ in first] == [Kind.PING, Kind.DATA]
    assert client.waiting_bytes(stream) == WINDOW_BYTES - yamux.FRAME_BYTES_MAX
    client.ping()
    assert [header.kind for header, _ in frames_of(client.data_to_send(0))] == [Kind.PING]


def test_pings_are_answered_with_their_number() -> None:
    client, server = pair()
    assert [client.ping(), client.ping()] == [0, 1]
    assert pass_on(client, server) == []
    assert pass_on(server, client) == [PingAnswered(0), PingAnswered(1)]


def test_a_stream_that_is_reset_is_gone_on_both_sides() -> None:
    client, server, stream = opened()
    server.send(stream, b"never sent")
    server.reset(stream)
    assert pass_on(server, client) == [StreamReset(stream)]
    assert client.stream_count == server.stream_count == 0
    with pytest.raises(StreamClosedError):
        client.send(stream, b"x")


def test_data_for_a_stream_that_is_gone_is_dropped() -> None:
    client, server, stream = opened()
    client.send(stream, b"on its way")
    on_its_way = client.data_to_send(MUCH)
    server.reset(stream)
    assert server.receive(on_its_way + frame(Kind.PING, Flags.SYN, 0, 7)) == []
    assert frames_of(server.data_to_send(MUCH))[-1][0] == Header(Kind.PING, Flags.ACK, 0, 7)


def test_what_nobody_reads_does_not_block_the_peer_from_finishing() -> None:
    client, server, stream = opened()
    client.send(stream, bytes(3 * WINDOW_BYTES))
    client.finish(stream)
    first = pass_on(client, server)
    assert first
    server.finish(stream)
    server.discard(stream)
    for _ in range(4):
        pass_on(server, client)
        assert not any(isinstance(one, DataReceived) for one in pass_on(client, server))
    assert client.stream_count == server.stream_count == 0


def test_who_leaves_is_given_no_new_streams_and_keeps_the_old_ones() -> None:
    client, server, stream = opened()
    late = client.open_stream()  # on its way already
    server.leave(GoAwayCode.NORMAL)
    assert pass_on(server, client) == [PeerLeaves()]
    for end in (client, server):
        assert not end.opens_streams
        with pytest.raises(SessionClosedError):
            end.open_stream()
    assert pass_on(client, server) == [StreamOpened(late)]
    client.send(stream, b"still here")
    assert pass_on(client, server) == [DataReceived(stream, b"still here")]


@pytest.mark.parametrize("code", [1, 2, 9])
def test_a_go_away_with_an_error_ends_the_session(code: int) -> None:
    client, _, _ = opened()
    (event,) = client.receive(frame(Kind.GO_AWAY, Flags.NONE, 0, code))
    assert isinstance(event, SessionEnded)
    assert f"code {code}" in event.reason
    assert client.is_over
    assert client.data_to_send(MUCH) == b""


def test_flags_that_nobody_has_defined_are_nothing() -> None:
    server = Session(is_client=False)
    syn = Header(Kind.WINDOW_UPDATE, Flags.SYN, 1, 0).encode()
    assert server.receive(syn[:2] + b"\xff" + syn[3:]) == [StreamOpened(1)]


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"\x01" + bytes(11), "version 1"),
        (b"\x00\x04" + bytes(10), "type 4"),
        (frame(Kind.WINDOW_UPDATE, Flags.SYN, 2, 0), "not the peer's to open"),
        (frame(Kind.WINDOW_UPDATE, Flags.SYN, 0, 0), "not the peer's to open"),
        (frame(Kind.WINDOW_UPDATE, Flags.SYN, 1, 0), "opened twice"),
        (frame(Kind.DATA, Flags.NONE, 1, WINDOW_BYTES + 1), "for a window of"),
        (frame(Kind.WINDOW_UPDATE, Flags.NONE, 1, (1 << 32) - 1), "beyond 32 bits"),
        (2 * frame(Kind.WINDOW_UPDATE, Flags.FIN, 1, 0), "ends twice"),
        (
            frame(Kind.DATA, Flags.FIN, 1, 0) + frame(Kind.DATA, Flags.NONE, 1, 1, b"x"),
            "after its end",
        ),
    ],
)
def test_a_broken_rule_ends_the_session(data: bytes, reason: str) -> None:
    server = Session(is_client=False)
    open_from_outside(server, 1)
    assert_ends_with_a_protocol_error(server, data, reason)


def test_window_updates_without_end_are_not_remembered_one_by_one() -> None:
    client, _, stream = opened()
    client.send(stream, b"x")
    for _ in range(1000):
        client.receive(frame(Kind.WINDOW_UPDATE, Flags.NONE, stream, 0))
    assert len(client._turns) == 1


# ---------------------------------------------------------------- anything at all


@given(st.binary(max_size=300))
def test_garbage_ends_the_session_or_means_something_but_never_raises(data: bytes) -> None:
    session = Session(is_client=False)
    session.receive(data)
    session.data_to_send(MUCH)


@given(
    cut=st.integers(0, 5000),
    change=st.integers(0, 5000),
    byte=st.integers(0, 255),
    step=st.integers(1, 700),
)
def test_a_damaged_capture_never_raises(cut: int, change: int, byte: int, step: int) -> None:
    data = bytearray(client_bytes()[:6000])
    data[change] = byte
    del data[cut : cut + 3]
    session = Session(is_client=False)
    for offset in range(0, len(data), step):
        for event in session.receive(bytes(data[offset : offset + step])):
            if isinstance(event, StreamOpened):
                session.accept(event.stream)
            if isinstance(event, DataReceived):
                session.consumed(event.stream, len(event.data))
        session.data_to_send(MUCH)


Step = tuple[str, int, int]
STEPS = st.lists(
    st.tuples(
        st.sampled_from(["open", "send", "finish", "carry", "consume", "ping"]),
        st.integers(0, 3),
        st.integers(1, 200_000),
    ),
    max_size=60,
)


class Talk:
    """Two sessions, the wire between them, and what each stream should come to."""

    def __init__(self) -> None:
        self.ends = pair()
        self.wires = [bytearray(), bytearray()]  # from end 0, from end 1
        self.streams: list[int] = []
        self.sent: dict[tuple[int, int], bytearray] = {}  # (end, stream)
        self.got: dict[tuple[int, int], bytearray] = {}  # (receiving end, stream)
        self.unread: dict[tuple[int, int], int] = {}
        self.finished: set[tuple[int, int]] = set()
        self.seen_end: set[tuple[int, int]] = set()
        self.heard: set[tuple[int, int]] = set()  # (end, stream) that the other end opened

    def take(self, step: Step) -> None:
        what, which, size = step
        end = which % 2
        if what == "open":
            self._open(end)
        elif what == "carry":
            self.carry(end, size)
        elif what == "ping":
            self.ends[end].ping()
        elif self.streams:
            stream = self.streams[which % len(self.streams)]
            self._on_stream(what, end, stream, size)

    def _open(self, end: int) -> None:
        stream = self.ends[end].open_stream()
        self.streams.append(stream)
        for side in (0, 1):
            self.sent[side, stream] = bytearray()
            self.got[side, stream] = bytearray()
            self.unread[side, stream] = 0

    def _on_stream(self, what: str, end: int, stream: int, size: int) -> None:
        if what == "consume":
            size = min(size, self.unread[end, stream])
            self.unread[end, stream] -= size
            self.ends[end].consumed(stream, size)
        elif (end, stream) in self.finished or stream not in self._known(end):
            return
        elif what == "send":
            data = bytes([len(self.sent[end, stream]) % 251]) * size
            self.ends[end].send(stream, data)
            self.sent[end, stream] += data
        else:
            self.ends[end].finish(stream)
            self.finished.add((end, stream))

    def _known(self, end: int) -> set[int]:
        mine = end == 0
        opened = {one for one in self.streams if (one % 2 == 1) == mine}
        return opened | {one for side, one in self.heard if side == end}

    def carry(self, end: int, size: int) -> None:
        """Let some bytes arrive at the other end."""
        wire = self.wires[end]
        wire += self.ends[end].data_to_send(size)
        piece = bytes(wire[:size])
        del wire[:size]
        other = 1 - end
        for event in self.ends[other].receive(piece):
            match event:
                case StreamOpened(stream):
                    self.heard.add((other, stream))
                    self.ends[other].accept(stream)
                case DataReceived(stream, data):
                    self.got[other, stream] += data
                    self.unread[other, stream] += len(data)
                    assert self.unread[other, stream] <= WINDOW_BYTES
                case StreamEnded(stream):
                    self.seen_end.add((other, stream))
                case StreamAccepted() | PingAnswered():
                    pass
                case _:
                    raise AssertionError(event)

    def settle(self) -> None:
        """Carry and read until nothing is left to do."""
        for _ in range(400):
            for end in (0, 1):
                self.carry(end, 1 << 20)
                for (side, stream), size in self.unread.items():
                    if side == end:
                        self.ends[end].consumed(stream, size)
                        self.unread[side, stream] = 0


@settings(max_examples=60)
@given(STEPS)
def test_whatever_two_ends_do_all_bytes_arrive_in_order(steps: list[Step]) -> None:
    talk = Talk()
    for step in steps:
        talk.take(step)
    talk.settle()
    for (end, stream), data in talk.sent.items():
        assert talk.got[1 - end, stream] == data
        assert ((1 - end, stream) in talk.seen_end) == ((end, stream) in talk.finished)
    both = {one for end, one in talk.finished if (1 - end, one) in talk.finished}
    assert talk.ends[0].stream_count == len(talk.streams) - len(both)
