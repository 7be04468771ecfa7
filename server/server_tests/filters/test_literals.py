"""What Go makes of literals."""

import pytest

from proconsul.filters.literals import (
    LiteralError,
    parse_bool,
    parse_float,
    parse_int,
    quote,
    unquote,
)


@pytest.mark.parametrize(
    ("text", "value"),
    [("10", 10), ("-7", -7), ("+7", 7), ("0x1F", 31), ("0b11", 3), ("0o17", 15), ("017", 15),
     ("1_000", 1000), ("0", 0), ("-9223372036854775808", -(2**63)), ("000", 0)],
)  # fmt: skip
def test_an_integer_may_have_any_of_gos_bases(text: str, value: int) -> None:
    assert parse_int(text) == value


@pytest.mark.parametrize("text", ["", "1.5", "x", "08", "1__0", "_1", "0x", " 1", "\u0661"])
def test_what_is_no_integer_is_a_syntax_error(text: str) -> None:
    with pytest.raises(LiteralError, match=r"strconv.ParseInt: parsing .*: invalid syntax"):
        parse_int(text)


@pytest.mark.parametrize("text", ["9223372036854775808", "-9223372036854775809", "9" * 10_000])
def test_an_integer_has_64_bits(text: str) -> None:
    with pytest.raises(LiteralError, match="value out of range"):
        parse_int(text)


def test_booleans_have_twelve_spellings() -> None:
    assert [parse_bool(text) for text in ("1", "t", "T", "TRUE", "true", "True")] == [True] * 6
    assert [parse_bool(text) for text in ("0", "f", "F", "FALSE", "false", "False")] == [False] * 6
    for text in ("yes", "tRUE", "2", ""):
        with pytest.raises(LiteralError):
            parse_bool(text)


def test_floats() -> None:
    assert parse_float("-1.5e3") == -1500
    with pytest.raises(LiteralError):
        parse_float("1,5")


def test_bytes_that_are_utf8_become_text_and_others_lone_surrogates() -> None:
    assert unquote(r'"\xc3\xa9"') == "é"
    assert unquote(r'"\xff"') == "\udcff"
    assert unquote(r'"\ud800"') == "�"


@pytest.mark.parametrize(
    "literal", [r'"\q"', r'"\x4"', r'"\400"', r'"\U00110000"', r'"\'"', '"\n"']
)
def test_an_escape_that_go_does_not_know_is_an_error(literal: str) -> None:
    with pytest.raises(LiteralError):
        unquote(literal)


def test_a_raw_string_loses_its_carriage_returns_only() -> None:
    assert unquote("`a\\n\r\nb`") == "a\\n\nb"


def test_quoting_is_that_of_gos_errors() -> None:
    assert quote('a"b\\\n\x01é\udcff\u200b') == r'"a\"b\\\n\x01é\xff\u200b"'
