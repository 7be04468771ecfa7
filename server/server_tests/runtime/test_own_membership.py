"""A server that hears no leader asks whether it is still a member, and believes its own cluster."""

import asyncio

from proconsul.errors import NoLeaderError
from proconsul.leader.pool import PoolMember, ServerMember, Status
from proconsul.model.operator import RaftConfigurationResponse, RaftServer
from proconsul.raft.messages import Server, ServerAddress, ServerId
from proconsul.runtime.own_membership import ASKED_MAX, LOOK_S, OwnMembership

ME = ServerId("me")


def configuration(*ids: str) -> tuple[Server, ...]:
    return tuple(Server(ServerId(id_), ServerAddress(f"{id_}:8300")) for id_ in ids)


def server(name: str) -> ServerMember:
    return ServerMember(
        node=f"n-{name}",
        node_id=name,
        datacenter="dc1",
        address=name,
        rpc_port=8300,
        version="1.0.0",
        raft_version=3,
        serf_protocol=(1, 5, 4),
        non_voter=False,
    )


class Around:
    """What is around the server: its log, its leader, its pool, and what that says."""

    def __init__(self, *own: str) -> None:
        self.own = configuration(*own)
        self.has_leader = self.is_ending = False
        self.status = {"s2": Status.ALIVE, "s3": Status.ALIVE}
        self.says: dict[str, tuple[str, ...]] = {}  # the members, by whom is asked
        self.asked: list[str] = []
        self.membership = OwnMembership(
            ME,
            lambda: self.own,
            lambda: self.has_leader,
            lambda: self.is_ending,
            self.pool,
            self.ask,
        )

    def pool(self) -> list[PoolMember]:
        names = {"me": Status.ALIVE, **self.status}
        return [PoolMember(server(name), status, 0.0) for name, status in names.items()]

    async def ask(self, server: ServerMember) -> RaftConfigurationResponse:
        self.asked.append(server.node_id)
        if server.node_id not in self.says:
            raise NoLeaderError
        members = self.says[server.node_id]
        servers = [RaftServer(id=id_, node=f"n-{id_}", leader=id_ == "s2") for id_ in members]
        return RaftConfigurationResponse(servers=servers)


async def test_who_was_taken_out_knows_by_whoever_knows_a_leader() -> None:
    around = Around("me", "s2", "s3")
    around.says["s3"] = ("s2", "s3")
    await around.membership.look()
    assert "says n-s2: what it holds" in around.membership.removal
    assert "me" not in around.asked


async def test_who_leaves_by_itself_asks_nobody() -> None:
    around = Around("me", "s2", "s3")
    around.says["s3"] = ("s2", "s3")
    around.is_ending = True
    await around.membership.look()
    assert (around.asked, around.membership.removal) == ([], "")


async def test_it_is_over_when_a_leader_is_heard_or_calls_it_a_member_again() -> None:
    around = Around("me", "s2", "s3")
    for how in ("heard", "told"):
        around.says = {"s2": ("s2", "s3"), "s3": ("s2", "s3")}
        around.has_leader = False
        await around.membership.look()
        assert around.membership.removal
        around.has_leader = how == "heard"
        around.says = {"s2": ("s2", "me")}
        around.asked.clear()
        await around.membership.look()
        await around.membership.look()
        assert around.membership.removal == ""
        assert bool(around.asked) == (how == "told")


async def test_without_a_leader_anywhere_nobody_is_called_removed() -> None:
    around = Around("me", "s2", "s3")
    await around.membership.look()
    assert around.membership.removal == ""


async def test_what_was_known_stays_known_while_nobody_answers() -> None:
    around = Around("me", "s2", "s3")
    around.says = {"s2": ("s2", "s3"), "s3": ("s2", "s3")}
    await around.membership.look()
    around.says.clear()
    await around.membership.look()
    assert around.membership.removal


async def test_another_cluster_in_the_same_pool_says_nothing_about_it() -> None:
    around = Around("me", "s2", "s3")
    around.status = {"x1": Status.ALIVE}
    around.says = {"x1": ("x1", "x2")}
    await around.membership.look()
    assert around.asked == ["x1"]
    assert around.membership.removal == ""


async def test_its_own_log_is_enough_where_nobody_is_left_to_ask() -> None:
    around = Around("s2", "s3")  # it led, and took itself out
    around.status = {"s2": Status.FAILED, "s3": Status.LEFT}
    await around.membership.look()
    assert around.asked == []
    assert "by its own log" in around.membership.removal


async def test_a_server_that_was_never_a_member_asks_nobody() -> None:
    around = Around()
    await around.membership.look()
    assert around.asked == []


async def test_it_looks_again_and_again_and_asks_a_few_at_a_time() -> None:
    around = Around("me", "s2")
    around.status = {f"s{number}": Status.ALIVE for number in range(2, 50)}
    looking = asyncio.ensure_future(around.membership.run())
    await asyncio.sleep(LOOK_S * 20.5)
    looking.cancel()
    assert len(around.asked) == ASKED_MAX * 20
    assert len(set(around.asked)) == 48, "all in turn"
