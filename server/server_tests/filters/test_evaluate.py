"""Filters over rows: go-bexpr's rules, and a naive reading of them against the compiled one."""

import re
from collections.abc import Callable, Iterator
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proconsul.filters.evaluate import NESTING_MAX, FilterError, check_syntax, compile_filter
from proconsul.filters.tree import All, Expression, Match, Not, Operator
from proconsul.filters.tree import Any as AnyOf
from server_tests.filters.rows import (
    CheckRow,
    CheckServiceNodeRow,
    NodeName,
    NodeRow,
    ProxyRow,
    ServiceAddressRow,
    ServiceNodeRow,
    ServiceRow,
    UpstreamRow,
    WeightsRow,
)

WEB = CheckServiceNodeRow(
    node=NodeRow(id="1", node=NodeName("n1"), meta={"rack": "r1", "a.b": "dotted"}),
    service=ServiceRow(
        id="web1",
        service="web",
        tags=["v1", "primary"],
        port=8080,
        enable_tag_override=True,
        tagged_addresses={"lan": ServiceAddressRow(address="10.0.0.1", port=80)},
        meta={"env": "prod"},
        weights=WeightsRow(passing=10),
        proxy=ProxyRow(
            upstreams=[UpstreamRow(destination_name="db"), UpstreamRow(destination_name="mq")]
        ),
    ),
    checks=[
        CheckRow(check_id="c1", status="passing", service_tags=["v1"]),
        CheckRow(check_id="c2", status="critical", service_tags=["v2"]),
    ],
)
BARE = CheckServiceNodeRow(node=NodeRow(node=NodeName("n2")), service=ServiceRow(), checks=None)


def selects(expression: str, row: msgspec.Struct = WEB) -> bool:
    return compile_filter(expression, type(row))(row)


@pytest.mark.parametrize(
    "expression",
    [
        "",
        "Service.Service == web",
        'Service.Port == "0x1F90"',
        "Service.Port != 80",
        "Service.EnableTagOverride == T",
        "Service.Weights.Passing == 10",
        "Service.Tags contains v1",
        '"v2" not in Service.Tags',
        "Service.Tags is not empty",
        "Service.Service contains `e`",
        "we in Service.Service",
        "Service.ID matches `^web\\d$`",
        "Service.ID not matches `^web$`",
        "Service.Meta.env == prod",
        "Service.Meta contains env",
        'Node.Meta["a.b"] == dotted',
        'Service.TaggedAddresses["lan"].Address == "10.0.0.1"',
        "Service.TaggedAddresses.lan.Port == 80",
        "Service.Proxy.Upstreams.DestinationName == mq",
        "not Service.Service == db and (Node.Node == n1 or Node.Node == n3)",
    ],
)
def test_a_row_is_taken(expression: str) -> None:
    assert selects(expression)
    assert expression == "" or not selects(f"not ({expression})")


def test_through_a_list_any_element_will_do_also_for_negative_questions() -> None:
    assert selects("Checks.Status == critical")
    assert selects("Checks.Status != critical")
    assert not selects("not Checks.Status == critical")
    assert selects("Checks.ServiceTags contains v2")
    assert selects("v2 not in Checks.ServiceTags")


def test_a_list_without_elements_matches_nothing_and_is_empty() -> None:
    assert not selects("Checks.Status != critical", BARE)
    assert selects("Checks is empty", BARE)
    assert selects("v1 not in Service.Tags", BARE)
    assert not selects("Service.Meta contains env", BARE)


@pytest.mark.parametrize(
    ("asked", "answer"),
    [("== x", False), ("contains x", False), ("!= x", True), ("not contains x", True),
     ("matches `x`", True), ("not matches `x`", True)],
)  # fmt: skip
def test_a_missing_map_key_answers_by_the_operator(asked: str, answer: bool) -> None:
    assert selects(f"Service.Meta.absent {asked}") is answer
    assert selects(f"Service.Meta.absent {asked}", BARE) is answer


def test_an_absent_struct_is_like_a_missing_key() -> None:
    assert not selects("Service.Weights.Passing == 1", BARE)
    assert selects("Service.Weights.Passing != 1", BARE)


def test_part_of_a_character_is_found_by_its_bytes() -> None:
    row = NodeRow(node=NodeName("café"))
    assert selects(r'Node contains "\xc3"', row)
    assert not selects(r'Node contains "\xff"', row)
    assert not selects(r'Node == "\xff"', row)


PREFIX = "Failed to create boolean expression evaluator: "


@pytest.mark.parametrize(
    ("expression", "detail"),
    [
        ("Nope == 1", 'Selector "Nope" is not valid'),
        ("Service.Nope.x == 1", 'Selector "Service.Nope" is not valid'),
        ("Node.CreateIndex == 1", 'Selector "Node.CreateIndex" is not valid'),
        ("Service.Tags.x == 1", 'Selector "Service.Tags.x" is not valid'),
        ("Node.Meta.a.b == 1", 'Selector "Node.Meta.a.b" is not valid'),
        ("Service is empty", 'Invalid match operator "Is Empty" for selector "Service"'),
        ("Node.Node is empty", 'Invalid match operator "Is Empty" for selector "Node.Node"'),
        ("Service.Tags == v1", 'Invalid match operator "Equal" for selector "Service.Tags"'),
        ("1 in Service.Port", 'Invalid match operator "In" for selector "Service.Port"'),
        ("Checks contains x", 'Invalid match operator "In" for selector "Checks"'),
        ("Service.Port matches `8`",
         'Invalid match operator "Matches" for selector "Service.Port"'),
        ("Service.Port == web", 'Failed to coerce value "web" for selector "Service.Port": '
         'strconv.ParseInt: parsing "web": invalid syntax'),
        ("Service.EnableTagOverride == yes", 'Failed to coerce value "yes" for selector '
         '"Service.EnableTagOverride": strconv.ParseBool: parsing "yes": invalid syntax'),
        ("Node.Node matches `a(`", 'Failed to compile regular expression "a(": '
         "error parsing regexp: missing closing ): `a(`"),
        ('Node.Node == "', "1:14 (13): no match found"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_before_any_row_is_seen(expression: str, detail: str) -> None:
    with pytest.raises(FilterError) as refused:
        compile_filter(expression, CheckServiceNodeRow)
    assert refused.value.detail == detail
    assert str(refused.value) == PREFIX + detail


def test_the_first_mistake_from_the_left_is_the_one_told() -> None:
    with pytest.raises(FilterError, match="One"):
        compile_filter("One == 1 or Two == 2", NodeRow)


def test_without_a_row_type_only_the_syntax_counts() -> None:
    check_syntax("")
    check_syntax("Anything.at.all == 1")
    with pytest.raises(FilterError):
        check_syntax("Anything ==")


def test_nesting_has_a_limit_and_the_limit_still_runs() -> None:
    def nested(levels: int) -> str:
        text = "Node == n1"
        for level in range(levels):
            text = f"({text} {'and' if level % 2 else 'or'} Node == n1)"
        return text

    assert selects(nested(NESTING_MAX), NodeRow(node=NodeName("n1")))
    with pytest.raises(FilterError, match="nested"):
        compile_filter(nested(NESTING_MAX + 1), NodeRow)


def test_a_long_chain_is_not_deep() -> None:
    chain = " or ".join(["Node == x"] * 2_000 + ["Node == n1"])
    assert selects(chain, NodeRow(node=NodeName("n1")))


# A naive reading: rows as the plain data of their JSON, each question asked anew on every row.

SPELLING = {
    Operator.EQUAL: "==",
    Operator.NOT_EQUAL: "!=",
    Operator.IN: "contains",
    Operator.NOT_IN: "not contains",
    Operator.IS_EMPTY: "is empty",
    Operator.IS_NOT_EMPTY: "is not empty",
    Operator.MATCHES: "matches",
    Operator.NOT_MATCHES: "not matches",
}
MISSING = object()


def holds(tree: Expression, row: dict[str, object]) -> bool:
    match tree:
        case Not(operand):
            return not holds(operand, row)
        case All(operands):
            return all(holds(operand, row) for operand in operands)
        case AnyOf(operands):
            return any(holds(operand, row) for operand in operands)
        case Match(selector, asked, value):
            return any(answer(found, asked, value or "") for found in reach(row, selector))


def reach(value: Any, selector: tuple[str, ...]) -> Iterator[Any]:
    if not selector:
        yield value
    elif isinstance(value, list):
        for item in value:
            yield from reach(item, selector)
    elif selector[0] in value:
        yield from reach(value[selector[0]], selector[1:])
    else:
        yield MISSING


def answer(found: Any, asked: Operator, value: str) -> bool:
    positive = SPELLING[asked].replace("!", "=").replace("not ", "")
    if found is MISSING:
        return asked not in (Operator.EQUAL, Operator.IN, Operator.IS_NOT_EMPTY)
    answers: dict[str, Callable[[], bool]] = {
        "==": lambda: str(found).lower() == value,
        "contains": lambda: value in found,
        "is empty": lambda: len(found) == 0,
        "matches": lambda: re.search(value, found) is not None,
    }
    return answers[positive]() is (positive == SPELLING[asked])


def written(tree: Expression) -> str:
    match tree:
        case Not(operand):
            return f"not ({written(operand)})"
        case All(operands):
            return " and ".join(f"({written(operand)})" for operand in operands)
        case AnyOf(operands):
            return " or ".join(f"({written(operand)})" for operand in operands)
        case Match(selector, asked, value):
            quoted = "" if value is None else f' "{value}"'
            return f"{'.'.join(selector)} {SPELLING[asked]}{quoted}"


def questions(
    selectors: str, operators: list[Operator], values: list[str]
) -> st.SearchStrategy[Match]:
    return st.builds(
        lambda selector, asked, value: Match(
            tuple(selector.split(".")), asked, None if "EMPTY" in asked.name else value
        ),
        st.sampled_from(selectors.split()),
        st.sampled_from(operators),
        st.sampled_from(values),
    )


EQUALITY = [Operator.EQUAL, Operator.NOT_EQUAL]
LISTED = [Operator.IN, Operator.NOT_IN, Operator.IS_EMPTY, Operator.IS_NOT_EMPTY]
TEXTUAL = [*EQUALITY, *LISTED[:2], Operator.MATCHES, Operator.NOT_MATCHES]
trees = st.recursive(
    st.one_of(
        questions("Node ServiceName NodeMeta.x ServiceMeta.y", TEXTUAL, ["a", "b", "ab"]),
        questions("ServicePort ServiceWeights.Passing", EQUALITY, ["0", "1", "2"]),
        questions("ServiceEnableTagOverride", EQUALITY, ["true", "false"]),
        questions("ServiceTags NodeMeta", LISTED, ["a", "x"]),
        questions("ServiceProxy.Upstreams.LocalBindPort", EQUALITY, ["1", "2"]),
        questions("ServiceTaggedAddresses.x.Port", EQUALITY, ["1", "2"]),
    ),
    lambda inner: st.one_of(
        inner.map(Not), *(st.tuples(inner, inner).map(kind) for kind in (All, AnyOf))
    ),
    max_leaves=5,
)
texts = st.text(alphabet="ab", max_size=3)
maps = st.dictionaries(st.sampled_from("xyz"), texts, max_size=2)
rows = st.builds(
    ServiceNodeRow,
    node=texts,
    service_name=texts,
    node_meta=maps,
    service_meta=maps,
    service_tagged_addresses=st.dictionaries(
        st.sampled_from("xy"), st.builds(ServiceAddressRow, port=st.integers(0, 2)), max_size=2
    ),
    service_tags=st.lists(texts, max_size=2),
    service_port=st.integers(0, 2),
    service_weights=st.builds(WeightsRow, passing=st.integers(0, 2)),
    service_enable_tag_override=st.booleans(),
    service_proxy=st.builds(
        ProxyRow,
        upstreams=st.lists(st.builds(UpstreamRow, local_bind_port=st.integers(0, 2)), max_size=2),
    ),
)


@given(trees, rows)
@settings(max_examples=300)
def test_compiled_and_naive_agree(tree: Expression, row: ServiceNodeRow) -> None:
    assert selects(written(tree), row) == holds(tree, msgspec.to_builtins(row))
