"""How often each of many does something."""

import pytest

from proconsul.local.pacing import RATE_MIN_PER_S, STEPS, scaled_interval_s, share


@pytest.mark.parametrize(
    ("rate_per_s", "agents", "expected_s"),
    [
        (64.0, 1, 15.0),
        (64.0, 960, 15.0),  # just as many as the rate allows
        (64.0, 6400, 100.0),
        (0.0, 6400, 15.0),
        (RATE_MIN_PER_S, 6400, 15.0),
    ],
)
def test_all_together_keep_to_the_rate(rate_per_s: float, agents: int, expected_s: float) -> None:
    assert scaled_interval_s(rate_per_s, 15.0, agents) == expected_s


def test_a_share_is_less_than_the_whole() -> None:
    assert share(lambda sides: 0) == 0.0
    assert share(lambda sides: sides // 4) == 0.25
    assert 1 - share(lambda sides: sides - 1) == 1 / STEPS
