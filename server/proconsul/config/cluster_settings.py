"""Where to listen and what to tell others: addresses and ports, derived from each other.

Order of checks and texts are Consul's, for operators and their tools know them.
Source: agent/config/builder.go.
"""

from __future__ import annotations

import ipaddress

import msgspec

from proconsul.config.failure import ConfigError
from proconsul.config.networks import IpAddress, private_ipv4, public_ipv6
from proconsul.config.schema import (
    Cluster,
    ListenAddress,
    Listeners,
    Ports,
    TcpAddress,
    UnixAddress,
)
from proconsul.config.settings import Settings

_PORTS = (
    *("dns", "http", "https", "grpc", "probe", "server", "serf_lan", "serf_wan"),
    *("proxy_min_port", "proxy_max_port", "sidecar_min_port", "sidecar_max_port"),
    *("expose_min_port", "expose_max_port"),
)


def ports(settings: Settings) -> Ports:
    """All ports, each in its range and each range the right way round."""
    by_name = {name: settings.port(name) for name in _PORTS}
    for family in ("proxy", "sidecar", "expose"):
        if by_name[f"{family}_max_port"] < by_name[f"{family}_min_port"]:
            raise ConfigError(
                f"{family}_min_port must be less than {family}_max_port. "
                "To disable, set both to zero."
            )
    return msgspec.convert(by_name, Ports)


def cluster(settings: Settings, ports: Ports) -> Cluster:
    """The addresses of the servers' own protocols."""
    bind = _bind_address(settings)
    _refuse_any(settings, "advertise_addr", "Advertise")
    _refuse_any(settings, "advertise_addr_wan", "Advertise WAN")
    advertise = settings.one_ip("advertise_addr") or bind
    if advertise.is_unspecified:
        advertise = _detected(settings, advertise)
    lan_bind = settings.one_ip("serf_lan") or bind
    wan_bind = (settings.one_ip("serf_wan") if ports.serf_wan > 0 else None) or bind
    advertise_wan = settings.one_ip("advertise_addr_wan") or advertise
    _refuse_unspecified(advertise, "Advertise")
    _refuse_unspecified(advertise_wan, "Advertise WAN")
    has_wan = ports.serf_wan > 0
    return Cluster(
        bind_addr=str(bind),
        advertise_addr=str(advertise),
        advertise_addr_wan=str(advertise_wan),
        rpc_bind=_tcp(bind, ports.server),
        rpc_advertise=TcpAddress(host=str(advertise), port=ports.server),
        serf_lan_bind=_tcp(lan_bind, ports.serf_lan),
        serf_lan_advertise=TcpAddress(host=str(advertise), port=ports.serf_lan),
        serf_wan_bind=_tcp(wan_bind, ports.serf_wan),
        serf_wan_advertise=(
            TcpAddress(host=str(advertise_wan), port=ports.serf_wan) if has_wan else None
        ),
        serf_lan_allowed_cidrs=_allowed(settings, "serf_lan_allowed_cidrs"),
        serf_wan_allowed_cidrs=_allowed(settings, "serf_wan_allowed_cidrs"),
        tagged_addresses={
            **settings.pairs("tagged_addresses"),
            **_tagged(settings, "lan", "advertise_addr", advertise),
            **_tagged(settings, "wan", "advertise_addr_wan", advertise_wan),
        },
    )


def _bind_address(settings: Settings) -> IpAddress:
    found = settings.listen_hosts("bind_addr")
    if not found:
        # The reason, a bad template say, would otherwise be lost behind the plain words.
        reason = f": {settings.problems[0]}" if settings.problems else ""
        raise ConfigError(f"bind_addr cannot be empty{reason}")
    if len(found) > 1:
        raise ConfigError(
            "bind_addr cannot contain multiple addresses. Use 'addresses.{dns,http,https}' instead."
        )
    bind = found[0]
    if isinstance(bind, UnixAddress):
        raise ConfigError("bind_addr cannot be a unix socket")
    return bind


def _refuse_any(settings: Settings, path: str, name: str) -> None:
    if settings.text(path) in ("0.0.0.0", "::", "[::]"):
        raise ConfigError(f"{name} address cannot be 0.0.0.0, :: or [::]")


def _refuse_unspecified(address: IpAddress, name: str) -> None:
    if address.is_unspecified:
        raise ConfigError(f"{name} address cannot be 0.0.0.0, :: or [::]")


def _detected(settings: Settings, unspecified: IpAddress) -> IpAddress:
    """What a server that listens everywhere tells others to call."""
    interfaces = settings.host.interfaces
    if unspecified.version == 4:
        kind, found = "private IPv4", private_ipv4(interfaces)
    else:
        kind, found = "public IPv6", public_ipv6(interfaces)
    if not found:
        raise ConfigError(f"No {kind} address found")
    if len(found) > 1:
        raise ConfigError(
            f"Multiple {kind} addresses found. Please configure one with 'bind' and/or 'advertise'."
        )
    return found[0]


def _allowed(settings: Settings, path: str) -> tuple[str, ...]:
    before = len(settings.problems)
    networks = settings.networks(path, path)
    bad = settings.problems[before:]
    if bad:
        told = "".join(f"\t* {each.removeprefix(f'{path}: ')}\n" for each in bad)
        plural = "s" if len(bad) > 1 else ""
        raise ConfigError(f"{path}: {len(bad)} error{plural} occurred:\n{told}")
    return networks


def _tagged(settings: Settings, tag: str, path: str, advertise: IpAddress) -> dict[str, str]:
    """The address under its tag, and by version where one is known."""
    tagged = {tag: str(advertise)}
    for version in (4, 6):
        by_version = settings.one_ip(f"{path}_ipv{version}")
        if by_version is not None and by_version.version != version:
            raise ConfigError(f"{path}_ipv{version} must be an ipv{version} address")
        if by_version is None and advertise.version == version:
            by_version = advertise
        if by_version is not None:
            tagged[f"{tag}_ipv{version}"] = str(by_version)
    return tagged


def _tcp(address: IpAddress, port: int) -> TcpAddress | None:
    return TcpAddress(host=str(address), port=port) if port > 0 else None


def listeners(settings: Settings, ports: Ports) -> tuple[tuple[str, ...], Listeners]:
    """The client addresses, and where each client protocol listens."""
    clients = settings.ips("client_addr")

    def listen(name: str, port: int) -> tuple[ListenAddress, ...]:
        found = settings.listen_hosts(f"addresses.{name}") or clients
        if port <= 0:
            return ()
        return tuple(
            each if isinstance(each, UnixAddress) else TcpAddress(host=str(each), port=port)
            for each in found
        )

    dns: list[TcpAddress] = []
    for address in listen("dns", ports.dns):
        if isinstance(address, UnixAddress):
            raise ConfigError("DNS address cannot be a unix socket")
        dns.append(address)
    return tuple(str(client) for client in clients), Listeners(
        dns=tuple(dns),
        http=listen("http", ports.http),
        https=listen("https", ports.https),
        grpc=listen("grpc", ports.grpc),
        probe=listen("probe", ports.probe),
    )


def refuse_clashes(listeners: Listeners, cluster: Cluster) -> None:
    """No address may be given twice."""
    uses: list[tuple[str, ListenAddress]] = [
        *(("DNS", each) for each in listeners.dns),
        *(("HTTP", each) for each in listeners.http),
        *(("HTTPS", each) for each in listeners.https),
        *(("Probe", each) for each in listeners.probe),
        ("RPC Advertise", cluster.rpc_advertise),
        ("Serf Advertise LAN", cluster.serf_lan_advertise),
    ]
    if cluster.serf_wan_advertise is not None:
        uses.append(("Serf Advertise WAN", cluster.serf_wan_advertise))
    taken: dict[str, str] = {}
    for name, address in uses:
        told = _told(address)
        if told in taken:
            raise ConfigError(f"{name} address {told} already configured for {taken[told]}")
        taken[told] = name


def _told(address: ListenAddress) -> str:
    if isinstance(address, UnixAddress):
        return address.path
    if ipaddress.ip_address(address.host).version == 6:
        return f"[{address.host}]:{address.port}"
    return f"{address.host}:{address.port}"
