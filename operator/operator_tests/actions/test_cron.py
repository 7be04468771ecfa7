"""When a schedule is due next."""

from datetime import UTC, datetime

import pytest

from proconsul_operator.actions.cron import next_s

NOW = "2026-01-15T10:20:30"  # a Thursday


def after(schedule: str, now: str = NOW, zone: str = "Etc/UTC") -> str:
    moment = next_s(schedule, zone, datetime.fromisoformat(f"{now}+00:00").timestamp())
    return "" if moment is None else datetime.fromtimestamp(moment, UTC).isoformat()[:16]


@pytest.mark.parametrize(
    ("schedule", "expected"),
    [
        ("* * * * *", "2026-01-15T10:21"),
        ("20 10 * * *", "2026-01-16T10:20"),
        ("0 */6 * * *", "2026-01-15T12:00"),
        ("5,45 9-11 * * *", "2026-01-15T10:45"),
        ("0 2 * * mon-fri", "2026-01-16T02:00"),
        ("0 2 * * 7", "2026-01-18T02:00"),
        ("0 0 1 feb *", "2026-02-01T00:00"),
        ("0 0 20 * sat", "2026-01-17T00:00"),
        ("0 0 29 2 *", "2028-02-29T00:00"),
        ("7/20 * * * *", "2026-01-15T10:27"),
        ("@daily", "2026-01-16T00:00"),
        ("@hourly", "2026-01-15T11:00"),
        ("@weekly", "2026-01-18T00:00"),
    ],
)
def test_a_schedule_is_due(schedule: str, expected: str) -> None:
    assert after(schedule) == expected


@pytest.mark.parametrize(
    "schedule",
    [
        "",
        "* * * *",
        "60 * * * *",
        "* * * * xyz",
        "5-1 * * * *",
        "0 0 31 2 *",
        "@reboot",
        "*/0 * * * *",
    ],
)
def test_what_is_never_due_has_no_time(schedule: str) -> None:
    assert after(schedule) == ""


def test_a_zone_that_is_none_has_no_time() -> None:
    assert after("@daily", zone="Nowhere/At_All") == ""


def test_the_zone_counts() -> None:
    assert after("0 12 * * *", zone="Europe/Vienna") == "2026-01-15T11:00"
    assert (
        after("0 12 * * *", now="2026-07-01T00:00:00", zone="Europe/Vienna") == "2026-07-01T10:00"
    )


def test_an_hour_that_is_leapt_over_is_not_there() -> None:
    assert after("30 2 * * *", "2026-03-29T00:00:00", "Europe/Vienna") == "2026-03-30T00:30"
