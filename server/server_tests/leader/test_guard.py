"""The guard's words, and who may do what by them."""

import pytest

from proconsul.leader.guard import (
    Guard,
    GuardError,
    entries_of,
    guard_of,
    is_foreign,
    objection_to_founding,
)


def test_a_guard_that_says_nothing_is_of_a_cluster_that_is_yet_to_be_founded() -> None:
    assert guard_of({"expect": "3"}) == Guard("", bootstrapped=False)


@pytest.mark.parametrize("guard", [Guard("c", bootstrapped=False), Guard("c", bootstrapped=True)])
def test_what_is_written_is_what_is_read(guard: Guard) -> None:
    assert guard_of(entries_of(guard)) == guard


@pytest.mark.parametrize("word", ["True", "yes", "", "1"])
def test_a_word_that_is_not_known_is_taken_for_neither(word: str) -> None:
    with pytest.raises(GuardError, match="must be true or false"):
        guard_of({"bootstrapped": word})


@pytest.mark.parametrize("name", ["a b", "x" * 65, "a/b", "ä"])
def test_an_id_that_could_be_no_mark_of_a_cluster_is_refused(name: str) -> None:
    with pytest.raises(GuardError, match="clusterID must be"):
        guard_of({"clusterID": name})
    assert guard_of({"clusterID": "x" * 64}).cluster_id == "x" * 64


@pytest.mark.parametrize(
    "entries", [[], "text", 7, {"clusterID": 7}, {"clusterID": ["c"]}, {"bootstrapped": True}]
)
def test_what_is_no_guard_at_all_is_refused_as_well(entries: object) -> None:
    with pytest.raises(GuardError):
        guard_of(entries)


def test_only_who_knows_that_nothing_was_founded_may_found() -> None:
    assert objection_to_founding(Guard("c", bootstrapped=False)) == ""
    assert "could not be read" in objection_to_founding(None)
    assert "there is a cluster (c) already" in objection_to_founding(Guard("c", bootstrapped=True))


def test_data_of_another_cluster_are_foreign_and_data_without_an_id_are_not() -> None:
    guard = Guard("c", bootstrapped=True)
    assert is_foreign(guard, "d")
    assert not is_foreign(guard, "c")
    assert not is_foreign(guard, "")
    assert not is_foreign(Guard("", bootstrapped=True), "d")
