"""The same definitions, given to this agent and to a real Consul, come to the same."""

import asyncio
import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from proconsul.config import definitions as config
from proconsul.errors import ProconsulError
from proconsul.local.definitions import CheckDefinition, check_type
from proconsul.local.state import Source
from proconsul.model.catalog import (
    ConnectProxyConfig,
    NodeService,
    ServiceAddress,
    ServiceConnect,
    ServiceDefinition,
    Upstream,
    Weights,
)
from proconsul.model.health import CheckType, HealthCheck
from proconsul.runtime.check_dial import default_tls
from proconsul.runtime.check_grpc import probe_grpc
from proconsul.runtime.check_http import probe_http
from proconsul.runtime.check_runners import probe_tcp
from proconsul.runtime.check_script import probe_script
from proconsul.runtime.local_agent import LocalAgent
from proconsul.wire.golang import MILLISECOND, SECOND, Duration
from proconsul.wire.gostruct import to_json
from server_tests.fsm.real_server import (
    RealServer,
    free_address,
    real_server,
    requires_real_consul,
    wait_a_moment,
)
from server_tests.runtime.check_targets import (
    IP,
    answering,
    echo,
    grpc_health,
    hang,
    http_answer,
    serving,
)
from server_tests.runtime.local_world import World

pytestmark = [pytest.mark.slow, pytest.mark.real_clock, requires_real_consul]

HOUR = Duration(3600 * SECOND)
TTL = CheckType(ttl=HOUR)
UPSTREAM = Upstream(destination_name="db", local_bind_port=5000)
PROXY = ConnectProxyConfig(destination_service_name="web", upstreams=[UPSTREAM])

SERVICES = [
    ServiceDefinition(),
    ServiceDefinition(name="web"),
    ServiceDefinition(name="web", address="0.0.0.0"),
    ServiceDefinition(name="web", id="web1", tags=["a", "b"], port=80, address="10.0.0.1"),
    ServiceDefinition(name="web", id="web2", address="fd00::1", meta={"k": "v"}, check=TTL),
    ServiceDefinition(name="web", id="web3", address="some.host", checks=[TTL, TTL]),
    ServiceDefinition(name="web", id="web3", checks=[TTL]),
    ServiceDefinition(
        name="web",
        id="web4",
        check=CheckType(ttl=HOUR, check_id="own", name="Own", notes="why", status="passing"),
        checks=[TTL],
        weights=Weights(passing=5, warning=0),
        enable_tag_override=True,
    ),
    ServiceDefinition(name="web", weights=Weights(passing=0, warning=1)),
    ServiceDefinition(name="web", weights=Weights(passing=1, warning=-1)),
    ServiceDefinition(name="web", weights=Weights(passing=65536, warning=1)),
    ServiceDefinition(name="web", meta={"a b": "c"}),
    ServiceDefinition(name="web", meta={"": "c"}),
    ServiceDefinition(name="web", meta={"consul-x": "c"}),
    ServiceDefinition(name="web", meta={"k" * 129: "c"}),
    ServiceDefinition(name="web", meta={"k": "c" * 513}),
    ServiceDefinition(name="web", meta={f"k{number}": "v" for number in range(65)}),
    ServiceDefinition(name="web", check=CheckType(name="x")),
    ServiceDefinition(name="web", checks=[CheckType()]),
    ServiceDefinition(name="web", checks=[CheckType(http="http://x")]),
    ServiceDefinition(name="web", checks=[CheckType(ttl=HOUR, interval=HOUR)]),
    ServiceDefinition(name="web", checks=[CheckType(ttl=HOUR, status="fine")]),
    ServiceDefinition(name="web", checks=[CheckType(alias_service="a", ttl=HOUR)]),
    ServiceDefinition(name="web", tagged_addresses={"lan_ipv4": ServiceAddress(address="fd00::1")}),
    ServiceDefinition(
        name="web", id="web5", tagged_addresses={"lan": ServiceAddress(address="x", port=1)}
    ),
    ServiceDefinition(name="proxy", kind="connect-proxy"),
    ServiceDefinition(name="proxy", kind="connect-proxy", port=1, proxy=PROXY),
    ServiceDefinition(
        name="bad",
        kind="connect-proxy",
        port=1,
        proxy=ConnectProxyConfig(
            destination_service_name="web",
            upstreams=[UPSTREAM, UPSTREAM, Upstream(), Upstream(destination_name="x")],
        ),
    ),
    ServiceDefinition(name="gate", kind="mesh-gateway", proxy=PROXY),
    ServiceDefinition(
        name="web",
        id="web6",
        port=81,
        connect=ServiceConnect(sidecar_service=ServiceDefinition(tags=["s"])),
    ),
    ServiceDefinition(
        name="web", connect=ServiceConnect(sidecar_service=ServiceDefinition(id="x"))
    ),
    ServiceDefinition(
        name="web",
        connect=ServiceConnect(sidecar_service=ServiceDefinition(checks=[CheckType()])),
    ),
    ServiceDefinition(
        name="web",
        connect=ServiceConnect(sidecar_service=ServiceDefinition(meta={"consul-x": "y"})),
    ),
]

CHECKS = [
    CheckDefinition(),
    CheckDefinition(name="c"),
    CheckDefinition(name="c", ttl=HOUR),
    CheckDefinition(name="c", id="c1", ttl=HOUR, status="warning", notes="n"),
    CheckDefinition(name="c", ttl=HOUR, status="fine"),
    CheckDefinition(name="c", id="c2", ttl=HOUR, service_id="web1"),
    CheckDefinition(name="c", id="c3", ttl=HOUR, service_id="nope"),
    CheckDefinition(name="c", id="c4", tcp="127.0.0.1:1", interval=HOUR),
    CheckDefinition(name="c", id="c5", http="http://x"),
    CheckDefinition(name="c", id="c6", alias_service="web1", interval=HOUR),
    CheckDefinition(name="c", id="c7", ttl=HOUR, output_max_size=-1),
    CheckDefinition(name="c", id="c8", script_args=["true"], interval=HOUR),
]


FILE = """
service { name = "filed", port = 7, check { ttl = "1h" } }
check { name = "filed check", ttl = "1h", notes = "n" }
"""

DEFINITIONS: list[ServiceDefinition | CheckDefinition] = [*SERVICES, *CHECKS]


async def refusal_of(agent: LocalAgent, wanted: ServiceDefinition | CheckDefinition) -> str:
    """What the agent says to a definition; empty if it takes it."""
    try:
        if isinstance(wanted, ServiceDefinition):
            await agent.add_service(wanted, "", source=Source.REMOTE, replace_checks=False)
        else:
            check, how = agent.check_to_add(wanted)
            await agent.add_check(check, how, "", source=Source.REMOTE)
    except ProconsulError as failure:
        return str(failure)
    await agent.sync_changes()
    return ""


def service_shape(service: NodeService) -> dict[str, Any]:
    whole = to_json(service)
    names = ("ID", "Service", "Tags", "Address", "Port", "Meta", "Weights", "EnableTagOverride")
    shape = {name: whole[name] for name in names}
    shape["Tags"] = shape["Tags"] or []
    shape["Meta"] = shape["Meta"] or {}
    shape["TaggedAddresses"] = whole.get("TaggedAddresses") or {}
    return shape


def check_shape(check: dict[str, Any]) -> dict[str, Any]:
    # An alias sees a change of a node's check at once here, within a minute in Consul.
    late = ("Status", "Output") if check["Type"] == "alias" else ()
    return {
        key: value
        for key, value in check.items()
        if key not in ("CreateIndex", "ModifyIndex", "Definition", *late)
    } | {"ServiceTags": check["ServiceTags"] or []}


def assert_same_state(real: RealServer, agent: LocalAgent, world: World) -> None:
    services = json.loads(real.get("/v1/agent/services"))
    ours = {key: service_shape(service) for key, service in agent.services().items()}
    for key, service in services.items():
        theirs = {name: service.get(name) for name in ours[key]}
        theirs["TaggedAddresses"] = theirs["TaggedAddresses"] or {}
        assert ours[key] == theirs
    assert set(ours) == set(services)
    checks = json.loads(real.get("/v1/agent/checks"))
    assert shapes(agent.checks().values()) == {
        key: check_shape(check) for key, check in checks.items()
    }
    catalog = json.loads(real.get("/v1/health/node/n1"))
    assert shapes(world.catalog.checks.values()) == {
        check["CheckID"]: check_shape(check)
        for check in catalog
        if check["CheckID"] != "serfHealth"
    }


def shapes(checks: Any) -> dict[str, Any]:
    made: dict[str, Any] = {}
    for check in checks:
        assert isinstance(check, HealthCheck)
        made[check.check_id] = check_shape(to_json(check))
    return made


async def test_definitions_are_taken_or_refused_alike(tmp_path: Path) -> None:
    world = World(tmp_path / "ours")
    ttl = config.CheckDefinition(ttl_ns=HOUR)
    world.services = (config.ServiceDefinition(name="filed", port=7, checks=(ttl,)),)
    world.checks = (config.CheckDefinition(name="filed check", ttl_ns=HOUR, notes="n"),)
    with real_server(free_address(91), FILE) as real:
        async with world.agent() as agent:
            for wanted in DEFINITIONS:
                kind = "service" if isinstance(wanted, ServiceDefinition) else "check"
                status, said = real.call("PUT", f"/v1/agent/{kind}/register", to_json(wanted))
                ours = await refusal_of(agent, wanted)
                assert ours == said.decode(), wanted
                assert (ours == "") == (status == 200)
            assert_same_state(real, agent, world)
            await exercise(real, agent)
            assert_same_state(real, agent, world)
            before, checks = agent.services(), set(agent.checks())
        for folder in ("services", "checks"):
            shutil.copytree(real.data_folder / folder, tmp_path / "theirs" / folder)
    async with World(tmp_path / "theirs").agent() as agent:
        registered = {key: value for key, value in before.items() if key != "filed"}
        assert agent.services() == registered, "Consul's data directory is one of ours"
        assert set(agent.checks()) == checks - {"service:filed", "filed check"}


async def exercise(real: RealServer, agent: LocalAgent) -> None:
    """Change what is registered, in both alike."""
    long = "x" * 5000
    update = {"Status": "warning", "Output": long}
    real.put("/v1/agent/check/update/own", update)
    await agent.update_ttl_check("own", "warning", long)
    real.put("/v1/agent/maintenance?enable=true")
    await agent.set_node_maintenance(True, "", "")
    real.put("/v1/agent/service/maintenance/web1?enable=true&reason=work")
    await agent.set_service_maintenance("web1", True, "work", "")
    real.put("/v1/agent/maintenance?enable=false")
    await agent.set_node_maintenance(False, "", "")
    for service_id in ("web2", "web6"):
        real.put(f"/v1/agent/service/deregister/{service_id}")
        await agent.remove_service(service_id)
    real.put("/v1/agent/check/deregister/c1")
    await agent.remove_check("c1")
    await agent.sync_changes()


# ---------------------------------------------------------------- probes


SECOND_LONG = Duration(SECOND)
SOON = Duration(500 * MILLISECOND)


def script(text: str, timeout: int = 0) -> dict[str, Any]:
    return {"script_args": ["sh", "-c", text], "timeout": Duration(timeout)}


def probes(ports: dict[str, int]) -> list[dict[str, Any]]:
    base = {name: f"http://{IP}:{port}/x" for name, port in ports.items()}
    nobody = f"{IP}:1"
    return [
        *({"http": url} for name, url in base.items() if name not in ("hang", "grpc")),
        {"http": base["echo"], "method": "POST", "body": "hi", "header": {"X-A": ["1", "2"]}},
        {"http": base["echo"], "method": "HEAD"},
        {"http": base["echo"], "method": "A B"},
        {"http": base["redirect"], "method": "PUT", "body": "hi"},
        {"http": base["repeat"], "method": "PUT", "body": "hi"},
        {"http": base["long"], "output_max_size": 100},
        {"http": base["hang"], "timeout": SOON},
        {"http": f"http://{nobody}/"},
        {"http": f"https://{IP}:{ports['echo']}/", "timeout": SOON},
        {"http": f"{nobody}/"},
        {"http": "http://a b/"},
        {"http": "ftp://x/"},
        {"http": "http:///x"},
        {"http": f"http://{IP}:99999/"},
        {"tcp": f"{IP}:{ports['hang']}"},
        *({"tcp": target} for target in (nobody, "foo", f"{IP}:abc", f"{IP}:99999", "::1:80")),
        {"tcp": "localhost:1"},
        {"tcp": ":1"},
        {"grpc": f"{IP}:{ports['grpc']}"},
        {"grpc": f"{IP}:{ports['grpc']}/down"},
        {"grpc": f"{IP}:{ports['grpc']}/nope"},
        {"grpc": nobody},
        script("echo out; echo err >&2"),
        script("echo warn; exit 1"),
        script("exit 3"),
        script("kill -9 $$"),
        script("head -c 5000 /dev/zero | tr '\\0' x"),
        script("echo begun; sleep 100", SOON),
        script("sleep 100 & echo hi", SOON),
        {"script_args": ["/nope"]},
        {"script_args": ["nope"]},
    ]


async def probe(check: CheckType) -> tuple[str, str]:
    size_bytes_max = check.output_max_size or 4096
    if check.http:
        return await probe_http(check, size_bytes_max, default_tls)
    if check.grpc:
        return await probe_grpc(check, default_tls)
    return await (probe_tcp(check) if check.tcp else probe_script(check, size_bytes_max))


async def test_probes_say_the_same(tmp_path: Path) -> None:
    loop_back = "Location: /again\r\n"
    async with (
        serving(echo) as goal,
        serving(answering(http_answer("429 Too Many Requests", b"slow"))) as slow,
        serving(answering(http_answer("500 Internal Server Error"))) as broken,
        serving(answering(http_answer("200 OK", b"x" * 5000 + b"END"))) as long,
        serving(
            answering(http_answer("302 Found", b"", f"Location: http://{IP}:{goal}/y\r\n"))
        ) as redirect,
        serving(
            answering(http_answer("307 Temp", b"", f"Location: http://{IP}:{goal}/y\r\n"))
        ) as repeat,
        serving(answering(http_answer("302 Found", b"", loop_back))) as loop,
        serving(answering(b"")) as eof,
        serving(answering(b"hello world\r\n\r\n")) as junk,
        serving(answering(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nshort")) as short,
        serving(hang) as hanging,
        serving(grpc_health({"": 1, "down": 2})) as grpc,
    ):
        ports = {
            "echo": goal,
            "slow": slow,
            "broken": broken,
            "long": long,
            "redirect": redirect,
            "repeat": repeat,
            "loop": loop,
            "eof": eof,
            "junk": junk,
            "short": short,
            "hang": hanging,
            "grpc": grpc,
        }
        theirs = await asyncio.to_thread(real_outcomes, free_address(92), probes(ports))
        for settings, expected in zip(probes(ports), theirs, strict=True):
            definition = CheckDefinition(name="c", interval=SECOND_LONG, **settings)
            assert await probe(check_type(definition)) == expected, settings


def real_outcomes(address: str, wanted: list[dict[str, Any]]) -> list[tuple[str, str]]:
    """The status and output that a real server comes to; initially all would be warning."""
    with real_server(address, "enable_script_checks = true\n") as real:
        for number, settings in enumerate(wanted):
            definition = CheckDefinition(
                id=str(number), name="c", interval=SECOND_LONG, status="warning", **settings
            )
            real.put("/v1/agent/check/register", to_json(definition))
        checks: dict[str, Any] = {}
        for _ in range(200):
            checks = json.loads(real.get("/v1/agent/checks"))
            if all(check["Output"] or check["Status"] != "warning" for check in checks.values()):
                break
            wait_a_moment(0.1)
        return [
            (checks[str(number)]["Status"], checks[str(number)]["Output"])
            for number in range(len(wanted))
        ]
