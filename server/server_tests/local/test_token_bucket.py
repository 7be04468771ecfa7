"""How often something may be done."""

import math

from hypothesis import given
from hypothesis import strategies as st

from proconsul.local.token_bucket import TokenBucket


def taken(bucket: TokenBucket, now_s: float, times: int = 100) -> int:
    return sum(bucket.take(now_s) for _ in range(times))


def test_it_begins_full_and_fills_at_its_rate() -> None:
    bucket = TokenBucket(2.0, 5, 100.0)
    assert taken(bucket, 100.0) == 5
    assert taken(bucket, 100.4) == 0
    assert taken(bucket, 100.5) == 1
    assert taken(bucket, 102.0) == 3


def test_it_never_holds_more_than_a_burst() -> None:
    bucket = TokenBucket(2.0, 5, 0.0)
    assert taken(bucket, 1e6) == 5


def test_what_is_refused_does_not_count() -> None:
    bucket = TokenBucket(1.0, 1, 0.0)
    assert taken(bucket, 0.0) == 1
    assert taken(bucket, 0.9) == 0
    assert bucket.take(1.0)


def test_an_infinite_rate_limits_nothing() -> None:
    assert taken(TokenBucket(math.inf, 0, 0.0), 0.0) == 100


def test_without_a_burst_nothing_is_allowed() -> None:
    assert taken(TokenBucket(1000.0, 0, 0.0), 10.0) == 0


@given(
    st.floats(0.01, 1000),
    st.integers(0, 50),
    st.lists(st.floats(0, 10), max_size=50),
)
def test_in_no_time_more_than_a_burst_and_the_rate(
    rate_per_s: float, burst: int, pauses_s: list[float]
) -> None:
    bucket = TokenBucket(rate_per_s, burst, 0.0)
    now_s, done = 0.0, 0
    for pause_s in pauses_s:
        now_s += pause_s
        done += taken(bucket, now_s)
        assert done <= burst + rate_per_s * now_s + 1e-6
