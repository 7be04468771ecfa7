"""What configuration entries say about one service: the answer of `ResolveServiceConfig`.

The global proxy-defaults come first, and the service's own defaults over them. The protocol of an
upstream is that of its own defaults, else the global one (agent/consul/config_endpoint.go).
"""

from typing import Any

from msgspec.structs import replace

from proconsul.model.catalog import ExposeConfig, MeshGatewayConfig
from proconsul.model.config_entry import (
    PROXY_DEFAULTS,
    SERVICE_DEFAULTS,
    ProxyConfigEntry,
    ServiceConfigEntry,
)
from proconsul.model.config_entry_replies import ServiceConfigRequest, UpstreamConfig
from proconsul.store import config_entries
from proconsul.store.config_entries import GLOBAL_PROXY
from proconsul.store.transaction import ReadTransaction
from proconsul.store.watch import WatchSet

PROTOCOL = "protocol"


def resolved(
    state: ReadTransaction, watch: WatchSet | None, request: ServiceConfigRequest
) -> tuple[int, dict[str, Any]]:
    """(index, the fields of the response)."""
    _, found = config_entries.config_entry(state, watch, PROXY_DEFAULTS, GLOBAL_PROXY)
    proxy = found if isinstance(found, ProxyConfigEntry) else None
    index, own = _service_defaults(state, watch, request.name)
    fields = _of_service(proxy, own)
    # Whatever it is: nobody has looked at it.
    global_protocol: Any = ((proxy.config if proxy else None) or {}).get(PROTOCOL)

    def of_upstream(name: str) -> dict[str, Any] | None:
        _, defaults = _service_defaults(state, watch, name)
        protocol = (defaults.protocol if defaults is not None else None) or global_protocol
        return None if protocol is None else {PROTOCOL: protocol}

    if request.upstream_ids:
        configs = {one.id: (one, of_upstream(one.id)) for one in request.upstream_ids}
        told = [
            UpstreamConfig(upstream=upstream, config=config)
            for upstream, config in configs.values()
            if config is not None
        ]
        fields["upstream_id_configs"] = told or None
    else:
        by_name = {name: of_upstream(name) for name in request.upstreams or ()}
        known = {name: config for name, config in by_name.items() if config is not None}
        fields["upstream_configs"] = known or None
    return index, fields


def _service_defaults(
    state: ReadTransaction, watch: WatchSet | None, name: str
) -> tuple[int, ServiceConfigEntry | None]:
    index, found = config_entries.config_entry(state, watch, SERVICE_DEFAULTS, name)
    return index, found if isinstance(found, ServiceConfigEntry) else None


def _of_service(proxy: ProxyConfigEntry | None, own: ServiceConfigEntry | None) -> dict[str, Any]:
    config: dict[str, Any] | None = None
    gateway, expose = MeshGatewayConfig(), ExposeConfig()
    if proxy is not None:
        config, gateway, expose = proxy.config, proxy.mesh_gateway, proxy.expose
    if own is not None:
        expose = replace(
            expose,
            checks=expose.checks or own.expose.checks,
            paths=own.expose.paths or expose.paths,
        )
        if own.mesh_gateway.mode:
            gateway = own.mesh_gateway
        if own.protocol:
            config = {**(config or {}), PROTOCOL: own.protocol}
    return {"proxy_config": config, "mesh_gateway": gateway, "expose": expose}
