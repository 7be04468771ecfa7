"""Majorities, counted by hand."""

import pytest

from proconsul.raft.messages import ServerId
from proconsul.raft.quorum import VoteResult, agreed, majority, vote_result


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([], 0),
        ([7], 7),
        ([7, 5], 5),
        ([7, 5, 9], 7),
        ([7, 5, 9, 1], 5),
        ([7, 5, 9, 1, 8], 7),
        ([0, 0, 9], 0),
    ],
)
def test_a_majority_has_reached_what_the_median_has(values: list[int], expected: int) -> None:
    assert agreed(values) == expected
    reached = sum(value >= expected for value in values)
    assert not values or reached >= majority(len(values))


@pytest.mark.parametrize(
    ("voters", "granted", "refused", "expected"),
    [
        ("a", "", "", VoteResult.OPEN),
        ("a", "a", "", VoteResult.WON),
        ("ab", "a", "", VoteResult.OPEN),
        ("ab", "a", "b", VoteResult.LOST),
        ("abc", "ab", "", VoteResult.WON),
        ("abc", "a", "b", VoteResult.OPEN),
        ("abc", "a", "bc", VoteResult.LOST),
        ("abcd", "ab", "", VoteResult.OPEN),
        ("abcd", "ab", "cd", VoteResult.LOST),
        ("abc", "axyz", "", VoteResult.OPEN),
        ("", "a", "", VoteResult.LOST),
    ],
)
def test_an_election_is_decided_by_the_voters(
    voters: str, granted: str, refused: str, expected: VoteResult
) -> None:
    def ids(names: str) -> set[ServerId]:
        return {ServerId(name) for name in names}

    assert vote_result(ids(voters), ids(granted), ids(refused)) is expected
