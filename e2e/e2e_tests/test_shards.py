"""Every case is in exactly one shard."""

import pytest

from e2e.shards import of

MINUTES = {"a": 10.0, "b": 8.0, "c": 3.0, "d": 3.0, "e": 1.0}


@pytest.mark.parametrize("count", [1, 2, 6])
def test_the_shards_together_are_all_cases_and_none_twice(count: int) -> None:
    shards = [of(MINUTES, f"{number}/{count}") for number in range(1, count + 1)]
    assert set().union(*shards) == set(MINUTES)
    assert sum(len(shard) for shard in shards) == len(MINUTES)


def test_the_longest_are_not_together() -> None:
    assert of(MINUTES, "1/2") == {"a", "d"}
    assert of(MINUTES, "2/2") == {"b", "c", "e"}


def test_no_shard_is_all() -> None:
    assert of(MINUTES, "") == set(MINUTES)


@pytest.mark.parametrize("wrong", ["0/6", "7/6", "6", "a/b", "1/6/2", "-1/6"])
def test_a_shard_that_is_none_is_refused(wrong: str) -> None:
    with pytest.raises(ValueError, match="SHARD is n/m"):
        of(MINUTES, wrong)
