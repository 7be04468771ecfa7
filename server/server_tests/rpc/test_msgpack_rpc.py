"""Calls and replies, as real agents and servers sent them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proconsul.endpoints.forward import reply_type_of
from proconsul.endpoints.table import METHODS
from proconsul.rpc.msgpack_rpc import (
    HEADER_BYTES_MAX,
    Call,
    CallReader,
    Reply,
    ReplyReader,
    decode_reply,
    decode_request,
    encode_call,
    encode_error,
    encode_reply,
    encode_value,
)
from proconsul.rpc.value_reader import ValueTooLargeError
from proconsul.wire.gostruct import WireError
from proconsul.wire.msgpack import MsgpackError
from server_tests.rpc.captured import CALLS, request_of, response_of

LARGE = 1 << 20
# With ACLs on they answer what is not made here yet.
ANSWERED = [name for name in CALLS if not name.startswith("ACL.")]
CALL = Call(7, "KVS.Get", b"\x81\xa3Key\xa1a")


def captured_call(name: str) -> Call:
    reader = CallReader(LARGE)
    reader.feed(request_of(name))
    call = reader.next_call()
    assert call is not None
    assert reader.is_between_calls
    return call


def captured_reply(name: str) -> Reply:
    reader = ReplyReader(LARGE)
    reader.feed(response_of(name))
    reply = reader.next_reply()
    assert reply is not None
    assert reader.next_reply() is None
    return reply


@pytest.mark.parametrize("name", CALLS)
def test_a_captured_request_is_understood_and_said_again_byte_for_byte(name: str) -> None:
    call = captured_call(name)
    assert call.method == name[:-3]
    request = decode_request(METHODS.find(call.method).request, call.body)
    # Where our table wants no arguments, those that came are not looked at.
    body = call.body if request is None else encode_value(request)
    assert encode_call(Call(call.seq, call.method, body)) == request_of(name)


@pytest.mark.parametrize("name", ANSWERED)
def test_a_captured_reply_has_the_shape_of_what_our_handler_returns(name: str) -> None:
    call, reply = captured_call(name), captured_reply(name)
    assert (reply.seq, reply.method) == (call.seq, call.method)
    if reply.error:
        assert encode_error(call, reply.error) == response_of(name)
        return
    form = reply_type_of(METHODS.find(call.method))
    body = encode_value(decode_reply(form, reply.body))
    assert encode_reply(call, body) == response_of(name)


def test_there_are_captures_of_calls_that_went_well_and_of_calls_that_failed() -> None:
    errors = [captured_reply(name).error for name in CALLS]
    assert errors.count("") > 50
    assert any('invalid session "' in one for one in errors)


@given(cuts=st.lists(st.integers(1, 60), min_size=1))
def test_calls_come_out_whole_however_they_are_cut(cuts: list[int]) -> None:
    names = CALLS[:12]
    data = b"".join(request_of(name) for name in names)
    reader = CallReader(LARGE)
    methods = []
    offset = step = 0
    while offset < len(data):
        reader.feed(data[offset : offset + cuts[step % len(cuts)]])
        while (call := reader.next_call()) is not None:
            methods.append(call.method)
        offset += cuts[step % len(cuts)]
        step += 1
    assert methods == [name[:-3] for name in names]


def test_arguments_have_a_limit() -> None:
    within = CallReader(len(CALL.body))
    within.feed(encode_call(CALL))
    assert within.next_call() == CALL
    beyond = CallReader(len(CALL.body) - 1)
    beyond.feed(encode_call(CALL))
    with pytest.raises(ValueTooLargeError):
        beyond.next_call()


def test_a_header_has_a_limit_of_its_own() -> None:
    around_bytes = len(encode_call(Call(1, "x" * 300, b""))) - 300
    largest = Call(1, "x" * (HEADER_BYTES_MAX - around_bytes), b"\x80")
    within = CallReader(LARGE)
    within.feed(encode_call(largest))
    assert within.next_call() == largest
    beyond = CallReader(LARGE)
    beyond.feed(encode_call(Call(1, largest.method + "x", b"\x80")))
    with pytest.raises(ValueTooLargeError):
        beyond.next_call()


@pytest.mark.parametrize("header", [b"\x01", b"\xa1x", b"\xc0", b"\x82\xa3Seq\xa1x\xa1a\x01"])
def test_a_header_that_is_none_is_refused(header: bytes) -> None:
    reader = CallReader(LARGE)
    reader.feed(header + b"\x80")
    with pytest.raises(WireError):
        reader.next_call()


def test_a_map_for_a_key_is_refused_wherever_it_stands() -> None:
    nonsense = b"\x81\x80\x01"
    calls, replies = CallReader(LARGE), ReplyReader(LARGE)
    for reader in (calls, replies):
        reader.feed(nonsense)
    with pytest.raises(MsgpackError):
        calls.next_call()
    with pytest.raises(MsgpackError):
        replies.next_reply()
    with pytest.raises(MsgpackError):
        decode_request(METHODS.find("KVS.Get").request, nonsense)
    with pytest.raises(MsgpackError):
        decode_reply(list[str], nonsense)


def test_a_header_may_be_an_array_as_go_msgpack_allows() -> None:
    reader = CallReader(LARGE)
    reader.feed(b"\x92\xa7KVS.Get\x07\x80")
    assert reader.next_call() == Call(7, "KVS.Get", b"\x80")


@pytest.mark.parametrize(
    ("value", "body"),
    [
        (None, b"\x80"),
        (True, b"\xc3"),
        ("127.0.0.1:8300", b"\xae127.0.0.1:8300"),
        (["a", "b"], b"\x92\xa1a\xa1b"),
        ([], b"\x90"),
    ],
)
def test_replies_that_are_no_structs_stand_bare(value: object, body: bytes) -> None:
    assert encode_value(value) == body


@pytest.mark.parametrize(
    ("form", "body", "value"),
    [
        (bool, b"\xc3", True),
        (str, b"\xa1a", "a"),
        (str, b"\xc0", ""),
        (list[str], b"\xc0", []),
        (list[str], b"\x91\xa1a", ["a"]),
        (None, b"\x80", None),
        (type(None), b"\x80", None),
    ],
)
def test_replies_are_read_by_their_type(form: object, body: bytes, value: object) -> None:
    assert decode_reply(form, body) == value


@pytest.mark.parametrize(("form", "body"), [(bool, b"\xa1a"), (str, b"\x01"), (list[str], b"\x80")])
def test_a_reply_of_another_type_is_refused(form: object, body: bytes) -> None:
    with pytest.raises(WireError):
        decode_reply(form, body)


@given(st.binary(max_size=200))
def test_garbage_is_a_call_or_refused_or_not_whole(data: bytes) -> None:
    reader = CallReader(100)
    reader.feed(data)
    try:
        while reader.next_call() is not None:
            pass
    except (MsgpackError, WireError):
        return
