"""What servers of this kind tell each other as long as there is no gossip pool.

RPC methods `Proconsul.*`, which a Consul server does not have. No more than a few hundred bytes
each, so that they can go to and fro every second.
"""

from proconsul.wire.gostruct import GoStruct


class ServerIdentity(GoStruct, frozen=True, kw_only=True):
    """Who a server is; the fields are those of `leader.pool.ServerMember`."""

    node: str = ""
    id: str = ""
    datacenter: str = ""
    address: str = ""
    port: int = 0  # of its RPC port
    version: str = ""
    raft_version: int = 0
    serf_min: int = 0
    serf_max: int = 0
    serf_current: int = 0
    non_voter: bool = False
    bootstrap: bool = False
    expect: int = 0
    raft_ids: list[str] | None = None  # the members of its raft; what others tell of it has none


class IntroduceRequest(GoStruct, frozen=True, kw_only=True):
    """`Proconsul.Introduce`: this is who I am."""

    server: ServerIdentity = ServerIdentity()
    has_peers: bool = False  # whether its raft holds anything: it must never found a cluster


class IntroduceReply(GoStruct, frozen=True, kw_only=True):
    """Who answers, and whom else it knows to be alive."""

    server: ServerIdentity = ServerIdentity()
    has_peers: bool = False
    founding: bool = False  # it is gathering promises at this moment
    others: list[ServerIdentity] | None = None


class FoundRequest(GoStruct, frozen=True, kw_only=True):
    """`Proconsul.Found`: promise to found no cluster with anybody else."""

    datacenter: str = ""
    founder: str = ""  # the ID of who asks
    expect: int = 0
    servers: list[str] | None = None  # the IDs of all that will be voters


class FoundReply(GoStruct, frozen=True, kw_only=True):
    """Promised or not, and why not."""

    promised: bool = False
    has_peers: bool = False
    reason: str = ""


class LeaveRequest(GoStruct, frozen=True, kw_only=True):
    """`Proconsul.Leave`: a server has left; with `departs` it says so itself.

    Without, it was forced out (`consul force-leave`), which nobody heeds who sees it alive.
    """

    datacenter: str = ""
    node: str = ""
    departs: bool = False
    prune: bool = False
