"""JSON is what Go would print: each expected text was printed by Go 1.15."""

import json as stdlib_json
import math

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from proconsul.wire import json


class Pair(msgspec.Struct, rename="pascal"):
    """A struct as the model has them."""

    lock_index: int
    key: str
    value: bytes | None


def test_structs_keep_go_names_and_order_and_bytes_are_base64() -> None:
    pair = Pair(lock_index=0, key="a", value=b"bar\xff")
    assert json.encode([pair]) == b'[{"LockIndex":0,"Key":"a","Value":"YmFy/w=="}]'
    assert json.encode(Pair(lock_index=0, key="a", value=None)).endswith(b'"Value":null}')


@pytest.mark.parametrize(
    ("text", "printed"),
    [
        ("<a> & b", rb'"\u003ca\u003e \u0026 b"'),
        ("\u2028\u2029", rb'"\u2028\u2029"'),
        ("\b\f\n\r\t\x01", rb'"\u0008\u000c\n\r\t\u0001"'),
        ("\\b \\\\f", rb'"\\b \\\\f"'),
        ('"\\', rb'"\"\\"'),
        ("é\x7f\U0001f600", '"é\x7f\U0001f600"'.encode()),
        ("\ufffd", '"\ufffd"'.encode()),
    ],
)
def test_strings_are_escaped_as_go_escapes_them(text: str, printed: bytes) -> None:
    assert json.encode(text) == printed


def test_each_byte_that_is_not_utf8_becomes_an_escaped_replacement_character() -> None:
    key = b"a\xff\xe2\x82<\xc3\xa9\xef\xbf\xbd".decode("utf-8", "surrogateescape")
    printed = b'"a\\ufffd\\ufffd\\ufffd\\u003c' + "é\ufffd".encode() + b'"'
    assert json.encode([key]) == b"[" + printed + b"]"
    pair = Pair(lock_index=1, key=key, value=b"x")
    assert json.encode(pair) == b'{"LockIndex":1,"Key":' + printed + b',"Value":"eA=="}'
    assert json.encode({key[:2]: (1, key)}) == '{"a\ufffd":[1,'.encode() + printed + b"]}"


def test_pretty_is_four_spaces_and_a_newline() -> None:
    value: dict[str, object] = {"a": [], "b": {}, "c": [1, {"d": "<"}], "e": None}
    assert json.encode(value, pretty=True) == (
        b'{\n    "a": [],\n    "b": {},\n    "c": [\n        1,\n        {\n'
        b'            "d": "\\u003c"\n        }\n    ],\n    "e": null\n}\n'
    )
    assert json.encode([], pretty=True) == b"[]\n"
    assert json.encode("x", pretty=True) == b'"x"\n'


@pytest.mark.parametrize(
    ("number", "printed"),
    [
        (0.0, b"0"),
        (-0.0, b"-0"),
        (1.0, b"1"),
        (100.0, b"100"),
        (1.5, b"1.5"),
        (-0.25, b"-0.25"),
        (1e-05, b"0.00001"),
        (1e-06, b"0.000001"),
        (9.5e-07, b"9.5e-7"),
        (1e-07, b"1e-7"),
        (1.25e-10, b"1.25e-10"),
        (1e16, b"10000000000000000"),
        (1.2345678901234568e17, b"123456789012345680"),
        (1e20, b"100000000000000000000"),
        (1e21, b"1e+21"),
        (-1.5e300, b"-1.5e+300"),
    ],
)
def test_floats_are_printed_as_go_prints_them_when_asked(number: float, printed: bytes) -> None:
    assert json.encode(number, floats=True) == printed
    assert json.encode(["1.0 ,1e5", number, 10], floats=True) == b'["1.0 ,1e5",' + printed + b",10]"


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_every_float_reads_back_as_itself(number: float) -> None:
    printed = json.encode({"x": [number, '"\\1.0']}, floats=True)
    read, _ = stdlib_json.loads(printed)["x"]
    assert math.isclose(read, number, rel_tol=0, abs_tol=0)


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_every_text_reads_back_as_itself(text: str) -> None:
    assert stdlib_json.loads(json.encode({"k": text})) == {"k": text}
    assert stdlib_json.loads(json.encode({text: 1}, pretty=True)) == {text: 1}


@given(st.binary())
def test_every_key_of_bytes_reads_back_with_its_broken_bytes_replaced(octets: bytes) -> None:
    text = octets.decode("utf-8", "surrogateescape")
    expected = "".join("\ufffd" if "\ud800" <= one <= "\udfff" else one for one in text)
    assert stdlib_json.loads(json.encode(text)) == expected
