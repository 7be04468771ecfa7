"""The Services: headless for the members, and for clients any, the leading one, or a stale one.

A ready member knows a leader, so clients are never led to one that does not. Members among
themselves must meet before that, and stale reads and DNS shall go on without a leader: their two
Services name pods that are not ready, too.
"""

from collections.abc import Mapping
from typing import Any, Final

from proconsul_operator.api.group import ROLE
from proconsul_operator.specs.labels import SERVICE, metadata, selector
from proconsul_operator.specs.wanted import Manifest, Wanted

CLIENT: Final = "client"
HEADLESS: Final = "headless"
LEADER: Final = "leader"
STALE: Final = "stale"


def client_service(wanted: Wanted) -> Manifest:
    """Any member that knows a leader."""
    service = wanted.spec.service
    return _service(
        wanted,
        CLIENT,
        wanted.name,
        {"type": service.type, "selector": selector(wanted), "ports": api_ports(wanted)},
        annotations=service.annotations,
    )


def headless_service(wanted: Wanted) -> Manifest:
    """Every member by its own name."""
    ports = wanted.spec.ports
    own = [
        _port("server", ports.server),
        _port("serf-lan-tcp", ports.serf_lan),
        _port("serf-lan-udp", ports.serf_lan, "UDP"),
        _port("probe", ports.probe),
    ]
    return _service(
        wanted,
        HEADLESS,
        wanted.headless,
        {
            "clusterIP": "None",
            "publishNotReadyAddresses": True,
            "selector": selector(wanted),
            "ports": [*own, *api_ports(wanted)],
        },
    )


def leader_service(wanted: Wanted) -> Manifest:
    """The member that says of itself that it leads."""
    return _service(
        wanted,
        LEADER,
        wanted.leader,
        {
            "type": "ClusterIP",
            "selector": {**selector(wanted), ROLE: "leader"},
            "ports": api_ports(wanted),
        },
    )


def stale_service(wanted: Wanted) -> Manifest:
    """Any member, leader or none."""
    return _service(
        wanted,
        STALE,
        wanted.stale,
        {
            "type": "ClusterIP",
            "publishNotReadyAddresses": True,
            "selector": selector(wanted),
            "ports": api_ports(wanted),
        },
    )


def services(wanted: Wanted) -> tuple[Manifest, ...]:
    """All that the spec asks for."""
    made = [headless_service(wanted), client_service(wanted)]
    if wanted.spec.service.leader_service:
        made.append(leader_service(wanted))
    if wanted.spec.service.stale_service:
        made.append(stale_service(wanted))
    return tuple(made)


def api_ports(wanted: Wanted) -> list[Manifest]:
    """HTTP, HTTPS and DNS, as far as they are served."""
    ports = wanted.spec.ports
    made = []
    if wanted.has_plain_http:
        made.append(_port("http", ports.http))
    if wanted.has_tls:
        made.append(_port("https", ports.https))
    return [*made, _port("dns-tcp", ports.dns), _port("dns-udp", ports.dns, "UDP")]


def _port(name: str, number: int, protocol: str = "TCP") -> Manifest:
    return {"name": name, "port": number, "targetPort": name, "protocol": protocol}


def _service(
    wanted: Wanted,
    which: str,
    name: str,
    spec: Mapping[str, Any],
    annotations: Mapping[str, str] | None = None,
) -> Manifest:
    service = wanted.spec.service
    families = {"ipFamilies": list(service.ip_families)} if service.ip_families else {}
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": metadata(wanted, name, extra={SERVICE: which}, annotations=annotations),
        "spec": {**spec, "ipFamilyPolicy": service.ip_family_policy, **families},
    }
