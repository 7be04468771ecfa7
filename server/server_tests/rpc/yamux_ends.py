"""Two ends of a yamux session, and frames that no session of ours would send."""

from proconsul.rpc.yamux import Session, SessionClosedError
from proconsul.rpc.yamux_events import Event, SessionEnded, StreamAccepted, StreamOpened
from proconsul.rpc.yamux_frame import Flags, GoAwayCode, Header, Kind
from server_tests.rpc.captured import frames_of

MUCH = 1 << 30


def pair() -> tuple[Session, Session]:
    """A client and a server."""
    return Session(is_client=True), Session(is_client=False)


def pass_on(sender: Session, receiver: Session) -> list[Event]:
    """All that one wants to send, to the other."""
    return receiver.receive(sender.data_to_send(MUCH))


def opened() -> tuple[Session, Session, int]:
    """A pair with one stream that both know."""
    client, server = pair()
    stream = client.open_stream()
    assert pass_on(client, server) == [StreamOpened(stream)]
    server.accept(stream)
    assert pass_on(server, client) == [StreamAccepted(stream)]
    return client, server, stream


def frame(kind: Kind, flags: Flags, stream: int, length: int, payload: bytes = b"") -> bytes:
    return Header(kind, flags, stream, length).encode() + payload


def open_from_outside(server: Session, stream: int) -> None:
    server.receive(frame(Kind.WINDOW_UPDATE, Flags.SYN, stream, 0))
    server.accept(stream)
    server.data_to_send(MUCH)


def assert_ends_with_a_protocol_error(session: Session, data: bytes, reason: str) -> None:
    *_, last = session.receive(data)
    assert isinstance(last, SessionEnded)
    assert reason in last.reason
    header, _ = frames_of(session.data_to_send(MUCH))[-1]
    assert (header.kind, header.length) == (Kind.GO_AWAY, GoAwayCode.PROTOCOL_ERROR)
    assert session.receive(data) == []
    try:
        session.open_stream()
    except SessionClosedError:
        return
    raise AssertionError("a session that is over has opened a stream")
