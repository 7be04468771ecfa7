"""The HTTP API over a real local agent, and a process of which only the words are real."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from proconsul.api.http import Headers, Request, Response
from proconsul.api.process import Figure, Member, MetricsSettings
from proconsul.api.routes import ROUTER
from proconsul.api.surface import Api, HttpSettings, Surface
from proconsul.endpoints.context import Facts
from proconsul.errors import RpcError
from proconsul.runtime.local_agent import LocalAgent
from proconsul.telemetry import Telemetry
from server_tests.runtime.local_world import World

FACTS = Facts(
    datacenter="dc1",
    primary_datacenter="dc1",
    node_name="n1",
    node_id="id-1",
    default_query_time_s=300,
    max_query_time_s=600,
    session_ttl_min_ns=0,
    kv_value_bytes_max=1,
    txn_bytes_max=1,
    acl_enabled=True,
    connect_enabled=False,
    coordinates_enabled=True,
    rpc_hold_timeout_s=7,
)
MEMBER = Member(
    name="n1",
    address="127.0.0.1",
    port=8301,
    tags={"role": "consul", "dc": "dc1"},
    status=1,
    protocol=(1, 5, 2),
    delegate=(2, 5, 4),
)


@dataclass
class TestProcess:
    """A process that remembers what it was asked for."""

    __test__ = False

    local: LocalAgent
    tokens: dict[str, str] = field(default_factory=dict)
    restores: list[str] = field(default_factory=list)  # their names
    settings: MetricsSettings = field(
        default_factory=lambda: MetricsSettings(
            prefix="consul", host="", prometheus=False, is_shown=lambda name: True
        )
    )

    def self_description(self) -> dict[str, Any]:
        return {"Config": {"NodeName": "n1"}, "Member": MEMBER}

    def members(self, wan: bool) -> list[Member]:
        return [MEMBER]

    def host(self) -> dict[str, Any]:
        return {"Host": {}}

    def metrics(self) -> MetricsSettings:
        return self.settings

    def figures(self) -> list[Figure]:
        return [Figure(name="process_open_fds", kind="gauge", explanation="Files.", value=7)]

    async def reload(self) -> None:
        raise RpcError("bind_addr: invalid ip address: x")

    async def leave(self) -> None:
        return

    async def join(self, address: str, wan: bool) -> int:
        raise RpcError(f"cannot join {address} {wan}")

    async def force_leave(self, node: str, prune: bool) -> None:
        raise RpcError(f"agent: No node found with name '{node}'")

    async def monitor_lines(self, level: str, as_json: bool) -> AsyncIterator[bytes]:
        yield f"{level} {as_json}\n".encode()

    def monitor(self, level: str, as_json: bool) -> AsyncIterator[bytes]:
        return self.monitor_lines(level, as_json)

    async def set_token(self, kind: str, token: str) -> bool:
        self.tokens[kind] = token
        return True

    async def save_snapshot(self, stale: bool, token: str) -> tuple[int, AsyncIterator[bytes]]:
        raise NotImplementedError

    async def restore_snapshot(
        self, archive: AsyncIterator[bytes], token: str, restore_uid: str = ""
    ) -> bool:
        async for _ in archive:
            pass
        is_new = not restore_uid or restore_uid not in self.restores
        self.restores.append(restore_uid)
        return is_new


@dataclass
class Desk:
    """Where requests are handed in."""

    api: Api
    process: TestProcess
    surface: Surface

    async def ask(
        self, method: str, target: str, body: object = None, **headers: str
    ) -> tuple[int, str]:
        """(status, body) of a request; a body that is no text is JSON."""
        response = await self.response(method, target, body, **headers)
        assert isinstance(response.body, bytes)
        return response.status, response.body.decode()

    async def response(
        self, method: str, target: str, body: object = None, **headers: str
    ) -> Response:
        """The whole answer."""
        fields = {name.replace("_", "-"): [value] for name, value in headers.items()}
        request = Request(method, target, Headers(fields))
        text = body if isinstance(body, str) else "" if body is None else json.dumps(body)
        request.body = text.encode()
        request.content_length = len(request.body)
        request.remote_address = "127.0.0.1:40000"
        answer = self.surface.handle(request)
        return answer if isinstance(answer, Response) else await answer

    async def read(self, target: str) -> Any:
        """The decoded body of a GET that must succeed."""
        status, body = await self.ask("GET", target)
        assert status == 200, body
        return json.loads(body)


@asynccontextmanager
async def desk(folder: Path) -> AsyncIterator[Desk]:
    """An API with an agent of its own."""
    async with World(folder).agent() as local:
        process = TestProcess(local)
        api = Api(
            facts=FACTS,
            call=_nobody,
            process=process,
            telemetry=Telemetry(),
            now_s=asyncio.get_running_loop().time,
            settings=HttpSettings(),
            log_failure=lambda request, failure: None,
        )
        yield Desk(api, process, Surface(api, ROUTER))


async def _nobody(method: str, request: Any) -> Any:
    raise RpcError(f"nobody serves {method} here")
