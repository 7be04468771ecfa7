"""Servers of a pool and of raft's configuration, in few words.

`s1` is the server with ID s1 that answers at 10.0.0.1:8300, unless it is said otherwise.
"""

from proconsul.leader.pool import PoolMember, ServerMember, Status
from proconsul.leader.reconcile import address_of
from proconsul.raft.messages import Configuration, Peer, Server, ServerAddress, ServerId, Suffrage


def server(
    name: str,
    *,
    id_: str = "",
    host: int = 0,
    datacenter: str = "dc1",
    raft_version: int = 3,
    non_voter: bool = False,
    bootstrap: bool = False,
) -> ServerMember:
    """Server `s<n>`, at 10.0.0.<n> unless `host` says otherwise."""
    return ServerMember(
        node=name,
        node_id=id_ or name,
        datacenter=datacenter,
        address=f"10.0.0.{host or name[1:]}",
        rpc_port=8300,
        version="1.8.7",
        raft_version=raft_version,
        serf_protocol=(1, 5, 2),
        non_voter=non_voter,
        bootstrap=bootstrap,
    )


def alive(one: ServerMember) -> PoolMember:
    """It lives."""
    return PoolMember(one, Status.ALIVE, 0.0)


def failed(one: ServerMember) -> PoolMember:
    """It does not answer."""
    return PoolMember(one, Status.FAILED, 0.0)


def left(one: ServerMember) -> PoolMember:
    """It went in order."""
    return PoolMember(one, Status.LEFT, 0.0)


def peer(name: str) -> Peer:
    """`s<n>` at its own address."""
    return Peer(ServerId(name), address_of(server(name)))


def raft(*names: str) -> Configuration:
    """`s1` is a voter, `s1?` a non-voter, `s1@7` has the address 10.0.0.7:8300."""
    servers = []
    for name in names:
        suffrage = Suffrage.NONVOTER if name.endswith("?") else Suffrage.VOTER
        id_, _, host = name.removesuffix("?").partition("@")
        address = ServerAddress(f"10.0.0.{host or id_[1:]}:8300")
        servers.append(Server(ServerId(id_), address, suffrage))
    return Configuration(tuple(servers))


def shown(configuration: Configuration) -> list[str]:
    """The other way round; each with its address."""
    return [
        f"{one.id}@{one.address.removesuffix(':8300').rpartition('.')[2]}"
        + ("?" if one.suffrage is Suffrage.NONVOTER else "")
        for one in configuration.servers
    ]
