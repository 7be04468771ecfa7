"""A local agent for tests, on real files, with a catalog of its own."""

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from proconsul.config import definitions as config
from proconsul.local.antientropy import Tokens
from proconsul.local.checks import CheckRules
from proconsul.local.services import PortRange
from proconsul.local.state import NodeIdentity
from proconsul.model.catalog import (
    DeregisterRequest,
    IndexedNodeServiceList,
    Node,
    NodeService,
    NodeServiceList,
    RegisterRequest,
)
from proconsul.model.health import HealthCheck, IndexedHealthChecks
from proconsul.runtime.check_dial import default_tls
from proconsul.runtime.local_agent import LocalAgent
from proconsul.runtime.local_files import LocalFiles
from proconsul.runtime.local_registry import LocalSettings
from proconsul.wire.golang import SECOND, Duration
from proconsul.wire.gostruct import GoStruct
from server_tests.runtime.check_targets import IP

NODE_META = {"consul-network-segment": ""}
TEN_S = Duration(10 * SECOND)
RULES = CheckRules(
    enable_local_scripts=False,
    enable_remote_scripts=False,
    output_size_bytes_max=4096,
    deregister_after_min_s=60,
)


class Catalog:
    """A catalog that keeps one node as Consul's does, and can be out of order."""

    def __init__(self) -> None:
        self.node: Node | None = None
        self.services: dict[str, NodeService] = {}
        self.checks: dict[str, HealthCheck] = {}
        self.calls: list[tuple[float, str]] = []
        self.failure: Exception | None = None

    async def call(self, method: str, request: GoStruct) -> Any:
        self.calls.append((asyncio.get_running_loop().time(), method))
        if self.failure is not None:
            raise self.failure
        match request:
            case RegisterRequest():
                self._register(request)
            case DeregisterRequest(service_id=str(service_id)) if service_id:
                self.services.pop(service_id, None)
                of_it = [key for key, c in self.checks.items() if c.service_id == service_id]
                for key in of_it:
                    del self.checks[key]
            case DeregisterRequest(check_id=check_id):
                self.checks.pop(check_id, None)
            case _:
                pass
        if method == "Catalog.NodeServiceList":
            services = NodeServiceList(node=self.node, services=list(self.services.values()))
            return IndexedNodeServiceList(node_services=services)
        if method == "Health.NodeChecks":
            return IndexedHealthChecks(health_checks=list(self.checks.values()))
        return None

    def _register(self, request: RegisterRequest) -> None:
        if not request.skip_node_update:
            self.node = Node(
                id=request.id,
                node=request.node,
                address=request.address,
                tagged_addresses=request.tagged_addresses,
                meta=request.node_meta,
            )
        if request.service is not None:
            self.services[request.service.id] = request.service
        for check in [*(request.checks or ()), *([request.check] if request.check else ())]:
            self.checks[check.check_id] = check

    def full_syncs_s(self) -> list[float]:
        return [at_s for at_s, method in self.calls if method == "Catalog.NodeServiceList"]


class Wall:
    """A wall clock that moves with the loop's, and can be set forward."""

    def __init__(self) -> None:
        self.ahead_s = 1_700_000_000.0

    def __call__(self) -> float:
        return self.ahead_s + asyncio.get_running_loop().time()


class World:
    """One agent at a time on one data directory."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.catalog = Catalog()
        self.wall = Wall()
        self.rules = RULES
        self.services: tuple[config.ServiceDefinition, ...] = ()
        self.checks: tuple[config.CheckDefinition, ...] = ()

    @asynccontextmanager
    async def agent(self) -> AsyncIterator[LocalAgent]:
        node = NodeIdentity(
            id="id-1", name="n1", datacenter="dc1", address=IP, tagged_addresses={"lan": IP}
        )
        agent = LocalAgent(
            LocalSettings(
                node=node,
                node_meta=NODE_META,
                rules=self.rules,
                check_update_interval_s=300,
                discard_check_output=False,
                reap_interval_s=30,
                sync_interval_s=60,
                sidecar_ports=PortRange(first=21000, last=21255),
            ),
            files=LocalFiles(self.folder),
            call=self.catalog.call,
            tokens=lambda: Tokens(agent="", user=""),
            cluster_size=lambda: 1,
            wall_s=self.wall,
            dice=random.Random(1),
            tls=default_tls,
        )
        await agent.start(self.services, self.checks)
        try:
            yield agent
        finally:
            await agent.stop()

    async def reload(self, agent: LocalAgent) -> None:
        await agent.reload_definitions(
            self.services,
            self.checks,
            rules=self.rules,
            node_meta=NODE_META,
            discard_check_output=False,
        )

    def files(self) -> list[str]:
        return sorted(
            str(path.relative_to(self.folder)) for path in self.folder.rglob("*") if path.is_file()
        )
