"""The captured bytes of golden/rpc."""

from pathlib import Path

from proconsul.rpc.yamux_frame import HEADER_BYTES, Header, Kind, decode_header

GOLDEN = Path(__file__).parent.parent / "golden" / "rpc"
CALLS = sorted(path.name.removesuffix(".req.bin") for path in GOLDEN.glob("*.req.bin"))


def request_of(call: str) -> bytes:
    """Header and arguments, as a client sent them."""
    return (GOLDEN / f"{call}.req.bin").read_bytes()


def response_of(call: str) -> bytes:
    """Header and reply, as a server sent them."""
    return (GOLDEN / f"{call}.resp.bin").read_bytes()


def client_bytes() -> bytes:
    """All that the client agent sent on its connection, behind the first byte."""
    data = (GOLDEN / "connection.client.bin").read_bytes()
    assert data[0] == 4
    return data[1:]


def server_bytes() -> bytes:
    """All that the server answered."""
    return (GOLDEN / "connection.server.bin").read_bytes()


def frames_of(data: bytes) -> list[tuple[Header, bytes]]:
    """(header, payload) of each frame."""
    frames = []
    offset = 0
    while offset < len(data):
        header = decode_header(data[offset : offset + HEADER_BYTES])
        offset += HEADER_BYTES
        size = header.length if header.kind is Kind.DATA else 0
        frames.append((header, data[offset : offset + size]))
        offset += size
    return frames
