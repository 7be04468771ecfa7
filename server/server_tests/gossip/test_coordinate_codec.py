"""See gossip/coordinate_codec.py."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proconsul.gossip import coordinate_codec
from proconsul.gossip.coordinates import Coordinate
from proconsul.gossip.failure import PacketError
from proconsul.gossip.fields import pack
from proconsul.gossip.messages import Ack
from server_tests.gossip.captured import GO, capture

numbers = st.floats(allow_nan=False)


@pytest.mark.parametrize("name", GO)
def test_what_agents_sent_is_read_and_written_in_the_same_bytes(name: str) -> None:
    payloads = [
        message.payload
        for message in capture(name).packet_messages()
        if isinstance(message, Ack) and message.payload
    ]
    assert payloads
    for payload in payloads:
        coordinate = coordinate_codec.decode(payload)
        assert coordinate.is_finite
        assert coordinate_codec.encode(coordinate) == payload


@given(st.tuples(*[numbers] * 8), numbers, numbers, numbers)
def test_what_is_written_is_read(
    vec: tuple[float, ...], error: float, adjustment: float, height: float
) -> None:
    coordinate = Coordinate(vec=vec, error=error, adjustment=adjustment, height=height)
    assert coordinate_codec.decode(coordinate_codec.encode(coordinate)) == coordinate


def test_whole_numbers_and_nothing_are_numbers_too() -> None:
    payload = b"\x01" + pack({"Vec": [1] * 8, "Error": 1, "Height": None})
    assert coordinate_codec.decode(payload) == Coordinate(
        vec=(1.0,) * 8, error=1.0, adjustment=0.0, height=0.0
    )


def test_what_is_not_finite_is_read_and_for_others_to_judge() -> None:
    payload = coordinate_codec.encode(Coordinate(error=math.inf))
    assert coordinate_codec.decode(payload).error == math.inf


@pytest.mark.parametrize(
    ("payload", "problem"),
    [
        (b"", "Unsupported ping version"),
        (b"\x02\x80", "Unsupported ping version: 02"),
        (b"\x01\x80", "dimensions aren't compatible"),
        (b"\x01" + pack({"Vec": [0.0] * 7}), "dimensions aren't compatible"),
        (b"\x01" + pack({"Vec": [0.0] * 7 + ["x"]}), "a number is wanted"),
        (b"\x01" + pack({"Vec": [True] * 8}), "a number is wanted"),
        (b"\x01" + pack([1]), "a map is wanted"),
        (b"\x01\xc1", "not msgpack"),
    ],
)
def test_what_is_no_coordinate_is_refused(payload: bytes, problem: str) -> None:
    with pytest.raises(PacketError, match=problem):
        coordinate_codec.decode(payload)
