"""What archives are called in a store, and which of them are kept.

`<cluster>/<utc>-<index>-<run>.snap`, and beside it the same with `.json`: all that a record says of
it. `run` tells one run from another, so who is started again finds what was done before. Names that
are not like this are somebody else's and are never touched.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from proconsul_operator.api.schedule import Retention
from proconsul_operator.api.values import duration_s

RUN_LENGTH: Final = 8
_NAME: Final = re.compile(r"(?P<utc>\d{8}T\d{6}Z)-(?P<index>\d{1,20})-(?P<run>[0-9a-f]{8})\.snap")
_UTC: Final = "%Y%m%dT%H%M%SZ"


@dataclass(frozen=True, slots=True, kw_only=True)
class Archived:
    """An archive by its name."""

    cluster: str
    taken_s: float
    index: int
    run: str

    @property
    def name(self) -> str:
        """In the store."""
        utc = datetime.fromtimestamp(int(self.taken_s), UTC).strftime(_UTC)
        return f"{self.cluster}/{utc}-{self.index}-{self.run}.snap"

    @property
    def side(self) -> str:
        """The file beside it."""
        return side_of(self.name)


def side_of(name: str) -> str:
    """The name of the file beside an archive."""
    return f"{name.removesuffix('.snap')}.json"


def parsed(cluster: str, name: str) -> Archived | None:
    """None if it is not one of ours."""
    folder, _, file = name.rpartition("/")
    match = _NAME.fullmatch(file)
    if folder != cluster or match is None:
        return None
    try:
        taken = datetime.strptime(match["utc"], _UTC).replace(tzinfo=UTC)
    except ValueError:
        return None
    return Archived(
        cluster=cluster, taken_s=taken.timestamp(), index=int(match["index"]), run=match["run"]
    )


def newest_verified(held: Mapping[Archived, bool]) -> Archived | None:
    """Of archives and whether each was verified."""
    return next((each for each in _newest_first(held) if held[each]), None)


def _newest_first(held: Iterable[Archived]) -> list[Archived]:
    return sorted(held, key=lambda each: (each.taken_s, each.index, each.run), reverse=True)


def surplus(
    held: Mapping[Archived, bool], retention: Retention, now_s: float
) -> tuple[Archived, ...]:
    """Those that may go, of archives and whether each was verified. The oldest first.

    Kept are the newest `keepLast`, all that are younger than `maxAge`, and the newest verified one
    whatever its age. With neither rule nothing goes.
    """
    if retention.keep_last is None and retention.max_age is None:
        return ()
    newest = _newest_first(held)
    keep = set(newest[: retention.keep_last or 0])
    if retention.max_age is not None:
        youngest_s = now_s - duration_s(retention.max_age)
        keep |= {each for each in newest if each.taken_s >= youngest_s}
    keep |= {each for each in (newest_verified(held),) if each is not None}
    return tuple(each for each in reversed(newest) if each not in keep)
