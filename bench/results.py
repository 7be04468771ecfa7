"""What was measured, as files of JSON: `python -m bench report` makes tables of them again."""

import time
from pathlib import Path
from typing import TypeVar

import msgspec

from bench.failure import BenchError


class Measured(msgspec.Struct, frozen=True, kw_only=True):
    """One run of a row on one side; `flushes_s` are the whole device's, None where not counted."""

    row: str
    busy: bool
    servers: int
    pair: int
    side: str
    first: bool  # of the two of its pair
    requests: int
    per_s: float
    p50_us: float
    p99_us: float
    cpu_us: float  # of all servers of the side, a request
    flushes_s: float | None
    rss_bytes: int
    server_cores: float
    load_cores: float
    other_cores: float
    sampled: int
    beats_s: float


class Rows(msgspec.Struct, kw_only=True):
    """Runs of the rows."""

    settings: dict[str, str]
    measured: list[Measured] = []


class Watched(msgspec.Struct, frozen=True, kw_only=True):
    """One round of many blocking queries on one key, from the write on; times in milliseconds."""

    servers: int
    round: int
    side: str
    watchers: int
    acknowledged_ms: float
    first_ms: float
    median_ms: float
    last_ms: float
    cpu_ms: float


class Watchers(msgspec.Struct, kw_only=True):
    """Rounds, and what a waiting query takes: bytes by side and number of servers."""

    settings: dict[str, str]
    rounds: list[Watched] = []
    bytes_each: dict[str, float] = {}


class Figure(msgspec.Struct, frozen=True, kw_only=True):
    """One measurement of something with a name."""

    name: str
    side: str
    value: float
    servers: int = 1


class Figures(msgspec.Struct, kw_only=True):
    """Of lives or the mixed load."""

    settings: dict[str, str]
    figures: list[Figure] = []


class Point(msgspec.Struct, frozen=True, kw_only=True):
    """What an operation costs when there are `at` of what grows."""

    operation: str
    measure: str
    side: str
    at: int
    value: float


class Growth(msgspec.Struct, kw_only=True):
    """Points of all rounds."""

    settings: dict[str, str]
    points: list[Point] = []


Results = Rows | Watchers | Figures | Growth
Kind = TypeVar("Kind", Rows, Watchers, Figures, Growth)


def new_path(folder: Path, name: str) -> Path:
    """A file for results of a kind, named by the time."""
    folder.mkdir(parents=True, exist_ok=True)
    return folder / f"{name}-{time.strftime('%Y%m%d-%H%M%S', time.gmtime())}.json"


def save(path: Path, results: Results) -> None:
    """Write them, whole or not at all."""
    part = path.with_suffix(".part")
    part.write_bytes(msgspec.json.format(msgspec.json.encode(results), indent=1))
    part.replace(path)


def load(path: Path, kind: type[Kind]) -> Kind:
    """Read them. Raises BenchError: the file is none of ours."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=kind)
    except (OSError, msgspec.DecodeError) as error:
        raise BenchError(f"{path} holds no results: {error}") from error


def newest(folder: Path, name: str) -> Path | None:
    """The newest file of a kind."""
    return max(folder.glob(f"{name}-*.json"), default=None)
