"""The same filters asked of the real Consul over HTTP and of ours over the rows it answers."""

import http.client
import json
import os
import subprocess
import time
import urllib.parse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from proconsul.filters.evaluate import FilterError, check_syntax, compile_filter
from server_tests.filters.rows import (
    CheckServiceNodeRow,
    NodeRow,
    Row,
    ServiceNodeRow,
    ServiceRow,
)

CONSUL = os.environ.get("CONSUL_REAL", "")
READY_WITHIN_S = 30
ADDRESS = f"127.103.{os.getpid() % 250 + 1}.1"

pytestmark = pytest.mark.skipif(not CONSUL, reason="CONSUL_REAL names no real Consul")


class Peer:
    """Asks a Consul over HTTP."""

    def __init__(self, address: str) -> None:
        self.address = address

    def ask(self, method: str, path: str, body: object = None) -> tuple[int, str]:
        connection = http.client.HTTPConnection(self.address, 8500, timeout=READY_WITHIN_S)
        try:
            connection.request(method, path, body=None if body is None else json.dumps(body))
            answer = connection.getresponse()
            return answer.status, answer.read().decode()
        finally:
            connection.close()

    def put(self, path: str, body: object) -> None:
        status, text = self.ask("PUT", path, body)
        assert status == 200, text

    def filtered(self, path: str, expression: str) -> tuple[int, str]:
        return self.ask("GET", f"{path}?{urllib.parse.urlencode({'filter': expression})}")

    def has_a_leader(self) -> bool:
        try:
            status, text = self.ask("GET", "/v1/catalog/nodes")
        except OSError:
            return False
        return status == 200 and text != "[]"


@pytest.fixture(scope="module")
def peer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Peer]:
    data = tmp_path_factory.mktemp("consul")
    command = [CONSUL, "agent", "-server", "-bootstrap-expect=1", f"-data-dir={data}"]
    command += [
        "-hcl=performance { raft_multiplier = 1 }",
        "-node=n1",
        f"-bind={ADDRESS}",
        f"-client={ADDRESS}",
    ]
    with Path(data, "log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT)
    try:
        peer = Peer(ADDRESS)
        until = time.monotonic() + READY_WITHIN_S
        while not peer.has_a_leader():
            assert time.monotonic() < until, Path(data, "log").read_text()
            assert process.poll() is None, Path(data, "log").read_text()
        fill(peer)
        yield peer
    finally:
        process.terminate()
        process.wait(READY_WITHIN_S)


def fill(peer: Peer) -> None:
    """Three catalog nodes with a service each, and the agent's own services."""
    for number, rack in enumerate(("r1", "r2", "Straße"), start=2):
        status = ("passing", "warning", "critical")[number - 2]
        service = {
            "ID": f"web{number}",
            "Service": "web",
            "Tags": [f"v{number}", "not", "web"][: number - 1],
            "Port": 8000 + number,
            "Meta": {"env": ("prod", "test", "")[number - 2], "a-b": "dashed"},
            "EnableTagOverride": number == 3,
            "Weights": {"Passing": number, "Warning": 1},
            "TaggedAddresses": {"lan": {"Address": f"10.0.0.{number}", "Port": number}},
        }
        node = {
            "Node": f"n{number}",
            "Address": f"10.1.0.{number}",
            "NodeMeta": {"rack": rack, "k y": "v"} if number < 4 else {"line": f"a\n{rack}"},
            "TaggedAddresses": {"wan": f"1.1.1.{number}"},
        }
        checks = [
            {"CheckID": f"c{number}", "Name": "c", "ServiceID": f"web{number}", "Status": status},
            {"CheckID": f"d{number}", "Name": "d", "Status": "passing", "Output": "a\nOK\n"},
        ]
        peer.put("/v1/catalog/register", {**node, "Service": service, "Checks": checks[:1]})
        peer.put("/v1/catalog/register", {**node, "Checks": checks[1:]})
    agents = {"Name": "web", "ID": "w1", "Tags": ["primary"], "Port": 80, "Meta": {"env": "dev"}}
    peer.put("/v1/agent/service/register", agents)
    sidecar = {
        "Kind": "connect-proxy",
        "Name": "web-proxy",
        "Port": 81,
        "Proxy": {
            "DestinationServiceName": "web",
            "Upstreams": [{"DestinationName": "db", "LocalBindPort": 9000}],
        },
    }
    peer.put("/v1/agent/service/register", sidecar)


NODES = [
    "Node == n2",
    "Node != n2",
    "n in Node",
    "Node not contains `2`",
    'Address matches "^10[.]1"',
    "Address == 10.1.0.2",
    "Meta.rack == r1",
    "Meta.rack != r1",
    "Meta.rack contains r",
    "Meta.rack matches `^r\\d$`",
    "Meta.rack not matches `^r\\d$`",
    "Meta.rack matches `(?i)STRA\\x{df}E`",
    'Meta["k y"] == v',
    'Meta[`k y`] == "\\x76"',
    "rack in Meta",
    "Meta not contains rack",
    "Meta is empty",
    "Meta is not empty",
    "Meta.rack is empty",
    "Meta.line matches `e$`",
    "Meta.line matches `a$`",
    "Meta.line matches `(?m)a$`",
    "Meta.line matches `a.*e`",
    "Meta.line matches `(?s)a.*e`",
    "Meta.line matches `\\pL\\n\\p{Lu}`",
    "Node matches `[[:digit:]]\\z`",
    "Node matches `n{,2}`",
    "Node matches `(?=n)`",
    "Node matches `n++`",
    "Node matches `(n`",
    "Node matches `\\Z`",
    "TaggedAddresses.wan == `1.1.1.3`",
    "TaggedAddresses.wan.x == 1",
    "ID == ``",
    "ID is empty",
    "Datacenter == dc1 and (Node == n2 or not Node == n1)",
    "not not Node == n2",
    "not(Node == n2)",
    "(Node == n2)and Node == n2",
    "Node==n2 or\tNode==n3",
    "CreateIndex == 1",
    "RaftIndex.CreateIndex == 1",
    "node == n2",
    "Node",
    "Node = n2",
    "Node == 'n2'",
    'Node == "n\\"2"',
    'Node == "n\\q"',
    "Node == 02",
    "in in Node",
    "not in Node",
    " ",
]
SERVICES = [
    "ServiceTags contains web",
    "not in ServiceTags",
    "v2 not in ServiceTags",
    "ServiceTags is empty",
    "ServiceTags == v2",
    "ServicePort == 8002",
    "ServicePort == `0x1F42`",
    "ServicePort != 8002",
    "ServicePort == eighty",
    "ServicePort == 99999999999999999999",
    "8002 in ServicePort",
    "ServiceWeights.Passing == 3",
    "ServiceWeights == 3",
    "ServiceEnableTagOverride == true",
    "ServiceEnableTagOverride != T",
    "ServiceEnableTagOverride == yes",
    "ServiceMeta.env == ``",
    "ServiceMeta.none == ``",
    "ServiceMeta.none != x",
    'ServiceMeta["a-b"] == dashed',
    "ServiceMeta.a-b == dashed",
    "ServiceMeta.a.b == dashed",
    "ServiceTaggedAddresses.lan.Port == 3",
    "ServiceTaggedAddresses.wan.Port != 3",
    "ServiceTaggedAddresses.lan is empty",
    "NodeMeta.rack == r2",
    "ServiceProxy.Upstreams is empty",
    "ServiceProxy.Upstreams.DestinationName != x",
    "ServiceProxy.Config.x == 1",
    "ServiceConnect.Native == false",
]
HEALTH = [
    "Checks.Status == critical",
    "Checks.Status != passing",
    "not Checks.Status == passing",
    "Checks.Output matches `^OK$`",
    "Checks.Output matches `(?m)^OK$`",
    "Checks is empty",
    "Checks.ServiceTags contains v2",
    "Checks.Definition.HTTP == x",
    "Node.Meta.rack == r1 and Service.Port == 8002",
    "Service.Tags contains `not`",
    "Service.Weights.Passing == 2",
    "Service.TaggedAddresses.lan.Address == `10.0.0.2`",
    "Service is empty",
    "Service.Proxy.Upstreams.LocalBindPort == 9000",
]
AGENT = [
    "Service == web",
    "Tags contains primary",
    "Meta.env == dev",
    "Port == 81",
    "Kind == `connect-proxy`",
    "Weights.Warning == 1",
    "ContentHash == x",
    "Tags is not empty",
]
PLACES: dict[str, tuple[type[Row], list[str]]] = {
    "/v1/catalog/nodes": (NodeRow, NODES),
    "/v1/catalog/service/web": (ServiceNodeRow, SERVICES),
    "/v1/health/service/web": (CheckServiceNodeRow, HEALTH),
    "/v1/agent/services": (ServiceRow, AGENT),
}
CASES = [(path, expression) for path, (_, asked) in PLACES.items() for expression in asked]


def rows_of(answer: str) -> list[Any]:
    """A list's elements, or a map's values: a filter goes over both alike."""
    decoded = json.loads(answer)
    return list(decoded.values()) if isinstance(decoded, dict) else decoded


@pytest.mark.real_clock
@pytest.mark.parametrize(("path", "expression"), CASES)
def test_ours_takes_the_rows_that_consul_takes(peer: Peer, path: str, expression: str) -> None:
    row_type = PLACES[path][0]
    status, answer = peer.filtered(path, expression)
    unfiltered = rows_of(peer.ask("GET", path)[1])
    assert len(unfiltered) >= 2
    if status != 200:
        with pytest.raises(FilterError) as refused:
            compile_filter(expression, row_type)
        assert status == 500
        same_words(str(refused.value), answer)
        return
    test = compile_filter(expression, row_type)
    ours = [row for row in unfiltered if test(msgspec.convert(row, row_type))]
    theirs = rows_of(answer)
    assert sorted(map(str, ours)) == sorted(map(str, theirs))


def same_words(ours: str, theirs: str) -> None:
    """The same error; of a parser's, only that it is one."""
    if "no match found" in theirs or ": rule " in theirs:
        prefix = "Failed to create boolean expression evaluator: "
        assert ours.startswith(prefix)
        assert theirs.startswith(prefix)
        assert "Selector" not in ours
    else:
        assert ours == theirs


@pytest.mark.real_clock
@pytest.mark.parametrize(
    "expression", ["foo == bar", "foo ==", "not  is empty", "x in [", "Name is empty"]
)
def test_agent_checks_looks_at_the_syntax_first(peer: Peer, expression: str) -> None:
    """Its row type comes with the first row, and here is none."""
    status, _ = peer.filtered("/v1/agent/checks", expression)
    try:
        check_syntax(expression)
    except FilterError:
        assert status == 500
    else:
        assert status == 200
