"""Parked queries: settings, the end of the process, what goes the ordinary way, what is held."""

import asyncio
import logging

import pytest
from msgspec.structs import replace

from proconsul.api.surface import HttpSettings
from proconsul.local.token_bucket import TokenBucket
from proconsul.runtime.logs import logger
from proconsul.runtime.long_polls import MESSAGE, ended
from server_tests.runtime.kept_site import Line
from server_tests.runtime.test_kept_reads import get
from server_tests.runtime.test_kept_scenes import settled
from server_tests.runtime.test_parked_scenes import LATER, after, has_a, newest, parked, parked_site

# ---------------------------------------------------------------- settings, and the end


async def test_who_waits_while_settings_change_is_not_judged_by_them_but_dressed() -> None:
    async with parked_site() as site:
        told, waits = await parked(site, newest(site), get(f"/v1/kv/a?raw&index={LATER}&wait=10s"))
        site.reload(HttpSettings(block_endpoints=("/v1/kv/",), response_headers=(("X-Mine", "1"),)))
        await has_a(site, b"2")
        await settled()
        assert told.said.startswith(b"HTTP/1.1 200 OK\r\n")
        assert b"X-Mine: 1\r\n" in told.said
        told.send(newest(site))
        await asyncio.sleep(20)
        assert b"HTTP/1.1 403 " in told.said  # it asked again
        assert b"X-Mine: 1\r\n" in waits.said


async def test_at_the_end_all_are_told_to_ask_another_server() -> None:
    async with parked_site() as site:
        lines = await parked(
            site, newest(site), after(LATER, "/v1/kv/b", "Accept-Encoding: gzip\r\n")
        )
        site.kept.parked.end(ended)
        site.with_kept.stopping = True
        await settled()
        for line in lines:
            assert line.said.startswith(b"HTTP/1.1 503 ")
            assert b"\r\nConnection: close\r\n" in line.said
            assert line.transport.closed
        assert lines[0].said.endswith(MESSAGE.encode())
        assert b"Content-Encoding: gzip\r\n" in lines[1].said
        assert len(site.kept.parked) == 0


async def test_one_that_goes_on_in_the_ordinary_way_is_told_of_the_end_too() -> None:
    async with parked_site() as site:
        (line,) = await parked(site, after(LATER))
        site.role.lease = False
        await has_a(site, b"2")
        await settled()
        assert (line.said, len(site.kept.parked)) == (b"", 0)
        site.polls.end()
        await settled()
        assert line.said.startswith(b"HTTP/1.1 503 ")


async def test_who_is_about_to_be_told_at_the_end_is_told_of_the_end_once() -> None:
    async with parked_site() as site:
        (line,) = await parked(site, newest(site))
        loop = asyncio.get_running_loop()
        loop.call_soon(lambda: site.kept.parked.end(ended))
        await has_a(site, b"2")
        await settled()
        assert line.said.count(b"HTTP/1.1 ") == 1
        other = Line(site.with_kept)
        other.send(after(LATER))
        await settled()
        assert (len(site.kept.parked), len(site.own_state.watchers)) == (0, 1)


# ---------------------------------------------------------------- what goes the ordinary way

LINE = b"GET /v1/kv/a?raw&index=%d HTTP/1.1\r\nHost: a\r\n" % LATER


@pytest.mark.parametrize(
    "query",
    [
        LINE.replace(b"GET", b"HEAD") + b"\r\n",
        LINE.replace(b"1.1", b"1.0") + b"\r\n",
        LINE + b"Connection: close\r\n\r\n",
        LINE + b"Content-Length: 0\r\n\r\n",
        LINE.replace(b"\r\n", b"\n") + b"\n",
        LINE + b"\r\n" + LINE + b"\r\n",
        after(LATER, "/v1/kv/a?raw&consistent"),
        after(LATER, "/v1/kv/a?raw&cached"),
        after(LATER, "/v1/kv/a?raw&stale&max_stale=5s"),
        after(LATER, "/v1/kv/a?raw&dc=elsewhere"),
        after(LATER, "/v1/health/service/web?near=n1"),
        after(LATER, '/v1/health/service/web?filter=Node.Node+==+"n1"'),
        after(LATER, "/v1/kv/a?raw&%69ndex=1"),
        after(LATER, "/v1/kv/a?raw&index=1"),
        after(LATER, "/v1/kv/a?raw&wait=1s&wait=2s"),
        after(LATER, "/v1/kv/a?raw;wait=1s"),
        after(LATER, "/v1/kv/a?raw&wait=soon"),
        after(LATER, "/v1/kv/"),
        after(LATER, "/v1/session/list"),
        after(LATER, "/v1/event/list"),
        get("/v1/kv/a?raw&index=0"),
        get("/v1/kv/a?raw&index="),
        get("/v1/kv/a?raw&index=18446744073709551616"),
        get("/v1/kv/a?raw&index=+11"),
    ],
)
async def test_what_does_not_surely_fit_is_not_parked(query: bytes) -> None:
    async with parked_site() as site:
        with_kept, without = Line(site.with_kept), Line(site.without)
        for line in (with_kept, without):
            line.send(query)
        await settled()
        assert len(site.kept.parked) == 0
        await asyncio.sleep(700)
        assert with_kept.said == without.said != b""


async def test_a_limit_of_calls_lines_in_the_log_and_acls_are_for_the_ordinary_way(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with parked_site() as site:

        async def is_parked() -> bool:
            line = Line(site.with_kept)
            line.send(newest(site))
            await settled()
            found = len(site.kept.parked) == 1
            line.connection.connection_lost(None)
            return found

        with caplog.at_level(logging.DEBUG, logger("http").name):
            assert not await is_parked()
        assert await is_parked()
        site.own.context.facts = replace(site.own.context.facts, acl_enabled=True)
        assert not await is_parked()
        site.own.context.facts = replace(site.own.context.facts, acl_enabled=False)
        site.calls.limit = TokenBucket(0.0, 2, 0.0)
        assert not await is_parked()


# ---------------------------------------------------------------- what is counted, what is held


async def test_parked_queries_count_what_the_ordinary_way_counts() -> None:
    counted = []
    for keeps in (True, False):
        async with parked_site() as site:
            service = "/v1/health/service/web?tag=t"
            lines = [Line(site.with_kept if keeps else site.without) for _ in range(6)]
            queries = [newest(site), after(LATER), after(LATER, service), after(1)]
            queries += [after(LATER, service), newest(site)]
            for line, query in zip(lines, queries, strict=True):
                line.send(query)
            await asyncio.sleep(1)
            lines[4].connection.connection_lost(None)
            site.role.lease = False
            lines[5].connection.connection_lost(None)
            await has_a(site, b"2")
            await asyncio.sleep(1)
            site.role.lease = True
            await asyncio.sleep(700)
            totals = site.own.context.telemetry.totals()
            samples = {
                key: (one.total.count, pytest.approx(one.total.sum, rel=0.01))
                for key, one in totals.samples.items()
            }
            counted.append((totals.counters, samples))
    assert counted[0] == counted[1]


async def test_answers_at_which_nobody_waits_give_way_and_what_is_too_large_is_not_parked() -> None:
    async with parked_site(bytes_max=40_000) as site:
        answers = site.kept.parked.answers
        for number in range(100):
            await site.write("PUT", f"/v1/kv/k{number}", b"1")
            await Line(site.with_kept).ask(after(1, f"/v1/kv/k{number}"))
            assert answers.size_bytes <= 40_000
        assert 5 < len(answers) < 40
        lines = []
        for number in range(100):
            lines.append(Line(site.with_kept))
            lines[-1].send(after(LATER, f"/v1/kv/k{number}?raw"))
        await settled()
        assert 5 < len(site.kept.parked) < 40
        assert site.own.context.telemetry.blocking_queries == 100
        for number, line in enumerate(lines):
            assert line.said == b""
            await site.write("PUT", f"/v1/kv/k{number}", b"2")
            line.connection.connection_lost(None)
        await settled()
        assert len(site.kept.parked) == 0
        site.kept.clear()
        assert (answers.size_bytes, len(answers)) == (0, 0)


async def test_a_question_that_settings_let_in_once_is_asked_anew_after_they_changed() -> None:
    async with parked_site() as site:
        await parked(site, newest(site))
        site.kept.clear()
        assert len(site.kept.parked.answers) == 0
        await has_a(site, b"2")
        await settled()
        assert (len(site.kept.parked.answers), len(site.own_state.watchers)) == (0, 0)
        assert site.kept.parked.answers.size_bytes == 0


async def test_a_question_whose_answer_is_too_large_is_not_tried_again_at_once() -> None:
    async with parked_site(bytes_max=20_000) as site:
        for value, pause_s, is_parked in ((b"x" * 20_000, 0, 0), (b"2", 0, 0), (b"3", 20, 1)):
            await has_a(site, value)
            await asyncio.sleep(pause_s)
            line = Line(site.with_kept)
            line.send(newest(site))
            await settled()
            assert (line.said, len(site.kept.parked)) == (b"", is_parked)
            assert site.own.context.telemetry.blocking_queries == 1
            line.connection.connection_lost(None)
            await settled()


async def test_who_waits_for_an_answer_that_becomes_too_large_is_told_it_all_the_same() -> None:
    async with parked_site(bytes_max=20_000) as site:
        lines = await parked(site, *[newest(site)] * 20)
        await has_a(site, b"x" * 20_000)
        await settled()
        assert all(line.said.endswith(b"x" * 20_000) for line in lines)
        assert (len(site.kept.parked), site.kept.parked.answers.size_bytes) == (0, 0)
