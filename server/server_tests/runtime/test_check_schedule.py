"""When checks run, and what their results add up to, on a virtual clock."""

import asyncio
import random
from collections.abc import Callable, Iterable
from itertools import pairwise

from proconsul.local.checks import CheckRules
from proconsul.local.state import Status
from proconsul.model.health import CheckType, HealthCheck
from proconsul.runtime.check_dial import default_tls
from proconsul.runtime.check_runners import CheckRunners
from proconsul.wire.golang import MILLISECOND, SECOND, Duration
from server_tests.runtime.check_targets import (
    IP,
    hang,
    http_answer,
    serving,
)

RULES = CheckRules(
    enable_local_scripts=True,
    enable_remote_scripts=True,
    output_size_bytes_max=4096,
    deregister_after_min_s=60,
)
TEN_S = Duration(10 * SECOND)
SOON = Duration(100 * MILLISECOND)


class NoAliases:
    """No check here is an alias of something elsewhere."""

    def __init__(self, checks: list[HealthCheck]) -> None:
        self.checks = checks

    def local_checks(self) -> Iterable[HealthCheck]:
        return self.checks

    def local_service_exists(self, service_id: str) -> bool:
        return service_id == "web"

    async def remote_checks(
        self, node: str, index: int, token: str
    ) -> tuple[int, list[HealthCheck]]:
        if node == "down":
            raise OSError("no servers")
        if index >= 7:
            await asyncio.Event().wait()
        return 7, [HealthCheck(node=node, check_id="c", name="C", status="warning")]

    async def remote_service_exists(self, node: str, service_id: str, token: str) -> bool:
        return True


class Bench:
    """Runners, and what they reported with the second on which they did."""

    def __init__(self, group: asyncio.TaskGroup, checks: list[HealthCheck]) -> None:
        self.reports: list[tuple[float, str, str, str]] = []
        self.runners = CheckRunners(
            self._report, NoAliases(checks), group.create_task, random.Random(1), default_tls
        )

    def _report(self, check_id: str, status: str, output: str) -> None:
        now_s = asyncio.get_running_loop().time()
        self.reports.append((now_s, check_id, status, output))

    def start(self, check: CheckType) -> None:
        self.runners.start("c", check, "", RULES)

    def statuses(self) -> list[str]:
        return [status for _, _, status, _ in self.reports]


async def watch(
    check: CheckType,
    for_s: float,
    checks: list[HealthCheck] | None = None,
    then: Callable[[Bench], None] = lambda bench: None,
) -> Bench:
    """Run one check for a while; `then` may do something after it."""
    async with asyncio.TaskGroup() as group:
        bench = Bench(group, checks or [])
        bench.start(check)
        await asyncio.sleep(for_s)
        then(bench)
        bench.runners.stop_all()
    return bench


async def test_a_check_begins_at_a_random_time_and_then_keeps_its_interval() -> None:
    async with serving(hang) as port:
        bench = await watch(CheckType(tcp=f"{IP}:{port}", interval=TEN_S), for_s=35)
    times_s = [at_s for at_s, *_ in bench.reports]
    assert 0 < times_s[0] < 10
    assert len(times_s) in (3, 4)
    gaps_s = [later - sooner for sooner, later in pairwise(times_s)]
    assert all(10 <= gap_s < 11 for gap_s in gaps_s)


async def test_a_stopped_check_reports_nothing_more() -> None:
    async with serving(hang) as port, asyncio.TaskGroup() as group:
        bench = Bench(group, [])
        check = CheckType(http=f"http://{IP}:{port}/", interval=TEN_S, timeout=TEN_S)
        bench.start(check)
        await asyncio.sleep(10.5)  # its first run is under way
        bench.runners.stop("c")
        await asyncio.sleep(60)
    assert bench.reports == []


async def test_a_check_needs_enough_failures_in_a_row() -> None:
    answers = iter(["200 OK", "500 Bad", "500 Bad", "200 OK", *["500 Bad"] * 4])

    async def session(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(http_answer(next(answers)))

    async with serving(session) as port:
        url = f"http://{IP}:{port}/"
        check = CheckType(http=url, interval=TEN_S, failures_before_critical=3)
        bench = await watch(check, for_s=75)
    assert bench.statuses()[:3] == ["passing", "passing", "critical"]


async def test_a_ttl_check_expires_and_an_update_revives_it() -> None:
    def update(bench: Bench) -> None:
        runner = bench.runners.ttl("c")
        assert runner is not None
        runner.update(Status.PASSING, "x" * 5000)

    async with asyncio.TaskGroup() as group:
        bench = Bench(group, [])
        bench.start(CheckType(ttl=TEN_S))
        await asyncio.sleep(11)
        update(bench)
        await asyncio.sleep(9)
        update(bench)
        await asyncio.sleep(11)
        bench.runners.stop_all()
    assert bench.statuses() == ["critical", "passing", "passing", "critical"]
    kept = "x" * 4096 + " ... (captured 4096 of 5000 bytes)"
    outputs = [output for *_, output in bench.reports]
    assert outputs == [
        "TTL expired",
        kept,
        kept,
        f"TTL expired (last output before timeout follows): {kept}",
    ]


async def test_a_local_alias_looks_at_once_at_changes_and_every_minute() -> None:
    checks = [HealthCheck(check_id="a", name="A", status="passing", service_id="web")]

    async with asyncio.TaskGroup() as group:
        bench = Bench(group, checks)
        bench.start(CheckType(alias_service="web"))
        assert bench.statuses() == ["passing"], "a sync may come next"
        await asyncio.sleep(1)
        checks[0] = HealthCheck(check_id="a", name="A", status="critical", service_id="web")
        bench.runners.health_changed("web")
        bench.runners.health_changed("web")
        await asyncio.sleep(1)
        checks.clear()
        await asyncio.sleep(60)
        bench.runners.stop_all()
    assert [(status, output) for _, _, status, output in bench.reports] == [
        ("passing", "All checks passing."),
        ("critical", 'Aliased check "A" failing: '),
        ("passing", "No checks found."),
    ]


async def test_an_alias_of_another_node_follows_the_catalog() -> None:
    bench = await watch(CheckType(alias_node="n2"), for_s=100)
    assert [(status, output) for _, _, status, output in bench.reports] == [
        ("warning", 'Aliased check "C" failing: ')
    ]


async def test_an_alias_that_cannot_ask_is_critical_from_the_second_failure_on() -> None:
    bench = await watch(CheckType(alias_node="down"), for_s=300)
    assert set(bench.statuses()) == {"critical"}
    assert bench.reports[0][3] == "Failure checking aliased node or service: no servers"
    assert len(bench.reports) < 20, "it backs off"


async def test_thousands_of_checks_cost_a_timer_each() -> None:
    async with asyncio.TaskGroup() as group:
        bench = Bench(group, [])
        tasks_before = len(asyncio.all_tasks())
        for number in range(5000):
            check = CheckType(tcp=f"{IP}:1", interval=Duration(3600 * SECOND))
            bench.runners.start(str(number), check, "", RULES)
        assert len(asyncio.all_tasks()) == tasks_before
        bench.runners.stop_all()
