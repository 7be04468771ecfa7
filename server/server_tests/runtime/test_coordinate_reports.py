"""A node tells where it is, with the agent's token, as often as all nodes together may."""

import asyncio
from typing import Any

import pytest

from proconsul.config.flags import parse_agent_flags
from proconsul.config.schema import Config
from proconsul.errors import NoLeaderError
from proconsul.model.coordinate import CoordinateUpdateRequest
from proconsul.runtime.config_files import load
from proconsul.runtime.coordinate_reports import CoordinateReports
from proconsul.telemetry import Telemetry
from server_tests.runtime.fake_pool import WHERE, FakePool, server

PAUSE_S = 30.0  # twice the shortest interval: in it one comes at least


def settings(*words: str) -> Config:
    return load(
        parse_agent_flags(["-data-dir=/nowhere", "-node=c1", "-bind=127.0.0.1", *words])
    ).config


def pool(config: Config) -> FakePool:
    return FakePool(
        config,
        "id",
        {},
        telemetry=Telemetry(),
        member_changed=lambda _: None,
        event_heard=lambda _: None,
        fail=lambda _: None,
    )


class Servers:
    """What they were told, and with which token."""

    def __init__(self) -> None:
        self.told: list[CoordinateUpdateRequest] = []
        self.token = "first"
        self.fails = False

    async def call(self, method: str, request: Any) -> Any:
        assert method == "Coordinate.Update"
        self.told.append(request)
        if self.fails:
            raise NoLeaderError


async def until(servers: Servers, count: int) -> None:
    for _ in range(10):
        if len(servers.told) >= count:
            return
        await asyncio.sleep(PAUSE_S)


async def test_a_node_tells_where_it_is_with_the_token_that_the_agent_has_then() -> None:
    config, servers = settings(), Servers()
    known = pool(config)
    known.meet(server("s1", "127.0.0.1:8300", vsn_max="3"))
    reports = CoordinateReports(config, known, servers.call, lambda: servers.token)
    running = asyncio.ensure_future(reports.run())
    await until(servers, 1)
    first, before = servers.told[0], len(servers.told)
    assert (first.datacenter, first.node) == ("dc1", "c1")
    assert first.coord is not None
    assert first.coord.vec == list(WHERE.vec)
    servers.token, servers.fails = "second", True
    await until(servers, before + 2)  # a failure does not end it
    tokens = [one.token for one in servers.told]
    assert tokens == ["first"] * before + ["second"] * (len(tokens) - before)
    running.cancel()


async def test_nobody_is_told_where_there_is_no_server_or_coordinates_are_off() -> None:
    servers = Servers()
    alone = CoordinateReports(settings(), pool(settings()), servers.call, lambda: "")
    running = asyncio.ensure_future(alone.run())
    await asyncio.sleep(1000)
    running.cancel()
    off = settings("-hcl=disable_coordinates = true")
    await CoordinateReports(off, pool(off), servers.call, lambda: "").run()
    assert servers.told == []


async def test_who_goes_says_no_more_not_even_that_it_could_not(
    caplog: pytest.LogCaptureFixture,
) -> None:
    config, asked = settings(), asyncio.Event()

    async def hold(_method: str, _request: Any) -> Any:
        asked.set()
        await asyncio.sleep(PAUSE_S)  # as long as there is no leader
        raise NoLeaderError

    known = pool(config)
    known.meet(server("s1", "127.0.0.1:8300", vsn_max="3"))
    reports = CoordinateReports(config, known, hold, lambda: "")
    running = asyncio.ensure_future(reports.run())
    await asked.wait()
    reports.end()
    await asyncio.sleep(10 * PAUSE_S)
    assert running.cancelled()
    assert "coordinate update error" not in caplog.text
