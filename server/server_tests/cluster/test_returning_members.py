"""Members that come back within seconds at another address, or under their name with another ID.

What gossip and the catalog do about them is Consul's rule: gossip keeps the old address until it is
left or 30 s dead, the catalog an old ID until it is critical. So these stories take a minute each,
and tell how long members and catalog show what is not so any more. Raft may not wait for that: a
server that is back is followed, votes and makes a majority while gossip still calls it dead.
Why, and what was measured: docs/adr/0012-returning-members.md.
"""

import json
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from server_tests.cluster.loopback_cluster import Member
from server_tests.cluster.pod_watch import (
    ALIVE,
    FAILED,
    Watch,
    Writer,
    listed,
    node_id_of,
    seen,
    soon,
    voters,
)
from server_tests.cluster.pods import REAL, NamesUnavailableError, Pod, Pods
from server_tests.cluster.servers import OURS
from server_tests.fsm.real_server import requires_real_consul

pytestmark = [pytest.mark.slow, pytest.mark.real_clock]

SERVERS = (221, 222, 223)
ELSEWHERE, CLIENT, LOST_CLIENT, CLIENT_ELSEWHERE, LOST_CLIENT_ELSEWHERE = 224, 225, 226, 227, 228
REAL_SERVER = 229

RECLAIM_S = 30.0  # dead for so long, before its name may pass to another address
LOOK_ERROR_S = 1.0  # of a timeline, on a busy machine
WEB = {"Name": "web", "Port": 80}


# ---------------------------------------------------------------- the scene


@pytest.fixture
def ending() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


@pytest.fixture
def pods(tmp_path: Path, ending: ExitStack) -> Pods:
    """Three servers that all know each other."""
    return three(tmp_path, ending)


def three(folder: Path, ending: ExitStack) -> Pods:
    try:
        pods = Pods(folder, SERVERS)
    except NamesUnavailableError as failure:
        pytest.skip(str(failure))
    for pod in pods.members:
        ending.callback(pod.end, signal.SIGKILL)
    pods.start()
    pods.until_all_follow()
    names = [pod.name for pod in pods.members]
    pods.until(lambda: all(all_alive(pod, names) for pod in pods.members), "all see all")
    pods.until(lambda: all_listed(pods.members[0], names), "all are in the catalog")
    pods.until(lambda: len(voters(pods.members[0])) == 3, "all vote")
    return pods


def all_alive(observer: Member, names: Sequence[str]) -> bool:
    return all(seen(observer, name)[0] == ALIVE for name in names)


def all_listed(observer: Member, names: Sequence[str]) -> bool:
    return all(listed(observer, name)[0] == "passing" for name in names)


def client_up(
    pods: Pods, ending: ExitStack, name: str, host: int, program: Sequence[str] = OURS
) -> Pod:
    """A client agent with a service."""
    client = pods.client(name, host, program)
    ending.callback(client.end, signal.SIGKILL)
    pods.start(client)
    pods.until(lambda: all_listed(pods.members[0], [name]), "the client is in the catalog")
    client.put("/v1/agent/service/register", WEB)
    pods.until(lambda: passing_at(pods.members[0], client.address), "its service is there, too")
    return client


def until_it_is_back(pods: Pods, observer: Member, client: Member) -> None:
    """Alive in gossip and passing in the catalog, where it is, with its ID."""
    place = (ALIVE, client.address)
    pods.until(lambda: seen(observer, client.name) == place, "gossip has it there")
    there = ("passing", client.address, node_id_of(client))
    pods.until(lambda: listed(observer, client.name) == there, "so has the catalog")


def passing_at(observer: Member, place: str) -> bool:
    found = observer.get("/v1/health/service/web?passing&stale")
    return place in {one["Node"]["Address"] for one in found}


def follows(member: Member, index: int) -> bool:
    """It has applied that much."""
    return int(member.get("/v1/agent/self")["Stats"]["raft"]["applied_index"]) >= index


def commit_index(member: Member) -> int:
    return int(member.get("/v1/agent/self")["Stats"]["raft"]["commit_index"])


# ---------------------------------------------------------------- the same server, elsewhere


@pytest.mark.parametrize("role", ["follower", "leader"])
def test_a_server_that_is_back_elsewhere_counts_at_once_though_gossip_calls_it_dead(
    pods: Pods, ending: ExitStack, role: str
) -> None:
    moving = pods.leader() if role == "leader" else pods.followers()[0]
    others = [pod for pod in pods.members if pod is not moving]
    node_ids = voters(moving)
    writer = Writer(pods.members)
    ending.callback(writer.close)

    killed_s = pods.kill_and_move(moving, ELSEWHERE)
    # Either may be the one that is left when the other is killed.
    watches = {pod.name: Watch(pod, moving.name, killed_s) for pod in others}
    for watch in watches.values():
        ending.callback(watch.close)
    pods.until(lambda: bool(moving.get("/v1/agent/members")), "it answers again")
    answers_s = time.monotonic() - killed_s
    followed_s = soon(lambda: follows(moving, commit_index(pods.leader())), "raft reaches it")

    leader = pods.leader()
    victim = leader if leader is not moving else others[0]
    rest = next(pod for pod in others if pod is not victim)
    victim.end(signal.SIGKILL)
    majority_s = soon(lambda: rest.put("/v1/kv/of-two", b"1") is True, "it makes a majority")
    counted_s = time.monotonic() - killed_s
    leads = pods.leader() is moving
    pods.start(victim)
    pods.until_all_follow()

    pods.until(lambda: seen(rest, moving.name) == (ALIVE, moving.address), "gossip has it there")
    wanted = sorted(f"{pod.address}:8300" for pod in pods.members)
    pods.until(lambda: sorted(one["Address"] for one in rest.servers()) == wanted, "so has raft")
    there = ("passing", moving.address, node_id_of(moving))
    pods.until(lambda: listed(rest, moving.name) == there, "so has the catalog")
    writer.close()
    for watch in watches.values():
        watch.close()

    watch = watches[rest.name]
    failed_s, alive_s = watch.tell(f"{role} {moving.name}, as {rest.name} sees it")
    sys.stdout.write(
        f"  it answers after {answers_s:.1f} s, is followed {followed_s:.1f} s later, makes a "
        f"majority {majority_s:.1f} s after the other was killed{' and leads' * leads}\n"
    )
    assert counted_s < alive_s, "gossip had it already: nothing was shown"
    assert alive_s - failed_s > RECLAIM_S - LOOK_ERROR_S
    if not leads:  # who leads knows that it is alive, and where
        assert watch.catalog.first_s(lambda found: found[0] == "critical") is not None
    assert [ids for _, ids in watch.voters.changes] == [node_ids], "it never lost its vote"
    assert len(writer.acknowledged) > 20
    assert set(writer.acknowledged) <= set(moving.get("/v1/kv/written/?keys&consistent"))


def test_two_servers_that_exchanged_their_addresses_are_not_mistaken_for_each_other(
    pods: Pods, ending: ExitStack
) -> None:
    leader = pods.leader()
    first, second = pods.followers()
    leader.put("/v1/kv/before", b"1")
    for pod in (first, second):
        pod.end(signal.SIGKILL)
    first.address, second.address = second.address, first.address
    pods.start(first, second)
    pods.until(lambda: all(bool(pod.get("/v1/agent/members")) for pod in (first, second)), "both")
    soon(lambda: leader.put("/v1/kv/exchanged", b"1") is True, "they are found")
    pods.until_all_follow()
    assert seen(leader, first.name) != (ALIVE, first.address), "gossip knows: nothing shown"
    for pod in pods.members:
        assert len(pod.get("/v1/kv/before?stale")) == 1
        assert len(pod.get("/v1/kv/exchanged?stale")) == 1


# ---------------------------------------------------------------- clients elsewhere


def test_clients_of_ours_are_back_in_gossip_when_their_old_address_is_dead_for_long(
    pods: Pods, ending: ExitStack
) -> None:
    kept = client_up(pods, ending, "kept", CLIENT)
    lost = client_up(pods, ending, "lost", LOST_CLIENT)
    observer = pods.leader()
    old_id = node_id_of(lost)
    killed_s = pods.kill_and_move(kept, CLIENT_ELSEWHERE)
    watch = Watch(observer, kept.name, killed_s)
    lost_killed_s = pods.kill_and_move(lost, LOST_CLIENT_ELSEWHERE, lose=True)
    lost_watch = Watch(observer, lost.name, lost_killed_s)
    for closing in (watch, lost_watch):
        ending.callback(closing.close)
    # Their calls need no gossip of others: they know the servers.
    pods.until(lambda: kept.put("/v1/kv/kept") is True, "it calls")
    pods.until(lambda: lost.put("/v1/kv/lost") is True, "it calls")
    for client in (kept, lost):
        assert seen(observer, client.name) != (ALIVE, client.address), "nothing was shown"

    for client in (kept, lost):
        until_it_is_back(pods, observer, client)
    pods.until(lambda: passing_at(observer, kept.address), "its service is passing again")
    for closing in (watch, lost_watch):
        closing.close()
    for name, one in (("kept", watch), ("lost", lost_watch)):
        failed_s, alive_s = one.tell(name)
        assert alive_s - failed_s > RECLAIM_S - LOOK_ERROR_S
    assert watch.catalog.first_s(lambda found: found[0] == "critical") is not None
    # The new ID came into the catalog no sooner than the old one was critical there.
    states = [(health, node_id == old_id) for _, (health, _, node_id) in lost_watch.catalog.changes]
    assert states[:2] == [("passing", True), ("critical", True)]
    assert states[-1] == ("passing", False)


@requires_real_consul
def test_a_real_client_that_is_back_elsewhere_gives_up_gossip_until_it_is_started_anew(
    pods: Pods, ending: ExitStack
) -> None:
    """Its own way to settle a conflict of names: it asks all who has the name, and obeys."""
    client = client_up(pods, ending, "real", CLIENT, REAL)
    observer = pods.leader()
    killed_s = pods.kill_and_move(client, CLIENT_ELSEWHERE)
    watch = Watch(observer, client.name, killed_s)
    ending.callback(watch.close)
    pods.until(lambda: client.put("/v1/kv/real") is True, "its calls work")
    pods.until(lambda: "minority in name conflict" in client.log.read_text(), "it gives up gossip")
    pods.until(lambda: seen(observer, client.name)[0] == FAILED, "it has failed")
    failed_s = time.monotonic()
    there = ("critical", client.address, node_id_of(client))
    pods.until(lambda: listed(observer, client.name) == there, "its own sync told where it is")
    assert client.put("/v1/kv/real") is True, "without gossip it calls the servers that it knows"

    pods.until(lambda: time.monotonic() - failed_s > RECLAIM_S + LOOK_ERROR_S, "dead for long")
    client.end(signal.SIGKILL)
    pods.start(client)
    again_s = soon(lambda: seen(observer, client.name) == (ALIVE, client.address), "it is back")
    there = ("passing", client.address, node_id_of(client))
    pods.until(lambda: listed(observer, client.name) == there, "the catalog has it")
    watch.close()
    watch.tell("real client")
    sys.stdout.write(f"  alive {again_s:.1f} s after it was started anew\n")


# ---------------------------------------------------------------- the same name, a new ID


@pytest.mark.parametrize(
    "program", [OURS, pytest.param(REAL, marks=requires_real_consul)], ids=["ours", "real"]
)
def test_a_client_that_lost_its_data_takes_its_name_where_it_was(
    pods: Pods, ending: ExitStack, program: Sequence[str]
) -> None:
    client = client_up(pods, ending, "client", CLIENT, program)
    observer = pods.leader()
    old_id = node_id_of(client)
    taken = register(observer, client.name, "11111111-2222-3333-4444-555555555555")
    reserved = f"Node name client is reserved by node {old_id} with name client ({client.address})"
    assert (taken.status, reserved in taken.body.decode()) == (500, True), taken

    killed_s = pods.kill_and_move(client, None, lose=True)
    watch = Watch(observer, client.name, killed_s)
    ending.callback(watch.close)
    pods.until(lambda: client.put("/v1/kv/again") is True, "it calls")
    assert node_id_of(client) != old_id
    there = ("passing", client.address, node_id_of(client))
    pods.until(lambda: listed(observer, client.name) == there, "it has its name, with its ID")
    pods.until(lambda: seen(observer, client.name) == (ALIVE, client.address), "it is alive")
    pods.until(lambda: not passing_at(observer, client.address), "what it lost is taken out")
    watch.close()
    sys.stdout.write(f"\nclient with a new ID: {watch.catalog}\n")


def register(observer: Member, name: str, node_id: str) -> Any:
    """What the catalog says to a node of that name with another ID."""
    node = {"Node": name, "ID": node_id, "Address": "127.0.0.1"}
    return observer.ask("PUT", "/v1/catalog/register", json.dumps(node).encode())


@requires_real_consul
def test_a_real_server_refuses_the_name_of_a_client_that_lost_its_data(
    tmp_path: Path, ending: ExitStack
) -> None:
    """Where it was: it is alive, so its old ID never becomes critical, and keeps the name."""
    try:
        pods = Pods(tmp_path, (REAL_SERVER,), REAL)
    except NamesUnavailableError as failure:
        pytest.skip(str(failure))
    server = pods.members[0]
    ending.callback(server.end, signal.SIGKILL)
    pods.start()
    pods.until(lambda: server.leads, "it leads")
    client = client_up(pods, ending, "client", CLIENT, REAL)
    old_id = node_id_of(client)
    pods.kill_and_move(client, None, lose=True)
    reserved = f"Node name client is reserved by node {old_id} with name client ({client.address})"
    pods.until(lambda: reserved in client.log.read_text(), "its sync is refused")
    pods.until(lambda: seen(server, client.name) == (ALIVE, client.address), "it is alive")
    assert listed(server, client.name) == ("passing", client.address, old_id)


@pytest.mark.parametrize("elsewhere", [False, True], ids=["where it was", "elsewhere"])
def test_a_server_that_lost_its_data_becomes_another_server_under_its_name(
    pods: Pods, ending: ExitStack, elsewhere: bool
) -> None:
    moving = pods.followers()[0]
    rest = next(pod for pod in pods.members if pod is not moving)
    old_id = moving.get("/v1/agent/self")["Config"]["NodeID"]
    rest.put("/v1/kv/kept-by-others", b"1")
    killed_s = pods.kill_and_move(moving, ELSEWHERE if elsewhere else None, lose=True)
    watch = Watch(rest, moving.name, killed_s)
    ending.callback(watch.close)
    pods.until(lambda: bool(moving.get("/v1/agent/members")), "it answers")
    new_id = moving.get("/v1/agent/self")["Config"]["NodeID"]
    assert new_id != old_id
    pods.until(lambda: listed(rest, moving.name) == ("passing", moving.address, new_id), "listed")
    pods.until(lambda: len(voters(rest)) == 3 and new_id in voters(rest), "it votes")
    pods.until_all_follow()
    assert len(moving.get("/v1/kv/kept-by-others?stale")) == 1
    watch.close()
    if elsewhere:
        failed_s, alive_s = watch.tell(f"{moving.name} with a new ID")
        assert alive_s - failed_s > RECLAIM_S - LOOK_ERROR_S
    else:
        sys.stdout.write(f"\n{watch}\n")
