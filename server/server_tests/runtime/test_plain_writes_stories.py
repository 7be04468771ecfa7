"""Whatever clients send, in whatever pieces: with plain writes and without is the same."""

import asyncio
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from proconsul.api.surface import HttpSettings
from proconsul.errors import NoLeaderError
from proconsul.runtime.pending import LeadershipLostError
from server_tests.runtime.http_site import run_on_virtual_time
from server_tests.runtime.kept_site import Line
from server_tests.runtime.plain_site import Half, PlainSite, plain_site

METHODS = ("PUT", "PUT", "PUT", "GET", "DELETE", "POST")
TARGETS = (
    "/v1/kv/a",
    "/v1/kv/b/c",
    "/v1/kv/a?cas=0",
    "/v1/kv/",
    "/v1/kv//a",
    "/v1/kv/%61",
    "/v1/x",
)
FIELDS = (
    "",
    "Accept-Encoding: gzip\r\n",
    "X-Consul-Token: t\r\n",
    "X-Consul-Namespace: n\r\n",
    "Connection: keep-alive\r\n",
    "Connection: close\r\n",
    "Expect: 100-continue\r\n",
)
BODIES = (b"", b"v", b"w" * 40, bytes(9000))
SETTINGS = (
    HttpSettings(),
    HttpSettings(always_pretty=True),
    HttpSettings(response_headers=(("X-A", "b"),)),
    HttpSettings(block_endpoints=("/v1/kv/b",)),
    HttpSettings(translate_wan_addresses=True),
)
LINES = 2


def request(method: str, target: str, fields: str, body: bytes) -> bytes:
    length = f"Content-Length: {len(body)}\r\n" if body else ""
    return f"{method} {target} HTTP/1.1\r\nHost: a\r\n{length}{fields}\r\n".encode() + body


requests = st.builds(
    request,
    st.sampled_from(METHODS),
    st.sampled_from(TARGETS),
    st.sampled_from(FIELDS),
    st.sampled_from(BODIES),
)
steps = st.one_of(
    st.tuples(
        st.just("send"), st.integers(0, LINES - 1), st.lists(requests, min_size=1, max_size=4)
    ),
    st.tuples(st.just("cut"), st.integers(0, LINES - 1), st.tuples(requests, st.integers(1, 90))),
    st.tuples(st.just("fail"), st.just(0), st.sampled_from((LeadershipLostError, NoLeaderError))),
    st.tuples(st.just("refuse"), st.just(0), st.sampled_from((NoLeaderError,))),
    st.tuples(st.just("settings"), st.just(0), st.sampled_from(SETTINGS)),
    st.tuples(st.just("leave"), st.integers(0, LINES - 1), st.none()),
)


class Client:
    """The same connections to both servers."""

    def __init__(self, half: Half) -> None:
        self.half = half
        self.lines = [Line(half.server) for _ in range(LINES)]
        self.said: list[bytes] = []

    def take(self, kind: str, at: int, what: Any) -> None:
        """One step."""
        match kind:
            case "send":
                self._send(at, what)
            case "cut":
                data, place = what
                self._send(at, data[:place])
                self._send(at, data[place:])
            case "fail":
                self.half.log.failure = what()
            case "refuse":
                self.half.log.refusal = what()
            case "settings":
                self.half.take(what)
            case "leave":
                self.leave(at)
            case _:
                raise AssertionError(kind)

    async def make_known(self) -> None:
        """Have the server see each head once: else few would come a second time."""
        for fields in FIELDS[:-2]:
            for body in BODIES[:-1]:
                await Line(self.half.server).ask(request("PUT", "/v1/kv/known", fields, body))

    def _send(self, at: int, data: bytes) -> None:
        if not self.lines[at].transport.closed:
            self.lines[at].send(data)

    def leave(self, at: int) -> None:
        """Hang up, and dial again."""
        self.said.append(self.lines[at].said)
        self.lines[at].connection.connection_lost(None)
        self.lines[at] = Line(self.half.server)


async def settled() -> None:
    """All has been done that can be done now."""
    await asyncio.sleep(0.001)


async def take(site: PlainSite, story: list[tuple[str, int, Any]]) -> None:
    """Do all that at both."""
    clients = Client(site.with_plain), Client(site.without)
    for client in clients:
        await client.make_known()
    for kind, at, what in story:
        for client in clients:
            client.take(kind, at, what)
        await settled()
    for client in clients:
        for at in range(LINES):
            client.leave(at)
    ours, theirs = clients
    assert ours.said == theirs.said
    for key in ("a", "b/c"):
        assert ours.half.value(key) == theirs.half.value(key)
    assert ours.half.log.proposed == theirs.half.log.proposed
    assert ours.half.log.tokens == theirs.half.log.tokens
    assert ours.half.failures == theirs.half.failures
    assert ours.half.told() == theirs.half.told()


@settings(max_examples=200)
@given(st.lists(steps, min_size=2, max_size=12))
def test_no_client_can_tell(story: list[tuple[str, int, Any]]) -> None:
    async def tell() -> None:
        async with plain_site() as site:
            await take(site, story)

    run_on_virtual_time(tell)
