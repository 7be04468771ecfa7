"""Kept answers are what the ordinary way says, in every mode, whatever happens in between."""

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from proconsul.api.surface import HttpSettings
from server_tests.runtime.http_site import run_on_virtual_time
from server_tests.runtime.kept_site import KeptSite, Role, kept_site

NODES = ("n1", "n2")
CHECK = {"CheckID": "c", "Name": "c"}
PATHS = (
    "/v1/kv/a",
    "/v1/kv/a/b",
    "/v1/kv/a/b?raw",
    "/v1/kv/a?recurse",
    "/v1/kv/?keys&separator=/",
    "/v1/kv/?recurse",
    "/v1/kv/a?token=x&pretty",
    "/v1/health/service/web",
    "/v1/health/service/web?passing",
    "/v1/health/service/web?tag=t&node-meta=k:v",
    "/v1/health/connect/web",
    "/v1/health/node/n1",
    "/v1/health/checks/web",
    "/v1/health/state/any",
    "/v1/health/state/critical",
    "/v1/catalog/nodes",
    "/v1/catalog/nodes?node-meta=k:v",
    "/v1/catalog/services",
    "/v1/catalog/service/web",
    "/v1/catalog/node/n1",
    "/v1/catalog/node-services/n1",
    "/v1/catalog/gateway-services/gw",
)
LOOKED_AT = 4  # of the requests so far, after each step
MODES = ("", "stale", "consistent")
HEADERS = ("", "Accept-Encoding: gzip\r\n", "X-Consul-Token: abc\r\n")


def get(target: str, fields: str = "") -> bytes:
    """A request as clients send it."""
    return f"GET {target} HTTP/1.1\r\nHost: a\r\n{fields}\r\n".encode()


def moded(path: str, mode: str) -> str:
    """The path with that mode."""
    return f"{path}{'&' if '?' in path else '?'}{mode}" if mode else path


def registration(node: str, *, status: str = "", name: str = "web", meta: bool = False) -> Any:
    """A body of `/v1/catalog/register`."""
    made: dict[str, Any] = {"Node": node, "Address": "10.0.0.1"}
    if meta:
        made["NodeMeta"] = {"k": "v"}
    if name:
        made["Service"] = {"Service": name, "ID": "s", "Tags": ["t"] if meta else None}
    if status:
        made["Check"] = {**CHECK, "Status": status, "ServiceID": "s" if name else ""}
    return made


REQUESTS = st.builds(
    lambda path, mode, fields: get(moded(path, mode), fields),
    st.sampled_from(PATHS),
    st.sampled_from(MODES),
    st.sampled_from(HEADERS),
)
KEYS = st.sampled_from(["a", "a/b", "a/c", "b"])
WRITES = st.one_of(
    st.builds(lambda key, value: ("PUT", f"/v1/kv/{key}", value), KEYS, st.binary(max_size=2)),
    st.builds(lambda key: ("DELETE", f"/v1/kv/{key}", None), KEYS),
    st.just(("DELETE", "/v1/kv/a?recurse", None)),
    st.builds(
        lambda node, status, name, meta: (
            "PUT",
            "/v1/catalog/register",
            registration(node, status=status, name=name, meta=meta),
        ),
        st.sampled_from(NODES),
        st.sampled_from(["", "passing", "critical"]),
        st.sampled_from(["", "web", "Web", "db"]),
        st.booleans(),
    ),
    st.builds(
        lambda node, more: ("PUT", "/v1/catalog/deregister", {"Node": node, **more}),
        st.sampled_from(NODES),
        st.sampled_from([{}, {"ServiceID": "s"}, {"CheckID": "c"}]),
    ),
)
ROLES = st.sampled_from(
    [
        Role(),
        Role(lease=False),
        Role(quorum=False, lease=False),
        Role(leads=False, contact_ns=5_000_000),
        Role(leads=False, contact_ns=77_000_000),
        Role(leads=False, leader_known=False, contact_ns=9_000_000),
        Role(leads=False, leader_known=False),
    ]
)
SETTINGS = st.sampled_from(
    [
        HttpSettings(),
        HttpSettings(response_headers=(("X-Mine", "1"),)),
        HttpSettings(always_pretty=True, translate_wan_addresses=True),
        HttpSettings(block_endpoints=("/v1/kv/",)),
    ]
)
STEPS = st.one_of(
    REQUESTS.map(lambda request: ("read", request)),
    REQUESTS.map(lambda request: ("read", request)),
    WRITES.map(lambda write: ("write", write)),
    WRITES.map(lambda write: ("write", write)),
    ROLES.map(lambda role: ("role", role)),
    SETTINGS.map(lambda changed: ("reload", changed)),
    st.just(("save", None)),
    st.just(("restore", None)),
)


async def take(site: KeptSite, steps: list[tuple[str, Any]]) -> None:
    """Do all that, with every read in both ways."""
    saved = site.snapshot()
    asked: dict[bytes, None] = {}
    for kind, what in steps:
        match kind:
            case "read":
                asked.pop(what, None)
                asked[what] = None
                await site.same(what)
            case "write":
                await site.write(*what)
            case "role":
                site.log.role = what
            case "reload":
                site.reload(what)
            case "save":
                saved = site.snapshot()
            case "restore":
                site.restore(saved)
            case _:
                raise AssertionError(kind)
        for request in list(asked)[-LOOKED_AT:]:  # each of them may be kept
            await site.same(request)


@settings(max_examples=150)
@given(st.lists(STEPS, max_size=14))
def test_a_kept_answer_is_the_ordinary_one(steps: list[tuple[str, Any]]) -> None:
    async def story() -> None:
        async with kept_site() as site:
            await take(site, [("write", ("PUT", "/v1/kv/a", b"1")), *steps])

    run_on_virtual_time(story)
