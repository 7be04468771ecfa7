"""JSON with lines."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proconsul.config import json_text
from proconsul.config.failure import ConfigError
from proconsul.config.tree import plain

json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


@given(json_values, st.sampled_from([None, 2]))
def test_it_reads_what_the_standard_decoder_reads(value: object, indent: int | None) -> None:
    text = json.dumps(value, indent=indent)
    assert plain(json_text.parse(text, "a.json")) == json.loads(text)


def test_every_value_knows_its_line() -> None:
    tree = json_text.parse('{\n"a": 1,\n\n"b": [\n2]}', "a.json")
    assert isinstance(tree.value, dict)
    listed = tree.value["b"].value
    assert isinstance(listed, list)
    assert (tree.value["a"].line, tree.value["b"].line, listed[0].line) == (2, 4, 5)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('{"a":1,}', "line 1: invalid character '}' looking for beginning of object key string"),
        ('{"a":1\n', "line 2: unexpected end of JSON input"),
        ('{"a" 1}', "line 1: invalid character '1' after object key"),
        ("[1,]", "line 1: invalid character ']' looking for beginning of value"),
        ("[1 2]", "line 1: invalid character '2' after array element"),
        ("{}\n\nx", "line 3: invalid character 'x' after top-level value"),
        ('"a\nb"', "line 1: invalid character '\\n' in string literal"),
        ("NaN", "line 1: invalid character 'N' looking for beginning of value"),
        ("[1e999]", "line 1: number 1e999 is out of range"),
        ("", "line 1: unexpected end of JSON input"),
    ],
)
def test_a_mistake_is_told_with_file_and_line(text: str, words: str) -> None:
    with pytest.raises(ConfigError) as refusal:
        json_text.parse(text, "a.json")
    assert str(refusal.value) == f"a.json: {words}"


def test_nesting_has_a_limit_and_at_the_limit_it_still_works() -> None:
    deep = json_text.DEPTH_MAX
    assert json_text.parse("[" * deep + "1" + "]" * deep, "a.json")
    with pytest.raises(ConfigError, match="exceeded max depth"):
        json_text.parse("[" * (deep + 1) + "1" + "]" * (deep + 1), "a.json")


@given(st.text(alphabet='{}[]",:1.eE-\\untrfals \n', max_size=20))
def test_whatever_is_written_is_judged_as_the_standard_decoder_does(text: str) -> None:
    try:
        expected = json.loads(text)
    except json.JSONDecodeError:
        with pytest.raises(ConfigError):
            json_text.parse(text, "any")
    else:
        assert plain(json_text.parse(text, "any")) == expected
