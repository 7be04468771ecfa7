"""Plain writes are what the ordinary way makes of them, and nothing else goes that way."""

import asyncio
import json
import logging
from collections.abc import Callable

import pytest
from msgspec.structs import replace

from proconsul.api.surface import HttpSettings
from proconsul.errors import NoLeaderError, RpcError
from proconsul.local.token_bucket import TokenBucket
from proconsul.runtime.logs import logger
from proconsul.runtime.pending import LeadershipLostError
from server_tests.runtime.kept_site import Line
from server_tests.runtime.plain_site import Half, PlainSite, plain_site


def put(target: str, body: bytes = b"v", fields: str = "") -> bytes:
    """A request as clients send it."""
    length = f"Content-Length: {len(body)}\r\n" if body else ""
    return f"PUT {target} HTTP/1.1\r\nHost: a\r\n{length}{fields}\r\n".encode() + body


A = put("/v1/kv/a")
KNOWN = put("/v1/kv/known")  # the head of A, so that A comes with a known one


async def settled() -> None:
    """All has been done that can be done now."""
    await asyncio.sleep(0.001)


async def knowing(half: Half) -> Line:
    """A connection to a server that has seen a head like A's."""
    await Line(half.server).ask(KNOWN)
    return Line(half.server)


# ------------------------------------------------------------ the same answers


@pytest.mark.parametrize(
    ("request_", "plain"),
    [
        (A, True),
        (put("/v1/kv/a/b/"), True),
        (put("/v1/kv/a", b""), True),
        (put("/v1/kv/a", b"\x00\xff"), True),
        (put("/v1/kv/a", fields="Accept-Encoding: gzip\r\n"), True),
        (put("/v1/kv/a", fields="Connection: keep-alive\r\n"), True),
        (put("/v1/kv/a", b"v" * 8000), True),
        (put("/v1/kv/a", b"v" * 10_000), False),  # comes in pieces, as all that is large
        (put("/v1/kv/a?flags=7"), False),
        (put("/v1/kv/a?cas=0"), False),
        (put("/v1/kv/a?cas=x"), False),
        (put("/v1/kv/a?dc=elsewhere"), False),
        (put("/v1/kv/"), False),
        (put("/v1/kv/a%20b"), False),
        (put("/v1/kv//a"), False),
        (put("/v1/kv/a", fields="X-Consul-Token: t\r\n"), False),
        (put("/v1/kv/a", fields="Authorization: Bearer t\r\n"), False),
        (put("/v1/kv/a", fields="X-Consul-Namespace: n\r\n"), False),
        (put("/v1/kv/a", fields="Cache-Control: max-age=x\r\n"), False),
        (put("/v1/session/create", b"{}"), False),
        (b"POST" + A[3:], False),
        (b"DELETE" + A[3:], False),
    ],
)
async def test_each_says_and_does_what_the_ordinary_way_does(request_: bytes, plain: bool) -> None:
    async with plain_site() as site:
        await site.same(request_, request_, request_)
        ours, theirs = site.with_plain, site.without
        assert ours.log.offered == (2 if plain else 0), "the first one's head was not known"
        assert ours.log.proposed == theirs.log.proposed
        assert ours.log.tokens == theirs.log.tokens
        assert ours.failures == theirs.failures
        assert ours.value("a") == theirs.value("a")
        assert ours.told() == theirs.told()


async def session(site: PlainSite) -> str:
    """The ID of a new one, the same on both."""
    await site.same(put("/v1/catalog/register", b'{"Node": "n1", "Address": "192.0.2.1"}'))
    said = await site.same(put("/v1/session/create", b'{"Node": "n1", "Checks": []}'))
    return str(json.loads(said.rpartition(b"\r\n\r\n")[2])["ID"])


async def test_locks_are_taken_and_given_back_as_ever() -> None:
    nobody = "00000000-0000-4000-8000-000000000000"
    async with plain_site() as site:
        one, two = await session(site), await session(site)
        await site.same(KNOWN)
        for query, said in (
            (f"acquire={one}", b"\r\n\r\ntrue"),
            (f"acquire={one}", b"\r\n\r\ntrue"),
            (f"acquire={two}", b"\r\n\r\nfalse"),
            (f"release={two}", b"\r\n\r\nfalse"),
            (f"release={one}", b"\r\n\r\ntrue"),
            (f"release={one}", b"\r\n\r\nfalse"),
            (f"acquire={two}", b"\r\n\r\ntrue"),
            (f"acquire={nobody}", b"invalid session"),
        ):
            assert said in await site.same(put(f"/v1/kv/a?{query}", query[:1].encode())), query
            assert site.with_plain.value("a") == site.without.value("a")
        assert site.with_plain.log.offered == 8
        assert site.with_plain.log.proposed == site.without.log.proposed
        assert site.with_plain.failures == site.without.failures
        assert site.with_plain.told() == site.without.told()


async def test_a_key_with_a_lock_delay_is_not_locked() -> None:
    async with plain_site() as site:
        one, two = await session(site), await session(site)
        await site.same(KNOWN, put(f"/v1/kv/a?acquire={one}"))
        await site.same(put(f"/v1/session/destroy/{one}", b""))
        offered = site.with_plain.log.offered
        assert (await site.same(put(f"/v1/kv/a?acquire={two}"))).endswith(b"\r\n\r\nfalse")
        assert site.with_plain.log.offered == offered
        assert (await site.same(put(f"/v1/kv/b?acquire={two}"))).endswith(b"\r\n\r\ntrue")
        assert site.with_plain.log.offered == offered + 1
        assert site.with_plain.told() == site.without.told()


async def test_what_is_written_can_be_read() -> None:
    async with plain_site() as site:
        said = await site.same(KNOWN, A, b"GET /v1/kv/a?raw HTTP/1.1\r\nHost: a\r\n\r\n")
        assert site.with_plain.log.offered == 1
        assert said.endswith(b"\r\n\r\nv")


async def test_the_agents_own_token_is_in_the_command() -> None:
    async with plain_site() as site:
        site.with_plain.token = site.without.token = "secret"
        await site.same(KNOWN, A)
        assert site.with_plain.log.offered == 1
        assert site.with_plain.log.tokens == site.without.log.tokens == ["secret", "secret"]


async def test_a_reload_changes_the_answers() -> None:
    async with plain_site() as site:
        await site.same(KNOWN, A)
        for half in (site.with_plain, site.without):
            half.take(HttpSettings(always_pretty=True, response_headers=(("X-Own", "1"),)))
        assert b"X-Own: 1" in await site.same(KNOWN, A)
        assert site.with_plain.log.offered == 3


# ------------------------------------------------------------ who may not


@pytest.mark.parametrize(
    "settings",
    [
        HttpSettings(block_endpoints=("/v1/kv/a",)),
        HttpSettings(write_allowed_from=lambda address: False),
        HttpSettings(write_allowed_from=lambda address: True),
    ],
)
async def test_where_it_is_a_question_who_may_write_the_ordinary_way_decides(
    settings: HttpSettings,
) -> None:
    async with plain_site() as site:
        await site.same(KNOWN, KNOWN)
        for half in (site.with_plain, site.without):
            half.take(settings)
        await site.same(A)
        assert site.with_plain.log.offered == 1
        assert site.with_plain.failures == site.without.failures


async def test_with_rules_the_ordinary_way_decides() -> None:
    async with plain_site() as site:
        for half in (site.with_plain, site.without):
            half.site.api.facts = replace(half.site.api.facts, acl_enabled=True)
        await site.same(KNOWN, A)
        assert not site.with_plain.log.offered


async def test_a_value_beyond_the_limit_is_refused_as_ever() -> None:
    async with plain_site() as site:
        for half in (site.with_plain, site.without):
            facts = replace(half.site.context.facts, kv_value_bytes_max=3)
            half.site.context.facts = half.site.api.facts = facts
        long = put("/v1/kv/a", b"long")
        assert (await site.same(long)).startswith(b"HTTP/1.1 413 ")
        assert not site.with_plain.log.offered


async def test_a_limit_of_calls_is_kept() -> None:
    async with plain_site() as site:
        for half in (site.with_plain, site.without):
            half.calls.limit = TokenBucket(0.001, 1, 0.0)
        assert b"HTTP/1.1 429 " in await site.same(KNOWN, A)
        assert not site.with_plain.log.offered


async def test_with_lines_about_requests_the_ordinary_way_has_them_written() -> None:
    async with plain_site() as site:
        await site.same(KNOWN)
        level = logger("http").level
        logger("http").setLevel(logging.DEBUG)
        try:
            await site.same(A)
        finally:
            logger("http").setLevel(level)
        assert not site.with_plain.log.offered


# ------------------------------------------------------------ failures


@pytest.mark.parametrize(
    "failure", [LeadershipLostError(), RpcError("no space left"), RpcError('quoted "words"')]
)
async def test_what_failed_is_told_as_ever(failure: RpcError) -> None:
    async with plain_site() as site:
        await site.same(KNOWN)
        for half in (site.with_plain, site.without):
            half.log.failure = failure
        assert (await site.same(A)).startswith(b"HTTP/1.1 500 ")
        assert site.with_plain.log.offered == 1
        # The line says where from, and what.
        assert site.with_plain.failures == site.without.failures != []
        assert site.with_plain.told() == site.without.told()


async def both_refuse(site: PlainSite, refusal: Exception) -> bytes:
    """What both say to a write that their logs refuse at once."""
    said = []
    for half in (site.with_plain, site.without):
        line = await knowing(half)
        half.log.refusal = refusal
        line.send(A)
        await settled()
        said.append(line.said)
    assert said[0] == said[1]
    return said[0]


async def test_a_mistake_of_ours_is_answered_with_500() -> None:
    async with plain_site() as site:
        said = await both_refuse(site, RuntimeError("simulated"))
        assert said.startswith(b"HTTP/1.1 500 ")


async def test_who_is_refused_at_once_hears_it_the_ordinary_way() -> None:
    async with plain_site() as site:
        said = await both_refuse(site, RpcError("no space left for the log"))
        assert said.startswith(b"HTTP/1.1 500 ")
        assert site.with_plain.failures == site.without.failures != []
        assert site.with_plain.told() == site.without.told()


async def test_what_the_log_does_not_take_that_way_goes_the_ordinary_one() -> None:
    async with plain_site() as site:
        site.with_plain.log.takes_offers = False
        await site.same(KNOWN, A)
        assert site.with_plain.value("a") == b"v"


async def test_a_write_for_which_nobody_leads_any_more_looks_for_who_does() -> None:
    async with plain_site() as site:
        for half in (site.with_plain, site.without):
            line = await knowing(half)
            half.log.failure = NoLeaderError()  # it was held, and was not taken
            line.send(A)
            await settled()
            assert line.said.startswith(b"HTTP/1.1 200 ")
            assert half.value("a") == b"v"
            assert not half.failures
        assert site.with_plain.told() == site.without.told()


async def test_a_follower_goes_the_ordinary_way() -> None:
    async with plain_site() as site:
        line = await knowing(site.with_plain)
        site.with_plain.log.leads = False
        line.send(A)
        await settled()
        assert not site.with_plain.log.offered


async def test_what_breaks_at_one_client_does_not_keep_others_from_their_answers() -> None:
    async with plain_site() as site:
        half = site.with_plain
        lines = [await knowing(half) for _ in range(3)]

        def broken(data: object) -> None:
            raise RuntimeError("simulated")

        lines[1].transport.write = broken  # type: ignore[method-assign]
        for line in lines:
            line.send(A)
        await settled()
        assert [bool(line.said) for line in lines] == [True, False, True]
        assert lines[1].transport.closed


# ------------------------------------------------------------ the connection


async def test_requests_that_are_sent_ahead_are_answered_in_their_order() -> None:
    async with plain_site() as site:
        for half in (site.with_plain, site.without):
            line = await knowing(half)
            half.log.gate = gate = asyncio.Event()
            line.send(A)
            line.send(put("/v1/kv/b") + b"GET /v1/kv/b?raw HTTP/1.1\r\nHost: a\r\n\r\n")
            line.send(b"GET /v1/kv/a?raw HTTP/1.1\r\nHost: a\r\n\r\n")
            await settled()
            assert not line.said
            gate.set()
            await settled()
            bodies = [part.partition(b"\r\n")[0] for part in line.said.split(b"\r\n\r\n")[1:]]
            assert bodies == [b"trueHTTP/1.1 200 OK"] * 2 + [b"vHTTP/1.1 200 OK", b"v"]


async def test_a_write_whose_client_has_gone_is_still_done_and_nobody_is_told() -> None:
    async with plain_site() as site:
        half = site.with_plain
        leaving: list[Callable[[Line], object]] = [
            lambda line: line.connection.connection_lost(None),
            lambda line: line.connection.eof_received(),
        ]
        for leave in leaving:
            line = await knowing(half)
            half.log.gate = gate = asyncio.Event()
            line.send(put(f"/v1/kv/{half.log.offered}"))
            await settled()
            offered = half.log.offered
            leave(line)
            await settled()
            assert line.transport.closed, "it may have left half of the connection open"
            gate.set()
            await settled()
            half.log.gate = None
            assert not line.said
            assert half.value(str(offered - 1)) == b"v"


async def test_a_write_whose_client_has_gone_counts_as_ever() -> None:
    async with plain_site() as site:
        for half in (site.with_plain, site.without):
            line = await knowing(half)
            half.log.gate = gate = asyncio.Event()
            line.send(A)
            await settled()
            line.connection.eof_received()
            await settled()
            line.connection.connection_lost(None)
            gate.set()
            await settled()
        assert site.with_plain.told() == site.without.told()


async def test_an_answer_is_by_the_settings_of_its_own_time() -> None:
    async with plain_site() as site:
        said = []
        for half in (site.with_plain, site.without):
            line = await knowing(half)
            half.log.gate = gate = asyncio.Event()
            line.send(A)
            await settled()
            half.take(HttpSettings(always_pretty=True, response_headers=(("X-Own", "1"),)))
            gate.set()
            await settled()
            said.append(line.said)
        assert said[0] == said[1]
        assert b"X-Own: 1" in said[0]


async def test_a_write_that_waits_while_the_server_ends_is_answered_and_the_last() -> None:
    async with plain_site() as site:
        half = site.with_plain
        line = await knowing(half)
        half.log.gate = gate = asyncio.Event()
        line.send(A)
        await settled()
        stopping = asyncio.ensure_future(half.server.stop(60.0))
        await settled()
        gate.set()
        await settled()
        assert line.said.startswith(b"HTTP/1.1 200 OK\r\n")
        assert b"\r\nConnection: close\r\n" in line.said
        assert line.transport.closed
        line.connection.connection_lost(None)
        await stopping


async def test_a_client_that_does_not_read_holds_up_its_own_writes_only() -> None:
    async with plain_site() as site:
        half = site.with_plain
        slow, other = await knowing(half), await knowing(half)
        slow.connection.pause_writing()
        slow.send(A)
        other.send(put("/v1/kv/b"))
        await settled()
        assert not slow.said
        assert other.said.startswith(b"HTTP/1.1 200 OK\r\n")
        asyncio.get_running_loop().call_soon(slow.connection.resume_writing)
        await settled()
        assert slow.said.startswith(b"HTTP/1.1 200 OK\r\n")
