"""A gossip pool without gossip: who is in it, a test says."""

import asyncio
from collections.abc import Callable, Mapping

from msgspec.structs import replace

from proconsul.config.schema import Config
from proconsul.errors import RpcError
from proconsul.gossip.address import address_of
from proconsul.gossip.coordinates import Coordinate
from proconsul.gossip.effects import Change, MemberChanged, MemberStatus, PoolMember, UserEventHeard
from proconsul.leader import lan_tags
from proconsul.leader.pool import PoolMember as ServerInPool
from proconsul.runtime.retry_join import JoinError
from proconsul.telemetry import Telemetry

PROTOCOL, DELEGATE = (1, 5, 2), (2, 5, 4)
EVENT_OF = {
    MemberStatus.ALIVE: Change.UPDATE,
    MemberStatus.LEAVING: Change.UPDATE,
    MemberStatus.LEFT: Change.LEAVE,
    MemberStatus.FAILED: Change.FAILED,
}
WHERE = Coordinate(vec=(0.25,) * 8, error=0.5, adjustment=0.125, height=1e-5)


def member(name: str, host: str, tags: Mapping[str, str]) -> PoolMember:
    """One that is alive."""
    return PoolMember(
        name=name,
        address=address_of(host, 8301),
        tags=dict(tags),
        status=MemberStatus.ALIVE,
        protocol=PROTOCOL,
        delegate=DELEGATE,
        since_s=0.0,
    )


def server(name: str, address: str, **tags: str) -> PoolMember:
    """A server; `address` is `host:port` of its RPC port."""
    host, _, port = address.rpartition(":")
    base = lan_tags.base_tags(
        role=lan_tags.SERVER, datacenter="dc1", node_id=f"id-of-{name}", version="1.8.7", acls=False
    )
    return member(name, host, {**base, "raft_vsn": "3", "port": port, **tags})


class FakeJoins:
    """Join addresses that lead nowhere."""

    def __init__(self) -> None:
        self.gives_up = asyncio.Event()

    async def join_at_start(self) -> None:
        """There are none."""

    async def retry_forever(self) -> None:
        """Until a test wants it to be given up."""
        await self.gives_up.wait()
        raise JoinError("agent: max join LAN retry exhausted, exiting")


class FakePool:
    """Made as LanPool is; `calls` has what was wanted of it."""

    def __init__(
        self,
        config: Config,
        node_id: str,
        tags: Mapping[str, str],
        /,
        *,
        telemetry: Telemetry,
        member_changed: Callable[[MemberChanged], None],
        event_heard: Callable[[UserEventHeard], None],
        fail: Callable[[BaseException], None],
    ) -> None:
        self.joins = FakeJoins()
        self.hear = event_heard
        self.calls: list[str] = []
        self._changed = member_changed
        self._members = {
            config.node_name: member(config.node_name, config.cluster.advertise_addr, tags)
        }

    # ------------------------------------------------------------ what a test says

    def meet(self, *members: PoolMember) -> None:
        """They come, or are others than they were."""
        for one in members:
            self._members[one.name] = one
            self._changed(MemberChanged(Change.JOIN, one))

    def mark(self, name: str, status: MemberStatus) -> None:
        """How one is from now on."""
        one = self._members[name] = replace(self._members[name], status=status)
        self._changed(MemberChanged(EVENT_OF[status], one))

    # ------------------------------------------------------------ what an agent asks

    async def listen(self) -> None:
        self.calls.append("listen")

    def start(self) -> None:
        self.calls.append("start")

    async def leave(self) -> None:
        self.calls.append("leave")

    async def stop(self) -> None:
        self.calls.append("stop")

    def all(self) -> list[PoolMember]:
        return [self._members[name] for name in sorted(self._members)]

    def servers(self) -> list[ServerInPool]:
        found = map(lan_tags.pool_member_of, self.all())
        return [one for one in found if one is not None]

    def coordinate(self) -> Coordinate:
        return WHERE

    def stats(self) -> dict[str, str]:
        return {"members": str(len(self._members)), "encrypted": "false"}

    async def join(self, address: str) -> int:
        self.calls.append(f"join {address}")
        return 1

    async def force_leave(self, node: str, *, prune: bool) -> None:
        if node not in self._members:
            raise RpcError(f"agent: No node found with name '{node}'")
        self.calls.append(f"force-leave {node}{' prune' if prune else ''}")
