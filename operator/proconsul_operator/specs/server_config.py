"""The servers' configuration, and what of it needs a restart.

The operator's own keys come first, the spec's `config` is laid over them: blocks key by key, lists
whole. What would break the cluster (its name, its ports, its data) is refused, not overwritten:
`refused_keys` names it and the status tells it.
"""

import hashlib
import json
from collections.abc import Mapping
from typing import Any, Final

from proconsul_operator.specs import gossip_key
from proconsul_operator.specs.wanted import Wanted

HOME: Final = "/proconsul"
DRAIN_TIME: Final = "5s"

# All addresses of the pod but the link-local ones, each by itself: both families where the pod has
# both, and no wildcard, which a host without IPv6 refuses.
CLIENT_ADDR: Final = (
    '{{ GetAllInterfaces | exclude "flags" "link-local unicast" | join "address" " " }}'
)

_DENIED: Final = """
    addresses advertise_addr advertise_addr_ipv4 advertise_addr_ipv6 auto_reload_config bind_addr
    bootstrap bootstrap_expect ca_file cert_file client_addr data_dir datacenter domain drain_time
    encrypt encrypt_keys_file key_file kubernetes leave_on_terminate node_id node_name pid_file
    ports recovery_file retry_join serf_lan server start_join verify_incoming
    verify_incoming_rpc verify_outgoing verify_server_hostname
"""
DENIED_KEYS: Final = frozenset(_DENIED.split())
"""Keys of `config` that the operator sets itself, or that no cluster survives."""

_RELOADED: Final = "check checks http_config limits log_level node_meta service services"
RELOADED_KEYS: Final = frozenset(_RELOADED.split())
"""What a server takes at a reload."""

_UNHASHED: Final = RELOADED_KEYS | {"bootstrap_expect"}  # it means nothing to a founded cluster


def refused_keys(config: Mapping[str, Any]) -> tuple[str, ...]:
    """The keys of a spec's `config` that may not be there."""
    return tuple(sorted(DENIED_KEYS & config.keys()))


def server_config(wanted: Wanted) -> dict[str, Any]:
    """server.json; what is refused is left out."""
    spec = wanted.spec
    own: dict[str, Any] = {
        "server": True,
        "bootstrap_expect": spec.replicas,
        "datacenter": spec.datacenter,
        "domain": spec.domain,
        "data_dir": f"{HOME}/data",
        "client_addr": CLIENT_ADDR,
        "ports": {
            "http": spec.ports.http if wanted.has_plain_http else -1,
            "https": spec.ports.https if wanted.has_tls else -1,
            "dns": spec.ports.dns,
            "server": spec.ports.server,
            "serf_lan": spec.ports.serf_lan,
            "probe": spec.ports.probe,
        },
        "retry_join": [f"{wanted.headless}.{wanted.namespace}.svc"],
        "auto_reload_config": True,
        "leave_on_terminate": False,
        "drain_time": DRAIN_TIME,
        "recovery_file": f"{HOME}/recovery/recovery.json",
        "telemetry": {"prometheus_retention_time": "24h", "disable_hostname": True},
        "kubernetes": {"label_own_pod": True, "bootstrap_guard": wanted.guard},
    }
    if wanted.gossip_secret:
        own["encrypt_keys_file"] = f"{HOME}/gossip/{gossip_key.ALL}"
    if wanted.has_tls:
        own |= {
            "ca_file": f"{HOME}/tls/ca.crt",
            "cert_file": f"{HOME}/tls/tls.crt",
            "key_file": f"{HOME}/tls/tls.key",
            "verify_incoming_rpc": True,
            "verify_outgoing": True,
            "verify_server_hostname": True,
        }
    asked = {key: value for key, value in spec.config.items() if key not in DENIED_KEYS}
    return _laid_over(own, asked)


def _laid_over(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(below)
    for key, value in above.items():
        under = merged.get(key)
        if isinstance(under, dict) and isinstance(value, dict):
            merged[key] = _laid_over(under, value)
        else:
            merged[key] = value
    return merged


def text_of(config: Mapping[str, Any]) -> str:
    """As it stands in the ConfigMap: the same value is the same text."""
    return json.dumps(config, indent=2, sort_keys=True, ensure_ascii=False) + "\n"


def restart_hash(wanted: Wanted) -> str:
    """Changes with what needs a restart, and only then."""
    lasting = {key: held for key, held in server_config(wanted).items() if key not in _UNHASHED}
    text = json.dumps(lasting, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()
