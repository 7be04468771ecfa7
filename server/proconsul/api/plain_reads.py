"""Which answers may be kept as they are until the state changes what they were read from.

Those of plain reads: GET requests whose answer follows from their own bytes, the settings, and the
replicated state, and from nothing else: neither time, nor who asks, nor another datacenter. What is
not surely one of them is answered anew each time.
"""

import re
from enum import Enum, auto

from proconsul.api.http import Request, Response

LINE_END = b"\r\n"
HEAD_END = b"\r\n\r\n"
REQUEST_BYTES_MAX = 2048  # a longer one seldom comes twice

# How fresh an answer is said to be: the only fields that may differ while the state stays.
FRESHNESS = re.compile(rb"X-Consul-Knownleader: (?:true|false)\r\nX-Consul-Lastcontact: \d+\r\n")

_PATHS = (
    "/v1/kv/",
    "/v1/health/service/",
    "/v1/health/connect/",
    "/v1/health/ingress/",
    "/v1/health/node/",
    "/v1/health/checks/",
    "/v1/health/state/",
    "/v1/catalog/nodes",
    "/v1/catalog/services",
    "/v1/catalog/service/",
    "/v1/catalog/connect/",
    "/v1/catalog/node/",
    "/v1/catalog/node-services/",
    "/v1/catalog/gateway-services/",
)
# Waiting (`index`, `wait`), ages (`cached`, `max_stale`), distances (`near`) are left out; filters
# too, whose variety is without end.
_PARAMETERS = frozenset(
    {
        "consistent",
        "dc",
        "keys",
        "node-meta",
        "passing",
        "pretty",
        "raw",
        "recurse",
        "separator",
        "seperator",
        "stale",
        "tag",
        "token",
    }
)
_OF_BODIES = frozenset({"content-length", "transfer-encoding", "expect"})


class Level(Enum):
    """What must hold when a kept answer is given."""

    DEFAULT = auto()  # this server leads, by its lease
    STALE = auto()  # a leader was heard of, once
    CONSISTENT = auto()  # a majority says now that this server leads


def is_whole(data: bytes) -> bool:
    """Whether these bytes, from between two requests, are one GET request as it is usually sent."""
    return (
        data.startswith(b"GET ")
        and data.endswith(HEAD_END)
        and len(data) <= REQUEST_BYTES_MAX
        # A head may also end with bare line feeds, and another request follow.
        and data.count(b"\n\r") == 1
        and b"\n\n" not in data
    )


def level_of(request: Request, datacenter: str) -> Level | None:
    """The level of a plain read of this datacenter; None for every other request."""
    query, headers = request.query, request.headers
    if (
        request.method != "GET"
        or not request.path.startswith(_PATHS)
        or not headers.has_none(_OF_BODIES)
    ):
        return None
    if not request.raw_query:
        return Level.DEFAULT
    if (
        query.malformed
        or not _PARAMETERS.issuperset(query.names())
        or query.first("dc") not in ("", datacenter)
        or (query.has("stale") and query.has("consistent"))
    ):
        return None
    if query.has("consistent"):
        return Level.CONSISTENT
    return Level.STALE if query.has("stale") else Level.DEFAULT


def may_be_kept(response: Response) -> bool:
    """Whether it is an answer of the state, and no failure; a key that is not there is none."""
    if not response.is_endpoint or not isinstance(response.body, bytes):
        return False
    return response.status == 200 or (response.status == 404 and not response.body)


def freshness(*, known_leader: bool, last_contact_ns: int) -> bytes:
    """The fields in an answer's head that FRESHNESS finds."""
    return b"X-Consul-Knownleader: %b\r\nX-Consul-Lastcontact: %d\r\n" % (
        b"true" if known_leader else b"false",
        max(last_contact_ns, 0) // 1_000_000,
    )
