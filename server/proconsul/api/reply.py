"""What a handler gives back: a value to be written as JSON, and what its headers say.

The surface (api/surface.py) makes the Response of it: JSON, pretty where asked for, and the
X-Consul headers.
"""

from dataclasses import dataclass
from typing import Any

from proconsul.model.query import QueryMeta


class Reply:
    """Builtins for JSON, with the meta data of the read that found them.

    `value` may be Encoded. None writes no body at all, as Consul's handlers do when they return
    nil; JSON's null is NULL. With `floats` there may be floats in it: they are spelled as Go does.
    """

    __slots__ = ("content_type", "floats", "headers", "meta", "status", "value")

    # One a request: spelled out, it costs a tenth of a dataclass's in machine code.
    def __init__(
        self,
        value: Any,
        meta: QueryMeta | None = None,
        status: int = 200,
        headers: tuple[tuple[str, str], ...] = (),
        content_type: str = "application/json",
        floats: bool = False,
    ) -> None:
        self.value = value
        self.meta = meta
        self.status = status
        self.headers = headers
        self.content_type = content_type
        self.floats = floats


@dataclass(frozen=True, slots=True)
class Encoded:
    """A value that is JSON already."""

    text: bytes


class _Null:
    """JSON's null, which is a body, while None is no body."""


NULL = _Null()
NOTHING = Reply(None)
TRUE = Reply(True)


def meta_headers(meta: QueryMeta) -> list[tuple[str, str]]:
    """X-Consul-Index is never 0: a client that blocks on 0 would spin."""
    headers = [
        ("X-Consul-Index", str(meta.index or 1)),
        ("X-Consul-Knownleader", "true" if meta.known_leader else "false"),
        ("X-Consul-Lastcontact", str(max(meta.last_contact, 0) // 1_000_000)),
    ]
    if meta.consistency_level:
        headers.append(("X-Consul-Effective-Consistency", meta.consistency_level))
    return headers
