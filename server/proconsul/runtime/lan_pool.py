"""The gossip pool of this agent's datacenter, as the rest of the agent sees it.

Server or client, it is the same pool: who is in it, joining and leaving it, events to all, keys of
all. Serf itself is in gossip/, its sockets and files in runtime/gossip_*.
"""

import os
import secrets
import time
from collections.abc import Callable, Mapping, Sequence

from proconsul.config.schema import Config
from proconsul.errors import RpcError
from proconsul.gossip.address import address_of
from proconsul.gossip.coordinates import Coordinate
from proconsul.gossip.effects import MemberChanged, PoolMember, QueryHeard, UserEventHeard
from proconsul.gossip.failure import GossipError
from proconsul.gossip.joining import JoinTarget
from proconsul.gossip.key_rotation import KeyOperation
from proconsul.gossip.serf import Serf
from proconsul.gossip.settings import GossipSettings, SerfSettings
from proconsul.leader import lan_tags
from proconsul.leader.admission import LanAdmission
from proconsul.leader.pool import LanMember
from proconsul.leader.pool import PoolMember as ServerInPool
from proconsul.model.keyring import KeyringResponse
from proconsul.runtime.disk import RealDisk
from proconsul.runtime.gossip_driver import GossipDriver
from proconsul.runtime.gossip_files import GossipFiles
from proconsul.runtime.gossip_keys import KeysInMemory, key_bytes, load_ring
from proconsul.runtime.join_addresses import resolve_host
from proconsul.runtime.join_rounds import JoinRounds
from proconsul.runtime.joining import join
from proconsul.runtime.listening import ListenError
from proconsul.runtime.logs import logger
from proconsul.telemetry import Telemetry

RECONNECT_TIMEOUT_S = 72 * 3600.0  # what stands for a 0 in the configuration

log = logger("serf")


class LanPool:
    """This agent in the pool; `start` it once it may be found."""

    def __init__(
        self,
        config: Config,
        node_id: str,
        tags: Mapping[str, str],
        *,
        telemetry: Telemetry,
        member_changed: Callable[[MemberChanged], None],
        event_heard: Callable[[UserEventHeard], None],
        fail: Callable[[BaseException], None],
    ) -> None:
        """`fail` ends the process. Raises ConfigError, GossipError, OSError."""
        cluster = config.cluster
        bind = cluster.serf_lan_bind
        assert bind is not None, "the LAN pool cannot be switched off"
        self._bind = bind
        self._datacenter = config.datacenter
        self._name = config.node_name
        self._port = config.ports.serf_lan
        advertised = cluster.serf_lan_advertise
        self._address = address_of(advertised.host, advertised.port)
        files = gossip_files(config)
        dice = secrets.randbelow
        self._serf = Serf(
            name=config.node_name,
            address=self._address,
            tags=tags,
            gossip=gossip_settings(config),
            settings=serf_settings(config),
            ring=load_ring(files, config.encrypt, config.encrypt_keys_file),
            admission=LanAdmission(
                config.node_name, node_id, config.datacenter, cluster.serf_lan_allowed_cidrs
            ),
            dice=dice,
            nonce=secrets.token_bytes,
            now_s=time.monotonic(),
            kept=files.load_snapshot(rejoin_after_leave=config.joining.rejoin_after_leave),
        )
        self._member_changed = member_changed
        self._event_heard = event_heard
        self._driver = GossipDriver(
            self._serf, hear=self._hear, files=files, telemetry=telemetry, fail=fail
        )
        own = frozenset({(advertised.host, advertised.port)})
        self.joins = JoinRounds(config.joining, self._port, own, resolve_host, self.join_one)

    # ------------------------------------------------------------ life

    async def listen(self) -> None:
        """Take the port. Raises ListenError."""
        try:
            await self._driver.listen(self._bind.host, self._bind.port)
        except OSError as failure:
            raise ListenError(
                f"Failed to start LAN gossip: {failure}. Choose another port with "
                "-serf-lan-port (ports.serf_lan), or another address with -bind."
            ) from failure

    def start(self) -> None:
        """Take part, and join again whom this agent knew before it was stopped."""
        self._driver.start()
        self._driver.rejoin_kept()

    async def leave(self) -> None:
        """Tell the others that this agent goes for good; `stop` comes next."""
        await self._driver.leave()

    async def stop(self) -> None:
        """Take no part any more."""
        self.joins.addresses.stop()
        await self._driver.stop()

    # ------------------------------------------------------------ who is there

    def all(self) -> Sequence[PoolMember]:
        """All members, whatever they are, by name; this one included."""
        return self._driver.members()

    def servers(self) -> list[ServerInPool]:
        """All servers of this datacenter, this one among them if it is one, by name."""
        found = map(lan_tags.pool_member_of, self.all())
        return [one for one in found if one and one.server.datacenter == self._datacenter]

    def agents(self) -> list[LanMember]:
        """All agents of this datacenter, by name."""
        found = (lan_tags.agent_of(one, self._datacenter) for one in self.all())
        return [one for one in found if one is not None]

    def coordinate(self) -> Coordinate:
        """Where this node is, as far as it is measured."""
        return self._driver.coordinate()

    def stats(self) -> dict[str, str]:
        """What `consul info` shows of the pool."""
        return self._driver.stats()

    # ------------------------------------------------------------ joining and leaving

    async def join_one(self, host: str, port: int) -> str:
        """Join through an address; what is wrong, "" when it worked."""
        target = JoinTarget(address=address_of(host, port), name="", text=host)
        try:
            ended = await self._driver.join([target])
        except GossipError as failure:  # this agent leaves
            return str(failure)
        return "" if ended.reached else ended.failures[0]

    async def join(self, address: str) -> int:
        """Join through what a user names: how many members were reached. Raises RpcError."""
        return await join(address, self._port, self.join_one)

    async def force_leave(self, node: str, *, prune: bool) -> None:
        """Take a failed member for left, here and with the others; one that lives stays.

        Raises RpcError if there is no such member.
        """
        if not self._driver.force_leave(node, prune=prune):
            raise RpcError(f"agent: No node found with name '{node}'")

    def force_out(self, node: str) -> None:
        """The same for one that may be gone already."""
        self._driver.force_leave(node, prune=False)

    # ------------------------------------------------------------ events and keys

    async def user_event(self, name: str, payload: bytes) -> None:
        """Tell all members, this one included. Raises RpcError if it is too large."""
        try:
            await self._driver.user_event(name, payload)
        except GossipError as failure:
            raise RpcError(
                f'1 error occurred:\n\t* error broadcasting event to segment "": {failure}\n\n'
            ) from failure

    async def keyring(self, operation: str, key: str, relay_factor: int) -> KeyringResponse:
        """Do it on all members, and say what came of it."""
        try:
            raw = key_bytes(key)
        except ValueError as failure:
            return KeyringResponse(datacenter=self._datacenter, error=str(failure))
        ended = await self._driver.keyring(
            KeyOperation[operation.upper()], raw, relay_factor=relay_factor
        )
        return KeyringResponse(
            datacenter=self._datacenter,
            messages=ended.messages or None,
            keys=ended.keys,
            primary_keys=ended.primary_keys,
            num_nodes=ended.members,
            error=ended.failure,
        )

    def _hear(self, event: MemberChanged | UserEventHeard | QueryHeard) -> None:
        match event:
            case MemberChanged():
                self._member_changed(event)
            case UserEventHeard():
                self._event_heard(event)
            case QueryHeard():
                log.debug("a query that nobody here answers: name=%s", event.name)


def gossip_files(config: Config) -> GossipFiles:
    """What the pool keeps in the data directory."""
    folder = os.path.join(config.data_dir, "serf")
    kind = KeysInMemory if config.disable_keyring_file else GossipFiles
    return kind(folder, RealDisk())


def gossip_settings(config: Config) -> GossipSettings:
    """memberlist's part of the configuration."""
    lan = config.gossip_lan
    return GossipSettings(
        probe_interval_s=lan.probe_interval_s,
        probe_timeout_s=lan.probe_timeout_s,
        suspicion_mult=lan.suspicion_mult,
        gossip_interval_s=lan.gossip_interval_s,
        gossip_nodes=lan.gossip_nodes,
        retransmit_mult=lan.retransmit_mult,
        encrypt_verify_incoming=config.encrypt_verify_incoming,
        encrypt_verify_outgoing=config.encrypt_verify_outgoing,
    )


def serf_settings(config: Config) -> SerfSettings:
    """Serf's part of it."""
    return SerfSettings(
        reconnect_timeout_s=config.gossip_lan.reconnect_timeout_s or RECONNECT_TIMEOUT_S,
        # Measured in any case, as Consul does: switching them off is about telling them.
        coordinates=True,
        rejoin_after_leave=config.joining.rejoin_after_leave,
    )
