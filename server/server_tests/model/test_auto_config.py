"""The request of an agent that wants its settings: protobuf within msgpack, as agents send it."""

import pytest

from proconsul.model.auto_config import AutoConfigRequest
from proconsul.wire import gostruct, msgpack
from proconsul.wire.gostruct import WireError


def read(message: bytes) -> str:
    return gostruct.decode(AutoConfigRequest, msgpack.pack(msgpack.bytes_text(message))).datacenter


@pytest.mark.parametrize(
    ("message", "datacenter"),
    [
        (b"", ""),
        (b"\x0a\x03dc1", "dc1"),
        (b"\x12\x04node\x0a\x03dc1\x2a\x05a.b.c", "dc1"),
        (b"\x0a\x03dc1\x0a\x03dc2", "dc2"),  # the last one counts
        (b"x" * 100, ""),  # fields that nobody knows
        (b"\x0d1234\x09abcdefgh\x0a\x03dc1", "dc1"),
        (b"\x0a\x01\xff", "\ufffd"),
    ],
)
def test_the_datacenter_is_found_among_the_fields(message: bytes, datacenter: str) -> None:
    assert read(message) == datacenter


@pytest.mark.parametrize(
    ("message", "text"),
    [
        (b"\xff\xff", "unexpected EOF"),
        (b"\x0a\x04dc1", "unexpected EOF"),
        (b"\x0a", "unexpected EOF"),
        (b"\x0d123", "unexpected EOF"),
        (b"\x0b", "illegal wireType 3"),
        (b"\xff" * 11, "integer overflow"),
        (b"\x0a" + b"\xff" * 9 + b"\x01", "unexpected EOF"),
    ],
)
def test_what_is_no_message_is_refused(message: bytes, text: str) -> None:
    with pytest.raises(WireError, match=text):
        read(message)


def test_a_request_that_is_written_is_read_again() -> None:
    for datacenter in ("", "dc1"):
        request = AutoConfigRequest(datacenter=datacenter)
        assert gostruct.decode(AutoConfigRequest, gostruct.encode(request)) == request
