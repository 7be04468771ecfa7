"""Client agents of ours, as processes, in the pools of real Consul 1.8.7 servers."""

import itertools
import json
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from server_tests.fsm.real_server import free_address, requires_real_consul
from server_tests.with_consul.servers import Node, ended, leader_of, until

pytestmark = [requires_real_consul, pytest.mark.slow, pytest.mark.real_clock]

ALIVE, LEFT, FAILED = 1, 3, 4
LEAVE_S_MAX = 15.0
RETRY = 'retry_interval = "1s"\n'
_numbers = itertools.count(1)  # no name is used twice: the catalog keeps them for their IDs
WEB = {"Name": "web", "Port": 80, "Check": {"TTL": "1h", "Status": "passing"}}


class Client(Node):
    """One of our client agents."""

    def __init__(self, number: int, folder: Path, servers: Sequence[Node], extra: str) -> None:
        super().__init__(f"c{number}", free_address(180 + number), folder / "client", ours=True)
        (self._folder / "server.hcl").write_text(RETRY + extra)
        self._joins = [f"-retry-join={server.address}" for server in servers]

    def start(self, *flags: str) -> None:
        """Start it; it may take its time to answer."""
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [
                    *(sys.executable, "-m", "proconsul", "agent"),
                    *(f"-node={self.name}", f"-node-id={self.id}"),
                    *(f"-bind={self.address}", f"-client={self.address}", "-dns-port=-1"),
                    f"-data-dir={self.data_folder}",
                    f"-config-file={self._folder / 'server.hcl'}",
                    *self._joins,
                    *flags,
                ],
                stdout=log,
                stderr=subprocess.STDOUT,
            )

    def tell_to_end(self, number: signal.Signals = signal.SIGTERM) -> None:
        """Send it this signal, and do not wait."""
        assert self._process is not None
        self._process.send_signal(number)

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Tell it to end; the exit code."""
        self.tell_to_end(number)
        return self.ended()

    def ended(self) -> int:
        """Wait until it has ended; the exit code."""
        assert self._process is not None
        code = self._process.wait(LEAVE_S_MAX)
        self._process = None
        return code

    def knows_servers(self, count: int) -> bool:
        """Whether it has that many to call."""
        stats = json.loads(self.get("/v1/agent/self"))["Stats"]
        return bool(stats["consul"]["known_servers"] == str(count))

    def status(self, server: Node) -> int:
        """How a server sees this member."""
        members = json.loads(server.get("/v1/agent/members"))
        return int(next(each["Status"] for each in members if each["Name"] == self.name))

    def checks(self, server: Node) -> dict[str, str]:
        """The checks of this node in the catalog, with their states."""
        found = json.loads(server.get(f"/v1/health/node/{self.name}"))
        return {each["CheckID"]: each["Status"] for each in found}


@contextmanager
def servers_up(folder: Path, *hosts: int) -> Iterator[list[Node]]:
    """Real servers, up and leading."""
    nodes = [
        Node(f"s{host}", free_address(host), folder / f"s{host}", ours=False) for host in hosts
    ]
    with ended(*nodes):
        for node in nodes:
            joins = [f"-retry-join={other.address}" for other in nodes if other is not node]
            node.start(f"-bootstrap-expect={len(hosts)}", "-retry-interval=1s", *joins)
        leader_of(*nodes)
        until(nodes[0].knows_a_leader, "all have heard of it")
        yield nodes


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    with servers_up(tmp_path_factory.mktemp("one"), 170) as nodes:
        yield nodes[0]


@contextmanager
def client_up(folder: Path, servers: Sequence[Node], extra: str = "") -> Iterator[Client]:
    """A client that is in the catalog."""
    client = Client(next(_numbers), folder, servers, extra)
    with ended(client):
        client.start()
        until(lambda: client.knows_servers(len(servers)), "it knows the servers")
        until(lambda: client.checks(servers[0]) == {"serfHealth": "passing"}, "it is known")
        yield client


def test_it_is_a_member_whose_services_are_in_the_catalog(server: Node, tmp_path: Path) -> None:
    with client_up(tmp_path, [server]) as client:
        client.put("/v1/agent/service/register", WEB)
        expected = {"serfHealth": "passing", "service:web": "passing"}
        until(lambda: client.checks(server) == expected, "the service is known")
        client.put("/v1/agent/check/fail/service:web")
        expected["service:web"] = "critical"
        until(lambda: client.checks(server) == expected, "its check is known")
        client.put("/v1/kv/from-a-client", b"1")
        assert server.get("/v1/kv/from-a-client?raw") == b"1"
        fired = client.put("/v1/event/fire/deploy", b"go")
        until(lambda: fired["ID"].encode() in client.get("/v1/event/list"), "the event is heard")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_who_is_told_to_end_leaves(server: Node, tmp_path: Path, number: signal.Signals) -> None:
    with client_up(tmp_path, [server]) as client:
        client.put("/v1/agent/service/register", WEB)
        assert client.stop(number) == 0
        assert client.status(server) == LEFT
        until(
            lambda: json.loads(server.get(f"/v1/catalog/node/{client.name}")) is None, "it is out"
        )


def test_a_full_exchange_while_it_leaves_does_not_make_that_a_failure(
    server: Node, tmp_path: Path
) -> None:
    with client_up(tmp_path, [server]) as client:
        client.tell_to_end()
        for _ in range(5):
            server.put(f"/v1/agent/join/{client.address}")
        assert client.ended() == 0
        assert client.status(server) == LEFT


@pytest.mark.parametrize(
    ("number", "setting"),
    [
        (signal.SIGTERM, "leave_on_terminate = false"),
        (signal.SIGINT, "skip_leave_on_interrupt = true"),
    ],
)
def test_who_is_not_to_leave_fails(
    server: Node, tmp_path: Path, number: signal.Signals, setting: str
) -> None:
    with client_up(tmp_path, [server], setting) as client:
        assert client.stop(number) == 0
        until(lambda: client.status(server) == FAILED, "it has failed")
        until(lambda: client.checks(server) == {"serfHealth": "critical"}, "that is known")
        client.start()  # the same node, back again
        until(lambda: client.checks(server) == {"serfHealth": "passing"}, "it is back")
        client.stop()


def test_snapshots_go_through_it(server: Node, tmp_path: Path) -> None:
    with client_up(tmp_path, [server]) as client:
        client.put("/v1/kv/kept", b"then")
        archive = client.get("/v1/snapshot")
        client.put("/v1/kv/kept", b"now")
        client.put("/v1/snapshot", archive)
        until(lambda: client.get("/v1/kv/kept?raw") == b"then", "it is as it was")
        status, text = client.call("GET", "/v1/snapshot?dc=mars")
        assert (status, text) == (500, b"No path to datacenter")


def test_its_calls_survive_the_death_of_servers(tmp_path: Path) -> None:
    with servers_up(tmp_path, 171, 172, 173) as nodes, client_up(tmp_path, nodes) as client:
        client.put("/v1/agent/service/register", WEB)
        client.put("/v1/kv/a", b"0")
        dead = leader_of(*nodes)
        dead.kill()
        # Whoever it calls: a dead one, or one that has no leader yet and holds the call.
        until(lambda: client.call("PUT", "/v1/kv/a", b"1")[0] == 200, "a new leader writes")
        assert client.get("/v1/kv/a?raw") == b"1"
        until(lambda: client.knows_servers(2), "the dead one is out of the list")
        for _ in range(20):
            client.put("/v1/kv/a", b"2")
        others = [node for node in nodes if node is not dead]
        for node in others:
            node.kill()
        until(lambda: client.knows_servers(0), "nobody is left")
        assert client.call("GET", "/v1/kv/a") == (500, b"No known Consul servers")
        for node in nodes:
            node.start("-bootstrap-expect=3", *(f"-retry-join={one.address}" for one in nodes))
        until(lambda: client.call("GET", "/v1/kv/a?raw") == (200, b"2"), "all is well again")
        until(lambda: "service:web" in client.checks(nodes[0]), "the service is still there")
