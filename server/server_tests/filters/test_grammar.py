"""The grammar against a packrat reading of go-bexpr's PEG, and its traps one by one."""

import re
from collections.abc import Iterator
from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proconsul.filters.grammar import EXPRESSION_CHARS_MAX, parse
from proconsul.filters.literals import LiteralError, unquote
from proconsul.filters.tree import All, Any, Expression, FilterSyntaxError, Match, Not, Operator

SPACE = r"[ \t\r\n]"
IDENTIFIER = "[a-zA-Z][a-zA-Z0-9_]*"
STRING = r"(?:`[^`]*`|\"[^\"]*\")"
SELECTOR = rf"{IDENTIFIER}(?:\.{IDENTIFIER}|\[{SPACE}*{STRING}{SPACE}*\])*"
NUMBER = rf"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?={SPACE}|\)|\Z)"
WITH_VALUE = {
    "*==*": Operator.EQUAL,
    "*!=*": Operator.NOT_EQUAL,
    "+contains+": Operator.IN,
    "+not+contains+": Operator.NOT_IN,
    "+matches+": Operator.MATCHES,
    "+not+matches+": Operator.NOT_MATCHES,
}
WITHOUT_VALUE = {"+is+empty": Operator.IS_EMPTY, "+is+not+empty": Operator.IS_NOT_EMPTY}
IN = {"+in+": Operator.IN, "+not+in+": Operator.NOT_IN}

Parsed = tuple[Expression, int] | None


class Peg:
    """Ordered choice, literally: the first alternative that succeeds is taken."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.disjunction = cache(self._disjunction)
        self.conjunction = cache(self._conjunction)
        self.negation = cache(self._negation)

    def parse(self) -> Expression | None:
        start = self.skip(rf"{SPACE}*", 0)
        assert start is not None
        found = self.disjunction(start)
        if found is None or self.skip(rf"{SPACE}*\Z", found[1]) is None:
            return None
        return found[0]

    def skip(self, pattern: str, at: int) -> int | None:
        found = re.compile(pattern).match(self.text, at)
        return None if found is None else found.end()

    def _disjunction(self, at: int) -> Parsed:
        left = self.conjunction(at)
        if left is None:
            return None
        word = self.skip(f"{SPACE}+or{SPACE}+", left[1])
        right = None if word is None else self.disjunction(word)
        return left if right is None else (Any((left[0], right[0])), right[1])

    def _conjunction(self, at: int) -> Parsed:
        left = self.negation(at)
        if left is None:
            return None
        word = self.skip(f"{SPACE}+and{SPACE}+", left[1])
        right = None if word is None else self.conjunction(word)
        return left if right is None else (All((left[0], right[0])), right[1])

    def _negation(self, at: int) -> Parsed:
        word = self.skip(f"not{SPACE}+", at)
        inner = None if word is None else self.negation(word)
        if inner is not None:
            tree, end = inner
            return (tree.operand if isinstance(tree, Not) else Not(tree)), end
        opened = self.skip(rf"\({SPACE}*", at)
        within = None if opened is None else self.disjunction(opened)
        closed = None if within is None else self.skip(rf"{SPACE}*\)", within[1])
        if within is not None and closed is not None:
            return within[0], closed
        return next(self.matches(at), None)

    def matches(self, at: int) -> Iterator[tuple[Expression, int]]:
        selector = self.selector(at)
        if selector is not None:
            for operator, after in self.operators(WITH_VALUE, selector[1]):
                value = self.value(after)
                if value is not None:
                    yield Match(selector[0], operator, value[0]), value[1]
            for operator, after in self.operators(WITHOUT_VALUE, selector[1]):
                yield Match(selector[0], operator, None), after
        value = self.value(at)
        if value is not None:
            for operator, after in self.operators(IN, value[1]):
                selector = self.selector(after)
                if selector is not None:
                    yield Match(selector[0], operator, value[0]), selector[1]

    def operators(self, spelt: dict[str, Operator], at: int) -> Iterator[tuple[Operator, int]]:
        for spelling, operator in spelt.items():
            after = self.skip(re.sub(r"([*+])", rf"{SPACE}\1", spelling), at)
            if after is not None:
                yield operator, after

    def selector(self, at: int) -> tuple[tuple[str, ...], int] | None:
        end = self.skip(SELECTOR, at)
        if end is None:
            return None
        steps = re.findall(f"{STRING}|{IDENTIFIER}", self.text[at:end])
        return tuple(unquote(step) if step[0] in '`"' else step for step in steps), end

    def value(self, at: int) -> tuple[str, int] | None:
        selector = self.selector(at)
        if selector is not None:
            return ".".join(selector[0]), selector[1]
        number = self.skip(NUMBER, at)
        if number is not None:
            return self.text[at:number], number
        string = self.skip(STRING, at)
        return None if string is None else (unquote(self.text[at:string]), string)


def binary(tree: Expression) -> Expression:
    """The PEG's shape: two operands each, the rest to the right."""
    match tree:
        case Not(operand):
            return Not(binary(operand))
        case All(operands) | Any(operands):
            *rest, last = (binary(operand) for operand in operands)
            for operand in reversed(rest):
                last = type(tree)((operand, last))
            return last
        case _:
            return tree


def by_peg(text: str) -> Expression | None:
    try:
        return Peg(text).parse()
    except LiteralError:
        return None


def by_us(text: str) -> Expression | None:
    try:
        return binary(parse(text))
    except FilterSyntaxError:
        return None


spaces = st.sampled_from(["", " ", " ", " ", "  ", "\n", "\t"])
TOKENS = """a b.c x["y"] x[`z`] not and or in contains matches is empty == != ( ) 1 -2.5 007
"s" `r` "\\n" "\\q" . [ ]"""
WORDS = 'not not in is empty contains matches and or a == "x" ( )'
tokens = st.sampled_from(TOKENS.split())
soup = st.lists(st.tuples(tokens, spaces), max_size=9).map(
    lambda parts: "".join(token + space for token, space in parts)
)
words = st.lists(st.sampled_from(WORDS.split()), max_size=7).map(" ".join)
sentences = st.recursive(
    st.sampled_from(
        ["a == 1", "b.c in d", "a is empty", "x not contains `q`", 'a matches "z"', "not in t"]
    ),
    lambda inner: st.one_of(
        st.tuples(spaces, inner, spaces).map(lambda p: f"({p[0]}{p[1]}{p[2]})"),
        st.tuples(spaces, inner).map(lambda p: f"not{p[0]}{p[1]}"),
        st.tuples(inner, spaces, st.sampled_from(["and", "or"]), spaces, inner).map("".join),
    ),
    max_leaves=6,
)


@settings(max_examples=600, deadline=None)
@given(st.one_of(soup, words, sentences))
def test_it_takes_what_the_peg_takes_and_reads_it_the_same(text: str) -> None:
    assert by_us(text) == by_peg(text)


def test_and_binds_closer_than_or_and_not_closest() -> None:
    a, b, c = (Match((name,), Operator.EQUAL, "1") for name in "abc")
    assert parse("not a == 1 and b == 1 or c == 1") == Any((All((Not(a), b)), c))
    assert parse("not ( a == 1 and (b == 1 or c == 1) )") == Not(All((a, Any((b, c)))))


def test_two_negations_are_none() -> None:
    assert parse("not not a == 1") == Match(("a",), Operator.EQUAL, "1")


@pytest.mark.parametrize(
    ("text", "selector"),
    [
        ("Meta.env == x", ("Meta", "env")),
        ('Meta["a b"].c == x', ("Meta", "a b", "c")),
        ("Meta[ `a.b` ] == x", ("Meta", "a.b")),
    ],
)
def test_a_selector_has_dots_and_quoted_keys(text: str, selector: tuple[str, ...]) -> None:
    assert parse(text) == Match(selector, Operator.EQUAL, "x")


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("bare", "bare"),
        ('bare.with["dots"]', "bare.with.dots"),
        ("-12.50", "-12.50"),
        (r'"\tA\u00e9\x41\101"', "\tAéAA"),
        (r"`raw \t`", r"raw \t"),
        ("not", "not"),
    ],
)
def test_a_value_is_a_word_a_number_or_a_string(written: str, value: str) -> None:
    assert parse(f"a=={written}") == Match(("a",), Operator.EQUAL, value)


def test_words_are_reserved_nowhere() -> None:
    assert parse("not in Tags") == Match(("Tags",), Operator.IN, "not")
    assert parse("not in in Tags") == Not(Match(("Tags",), Operator.IN, "in"))
    assert parse("not  in  not in t") == Not(Match(("t",), Operator.NOT_IN, "in"))


@pytest.mark.parametrize(
    "text",
    ["", "a", "a ==", "not(a == 1)", "(a == 1)and (b == 2)", "a == 1.2.3", "a == 007", "a in 5",
     r'a == "x\"y"', "a == 'x'", "a == \"x\ny\"", "m[x] == 1", "m. a == 1", "(a == 1",
     "a == \udcff"],
)  # fmt: skip
def test_what_is_no_expression_is_refused(text: str) -> None:
    with pytest.raises(FilterSyntaxError):
        parse(text)


def test_an_error_says_where() -> None:
    with pytest.raises(FilterSyntaxError, match=r"^2:6 \(16\): "):
        parse("a == 1 and\n b ==")
    with pytest.raises(FilterSyntaxError, match=r"^1:5 \(4\): "):
        parse("a ==")


def test_deep_parentheses_cost_linear_time_and_no_stack() -> None:
    depth = 5_000
    assert parse("(" * depth + "a == 1" + ")" * depth) == Match(("a",), Operator.EQUAL, "1")


def test_an_expression_has_a_longest_length() -> None:
    fits = "a == " + "b" * (EXPRESSION_CHARS_MAX - 5)
    parse(fits)
    with pytest.raises(FilterSyntaxError, match="characters"):
        parse(fits + "b")
