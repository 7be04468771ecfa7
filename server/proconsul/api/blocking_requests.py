"""A blocking query as bytes, taken apart: what it asks for, and from when on, and for how long.

What it asks for is the plain request that is left without `index` and `wait`: all who wait for the
same have that in common. Where the bytes leave a doubt about the two, it is not taken apart.
"""

import re
from dataclasses import dataclass
from functools import lru_cache

from proconsul.api.http import Headers, Request
from proconsul.api.options import UINT64_MAX
from proconsul.api.plain_reads import Level, is_whole, level_of
from proconsul.wire.golang import Duration, DurationError, parse_duration

MARK = b"index="  # it stands in each of them
_VERSION = b" HTTP/1.1\r\n"
# Characters that need no thought; `;` would separate, `#` end.
_LINE = re.compile(
    rb"GET (/[A-Za-z0-9/:@!$&'()*+,=._~%-]*)\?([A-Za-z0-9/?:@!$&'()*+,=._~%-]*) HTTP/1\.1\r\n"
)
_INDEX = re.compile(rb"[1-9][0-9]{0,18}")  # below 2^64
_WAIT = re.compile(rb"[0-9a-z.]*")


def may_block(data: bytes) -> bool:
    """Whether these bytes of a GET may be a blocking query: a cheap look."""
    return MARK in data


@dataclass(frozen=True, slots=True)
class Asked:
    """`plain` is the same request without the other two; `wait` as it stood there."""

    plain: bytes
    index: int
    wait: str


def asked_of(data: bytes) -> Asked | None:
    """What these bytes ask, if they are one blocking query and nothing else."""
    line = _LINE.match(data)
    if line is None or not is_whole(data):
        return None
    path, query = line.groups()
    index = wait = None
    others = []
    for pair in query.split(b"&"):
        name, _, value = pair.partition(b"=")
        if name == b"index":
            if index is not None or _INDEX.fullmatch(value) is None:
                return None
            index = int(value)
        elif name == b"wait":
            if wait is not None or _WAIT.fullmatch(value) is None:
                return None
            wait = value.decode("ascii")
        elif b"%" in name:  # it may be one of the two
            return None
        else:
            others.append(pair)
    if index is None or patience_of(wait or "") is None:
        return None
    target = path + b"?" + b"&".join(others) if others else path
    return Asked(b"GET " + target + data[line.end() - len(_VERSION) :], index, wait or "")


@lru_cache(maxsize=256)
def patience_of(wait: str) -> Duration | None:
    """What `wait` says, 0 for nothing; None: it is refused."""
    if not wait:
        return Duration(0)
    try:
        return parse_duration(wait)
    except DurationError:
        return None


class Question:
    """What all who wait with the same plain request ask."""

    __slots__ = ("age", "headers", "level", "plain", "target")

    def __init__(self, plain: bytes, headers: Headers, level: Level, age: int) -> None:
        """`age` is of the settings that let it in."""
        self.age = age
        self.plain = plain
        self.headers = headers
        self.level = level
        self.target = plain[: plain.index(_VERSION)].decode("ascii").removeprefix("GET ")

    def request(self, index: int, wait: str = "") -> Request:
        """A blocking query for it."""
        separator = "&" if "?" in self.target else "?"
        waits = f"&wait={wait}" if wait else ""
        return Request("GET", f"{self.target}{separator}index={index}{waits}", self.headers)

    def request_that_waits(self) -> Request:
        """The same for one whose index no answer is beyond."""
        return self.request(UINT64_MAX)


def question_of(plain: bytes, headers: Headers, datacenter: str, age: int) -> Question | None:
    """The question, if its answer follows from the replicated state alone (api/plain_reads.py)."""
    target = plain[: plain.index(_VERSION)].decode("ascii").removeprefix("GET ")
    try:
        level = level_of(Request("GET", target, headers), datacenter)
    except ValueError:
        return None
    # A consistent one would need a majority's word each time.
    if level is None or level is Level.CONSISTENT:
        return None
    return Question(plain, headers, level, age)
