"""A whole client agent: real HTTP and RPC, a pool that a test speaks for, a server in memory."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from proconsul.client_agent import ClientAgent
from proconsul.config.flags import parse_agent_flags
from proconsul.config.schema import LoadedConfig
from proconsul.endpoints.user_events import GOSSIP_PREFIX, UserEvent, to_gossip
from proconsul.gossip.effects import MemberStatus, UserEventHeard
from proconsul.runtime.config_files import load
from server_tests.endpoints.site import Site
from server_tests.loopback import address
from server_tests.runtime.fake_pool import WHERE, FakePool, server
from server_tests.runtime.rpc_site import RpcSite, Serve, rpc_site

HOST = address(71)
PORT = 8500
SYNCED_S = 4.0  # a full sync that was asked for begins within three seconds
WEB = {"Name": "web", "Port": 80, "Check": {"TTL": "1h", "Status": "passing"}}


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back."""

    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        """The decoded body."""
        return json.loads(self.body)

    @property
    def text(self) -> str:
        """The body as text."""
        return self.body.decode()


@dataclass(slots=True)
class Client:
    """A running client."""

    agent: ClientAgent
    folder: Path

    @property
    def pool(self) -> FakePool:
        """What it takes for gossip."""
        assert isinstance(self.agent.pool, FakePool)
        return self.agent.pool

    async def ask(self, method: str, target: str, body: object = None, **headers: str) -> Answer:
        """A request on a connection of its own; a body that is no bytes is JSON."""
        data = body if isinstance(body, bytes) else b"" if body is None else encoded(body)
        reader, writer = await asyncio.open_connection(HOST, PORT)
        lines = [f"{method} {target} HTTP/1.1", f"Host: {HOST}", "Connection: close"]
        lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
        lines += [f"Content-Length: {len(data)}", "", ""]
        writer.write("\r\n".join(lines).encode() + data)
        head, _, rest = (await reader.read(-1)).partition(b"\r\n\r\n")
        writer.close()
        first, *fields = head.decode().split("\r\n")
        found = dict(line.split(": ", 1) for line in fields)
        return Answer(int(first.split()[1]), found, rest)

    def settings(self, **settings: Any) -> None:
        """What the configuration file says from now on."""
        (self.folder / "settings.json").write_text(json.dumps(settings))


def encoded(body: object) -> bytes:
    return json.dumps(body).encode()


@asynccontextmanager
async def client(folder: Path, **settings: Any) -> AsyncIterator[Client]:
    """A client whose pool it has to itself, until it meets somebody."""
    words = [f"-data-dir={folder / 'data'}", f"-config-dir={folder}", "-node=c1"]
    words += [f"-bind={HOST}", f"-client={HOST}", "-dns-port=-1"]

    def read() -> LoadedConfig:
        return load(parse_agent_flags(words))

    (folder / "settings.json").write_text(json.dumps(settings))
    agent = ClientAgent(read(), read, FakePool)
    await agent.start()
    try:
        yield Client(agent, folder)
    finally:
        await agent.stop()


async def catalog(site: Site, path: str) -> Any:
    """What the server's own API says."""
    return (await site.ask("GET", path)).json()


async def test_until_it_knows_a_server_it_says_so(tmp_path: Path) -> None:
    async with client(tmp_path) as ours:
        refused = await ours.ask("GET", "/v1/kv/a")
        assert (refused.status, refused.text) == (500, "No known Consul servers")
        refused = await ours.ask("GET", "/v1/snapshot")
        assert (refused.status, refused.text) == (500, "No known Consul servers")
        assert ours.agent.leader == ""
        assert (await ours.ask("GET", "/v1/agent/services")).json() == {}


async def test_it_passes_on_what_it_is_asked(tmp_path: Path) -> None:
    async with rpc_site() as one, client(tmp_path) as ours:
        ours.pool.meet(server("s1", one.address))
        assert ours.agent.leader == "other"
        assert (await ours.ask("PUT", "/v1/kv/a", b"1")).text == "true"
        found = await ours.ask("GET", "/v1/kv/a")
        assert found.json()[0]["Value"] == "MQ=="
        assert found.headers["X-Consul-Knownleader"] == "true"
        refused = await ours.ask("GET", "/v1/kv/a?dc=mars")
        assert refused.text == "rpc error making call: No path to datacenter"
        assert (await ours.ask("GET", "/v1/status/leader")).json() == "127.0.0.1:8300"


async def test_its_own_services_are_in_the_catalog_once_a_server_is_there(tmp_path: Path) -> None:
    async with rpc_site() as one, client(tmp_path, node_meta={"rack": "r1"}) as ours:
        assert (await ours.ask("PUT", "/v1/agent/service/register", WEB)).status == 200
        ours.pool.meet(server("s1", one.address))
        await asyncio.sleep(SYNCED_S)
        found = await catalog(one.site, "/v1/health/service/web")
        assert [row["Node"]["Node"] for row in found] == ["c1"]
        assert found[0]["Node"]["ID"] == ours.agent.node_id
        assert found[0]["Node"]["Meta"] == {"consul-network-segment": "", "rack": "r1"}
        assert [check["Status"] for check in found[0]["Checks"]] == ["passing"]
        assert (await ours.ask("PUT", "/v1/agent/check/fail/service:web")).status == 200
        await asyncio.sleep(1)
        found = await catalog(one.site, "/v1/health/checks/web")
        assert [check["Status"] for check in found] == ["critical"]


async def test_services_of_an_earlier_life_come_back(tmp_path: Path) -> None:
    async with client(tmp_path) as ours:
        await ours.ask("PUT", "/v1/agent/service/register", WEB)
        node_id = ours.agent.node_id
    async with client(tmp_path) as ours:
        assert list((await ours.ask("GET", "/v1/agent/services")).json()) == ["web"]
        assert ours.agent.node_id == node_id


async def test_servers_come_and_go_as_gossip_tells(tmp_path: Path) -> None:
    async with rpc_site() as one, rpc_site() as two, client(tmp_path) as ours:
        ours.pool.meet(server("s1", one.address), server("s2", two.address))
        ours.pool.meet(server("s3", "10.0.0.1:8300", build="devel"))  # no server that can be used
        assert [each.name for each in ours.agent.servers.order] == ["s1", "s2"]
        ours.pool.mark("s1", MemberStatus.LEAVING)  # it says so, and still answers
        assert [each.name for each in ours.agent.servers.order] == ["s1", "s2"]
        ours.pool.mark("s1", MemberStatus.LEFT)
        assert [each.name for each in ours.agent.servers.order] == ["s2"]
        ours.pool.mark("s2", MemberStatus.FAILED)
        assert (await ours.ask("GET", "/v1/kv/a")).text == "No known Consul servers"
        ours.pool.mark("s2", MemberStatus.ALIVE)
        assert (await ours.ask("GET", "/v1/kv/a")).status == 404


def counting(asked: list[str]) -> Any:
    """A server that notes the methods it is asked for."""

    def wrap(site: Site) -> Serve:
        async def serve(method: str, request: Any) -> Any:
            asked.append(method)
            return await site.call(method, request)

        return serve

    return wrap


async def test_a_server_or_a_leader_that_is_new_brings_a_full_sync(tmp_path: Path) -> None:
    asked: list[str] = []
    async with rpc_site(serve=counting(asked)) as one, client(tmp_path) as ours:
        await asyncio.sleep(1)  # its first full sync has failed
        ours.pool.meet(server("s1", one.address))
        await asyncio.sleep(SYNCED_S)
        assert asked.count("Catalog.NodeServiceList") == 1
        ours.pool.meet(server("s1", one.address))  # it is known
        await asyncio.sleep(SYNCED_S)
        assert asked.count("Catalog.NodeServiceList") == 1
        leader = UserEventHeard(ltime=3, name="consul:new-leader", payload=b"s1", coalesce=False)
        ours.pool.hear(leader)
        await asyncio.sleep(SYNCED_S)
        assert asked.count("Catalog.NodeServiceList") == 2


async def test_events_that_gossip_brings_are_listed(tmp_path: Path) -> None:
    event = UserEvent(
        id="00000000-0000-4000-8000-000000000001",
        name="deploy",
        payload=b"go",
        node_filter="",
        service_filter="web",
        tag_filter="",
    )
    heard = UserEventHeard(
        ltime=7, name=GOSSIP_PREFIX + "deploy", payload=to_gossip(event), coalesce=False
    )
    async with client(tmp_path) as ours:
        ours.pool.hear(heard)  # no such service runs here
        assert (await ours.ask("GET", "/v1/event/list")).json() == []
        await ours.ask("PUT", "/v1/agent/service/register", WEB)
        waiting = asyncio.ensure_future(ours.ask("GET", "/v1/event/list?index=1&wait=60s"))
        await asyncio.sleep(1)
        ours.pool.hear(heard)
        (listed,) = (await waiting).json()
        assert (listed["Name"], listed["Payload"], listed["LTime"]) == ("deploy", "Z28=", 7)


async def test_it_tells_who_and_where_it_is(tmp_path: Path) -> None:
    async with rpc_site() as one, client(tmp_path) as ours:
        ours.pool.meet(server("s1", one.address))
        members = (await ours.ask("GET", "/v1/agent/members")).json()
        assert [(each["Name"], each["Tags"]["role"]) for each in members] == [
            ("c1", "node"),
            ("s1", "consul"),
        ]
        assert set(members[0]["Tags"]) == {
            *("acls", "build", "dc", "id", "role", "segment"),
            *("vsn", "vsn_max", "vsn_min"),
        }
        told = (await ours.ask("GET", "/v1/agent/self")).json()
        assert told["Config"]["Server"] is False
        assert told["Member"] == members[0]
        assert told["Coord"]["Vec"] == list(WHERE.vec)
        stats = told["Stats"]
        assert sorted(stats) == ["agent", "build", "consul", "runtime", "serf_lan"]
        assert stats["consul"] == {"acl": "disabled", "known_servers": "1", "server": "false"}
        assert stats["serf_lan"]["members"] == "2"


async def test_without_coordinates_there_is_none(tmp_path: Path) -> None:
    async with client(tmp_path, disable_coordinates=True) as ours:
        assert (await ours.ask("GET", "/v1/agent/self")).json()["Coord"] is None


async def test_joining_and_forcing_out_is_the_pools(tmp_path: Path) -> None:
    async with client(tmp_path) as ours:
        ours.pool.meet(server("s1", "10.0.0.1:8300"))
        assert (await ours.ask("PUT", "/v1/agent/join/10.0.0.1")).status == 200
        refused = await ours.ask("PUT", "/v1/agent/join/10.0.0.1?wan=1")
        assert (refused.status, refused.text) == (500, "Must be a server to join WAN cluster")
        refused = await ours.ask("PUT", "/v1/agent/force-leave/s1.dc1")
        assert (refused.status, refused.text) == (500, "agent: No node found with name 's1.dc1'")
        assert (await ours.ask("PUT", "/v1/agent/force-leave/s1?prune")).status == 200
        assert ours.pool.calls == ["listen", "start", "join 10.0.0.1", "force-leave s1 prune"]


async def test_snapshots_come_from_a_server(tmp_path: Path) -> None:
    async with rpc_site() as one, client(tmp_path) as ours:
        ours.pool.meet(server("s1", one.address))
        saved = await ours.ask("GET", "/v1/snapshot")
        assert saved.headers["X-Consul-Index"] == "42"
        assert one.snapshots.archive in b"".join(chunks(saved.body))
        assert (await ours.ask("PUT", "/v1/snapshot", b"archive")).status == 200
        assert one.snapshots.restored == [b"archive"]


def chunks(body: bytes) -> list[bytes]:
    """The pieces of a body in chunks."""
    pieces = []
    while body:
        size, _, rest = body.partition(b"\r\n")
        pieces.append(rest[: int(size, 16)])
        body = rest[int(size, 16) + 2 :]
    return pieces


async def test_a_cached_answer_outlives_the_servers(tmp_path: Path) -> None:
    async with rpc_site() as one, client(tmp_path) as ours:
        ours.pool.meet(server("s1", one.address))
        await ours.ask("PUT", "/v1/agent/service/register", WEB)
        fresh = await ours.ask("GET", "/v1/health/service/web?cached")
        assert fresh.headers["X-Cache"] == "MISS"
        ours.pool.mark("s1", MemberStatus.FAILED)
        await one.server.stop(0)
        kept = await ours.ask("GET", "/v1/health/service/web?cached")
        assert kept.headers["X-Cache"] == "HIT"
        assert kept.body == fresh.body
        assert kept.headers["Age"] == "0"
        await asyncio.sleep(30)
        kept = await ours.ask("GET", "/v1/health/service/web?cached")
        assert kept.headers["Age"] in ("29", "30")
        assert (await ours.ask("GET", "/v1/health/service/web")).status == 500


async def test_it_tells_its_coordinate_now_and_then(tmp_path: Path) -> None:
    asked: list[str] = []
    async with rpc_site(serve=counting(asked)) as one, client(tmp_path) as ours:
        ours.pool.meet(server("s1", one.address))
        await asyncio.sleep(14)
        assert "Coordinate.Update" not in asked
        await asyncio.sleep(46)
        assert 1 <= asked.count("Coordinate.Update") <= 4


async def test_it_tells_no_coordinate_to_old_servers(tmp_path: Path) -> None:
    asked: list[str] = []
    async with rpc_site(serve=counting(asked)) as one, client(tmp_path) as ours:
        ours.pool.meet(server("s1", one.address, vsn_max="2"))
        await asyncio.sleep(60)
        assert "Coordinate.Update" not in asked


async def test_the_rate_of_calls_is_limited_and_a_reload_changes_that(tmp_path: Path) -> None:
    limits = {"rpc_rate": 0.001, "rpc_max_burst": 5}
    async with rpc_site() as one, client(tmp_path, limits=limits) as ours:
        await asyncio.sleep(1)
        ours.pool.meet(server("s1", one.address))
        await asyncio.sleep(SYNCED_S)  # two reads and a registration
        statuses = [(await ours.ask("GET", "/v1/kv/a")).status for _ in range(4)]
        assert statuses == [404, 404, 429, 429]
        ours.settings(limits={"rpc_rate": -1})
        assert (await ours.ask("PUT", "/v1/agent/reload")).status == 200
        assert (await ours.ask("GET", "/v1/kv/a")).status == 404


async def test_a_reload_brings_definitions_and_meta_data(tmp_path: Path) -> None:
    async with rpc_site() as one, client(tmp_path) as ours:
        ours.pool.meet(server("s1", one.address))
        await asyncio.sleep(SYNCED_S)
        ours.settings(service={"name": "db"}, node_meta={"rack": "r2"}, node_name="other")
        await ours.agent.reload()
        await asyncio.sleep(SYNCED_S)
        (row,) = await catalog(one.site, "/v1/health/service/db")
        assert row["Node"]["Meta"]["rack"] == "r2"
        assert row["Node"]["Node"] == "c1"  # that needs a restart


async def test_who_is_told_to_leave_leaves_the_pool_first(tmp_path: Path) -> None:
    async with client(tmp_path) as ours:
        assert (await ours.ask("PUT", "/v1/agent/leave")).status == 200
        assert await ours.agent.wait_for_end() is None
        await ours.agent.stop()
        assert ours.pool.calls == ["listen", "start", "leave", "stop"]


async def test_who_is_only_stopped_stays_in_the_pool(tmp_path: Path) -> None:
    async with client(tmp_path) as ours:
        ours.agent.request_stop()
        await ours.agent.stop()
        assert ours.pool.calls == ["listen", "start", "stop"]


async def test_joins_that_are_given_up_end_the_agent(tmp_path: Path) -> None:
    async with client(tmp_path) as ours:
        ours.pool.joins.gives_up.set()
        failure = await ours.agent.wait_for_end()
        assert str(failure) == "agent: max join LAN retry exhausted, exiting"
        await ours.agent.stop()
        assert "leave" not in ours.pool.calls


@pytest.mark.parametrize("knows", [True, False])
async def test_it_is_settled_when_a_server_is_there_or_after_a_while(
    tmp_path: Path, knows: bool
) -> None:
    one: RpcSite
    async with rpc_site() as one, client(tmp_path) as ours:
        began_s = asyncio.get_running_loop().time()
        if knows:
            asyncio.get_running_loop().call_later(
                1, lambda: ours.pool.meet(server("s1", one.address))
            )
        await ours.agent.settled()
        took_s = asyncio.get_running_loop().time() - began_s
        assert took_s == pytest.approx(1 if knows else 3, abs=0.2)
