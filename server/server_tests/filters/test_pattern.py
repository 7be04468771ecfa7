"""Patterns: Python's `re` agrees where the languages do; Go's peculiarities one by one."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proconsul.filters.pattern import INSTRUCTIONS_MAX, REMEMBERED_MAX, Pattern, PatternError
from proconsul.filters.pattern_syntax import NESTING_MAX

pieces = st.recursive(
    st.sampled_from(
        ["a", "b", ".", "[ab]", "[^a]", r"\w", r"\W", r"\d", r"\s", "^", r"\b", r"\B", "", r"\A"]
    ),
    lambda inner: st.one_of(
        st.tuples(inner, inner).map("".join),
        st.tuples(inner, inner).map("(?:{0[0]}|{0[1]})".format),
        st.tuples(inner, st.sampled_from(["*", "+", "?", "{2}", "{1,}", "{0,2}", "*?"])).map(
            lambda pair: f"(?:{pair[0]}){pair[1]}"
        ),
        inner.map("({})".format),
        inner.map("(?i:{})".format),
        inner.map("(?s:{})".format),
        inner.map("(?m:{}$)".format),
    ),
    max_leaves=8,
)


@settings(max_examples=400, deadline=None)
@given(pieces, st.text(alphabet="aAb1 \n", min_size=1, max_size=6))
def test_it_finds_what_pythons_engine_finds(pattern: str, text: str) -> None:
    expected = re.search(pattern, text, re.ASCII) is not None
    assert Pattern(pattern).search(text) is expected


@pytest.mark.parametrize(
    ("pattern", "taken", "refused"),
    [
        ("a$", "a", "a\n"),
        (r"a\z", "ba", "ab"),
        ("(?i)stra\\x{df}e", "STRAßE", "strasse"),
        ("(?i)[k]", "\u212a", "\u017f"),
        ("^[[:alpha:]]+$", "abC", "ab1"),
        ("^[^[:^digit:]x]$", "7", "x"),
        (r"^\pL\p{Lu}\PL$", "éÉ1", "éé1"),
        (r"^\Qa.b*\E+$", "a.b**", "axb"),
        ("a{,2}$", "a{,2}", "aa"),
        ("^a{2,3}$", "aaa", "aaaa"),
        (r"^[\d\-x-z]+$", "1-y", "a"),
        ("^[]a]+$", "]a", "[a"),
        ("(?P<name>a)(?-i)b", "ab", "aB"),
        ("x(?i)y|z", "Z", "X"),
        ("^(?U)a+$", "aa", "ab"),
        ("^a(?i){2}B$", "aab", "ab"),
        (r"^\101\x42\t$", "AB\t", "AB"),
        (r"^\d$", "1", "\u0661"),
    ],
)
def test_gos_own_syntax(pattern: str, taken: str, refused: str) -> None:
    assert Pattern(pattern).search(taken)
    assert not Pattern(pattern).search(refused)


@pytest.mark.parametrize(
    ("pattern", "message"),
    [
        ("a(", "missing closing ): `a(`"),
        ("a)", "unexpected ): `a)`"),
        ("[a", "missing closing ]: `[a`"),
        ("*a", "missing argument to repetition operator: `*`"),
        ("a|+", "missing argument to repetition operator: `+`"),
        ("a**", "invalid nested repetition operator: `**`"),
        ("a++", "invalid nested repetition operator: `++`"),
        ("a{1001}", "invalid repeat count: `{1001}`"),
        ("a{3,2}", "invalid repeat count: `{3,2}`"),
        ("(?=a)", "invalid or unsupported Perl syntax: `(?=`"),
        (r"(a)\1", r"invalid escape sequence: `\1`"),
        (r"\Z", r"invalid escape sequence: `\Z`"),
        (r"\C", r"invalid escape sequence: `\C`"),
        (r"\x{4z}", r"invalid escape sequence: `\x{4z`"),
        (r"\p{Greek}", r"invalid character class range: `\p{Greek}`"),
        (r"\p{L", r"invalid character class range: `\p{L`"),
        ("(?i)*", "missing argument to repetition operator: `*`"),
        ("[b-a]", "invalid character class range: `b-a`"),
        ("[[:what:]]", "invalid character class range: `[:what:]`"),
        ("a\\", "trailing backslash at end of expression: ``"),
        ("(?P<a>x)(?P<a>y)", "duplicate capture group name"),
        ("((((a{9}){9}){9}){9})", "invalid repeat count: `{9}`"),
    ],
)
def test_a_pattern_that_go_refuses_is_refused_in_its_words(pattern: str, message: str) -> None:
    with pytest.raises(PatternError) as refused:
        Pattern(pattern)
    assert str(refused.value).startswith("error parsing regexp: ")
    assert message in str(refused.value)


def test_what_is_exponential_elsewhere_is_not_here() -> None:
    assert not Pattern("^(a+)+$").search("a" * 5_000 + "b")


def test_no_word_edge_is_in_an_empty_text_too() -> None:
    assert Pattern(r"^\B$").search("")  # where Python's engine finds none


def test_more_steps_than_it_remembers_do_not_change_the_answer() -> None:
    pattern = Pattern("a.{200}b|z$")
    assert not pattern.search("".join(map(chr, range(0x4E00, 0x4E00 + REMEMBERED_MAX + 5))))
    for base in (0x4E00, 0x6E00):
        text = "a" * 300 + "".join(chr(base + at) for at in range(50))
        assert not pattern.search(text)
        assert pattern.search(text + "z")
        assert pattern.search(text + "a" * 150 + "b")


def test_a_pattern_has_a_largest_size_and_depth() -> None:
    Pattern("(?:[ab]{3}){300}")
    with pytest.raises(PatternError, match=str(INSTRUCTIONS_MAX)):
        Pattern("a{1000}b{1000}c{1000}d{1000}e")
    Pattern("(" * NESTING_MAX + ")" * NESTING_MAX)
    with pytest.raises(PatternError, match="nested"):
        Pattern("(" * (NESTING_MAX + 1) + ")" * (NESTING_MAX + 1))
