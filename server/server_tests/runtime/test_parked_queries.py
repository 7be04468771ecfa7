"""Parked queries are told what the ordinary way says, and when, whatever happens in between."""

import asyncio
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from proconsul.api.surface import HttpSettings
from server_tests.runtime.http_site import run_on_virtual_time
from server_tests.runtime.kept_site import KeptSite, Line, Role, kept_site
from server_tests.runtime.test_kept_reads import (
    HEADERS,
    MODES,
    PATHS,
    ROLES,
    SETTINGS,
    WRITES,
    get,
    moded,
)

DEFAULT_WAIT_S = 30.0
STEP_S = 1.0  # beyond all that a server without a leader holds
USUAL_PATHS = ("/v1/kv/a", "/v1/kv/a?recurse", "/v1/health/service/web", "/v1/catalog/nodes")
ODD_WAITS = ("", "&wait=10s", "&wait=0s", "&wait=100ms", "&wait=-1s", "&wait=x", "&wait=")
ODD_INDEXES = ("0", "1", "015", "12", "999", "99999999999999999999", "x", "-1", "12&index=1", "")


def blocking(path: str, mode: str, rest: str, fields: str) -> bytes:
    """A blocking query as clients send it."""
    target = moded(path, mode)
    return get(f"{target}{'&' if '?' in target else '?'}{rest}", fields)


ODD = st.builds(
    lambda path, mode, index, wait, fields: blocking(path, mode, f"index={index}{wait}", fields),
    st.sampled_from(PATHS),
    st.sampled_from(MODES),
    st.sampled_from(ODD_INDEXES),
    st.sampled_from(ODD_WAITS),
    st.sampled_from(HEADERS),
)
USUAL = st.builds(
    lambda path, mode, index, wait: blocking(path, mode, f"index={index}{wait}", ""),
    st.sampled_from(USUAL_PATHS),
    st.sampled_from(["", "stale"]),
    st.integers(10, 25),
    st.sampled_from(["", "&wait=3s"]),
)
QUERIES = st.one_of(USUAL, USUAL, USUAL, ODD)
STEPS = st.one_of(
    QUERIES.map(lambda query: ("ask", query)),
    QUERIES.map(lambda query: ("ask", query)),
    QUERIES.map(lambda query: ("ask", query)),
    QUERIES.map(lambda query: ("ask_again", query)),
    WRITES.map(lambda write: ("write", write)),
    WRITES.map(lambda write: ("write", write)),
    WRITES.map(lambda write: ("write", write)),
    st.sampled_from([0.05, 1.0, 5.0, 40.0]).map(lambda time_s: ("time", time_s)),
    ROLES.map(lambda role: ("role", role)),
    SETTINGS.map(lambda changed: ("reload", changed)),
    st.sampled_from(["save", "restore", "swap", "leave"]).map(lambda kind: (kind, None)),
)


class Pair:
    """The same client of both servers."""

    def __init__(self, site: KeptSite) -> None:
        self.lines = [Line(site.with_kept), Line(site.without)]

    def send(self, data: bytes) -> None:
        """Both."""
        for line in self.lines:
            line.send(data)

    def leave(self) -> None:
        """Both."""
        for line in self.lines:
            asyncio.get_running_loop().call_soon(line.connection.connection_lost, None)

    def same(self) -> None:
        """Both have heard the same so far."""
        with_kept, without = self.lines
        assert with_kept.said == without.said


class Story:
    """What happens to both servers; each step is a method."""

    def __init__(self, site: KeptSite) -> None:
        self._site = site
        site.close()  # ticks of the servers: each costs a moment of real time
        self._saved = site.snapshot()
        self.pairs: list[Pair] = []
        for one in (site.own, site.ahead):
            one.context.facts = replace(
                one.context.facts, default_query_time_s=DEFAULT_WAIT_S, max_query_time_s=5.0
            )

    async def take(self, step: str, what: Any) -> None:
        """One step; then all have heard the same."""
        await getattr(self, f"_{step}")(what)
        await asyncio.sleep(STEP_S)
        for pair in self.pairs:
            pair.same()

    async def end(self) -> None:
        """All leave, and nothing is left of them."""
        for pair in self.pairs:
            pair.leave()
        await asyncio.sleep(STEP_S)
        assert len(self._site.kept.parked) == 0
        assert self._site.own.context.telemetry.blocking_queries == 0

    async def _ask(self, query: bytes) -> None:
        self.pairs.append(Pair(self._site))
        self.pairs[-1].send(query)

    async def _ask_again(self, query: bytes) -> None:
        for pair in self.pairs[-3:]:
            pair.send(query)

    async def _write(self, write: Any) -> None:
        await self._site.write(*write)

    async def _time(self, time_s: float) -> None:
        await asyncio.sleep(time_s)

    async def _role(self, role: Role) -> None:
        self._site.log.role = role

    async def _reload(self, changed: HttpSettings) -> None:
        # Whoever waits in vain after that hears a newer answer than in the ordinary way.
        while self.pairs:
            self.pairs.pop().leave()
        self._site.reload(changed)

    async def _save(self, _: None) -> None:
        self._saved = self._site.snapshot()

    async def _restore(self, _: None) -> None:
        self._site.room.state_replaced()
        self._site.restore(self._saved)

    async def _swap(self, _: None) -> None:
        """As restoring, to those who wait a change like any other."""
        self._site.restore(self._saved)

    async def _leave(self, _: None) -> None:
        if self.pairs:
            self.pairs.pop().leave()


@settings(max_examples=200)
@given(st.lists(STEPS, min_size=8, max_size=24))
def test_a_parked_query_is_told_what_the_ordinary_way_says(steps: list[tuple[str, Any]]) -> None:
    async def tell() -> None:
        async with kept_site() as site:
            story = Story(site)
            for step in [("write", ("PUT", "/v1/kv/a", b"1")), *steps]:
                await story.take(*step)
            await story.end()

    run_on_virtual_time(tell)
