"""Faults in JSON are told in the words of Go's scanner (captured from Consul 1.8.7)."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proconsul.wire.json_syntax import DEPTH_MAX, TOO_DEEP, UNEXPECTED_END, syntax_fault

KEY = "looking for beginning of object key string"


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ('{"Name":"x",}', f"invalid character '}}' {KEY}"),
        ('{"Name":"x" "TTL":1}', "invalid character '\"' after object key:value pair"),
        ('{Name:"x"}', f"invalid character 'N' {KEY}"),
        ('{"Name" 1}', "invalid character '1' after object key"),
        ("'x'", "invalid character '\\'' looking for beginning of value"),
        ('{"Name":tru}', "invalid character '}' in literal true (expecting 'e')"),
        ('{"Name":nil}', "invalid character 'i' in literal null (expecting 'u')"),
        ('{"Name":"\\q"}', "invalid character 'q' in string escape code"),
        ('{"Name":"\\u12x"}', "invalid character 'x' in \\u hexadecimal character escape"),
        ('{"Name":"a\nb"}', "invalid character '\\n' in string literal"),
        ('{"Name":01}', "invalid character '1' after object key:value pair"),
        ('{"Name":-}', "invalid character '}' in numeric literal"),
        ('{"Name":1.}', "invalid character '}' after decimal point in numeric literal"),
        ('{"Name":1e}', "invalid character '}' in exponent of numeric literal"),
        ("[1,]", "invalid character ']' looking for beginning of value"),
        ("[1 2]", "invalid character '2' after array element"),
        ("[1}", "invalid character '}' after array element"),
        ("}", "invalid character '}' looking for beginning of value"),
        ("{", UNEXPECTED_END),
        ("[", UNEXPECTED_END),
        ("nul", UNEXPECTED_END),
        ('{"Name":"x', UNEXPECTED_END),
        ('{"a":[{"b":1}', UNEXPECTED_END),
    ],
)
def test_the_first_fault_is_told(text: str, fault: str) -> None:
    assert syntax_fault(text.encode()) == fault


def test_what_stands_behind_the_first_value_does_not_count() -> None:
    assert syntax_fault(b'{"a":[1,{"b":[]},{}]} zork') is None
    assert syntax_fault(b" 12 34") is None


def test_depth_has_a_limit() -> None:
    assert syntax_fault(b"[" * DEPTH_MAX) == UNEXPECTED_END
    assert syntax_fault(b"[" * (DEPTH_MAX + 1)) == f"invalid character '[' {TOO_DEEP}"
    deep = b'{"a":' * (DEPTH_MAX + 1)
    assert syntax_fault(deep) == f"invalid character '{{' {TOO_DEEP}"


VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(VALUES)
def test_no_whole_value_has_a_fault(value: object) -> None:
    assert syntax_fault(json.dumps(value).encode()) is None


@given(VALUES.filter(lambda value: isinstance(value, list | dict | str)), st.data())
def test_every_cut_off_value_has_one(value: object, data: st.DataObject) -> None:
    text = json.dumps(value).encode()
    cut = data.draw(st.integers(0, len(text) - 1))
    assert syntax_fault(text[:cut]) == UNEXPECTED_END
