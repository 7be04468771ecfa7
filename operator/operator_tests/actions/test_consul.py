"""The servers' HTTP API against real servers: one alone, three together, and nobody."""

import asyncio
import base64
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import ExitStack
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import TypeVar

import pytest

from operator_tests.charts.test_scripts import serving
from proconsul_operator.actions.consul import (
    Access,
    ConsulError,
    RefusedError,
    Servers,
    UnreachableError,
    session,
)
from proconsul_operator.plans.observe import Keyring, Leader, Local
from server_tests.loopback import address
from server_tests.process import ServerProcess

PORT = 8500
KEY = base64.b64encode(bytes(range(32))).decode()
OTHER_KEY = base64.b64encode(bytes(range(1, 33))).decode()
SETTLE_S = 180.0  # a guard: a slow machine takes its time
_T = TypeVar("_T")


def with_servers(act: Callable[[Servers], Awaitable[_T]], port: int = PORT) -> _T:
    async def run() -> _T:
        async with session() as connections:
            return await act(Servers(connections, Access(port=port)))

    return asyncio.run(run())


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, ServerProcess]]:
    """Three servers that encrypt their gossip, by node name."""
    hosts = [address(number) for number in (248, 249, 250)]
    folder = tmp_path_factory.mktemp("cluster")
    with ExitStack() as stack:
        made = {}
        for number, host in enumerate(hosts):
            flags = [
                "-bootstrap-expect=3", f"-node=c-{number}", f"-encrypt={KEY}",
                *(f"-retry-join={other}" for other in hosts),
            ]  # fmt: skip
            process = ServerProcess(host, folder / f"d{number}", *flags)
            process.launch()
            stack.callback(process.kill)
            made[f"c-{number}"] = process
        until(made, lambda leader: leader is not None and all_vote(leader, 3))
        yield made


def all_vote(leader: Leader, count: int) -> bool:
    voters = leader.configuration.voters
    return len(voters) == count and all(leader.healthy(each.id) for each in voters)


async def leader_of(servers: Servers, cluster: dict[str, ServerProcess]) -> Leader | None:
    told = await servers.locals({name: each.address for name, each in cluster.items()})
    for name, local in told.items():
        if isinstance(local, Local) and local.state == "Leader":
            try:
                return await servers.leader(
                    cluster[name].address, local, name=name, encrypted=True, now_s=0.0
                )
            except ConsulError:
                return None
    return None


def until(
    cluster: dict[str, ServerProcess], holds: Callable[[Leader | None], bool]
) -> Leader | None:
    async def ask(servers: Servers) -> Leader | None:
        return await leader_of(servers, cluster)

    deadline_s, found = time.monotonic() + SETTLE_S, None
    while time.monotonic() < deadline_s:
        found = with_servers(ask)
        if holds(found):
            return found
        time.sleep(0.2)  # noqa: TID251 - other processes are waited for
    raise AssertionError(f"the cluster did not settle: {found}")


def test_a_leader_says_who_its_members_are_and_how(cluster: dict[str, ServerProcess]) -> None:
    leader = until(cluster, lambda found: found is not None and all_vote(found, 3))
    assert leader is not None
    names = {each.name for each in leader.configuration.servers}
    assert names == {"c-0", "c-1", "c-2"}
    assert leader.name in names
    assert leader.commit_index > 0
    assert isinstance(leader.keyring, Keyring)
    assert leader.keyring.everywhere(KEY)
    assert leader.keyring.primary_everywhere(KEY)


def test_every_server_tells_of_itself_and_knows_the_others(
    cluster: dict[str, ServerProcess],
) -> None:
    async def ask(servers: Servers) -> dict[str, Local | UnreachableError]:
        return await servers.locals({name: each.address for name, each in cluster.items()})

    told = with_servers(ask)
    states = []
    for name, local in told.items():
        assert isinstance(local, Local)
        states.append(local.state)
        assert local.cluster_id
        assert local.version
        assert local.address == f"{cluster[name].address}:8300"
        assert {each.name for each in local.configuration.voters} == set(cluster)
        assert local.last_contact_s is not None
    assert sorted(states) == ["Follower", "Follower", "Leader"]


def test_a_server_is_ready_and_says_so(cluster: dict[str, ServerProcess]) -> None:
    ready = with_servers(lambda servers: servers.ready(cluster["c-0"].address))
    assert (ready.ready, ready.reason) == (True, "OK")


def test_leadership_goes_to_the_one_that_is_named(cluster: dict[str, ServerProcess]) -> None:
    before = until(cluster, lambda found: found is not None and all_vote(found, 3))
    assert before is not None
    heir = next(each for each in before.configuration.voters if each.id != before.id)
    host = cluster[before.name].address
    with_servers(lambda servers: servers.transfer_leader(host, heir.id))
    after = until(cluster, lambda found: found is not None)
    assert after is not None
    assert after.id == heir.id
    assert after.term > before.term


def test_a_key_goes_round(cluster: dict[str, ServerProcess]) -> None:
    host = cluster["c-0"].address

    async def go_round(servers: Servers) -> Keyring | None:
        await servers.keyring_install(host, OTHER_KEY)
        await servers.keyring_use(host, OTHER_KEY)
        await servers.keyring_remove(host, KEY)
        return await servers.keyring(host)

    ring = with_servers(go_round)
    assert ring is not None
    assert ring.primary_everywhere(OTHER_KEY)
    assert KEY not in ring.keys


def test_a_key_that_is_none_is_refused(cluster: dict[str, ServerProcess]) -> None:
    with pytest.raises(RefusedError):
        with_servers(lambda servers: servers.keyring_install(cluster["c-0"].address, "short"))


def test_a_member_leaves_for_good_and_is_welcome_again(cluster: dict[str, ServerProcess]) -> None:
    leader = until(cluster, lambda found: found is not None and all_vote(found, 3))
    assert leader is not None
    name = next(each.name for each in leader.configuration.voters if each.id != leader.id)
    process, old_id = cluster[name], None

    async def local(servers: Servers) -> Local:
        return await servers.local(process.address)

    old_id = with_servers(local).id
    with_servers(lambda servers: servers.decommission(process.address))
    assert process.wait() == 0
    until(cluster, lambda found: found is not None and all_vote(found, 2))
    host = cluster[leader.name].address
    with_servers(lambda servers: servers.remove_peer(host, old_id))  # is out already: no error
    process.launch()
    idle = _when_it_answers(local)
    assert idle.decommissioned
    assert idle.state == "Idle"
    assert not with_servers(lambda servers: servers.ready(process.address)).ready
    assert with_servers(lambda servers: servers.recommission(process.address))
    assert process.wait() == 0
    process.launch()
    until(cluster, lambda found: found is not None and all_vote(found, 3))
    assert with_servers(local).id != old_id


def _when_it_answers(local: Callable[[Servers], Awaitable[Local]]) -> Local:
    deadline_s = time.monotonic() + SETTLE_S
    while time.monotonic() < deadline_s:
        try:
            return with_servers(local)
        except UnreachableError:
            time.sleep(0.1)  # noqa: TID251 - another process is waited for
    raise AssertionError("the server did not answer")


def test_who_never_was_a_member_is_out_already(cluster: dict[str, ServerProcess]) -> None:
    leader = until(cluster, lambda found: found is not None)
    assert leader is not None
    host, stranger = cluster[leader.name].address, "00000000-0000-0000-0000-000000000000"
    with_servers(lambda servers: servers.remove_peer(host, stranger))


def test_the_only_voter_may_not_leave(tmp_path: Path) -> None:
    with ServerProcess(address(251), tmp_path / "d") as process:
        with pytest.raises(RefusedError) as caught:
            with_servers(lambda servers: servers.decommission(process.address))
        assert caught.value.status == 409
        ring = with_servers(lambda servers: servers.version(process.address))
        assert ring


def test_nobody_there_is_not_known_and_not_refused() -> None:
    with pytest.raises(UnreachableError):
        with_servers(lambda servers: servers.local(address(252)))


def test_a_server_that_hangs_keeps_nobody_else_waiting() -> None:
    """All three are asked before the first has given up."""

    async def ask() -> int:
        open_now = most = 0

        async def never(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            nonlocal open_now, most
            open_now += 1
            most = max(most, open_now)
            await reader.read()
            open_now -= 1
            writer.close()

        hosts = {f"c-{number}": address(253) for number in range(3)}
        listener = await asyncio.start_server(never, address(253), PORT)
        async with listener, session() as connections:
            told = await Servers(connections, Access(port=PORT)).locals(hosts)
        assert all(isinstance(each, UnreachableError) for each in told.values())
        assert "no answer within 2 s" in str(told["c-0"])
        return most

    assert asyncio.run(ask()) == 3


class Strange(BaseHTTPRequestHandler):
    """Something else listens there."""

    body = b"<html>hello</html>"

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(self.body)))
        self.end_headers()
        self.wfile.write(self.body)

    def log_message(self, *_: object) -> None:
        """Nobody reads it."""


@pytest.mark.parametrize("body", [b"<html>hello</html>", b"{}", b'{"NodeID": 7}', b""])
def test_what_cannot_be_read_is_no_answer(body: bytes) -> None:
    with (
        serving(type("OfATest", (Strange,), {"body": body})) as port,
        pytest.raises(UnreachableError),
    ):
        with_servers(lambda servers: servers.local("127.0.0.1"), port)


def test_an_answer_without_end_is_cut_off() -> None:
    class Endless(Strange):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            try:
                for _ in range(64):
                    self.wfile.write(b" " * 2**20)
            except OSError:
                pass

    with serving(Endless) as port, pytest.raises(UnreachableError, match="more than"):
        with_servers(lambda servers: servers.local("127.0.0.1"), port)
