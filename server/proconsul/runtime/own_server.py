"""What a server says of itself to those who look after it: its probes, and its own raft.

It is asked without a leader and without a token, also while the server takes no part, so it takes
what is at hand and waits for nothing.
"""

import asyncio
from collections.abc import Callable
from typing import Protocol

from msgspec import Struct

from proconsul import __version__
from proconsul.api.probes import JUDGES, Health, Verdict
from proconsul.config.schema import Config
from proconsul.errors import RpcError
from proconsul.model.raft_local import RaftLocal, RaftLocalConfiguration, RaftLocalServer
from proconsul.model.tls_local import TlsLocal
from proconsul.raft.messages import Suffrage
from proconsul.runtime.commit_heard import CommitHeard
from proconsul.runtime.raft_driver import RaftDriver
from proconsul.runtime.tls_files import TlsFiles
from proconsul.store.cluster_marks import marks
from proconsul.store.state import State


class Idle(Struct, frozen=True):
    """Why a server takes no part: one word, and a sentence that says what to do."""

    reason: str
    message: str


DECOMMISSIONED = "Decommissioned"  # why an Idle server is so


class Marker(Protocol):
    """What has a server take no part (runtime/left_marker.py). Calls block; OSError."""

    def put(self) -> None:
        """Take no part from the next start on."""

    def clear(self, node_id: str) -> bool:
        """Join with another ID at the next start; False if there is no marker."""


class OwnServer:
    """This server, as api/own_server.py wants to know it."""

    def __init__(
        self,
        config: Config,
        node_id: str,
        driver: RaftDriver,
        heard: CommitHeard,
        state: State,
        *,
        is_ending: Callable[[], bool],
        end: Callable[[bool], None],
        marker: Marker,
        recovery_epoch: int,
        tls: Callable[[], TlsFiles],
        removal: Callable[[], str],
    ) -> None:
        """`end` ends the process, and leaves the cluster before if that is True.

        `recovery_epoch` is the last that the disk has seen; `tls` is what is in use; `removal` is
        what the cluster says if this server is none of its members, else "".
        """
        self._config = config
        self._node_id = node_id
        self._driver = driver
        self._heard = heard
        self._state = state
        self._is_ending = is_ending
        self._end = end
        self._marker = marker
        self._recovery_epoch = recovery_epoch
        self._tls = tls
        self._removal = removal
        self.idle: Idle | None = None
        self.started = False

    def probe(self, name: str) -> Verdict:
        """The verdict of one of api.probes.PROBES."""
        return JUDGES[name](self.health())

    def health(self) -> Health:
        """How it is now."""
        driver, idle = self._driver, self.idle
        node = driver.node
        return Health(
            started=self.started,
            idle_reason="" if idle is None else idle.reason,
            idle_message="" if idle is None else idle.message,
            draining=self._is_ending(),
            disk_busy_s=driver.writer.busy_s,
            leads=node.is_leader,
            has_quorum=driver.may_read_by_lease(),
            votes=self._votes,
            leader_known=node.leader is not None,
            contact_age_s=driver.contact_age_s,
            election_timeout_s=self._config.raft.election_timeout_s,
            removal=self._removal(),
            lag_entries=max(self._leader_commit_index - node.applied_index, 0),
        )

    def is_a_sound_voter(self) -> bool:
        """Whether it is ready, and votes: the cluster counts on the data that it has."""
        return self.probe("readyz").ok and self.raft_local().voter

    @property
    def _votes(self) -> bool:
        """By its own configuration."""
        me, servers = self._driver.me.id, self._driver.node.configuration.servers
        return any(one.id == me and one.suffrage is Suffrage.VOTER for one in servers)

    @property
    def _leader_commit_index(self) -> int:
        return max(self._heard.commit_index, self._driver.node.commit_index)

    def raft_local(self) -> RaftLocal:
        """The document."""
        driver, idle = self._driver, self.idle
        node, me = driver.node, driver.me
        mark = marks(self._state.read())
        leader, vote, contact_s = node.leader, node.vote, driver.contact_age_s
        servers = [
            RaftLocalServer(id=one.id, address=one.address, voter=one.suffrage is Suffrage.VOTER)
            for one in node.configuration.servers
        ]
        return RaftLocal(
            node_id=self._node_id,
            node_name=self._config.node_name,
            address=me.address,
            cluster_id=mark.cluster_id,
            restore_uid=mark.restore_uid,
            version=__version__,
            state="Idle" if idle is not None else node.role.value.capitalize(),
            idle_reason="" if idle is None else idle.reason,
            term=node.term,
            vote="" if vote is None else vote.id,
            last_term=node.last_term,
            last_index=node.last_index,
            commit_index=node.commit_index,
            applied_index=node.applied_index,
            leader_commit_index=self._leader_commit_index,
            snapshot_index=node.snapshot.index,
            leader_id="" if leader is None else leader.id,
            leader_address="" if leader is None else leader.address,
            last_contact_ms=-1 if contact_s is None else round(contact_s * 1000),
            voter=self._votes,
            configuration=RaftLocalConfiguration(index=node.configuration_index, servers=servers),
            recovery_epoch=self._recovery_epoch,
            decommissioned=self.is_decommissioned,
            removed=bool(self._removal()),
        )

    def tls_local(self) -> TlsLocal:
        """The document."""
        held = self._tls()
        return TlsLocal(certificate=held.certificate, authorities=list(held.authorities))

    @property
    def is_decommissioned(self) -> bool:
        """Whether it takes no part because it was taken out."""
        return self.idle is not None and self.idle.reason == DECOMMISSIONED

    async def decommission(self) -> None:
        """Leave the cluster, end, and take no part after that. Raises RpcError.

        The marker is durable before anything else happens.
        """
        if self.is_decommissioned:
            return
        if self.idle is not None:
            raise RpcError(f"this server takes no part: {self.idle.message}")
        me = self._driver.me.id
        others = [
            one for one in self._driver.servers() if one.suffrage is Suffrage.VOTER and one.id != me
        ]
        if not others:
            raise RpcError("this server cannot be spared: there is no other voter")
        await asyncio.to_thread(self._marker.put)
        self._end(True)

    async def recommission(self) -> bool:
        """Clear the marker and end, to join with a new ID; False if there is no marker."""
        if not await asyncio.to_thread(self._marker.clear, self._node_id):
            return False
        self._end(False)
        return True
