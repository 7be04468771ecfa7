"""Which requests write one key, or take or give back its lock, and say nothing else.

What such a request is answered with is `true`, `false` or a failure. What is not surely one of
them is answered the ordinary way.
"""

import re
from typing import Final

from proconsul.api.http import Headers
from proconsul.api.kv import PREFIX
from proconsul.api.options import OPTION_FIELDS

METHOD = "PUT"
# They say who asks, or ask for what a write has to refuse.
_FIELDS = OPTION_FIELDS | {"x-consul-namespace"}


_OPERATIONS: Final = {"acquire": "lock", "release": "unlock"}
_BY_SESSION: Final = re.compile(r"(acquire|release)=([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})")


class PlainChange:
    """What is done to a key: `set`, or `lock` or `unlock` by a session."""

    __slots__ = ("key", "operation", "session")

    def __init__(self, operation: str, key: str, session: str) -> None:
        self.operation = operation
        self.key = key
        self.session = session


def change_of(target: str) -> PlainChange | None:
    """What a PUT of this target does; None where it says more, or is not clean.

    Of a target whose characters need no thought (runtime/known_heads.py).
    """
    path, mark, query = target.partition("?")
    key = path[len(PREFIX) :]
    if not key or not path.startswith(PREFIX) or "%" in target or "//" in path or "/." in path:
        return None
    if not mark:
        return PlainChange("set", key, "")
    by_session = _BY_SESSION.fullmatch(query)
    if by_session is None:
        return None
    return PlainChange(_OPERATIONS[by_session[1]], key, by_session[2])


def is_plain(headers: Headers) -> bool:
    """Whether these fields say nothing about the write."""
    return headers.has_none(_FIELDS)
