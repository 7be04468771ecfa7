"""When a schedule is due next, as the CronJob's controller reckons it; for people to read.

Five fields with lists, ranges, steps and names, or @daily and its like, in a time zone. If both the
day of the month and the day of the week are given, either is enough. A text that is none has no
next time: Kubernetes says what is wrong with it when the CronJob is applied.
"""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

YEARS_MAX: Final = 5  # 29 February may be four years away
_MACROS: Final = {
    "@yearly": "0 0 1 1 *", "@annually": "0 0 1 1 *", "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0", "@daily": "0 0 * * *", "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}  # fmt: skip
_MONTHS: Final = [
    "jan",
    "feb",
    "mar",
    "apr",
    "may",
    "jun",
    "jul",
    "aug",
    "sep",
    "oct",
    "nov",
    "dec",
]
_DAYS: Final = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_LIMITS: Final = ((0, 59), (0, 23), (1, 31), (1, 12), (0, 7))


def next_s(schedule: str, zone: str, now_s: float) -> float | None:
    """Seconds since 1970; None if it is never due, or the text is no schedule."""
    try:
        fields = _fields(schedule)
        here = datetime.fromtimestamp(now_s, ZoneInfo(zone))
    except (ValueError, KeyError, OSError):
        return None
    minutes, hours, _, _, _ = (held for held, _ in fields)
    for day in _days(here, fields):
        for hour in sorted(hours):
            for minute in sorted(minutes):
                moment = day.replace(hour=hour, minute=minute)
                # An hour that the clock leaps over is not there.
                there = moment.astimezone(UTC).astimezone(moment.tzinfo) == moment
                if there and moment.timestamp() > now_s:
                    return moment.timestamp()
    return None


_Fields = list[tuple[frozenset[int], bool]]


def _days(here: datetime, fields: _Fields) -> Iterator[datetime]:
    _, _, (dates, any_date), (months, _), (weekdays, any_weekday) = fields
    first = here.replace(hour=0, minute=0, second=0, microsecond=0, tzinfo=None)
    for number in range(366 * YEARS_MAX):
        day = first + timedelta(days=number)
        if day.month not in months:
            continue
        on_date, on_weekday = day.day in dates, day.isoweekday() % 7 in weekdays
        both = any_date or any_weekday
        if (on_date and on_weekday) if both else (on_date or on_weekday):
            yield day.replace(tzinfo=here.tzinfo)


def _fields(schedule: str) -> _Fields:
    words = _MACROS.get(schedule, schedule).split()
    if len(words) != len(_LIMITS):
        raise ValueError(schedule)
    made = [_field(word.lower(), *limits) for word, limits in zip(words, _LIMITS, strict=True)]
    weekdays, any_weekday = made[4]
    made[4] = (frozenset(each % 7 for each in weekdays), any_weekday)
    return made


def _field(word: str, low: int, high: int) -> tuple[frozenset[int], bool]:
    """The numbers, and whether it is `*`."""
    found: set[int] = set()
    for part in word.split(","):
        span, _, step = part.partition("/")
        begin, dash, end = span.partition("-")
        if span in ("*", "?"):
            first, last = low, high
        else:
            first = _number(begin, high)
            last = _number(end, high) if dash else (high if step else first)
        if not low <= first <= last <= high:
            raise ValueError(part)
        found |= set(range(first, last + 1, int(step) if step else 1))
    return frozenset(found), word[0] in "*?"


def _number(text: str, high: int) -> int:
    names = _MONTHS if high == 12 else _DAYS
    if text in names:
        return names.index(text) + (1 if high == 12 else 0)
    return int(text)
