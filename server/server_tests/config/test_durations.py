"""Go's durations."""

from __future__ import annotations

import pytest

from proconsul.config import durations


@pytest.mark.parametrize(
    ("text", "ns"),
    [
        ("0", 0),
        ("-0", 0),
        ("5s", 5_000_000_000),
        ("1h15m30.918s", 4_530_918_000_000),
        (".5s", 500_000_000),
        ("5.s", 5_000_000_000),
        ("-1.5h", -5_400_000_000_000),
        ("+3ns", 3),
        ("3us", 3_000),
        ("3µs", 3_000),
        ("1s1ms", 1_001_000_000),
    ],
)
def test_a_duration_is_its_nanoseconds(text: str, ns: int) -> None:
    assert durations.parse_ns(text) == ns
    assert durations.parse_s(text) == pytest.approx(ns / 1e9)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", 'time: invalid duration ""'),
        ("x", 'time: invalid duration "x"'),
        ("5", 'time: missing unit in duration "5"'),
        ("1d", 'time: unknown unit "d" in duration "1d"'),
        ("5s ", 'time: unknown unit "s " in duration "5s "'),
        ("1s-", 'time: unknown unit "s-" in duration "1s-"'),
        (".s", 'time: invalid duration ".s"'),
        ("300000h300000h300000h300000h300000h300000h300000h300000h300000h", "invalid duration"),
    ],
)
def test_a_bad_duration_is_refused_in_the_words_of_go(text: str, words: str) -> None:
    with pytest.raises(ValueError, match="time: ") as refusal:
        durations.parse_ns(text)
    assert words in str(refusal.value)
