"""What a leader writes of its own datacenter, and when."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import cast

from msgspec import structs
from msgspec.structs import replace

from proconsul.endpoints.context import Log
from proconsul.errors import NoLeaderError
from proconsul.fsm.commands import MessageType
from proconsul.gossip.effects import PoolMember
from proconsul.model.catalog import (
    ConnectProxyConfig,
    DeregisterRequest,
    NodeService,
    RegisterRequest,
    ServiceConnect,
)
from proconsul.model.federation_state import FederationState, FederationStateRequest
from proconsul.model.health import HealthCheck
from proconsul.runtime.federation_report import FederationReport
from proconsul.store import federation_states
from proconsul.wire.golang import ZERO_TIME
from server_tests.endpoints.site import FACTS, Site, open_site
from server_tests.runtime.fake_pool import server

NEW = server("s1", "127.0.0.1:8300", ft_fs="1")
OLD = server("s2", "127.0.0.2:8300")
SOON_S = 0.1
GATEWAY = NodeService(
    id="gw",
    service="gw",
    kind="mesh-gateway",
    address="10.0.0.9",
    port=443,
    tags=["a"],
    meta={"m": "1"},
    proxy=ConnectProxyConfig(config={"n": 1, "l": ["x"]}),
    connect=ServiceConnect(),
)


def at_port(port: int) -> NodeService:
    """The gateway, moved."""
    return structs.replace(GATEWAY, port=port)


@dataclass
class Leader:
    """A server that has won, and a pool that a test speaks for."""

    site: Site
    report: FederationReport
    ready: asyncio.Event
    members: list[PoolMember]

    def writes(self) -> int:
        """How often a federation state was written."""
        return self.site.log.proposed.count(MessageType.FEDERATION_STATE)

    def state(self, datacenter: str = "dc1") -> FederationState | None:
        read = self.site.context.state.read()
        return federation_states.federation_state(read, None, datacenter)[1]

    def gateways(self) -> list[str]:
        """Their services' IDs and ports."""
        state = self.state()
        assert state is not None
        return [
            f"{one.service.id}:{one.service.port}:{len(one.checks or ())}"
            for one in state.mesh_gateways or ()
            if one.service is not None
        ]

    async def register(self, service: NodeService) -> None:
        request = RegisterRequest(
            datacenter="dc1",
            node="n9",
            address="10.0.0.9",
            service=service,
            check=HealthCheck(node="n9", check_id="up", name="up", status="passing"),
        )
        await self.site.call("Catalog.Register", request)
        await asyncio.sleep(SOON_S)


@asynccontextmanager
async def leader(
    *members: PoolMember, site: Site | None = None, ready: bool = True
) -> AsyncIterator[Leader]:
    site, is_ready = site or open_site(), asyncio.Event()
    if ready:
        is_ready.set()
    pool = list(members)
    report = FederationReport(site.context, is_ready, lambda: pool)
    report.leadership(True)
    await asyncio.sleep(SOON_S)
    yield Leader(site, report, is_ready, pool)
    await report.stop()


async def test_a_leader_writes_that_there_are_no_gateways() -> None:
    async with leader(NEW) as one:
        state = one.state()
        assert state is not None
        assert (state.datacenter, state.mesh_gateways) == ("dc1", None)
        assert state.updated_at != ZERO_TIME
        assert state.primary_modify_index == state.modify_index > 0
        await asyncio.sleep(1000)
        assert one.writes() == 1


async def test_it_waits_until_the_server_has_taken_over() -> None:
    async with leader(NEW, ready=False) as one:
        await asyncio.sleep(100)
        assert one.writes() == 0
        one.ready.set()
        await asyncio.sleep(SOON_S)
        assert one.writes() == 1


async def test_gateways_that_come_change_and_go_are_told_at_once() -> None:
    async with leader(NEW) as one:
        await one.register(GATEWAY)
        assert one.gateways() == ["gw:443:1"]
        await one.register(at_port(444))
        assert one.gateways() == ["gw:444:1"]
        await one.register(NodeService(id="web", service="web", port=80))
        assert one.writes() == 3  # of another kind
        gone = DeregisterRequest(datacenter="dc1", node="n9")
        await one.site.call("Catalog.Deregister", gone)
        await asyncio.sleep(SOON_S)
        assert one.gateways() == []
        await asyncio.sleep(1000)
        assert one.writes() == 4


async def test_a_state_that_somebody_deletes_is_written_again() -> None:
    async with leader(NEW) as one:
        delete = FederationStateRequest(op="delete", state=FederationState(datacenter="dc1"))
        await one.site.call("FederationState.Apply", delete)
        await asyncio.sleep(SOON_S)
        assert one.state() is not None


async def test_a_gateway_that_flaps_does_not_fill_the_log() -> None:
    async with leader(NEW) as one:
        for port in range(1, 200):
            await one.register(at_port(port))
        assert one.writes() <= 10  # five at once, and one each five seconds: 20 s have gone by
        await asyncio.sleep(6)
        assert one.gateways() == ["gw:199:1"]


async def test_nothing_is_written_before_all_servers_know_what_it_is() -> None:
    async with leader(NEW, OLD) as one:
        await asyncio.sleep(60)
        assert one.writes() == 0
        one.members[:] = [NEW]
        await asyncio.sleep(6)
        assert one.writes() == 1


async def test_who_has_a_state_already_shows_that_they_know() -> None:
    site = open_site()
    known = FederationStateRequest(op="upsert", state=FederationState(datacenter="dc2"))
    await site.call("FederationState.Apply", known)
    async with leader(NEW, OLD, site=site) as one:
        assert one.state() is not None
        assert one.state("dc2") is not None  # it is not ours to remove


async def test_nothing_is_written_where_the_primary_datacenter_is_another_one() -> None:
    site = open_site()
    site.context.facts = replace(FACTS, primary_datacenter="dc0")
    async with leader(NEW, site=site) as one:
        await one.register(GATEWAY)
        assert one.writes() == 0


async def test_who_leads_no_more_writes_no_more() -> None:
    async with leader(NEW) as one:
        one.report.leadership(False)
        await one.register(GATEWAY)
        assert one.writes() == 1
        one.report.leadership(True)
        await asyncio.sleep(SOON_S)
        assert one.writes() == 2


async def test_a_write_that_fails_is_made_again() -> None:
    class Failing:
        """A log that takes nothing, once."""

        def __init__(self, site: Site) -> None:
            self._log, self._failed = site.log, False

        async def propose(self, kind: MessageType, request: FederationStateRequest) -> object:
            if not self._failed:
                self._failed = True
                raise NoLeaderError
            return await self._log.propose(kind, request)

    site = open_site()
    site.context.log = cast("Log", Failing(site))
    async with leader(NEW, site=site) as one:
        assert one.writes() == 0
        await asyncio.sleep(6)
        assert one.writes() == 1
