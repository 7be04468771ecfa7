"""What a yamux peer may make us hold: each limit, and one more."""

import pytest

from proconsul.rpc import yamux
from proconsul.rpc.yamux import BacklogFullError, Session, TooMuchUnsentError
from proconsul.rpc.yamux_events import DataReceived, SessionEnded, StreamEnded, StreamReset
from proconsul.rpc.yamux_frame import HEADER_BYTES, Flags, Kind
from proconsul.rpc.yamux_stream import WINDOW_BYTES
from server_tests.rpc.captured import frames_of
from server_tests.rpc.yamux_ends import (
    MUCH,
    assert_ends_with_a_protocol_error,
    frame,
    open_from_outside,
    opened,
    pair,
    pass_on,
)


def test_256_streams_may_wait_to_be_accepted_and_no_more_are_opened() -> None:
    client, server = pair()
    for _ in range(yamux.BACKLOG_MAX):
        client.open_stream()
    with pytest.raises(BacklogFullError):
        client.open_stream()
    events = pass_on(client, server)
    assert len(events) == yamux.BACKLOG_MAX
    server.accept(1)
    pass_on(server, client)
    assert client.open_stream() == 2 * yamux.BACKLOG_MAX + 1


def test_a_stream_beyond_the_backlog_is_refused() -> None:
    server = Session(is_client=False)
    for number in range(yamux.BACKLOG_MAX):
        server.receive(frame(Kind.WINDOW_UPDATE, Flags.SYN, 2 * number + 1, 0))
    refused = 2 * yamux.BACKLOG_MAX + 1
    data = frame(Kind.DATA, Flags.SYN, refused, 4, b"late")
    assert server.receive(data) == []
    assert server.data_to_send(MUCH) == frame(Kind.WINDOW_UPDATE, Flags.RST, refused, 0)


def test_a_peer_may_have_so_many_streams_and_no_more() -> None:
    server = Session(is_client=False)
    for number in range(yamux.STREAMS_MAX):
        open_from_outside(server, 2 * number + 1)
    refused = 2 * yamux.STREAMS_MAX + 1
    assert server.receive(frame(Kind.WINDOW_UPDATE, Flags.SYN, refused, 0)) == []
    assert server.data_to_send(MUCH) == frame(Kind.WINDOW_UPDATE, Flags.RST, refused, 0)
    assert server.stream_count == yamux.STREAMS_MAX


def test_exactly_a_window_of_data_is_taken() -> None:
    server = Session(is_client=False)
    open_from_outside(server, 1)
    events = server.receive(frame(Kind.DATA, Flags.FIN, 1, WINDOW_BYTES, bytes(WINDOW_BYTES)))
    assert events == [DataReceived(1, bytes(WINDOW_BYTES)), StreamEnded(1)]


def test_so_much_may_be_unread_on_all_streams_together_and_no_more() -> None:
    server = Session(is_client=False)
    streams = yamux.UNREAD_BYTES_MAX // WINDOW_BYTES
    for number in range(streams + 1):
        open_from_outside(server, 2 * number + 1)
    full = bytes(WINDOW_BYTES)
    for number in range(streams):
        server.receive(frame(Kind.DATA, Flags.NONE, 2 * number + 1, WINDOW_BYTES, full))
    last = 2 * streams + 1
    server.consumed(1, 1)
    assert server.receive(frame(Kind.DATA, Flags.NONE, last, 1, b"x")) == [DataReceived(last, b"x")]
    server.reset(3)
    assert server.receive(frame(Kind.DATA, Flags.NONE, last, 9, bytes(9)))
    refill = frame(Kind.DATA, Flags.NONE, last, WINDOW_BYTES - 10, bytes(WINDOW_BYTES - 10))
    assert not isinstance(server.receive(refill)[-1], SessionEnded)
    server.receive(frame(Kind.WINDOW_UPDATE, Flags.SYN, last + 2, 0))
    excess = frame(Kind.DATA, Flags.NONE, last + 2, 2, b"xx")
    assert_ends_with_a_protocol_error(server, excess, "sends more than is read")


def test_a_peer_that_does_not_read_may_ask_so_often_and_no_more() -> None:
    server = Session(is_client=False)
    ping = frame(Kind.PING, Flags.SYN, 0, 1)
    most = yamux.CONTROL_BYTES_MAX // HEADER_BYTES
    assert server.receive(most * ping) == []
    assert not server.is_over
    server.data_to_send(0)  # it reads
    assert server.receive(most * ping) == []
    assert_ends_with_a_protocol_error(server, ping, "does not read what it asks for")


def test_a_send_window_may_grow_to_32_bits_and_no_further() -> None:
    server = Session(is_client=False)
    open_from_outside(server, 1)
    largest = yamux.SEND_WINDOW_BYTES_MAX - WINDOW_BYTES
    assert server.receive(frame(Kind.WINDOW_UPDATE, Flags.NONE, 1, largest)) == []
    one_more = frame(Kind.WINDOW_UPDATE, Flags.NONE, 1, 1)
    assert_ends_with_a_protocol_error(server, one_more, "beyond 32 bits")


def test_so_much_may_wait_for_a_peer_on_all_streams_together_and_no_more() -> None:
    client, server, first = opened()
    second = client.open_stream()
    half = bytes(yamux.UNSENT_BYTES_MAX // 2)
    client.send(first, half)
    client.send(second, half)
    with pytest.raises(TooMuchUnsentError):
        client.send(second, b"x")
    client.data_to_send(1)  # one frame has left
    client.send(second, bytes(yamux.FRAME_BYTES_MAX))
    with pytest.raises(TooMuchUnsentError):
        client.send(first, b"x")
    client.reset(second)  # what it wanted to send is not sent any more
    client.send(first, b"x")
    server.receive(client.data_to_send(MUCH))
    assert server.stream_count == 1


def test_one_stream_alone_may_have_as_much_to_send_as_it_likes() -> None:
    client, _, stream = opened()
    client.send(stream, bytes(yamux.UNSENT_BYTES_MAX))
    client.send(stream, b"x")
    assert client.waiting_bytes(stream) == yamux.UNSENT_BYTES_MAX + 1


def test_data_that_nobody_wants_is_not_kept_however_much_it_is() -> None:
    server = Session(is_client=False)
    header = frame(Kind.DATA, Flags.NONE, 7, (1 << 32) - 1)
    assert server.receive(header + bytes(1 << 20)) == []
    assert server.stream_count == 0
    assert server.data_to_send(MUCH) == b""


def test_frames_of_ours_are_no_larger_than_they_may_be() -> None:
    client, _, stream = opened()
    client.send(stream, bytes(yamux.FRAME_BYTES_MAX + 1))
    sizes = [header.length for header, _ in frames_of(client.data_to_send(MUCH)) if header.length]
    assert sizes == [yamux.FRAME_BYTES_MAX, 1]


def test_streams_that_were_used_up_make_room_for_others() -> None:
    client, server = pair()
    for _ in range(3 * yamux.BACKLOG_MAX):
        stream = client.open_stream()
        pass_on(client, server)
        server.accept(stream)
        server.reset(stream)
        assert StreamReset(stream) in pass_on(server, client)
    assert client.stream_count == server.stream_count == 0
