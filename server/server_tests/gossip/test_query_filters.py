"""See gossip/query_filters.py."""

import pytest

from proconsul.gossip.effects import Effect, Log
from proconsul.gossip.journal import Journal
from proconsul.gossip.query_filters import concerns
from proconsul.gossip.serf_messages import Filter, NodeFilter, TagFilter, UnknownFilter


def is_meant(*filters: Filter) -> tuple[bool, list[str]]:
    effects: list[Effect] = []
    found = concerns(filters, name="us", tags={"dc": "east-1"}, journal=Journal(effects, "serf"))
    return found, [effect.text for effect in effects if isinstance(effect, Log)]


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        ([], True),
        ([NodeFilter(("a", "us"))], True),
        ([NodeFilter(("a", "u"))], False),
        ([NodeFilter(())], False),
        ([TagFilter("dc", "east")], True),  # not anchored
        ([TagFilter("dc", "^st")], False),
        ([TagFilter("dc", r"-\d$")], True),
        ([TagFilter("none", "^$")], True),  # no tag is like an empty one
        ([TagFilter("none", ".")], False),
        ([NodeFilter(("us",)), TagFilter("dc", "east")], True),
        ([NodeFilter(("us",)), TagFilter("dc", "west")], False),
        ([NodeFilter(("a",)), TagFilter("dc", "east")], False),
    ],
)
def test_all_filters_must_match(filters: list[Filter], expected: bool) -> None:
    assert is_meant(*filters) == (expected, [])


def test_a_pattern_that_is_none_matches_nobody() -> None:
    found, lines = is_meant(TagFilter("dc", "("))
    assert not found
    assert lines == [
        "serf: failed to compile filter regex ((): error parsing regexp: missing closing ): `(`"
    ]


@pytest.mark.parametrize("data", [b"", b"\x07xyz"])
def test_a_filter_of_another_kind_matches_nobody(data: bytes) -> None:
    found, lines = is_meant(UnknownFilter(data))
    assert not found
    assert lines == [f"serf: query has unrecognized filter type: {data[:1].hex()}"]


@pytest.mark.parametrize(
    ("expression", "count"), [("^(.?){1000}$", 5), ("^(.?){100}$", 40), ("(a|.*){3,900}", 30)]
)
def test_all_patterns_of_a_query_together_take_only_so_many_steps(
    expression: str, count: int
) -> None:
    found, lines = is_meant(*[TagFilter("dc", expression)] * count)
    assert not found
    assert lines == [f"serf: filter regex ({expression}) takes too many steps"]


def test_a_budget_is_large_enough_for_what_people_write() -> None:
    some = TagFilter("dc", r"^(east|west|north|south)-[0-9]{1,3}(-[a-z]+)*$")
    assert is_meant(*[some] * 20) == (True, [])
