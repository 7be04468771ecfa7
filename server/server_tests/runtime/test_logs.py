"""Log lines are those that Consul's users know, on standard output and in a monitor."""

import asyncio
import json
import logging
from collections.abc import Iterator

import pytest

from proconsul.runtime import logs


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    roots = [logging.getLogger(name) for name in (logs.ROOT, logs.PACKAGE)]
    kept = [(root, root.handlers[:], root.level, root.propagate) for root in roots]
    for root in roots:
        root.handlers[:] = []
    yield
    for root, handlers, level, propagate in kept:
        root.handlers[:] = handlers
        root.setLevel(level)
        root.propagate = propagate


def record(name: str, level: int, text: str) -> logging.LogRecord:
    made = logging.LogRecord(name, level, "", 0, text, None, None)
    made.created = 1_700_000_000.125
    return made


def test_a_line_has_time_level_and_the_part_that_speaks() -> None:
    line = logs.LineFormatter().format(record("agent.raft", logging.INFO, "elected"))
    assert line == "2023-11-14T22:13:20.125Z [INFO]  agent.raft: elected"


def test_a_module_of_ours_speaks_as_a_part_of_the_agent() -> None:
    line = logs.LineFormatter().format(record("proconsul.runtime.disk", logging.ERROR, "full"))
    assert line == "2023-11-14T22:13:20.125Z [ERROR] agent.disk: full"


def test_json_lines_have_the_fields_of_hclog() -> None:
    line = logs.JsonFormatter().format(record("agent.http", logs.TRACE, 'say "hi"'))
    assert json.loads(line) == {
        "@level": "trace",
        "@message": 'say "hi"',
        "@module": "agent.http",
        "@timestamp": "2023-11-14T22:13:20.125000Z",
    }


async def test_a_monitor_hears_its_level_and_above_and_then_leaves_nothing_behind() -> None:
    monitor = logs.MonitorSink("DEBUG", as_json=False).lines()
    first = asyncio.ensure_future(anext(monitor))
    await asyncio.sleep(0)
    logs.logger("http").log(logs.TRACE, "too quiet")
    logs.logger("http").debug("heard")
    assert (await first).endswith(b"[DEBUG] agent.http: heard\n")
    await monitor.aclose()  # type: ignore[attr-defined]
    assert logging.getLogger(logs.ROOT).handlers == []


async def test_a_slow_monitor_loses_lines_and_the_log_says_how_many() -> None:
    monitor = logs.MonitorSink("INFO", as_json=False).lines()
    first = asyncio.ensure_future(anext(monitor))
    await asyncio.sleep(0)
    for number in range(logs.MONITOR_LINES_MAX + 10):
        logs.logger("").info("line %d", number)
    await first
    other = logs.MonitorSink("WARN", as_json=False).lines()
    told = asyncio.ensure_future(anext(other))
    await asyncio.sleep(0)
    await monitor.aclose()  # type: ignore[attr-defined]
    assert b"Dropped logs during monitor request: count=" in await told
    await other.aclose()  # type: ignore[attr-defined]
