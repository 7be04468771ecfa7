"""Kept answers, rule by rule: what they wait for, what they are not used for, what they cost."""

import asyncio
import logging
from dataclasses import replace

import pytest

from proconsul.local.token_bucket import TokenBucket
from proconsul.runtime import leaders_word
from proconsul.runtime.logs import logger
from server_tests.runtime.kept_site import KeptSite, Line, Role, kept_site
from server_tests.runtime.test_kept_reads import get

A = get("/v1/kv/a?raw")
A_CONSISTENT = get("/v1/kv/a?raw&consistent")
FOLLOWS = Role(leads=False, contact_ns=5_000_000)


async def settled() -> None:
    """All has been done that can be done now."""
    await asyncio.sleep(0.001)


async def kept(site: KeptSite, *requests: bytes) -> None:
    """Have the answers to these kept."""
    for request in requests:
        await Line(site.with_kept).ask(request)
    assert len(site.answers) == len(requests)


def bodies(line: Line) -> list[bytes]:
    """Of all that came back, each value being one byte long."""
    return [part[:1] for part in line.said.split(b"\r\n\r\n")[1:]]


async def test_an_answer_is_kept_until_a_write_touches_what_it_was_read_from() -> None:
    async with kept_site() as site:
        await site.write("PUT", "/v1/kv/a", b"1")
        await kept(site, A, get("/v1/kv/?keys"))
        await site.write("PUT", "/v1/kv/b", b"1")
        assert list(site.answers.by_request) == [A]
        await site.write("PUT", "/v1/kv/a", b"2")
        assert not len(site.answers)
        assert (await Line(site.with_kept).ask(A)).endswith(b"\r\n\r\n2")


async def test_an_answer_is_found_without_asking_the_handlers_and_dated_anew() -> None:
    async with kept_site() as site:
        await site.write("PUT", "/v1/kv/a", b"1")
        await kept(site, A)
        site.own.api.settings = replace(site.own.api.settings, block_endpoints=("/v1/kv/",))
        site.with_kept.date_line = b"Date: tomorrow\r\n"
        line = Line(site.with_kept)
        line.send(A)
        await settled()
        assert b"\r\nDate: tomorrow\r\n" in line.transport.written[0]
        assert line.said.startswith(b"HTTP/1.1 200 OK\r\n")


async def test_a_consistent_read_shows_what_was_written_before_its_round_ended() -> None:
    async with kept_site() as site:
        await site.write("PUT", "/v1/kv/a", b"1")
        await kept(site, A_CONSISTENT)
        gate = site.role.gate = asyncio.Event()
        line = Line(site.with_kept)
        line.send(A_CONSISTENT)
        await settled()
        assert not line.said
        await site.write("PUT", "/v1/kv/a", b"2")
        gate.set()
        await settled()
        assert bodies(line) == [b"2"]


async def test_reads_of_one_turn_share_a_round_and_later_ones_do_not_take_part_in_it() -> None:
    async with kept_site() as site:
        await site.write("PUT", "/v1/kv/a", b"1")
        await kept(site, A_CONSISTENT)
        site.role.rounds = 0
        gate = site.role.gate = asyncio.Event()
        early, late = ([Line(site.with_kept) for _ in range(5)] for _ in range(2))
        for line in early:
            line.send(A_CONSISTENT)
        await settled()
        for line in late:
            line.send(A_CONSISTENT)
        await settled()
        assert site.role.rounds == 1
        site.role.gate = asyncio.Event()  # the next round has one of its own
        gate.set()
        await settled()
        assert [bool(line.said) for line in [*early, *late]] == [True] * 5 + [False] * 5
        assert site.role.rounds == 2
        site.role.gate.set()
        await settled()
        assert all(bodies(line) == [b"1"] for line in [*early, *late])


async def test_a_round_that_takes_long_does_not_hold_up_the_next() -> None:
    async with kept_site() as site:
        await site.write("PUT", "/v1/kv/a", b"1")
        await kept(site, A_CONSISTENT)
        site.role.gate = asyncio.Event()
        stuck, other = Line(site.with_kept), Line(site.with_kept)
        stuck.send(A_CONSISTENT)
        await asyncio.sleep(1)
        site.role.gate = None
        other.send(A_CONSISTENT)
        await settled()
        assert (bodies(stuck), bodies(other)) == ([], [b"1"])


async def test_consistent_reads_that_two_clients_sent_ahead_are_all_answered_in_order() -> None:
    async with kept_site() as site:
        for key in "abc":
            await site.write("PUT", f"/v1/kv/{key}", key.encode())
        consistent = [get(f"/v1/kv/{key}?raw&consistent") for key in "abc"]
        await kept(site, *consistent)
        one, other = Line(site.with_kept), Line(site.with_kept)
        for request in consistent * 3:
            one.send(request)  # each in a piece of its own: it comes while another waits
            other.send(request)
        other.send(b"".join(consistent))  # and all in one
        await asyncio.sleep(1)
        assert bodies(one) == [b"a", b"b", b"c"] * 3
        assert bodies(other) == [b"a", b"b", b"c"] * 4


async def test_what_is_sent_ahead_is_not_parsed_before_it_is_known_how_a_read_is_answered() -> None:
    async with kept_site() as site:
        await site.write("PUT", "/v1/kv/a", b"1")
        await kept(site, A_CONSISTENT)
        gate = site.role.gate = asyncio.Event()
        line = Line(site.with_kept)
        line.send(A_CONSISTENT)
        line.send(A[:10])
        await settled()
        await site.write("PUT", "/v1/kv/a", b"2")  # it goes the ordinary way, through the parser
        gate.set()
        await settled()
        line.send(A[10:])
        await settled()
        assert bodies(line) == [b"2", b"2"]


async def test_without_a_majority_a_kept_answer_is_not_given() -> None:
    async with kept_site() as site:
        await site.write("PUT", "/v1/kv/a", b"1")
        await kept(site, A, A_CONSISTENT)
        site.log.role = Role(lease=False, quorum=False)
        for request in (A, A_CONSISTENT):
            assert (await site.same(request)).startswith(b"HTTP/1.1 500 ")


async def test_leadership_that_is_lost_while_a_read_waits_is_no_answer_from_before() -> None:
    async with kept_site() as site:
        await site.write("PUT", "/v1/kv/a", b"1")
        await kept(site, A_CONSISTENT)
        gate = site.role.gate = asyncio.Event()
        line = Line(site.with_kept)
        line.send(A_CONSISTENT)
        await settled()
        site.role.leads, site.is_late = False, True
        await site.write("PUT", "/v1/kv/a", b"2")  # another server leads, and has taken this
        gate.set()
        await asyncio.sleep(1)
        assert bodies(line) == [b"2"]
        assert site.leader.calls[-1] == "KVS.Get"


async def test_a_client_that_leaves_while_its_read_waits_is_written_nothing() -> None:
    async with kept_site() as site:
        await site.write("PUT", "/v1/kv/a", b"1")
        await kept(site, A_CONSISTENT)
        gate = site.role.gate = asyncio.Event()
        line, other = Line(site.with_kept), Line(site.with_kept)
        for one in (line, other):
            one.send(A_CONSISTENT)
        await settled()
        line.connection.connection_lost(None)
        gate.set()
        await settled()
        assert (bodies(line), bodies(other)) == ([], [b"1"])


# ---------------------------------------------------------------- followers


async def test_a_follower_asks_for_its_leaders_word_once_for_all_and_reads_its_own_state() -> None:
    async with kept_site() as site:
        site.log.role = FOLLOWS
        await site.write("PUT", "/v1/kv/a", b"1")
        await kept(site, A)  # the first one, too
        assert site.leader.calls == ["Proconsul.ReadIndex"]
        lines = [Line(site.with_kept) for _ in range(5)]
        for line in lines:
            line.send(A)
        await settled()
        assert all(bodies(line) == [b"1"] for line in lines)
        assert all(b"X-Consul-Lastcontact: 0\r\n" in line.said for line in lines)
        assert site.leader.calls == ["Proconsul.ReadIndex"] * 2


@pytest.mark.parametrize("request_bytes", [A, A_CONSISTENT])
async def test_a_follower_that_is_behind_waits_for_what_its_leader_has(
    request_bytes: bytes,
) -> None:
    async with kept_site() as site:
        site.log.role = FOLLOWS
        await site.write("PUT", "/v1/kv/a", b"1")
        await kept(site, request_bytes)
        site.is_late = True
        await site.write("PUT", "/v1/kv/a", b"2")
        line = Line(site.with_kept)
        line.send(request_bytes)
        await settled()
        assert bodies(line) == []
        site.catch_up()
        await settled()
        assert bodies(line) == [b"2"]


async def test_a_follower_that_stays_behind_passes_the_read_on() -> None:
    async with kept_site() as site:
        site.log.role = FOLLOWS
        await site.write("PUT", "/v1/kv/a", b"1")
        await kept(site, A)
        site.is_late = True
        await site.write("PUT", "/v1/kv/a", b"2")
        assert (await Line(site.with_kept).ask(A)).endswith(b"\r\n\r\n2")
        assert site.leader.calls[-1] == "KVS.Get"


@pytest.mark.parametrize("is_kept", [False, True])
async def test_a_follower_that_is_ahead_of_its_leader_passes_the_read_on(is_kept: bool) -> None:
    async with kept_site() as site:
        site.log.role = FOLLOWS
        await site.write("PUT", "/v1/kv/a", b"1")
        if is_kept:
            await kept(site, A)
        site.leader.calls.clear()
        site.ahead_log.unapplied = 1
        assert (await Line(site.with_kept).ask(A)).endswith(b"\r\n\r\n1")
        assert site.leader.calls[-1] == "KVS.Get"


async def test_a_leader_of_another_kind_is_asked_for_its_word_once() -> None:
    async with kept_site() as site:
        site.log.role = FOLLOWS
        site.leader.knows_read_index = False
        await site.write("PUT", "/v1/kv/a", b"1")
        for _ in range(3):
            assert (await Line(site.with_kept).ask(A)).endswith(b"\r\n\r\n1")
            await asyncio.sleep(10 * leaders_word.PAUSE_S)
        assert site.leader.calls == ["Proconsul.ReadIndex", *["KVS.Get"] * 3]


async def test_a_leader_that_vouches_for_nothing_is_not_read_for() -> None:
    async with kept_site() as site:
        site.log.role = FOLLOWS
        await site.write("PUT", "/v1/kv/a", b"1")
        await kept(site, A_CONSISTENT)
        site.ahead_log.quorum = False
        assert (await Line(site.with_kept).ask(A_CONSISTENT)).startswith(b"HTTP/1.1 500 ")


async def test_a_stale_read_of_a_follower_asks_nobody_and_says_how_old_it_may_be() -> None:
    async with kept_site() as site:
        await site.write("PUT", "/v1/kv/a", b"1")
        stale = get("/v1/kv/a?raw&stale")
        await kept(site, stale)
        site.log.role = Role(leads=False, leader_known=False, contact_ns=77_000_000)
        said = await Line(site.with_kept).ask(stale)
        assert b"X-Consul-Knownleader: false\r\nX-Consul-Lastcontact: 77\r\n" in said
        assert site.leader.calls == []


# ---------------------------------------------------------------- what goes the ordinary way

LINE = b"GET /v1/kv/a?raw HTTP/1.1\r\nHost: a\r\n"


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"HEAD /v1/kv/a?raw HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET /v1/kv/a?raw HTTP/1.0\r\n\r\n",
        LINE + b"Connection: close\r\n\r\n",
        LINE + b"Content-Length: 0\r\n\r\n",
        LINE + b"Expect: 100-continue\r\n\r\n",
        LINE + b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        LINE.replace(b"\r\n", b"\n") + b"\n",
        LINE + b"\r\n" + LINE + b"\r\n",
        LINE + b"\n" + LINE + b"\r\n",
        get("/v1/kv/a?index=1&wait=1s"),
        get("/v1/kv/a?cached"),
        get("/v1/kv/a?max_stale=5s"),
        get("/v1/kv/a?dc=elsewhere"),
        get("/v1/kv/a?stale&consistent"),
        get("/v1/health/service/web?near=n1"),
        get('/v1/health/service/web?filter=Node.Node+==+"n1"'),
        get("/v1/kv/a?raw", f"X-Long: {'x' * 3000}\r\n"),
        get("/v1/kv/"),
        get("/v1/status/leader"),
        get("/v1/kv/../kv/a"),
        get("/v1/kv/%zz"),
    ],
)
async def test_what_is_not_surely_a_plain_read_is_not_kept(request_bytes: bytes) -> None:
    async with kept_site() as site:
        await site.write("PUT", "/v1/kv/a", b"1")
        with_kept, without = Line(site.with_kept), Line(site.without)
        for line in (with_kept, without):
            for _ in range(2):
                line.send(request_bytes)
        await asyncio.sleep(10)
        assert with_kept.said == without.said != b""
        assert with_kept.transport.closed == without.transport.closed
        assert not len(site.answers)


async def test_a_request_that_comes_in_two_pieces_is_none_that_is_kept() -> None:
    async with kept_site() as site:
        await site.write("PUT", "/v1/kv/a", b"1")
        await kept(site, A)
        for at in (1, 3, 10, len(A) - 4, len(A) - 2, len(A) - 1):
            line = Line(site.with_kept)
            line.send(A[:at])
            line.send(A[at:] + A)
            line.send(A)
            await settled()
            assert bodies(line) == [b"1"] * 3


async def test_bytes_that_look_like_a_request_inside_a_body_are_part_of_it() -> None:
    async with kept_site() as site:
        await site.write("PUT", "/v1/kv/a", b"1")
        await kept(site, A)
        line = Line(site.with_kept)
        line.send(b"PUT /v1/txn HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % len(A))
        line.send(A)
        await settled()
        assert line.said.startswith(b"HTTP/1.1 400 ")
        assert line.said.count(b"HTTP/1.1 ") == 1


async def test_while_requests_are_logged_each_goes_the_ordinary_way(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with kept_site() as site:
        await site.write("PUT", "/v1/kv/a", b"1")
        await kept(site, A)
        with caplog.at_level(logging.DEBUG, logger("http").name):
            assert site.kept.find(A) is None
        assert site.kept.find(A) is not None


async def test_a_limit_of_calls_counts_each_of_them() -> None:
    async with kept_site() as site:
        await site.write("PUT", "/v1/kv/a", b"1")
        await kept(site, A)
        site.calls.limit = TokenBucket(0.0, 2, 0.0)
        said = [await Line(site.with_kept).ask(A) for _ in range(3)]
        assert [one.split(b"\r\n")[0][9:12] for one in said] == [b"200", b"200", b"429"]


async def test_a_server_that_ends_says_so_with_each_answer() -> None:
    async with kept_site() as site:
        await site.write("PUT", "/v1/kv/a", b"1")
        await kept(site, A)
        line = Line(site.with_kept)
        site.with_kept.stopping = True
        assert b"\r\nConnection: close\r\n" in await line.ask(A)


async def test_who_reads_slowly_is_answered_when_he_has_caught_up() -> None:
    async with kept_site() as site:
        await site.write("PUT", "/v1/kv/a", b"1")
        await kept(site, A)
        line = Line(site.with_kept)
        line.connection.pause_writing()
        line.send(A)
        line.send(A)
        await settled()
        assert line.said == b""
        asyncio.get_running_loop().call_soon(line.connection.resume_writing)
        await settled()
        assert bodies(line) == [b"1"] * 2


# ---------------------------------------------------------------- what is counted, what is held


async def test_kept_answers_count_what_the_ordinary_way_counts() -> None:
    counted = []
    for keeps in (True, False):
        async with kept_site() as site:
            await site.write("PUT", "/v1/kv/a", b"1")
            for request in (A, A_CONSISTENT, get("/v1/health/service/web?tag=t")):
                for _ in range(4):
                    await Line(site.with_kept if keeps else site.without).ask(request)
            totals = site.own.context.telemetry.totals()
            samples = {key: one.total.count for key, one in totals.samples.items()}
            counted.append((totals.counters, samples))
    assert counted[0] == counted[1]


async def test_answers_give_way_when_there_are_too_many_the_unused_ones_first() -> None:
    async with kept_site(bytes_max=20_000) as site:
        await site.write("PUT", "/v1/kv/a", b"1")
        await kept(site, A)
        for number in range(100):
            await site.write("PUT", f"/v1/kv/k{number}", b"1")
            await Line(site.with_kept).ask(get(f"/v1/kv/k{number}"))
            await Line(site.with_kept).ask(A)
            assert A in site.answers.by_request
            assert site.answers.size_bytes <= 20_000
        assert 5 < len(site.answers) < 20
        assert len(site.own_state.kept_answers) == len(site.answers)
        site.kept.clear()
        assert (len(site.own_state.kept_answers), site.answers.size_bytes) == (0, 0)


async def test_an_answer_that_is_too_large_is_not_kept() -> None:
    async with kept_site(bytes_max=20_000) as site:
        await site.write("PUT", "/v1/kv/a", b"x" * 20_000)
        await Line(site.with_kept).ask(A)
        assert not len(site.answers)
