"""What a real agent and a real server sent each other, said again by our sessions."""

from collections import deque

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proconsul.rpc.yamux import Session
from proconsul.rpc.yamux_events import DataReceived, PingAnswered, StreamEnded, StreamOpened
from proconsul.rpc.yamux_frame import Flags, Header, Kind
from server_tests.rpc.captured import client_bytes, frames_of, server_bytes


class Replay:
    """A session that is told to do what one side did, and hears what the other side said."""

    def __init__(self, *, is_client: bool, heard: bytes) -> None:
        self.session = Session(is_client=is_client)
        self._heard = deque(frames_of(heard))
        self._opened: set[int] = set()

    def say(self, header: Header, payload: bytes) -> bytes:
        """Do what makes such a frame; the bytes of it."""
        session = self.session
        match header.kind, header.flags:
            case Kind.WINDOW_UPDATE, Flags.SYN:
                assert session.open_stream() == header.stream
            case Kind.WINDOW_UPDATE, Flags.ACK:
                self._hear_until(lambda: header.stream in self._opened)
                session.accept(header.stream)
            case Kind.WINDOW_UPDATE, Flags.FIN:
                session.finish(header.stream)
            case Kind.DATA, Flags.NONE:
                session.send(header.stream, payload)
            case Kind.PING, Flags.SYN:
                assert session.ping() == header.length
            case Kind.PING, Flags.ACK:
                return self._pong()
            case _:
                raise AssertionError(f"no agent sends {header}")
        return session.data_to_send(1 << 20)

    def _pong(self) -> bytes:
        while not (said := self.session.data_to_send(0)):
            self._hear()
        return said

    def _hear_until(self, done: object) -> None:
        assert callable(done)
        while not done():
            self._hear()

    def _hear(self) -> None:
        header, payload = self._heard.popleft()
        for event in self.session.receive(header.encode() + payload):
            if isinstance(event, StreamOpened):
                self._opened.add(event.stream)
            if isinstance(event, DataReceived):
                self.session.consumed(event.stream, len(event.data))


@pytest.mark.parametrize("is_client", [True, False])
def test_each_side_of_a_captured_connection_is_said_byte_for_byte(is_client: bool) -> None:
    said, heard = client_bytes(), server_bytes()
    if not is_client:
        said, heard = heard, said
    replay = Replay(is_client=is_client, heard=heard)
    again = b"".join(replay.say(header, payload) for header, payload in frames_of(said))
    assert again == said


@given(cuts=st.lists(st.integers(1, 5000), min_size=1))
def test_however_the_bytes_are_cut_the_streams_are_the_same(cuts: list[int]) -> None:
    data = client_bytes()
    session = Session(is_client=False)
    streams: dict[int, bytearray] = {}
    ended: list[int] = []
    offset = step = 0
    while offset < len(data):
        size = cuts[step % len(cuts)]
        for event in session.receive(data[offset : offset + size]):
            match event:
                case StreamOpened(stream):
                    streams[stream] = bytearray()
                    session.accept(stream)
                case DataReceived(stream, piece):
                    streams[stream] += piece
                    session.consumed(stream, len(piece))
                case StreamEnded(stream):
                    ended.append(stream)
                    session.finish(stream)
                    session.data_to_send(1)
                case PingAnswered():
                    pass
                case _:
                    raise AssertionError(event)
        offset += size
        step += 1
    wanted: dict[int, bytes] = {}
    for header, payload in frames_of(data):
        if header.kind is Kind.DATA:
            wanted[header.stream] = wanted.get(header.stream, b"") + payload
    assert {stream: bytes(data) for stream, data in streams.items()} == wanted
    assert ended == [1, 3, 5, 7, 9, 11]  # the streams that an error ended
    assert session.stream_count == len(streams) - len(ended)
