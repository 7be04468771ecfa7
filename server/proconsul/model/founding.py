"""What servers of this kind ask each other at their RPC ports, and gossip does not tell.

RPC methods `Proconsul.*`, which a Consul server does not have.
"""

from proconsul.wire.gostruct import GoStruct


class IdentifyRequest(GoStruct, frozen=True, kw_only=True):
    """`Proconsul.Identify`: who are you?"""

    datacenter: str = ""


class IdentifyReply(GoStruct, frozen=True, kw_only=True):
    """Who answers, and whether a cluster may come of it."""

    node: str = ""
    id: str = ""
    datacenter: str = ""
    has_peers: bool = False  # its raft holds something: it must never found a cluster
    founding: bool = False  # it is gathering promises at this moment


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
