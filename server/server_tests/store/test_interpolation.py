"""The language inside `${...}`, as Consul 1.8.7 was seen to read it."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proconsul.store.interpolation import InterpolationError, Scope, evaluate, parse

SCOPE = Scope(
    variables={"name.full": "t1-77", "name.suffix": "77"},
    match=lambda number: ["t1-77", "1", "77"][number] if 0 <= number < 3 else "",
)


@pytest.mark.parametrize(
    ("text", "result"),
    [
        ("", ""),
        ("plain", "plain"),
        ("a}", "a}"),
        ("$", ""),
        ("a$", "a$"),
        ("$$", "$"),
        ("x$${y}", "x${y}"),
        ("${name.full}-${name.suffix}", "t1-77-77"),
        ("ä${name.full}ö", "ät1-77ö"),
        ("${\tname.full\n}", "t1-77"),
        ("${match(2)}", "77"),
        ("${match(1+1)}", "77"),
        ("${match(9)}${match(-1)}", ""),
        ('${match("1")}', "1"),
        ("${match(1.5)}", "1"),
        ("${1 + 2 * 3}", "9"),
        ("${(1+2)*3}", "9"),
        ("${10-2-3}", "5"),
        ("${7/2}", "3"),
        ("${7%4}", "3"),
        ("${-5}", "-5"),
        ("${2*-3}", "-6"),
        ("${--5}", "5"),
        ("${1.5+2}", "3.5"),
        ("${1*2.5}", "2"),
        ("${3.0}", "3"),
        ("${0.1+0.2}", "0.30000000000000004"),
        ("${1000000.0*1000000.0}", "1e+12"),
        ("${1.0/0.0}", "+Inf"),
        ('${"1"+2}', "3"),
        ('${"quoted"}', "quoted"),
        ('${"a${name.suffix}b"}', "a77b"),
        ('${"a" "b"}', "ab"),
        ('${"esc\\"q\\n\\\\"}', 'esc"q\n\\'),
        ('${"\\x"}', "\\x"),
    ],
)
def test_a_text_gives_what_it_gives_in_consul(text: str, result: str) -> None:
    assert evaluate(parse(text), SCOPE) == result


@pytest.mark.parametrize(
    "text",
    [
        *("${", "${}", "${ }", "${1 +}", "${match(1}", "${match(1,)}", "${*}", "${[1]}", "${{}}"),
        *("${1 2}", "${1 == 1}", "${1 < 2}", "${!x}", "${a ? b : c}", "${a && b}", "${name.full"),
        *('${"unterminated', "${99999999999999999999}", "${1e5}", "${+5}", "${1.2.3}", "${ä&}"),
    ],
)
def test_what_does_not_parse_is_a_syntax_error(text: str) -> None:
    with pytest.raises(InterpolationError, match="parse error: syntax error"):
        parse(text)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("${nothing}", "1:3: unknown variable accessed: nothing"),
        ("${true}", "1:3: unknown variable accessed: true"),
        ("${nothing(1)}", "1:3: unknown function called: nothing"),
        ("${match()}", "1:3: match: expected 1 arguments, got 0"),
        ('${match("x")}', '__builtin_StringToInt: strconv.ParseInt: parsing "x": invalid syntax'),
        ("${1.5%2}", "At column 3, line 1: modulo cannot be used with floats"),
        (
            "${name.full[0]}",
            "At column 3, line 1: invalid index operation into non-indexable type: TypeString",
        ),
        ("${1/0}", "divide by zero"),
    ],
)
def test_what_cannot_be_evaluated_says_why(text: str, words: str) -> None:
    with pytest.raises(InterpolationError) as caught:
        evaluate(parse(text), SCOPE)
    assert str(caught.value) == words


def test_nesting_without_end_is_a_syntax_error_and_no_crash() -> None:
    for deep in ("${" + "(" * 10_000, '${"' * 10_000, "${" + "-" * 10_000, "${" + "f(" * 10_000):
        with pytest.raises(InterpolationError):
            parse(deep)


@given(st.text(alphabet='${}"()+-*/%. ,aé1\\\n[]'))
def test_no_text_crashes_it(text: str) -> None:
    with contextlib.suppress(InterpolationError):
        evaluate(parse(text), SCOPE)
