"""Row types in the shape of Consul's, and the smallest rows of them that tell filters apart."""

from typing import ClassVar, NewType

import msgspec

NodeName = NewType("NodeName", str)


class Row(msgspec.Struct, rename="pascal", kw_only=True):
    """Consul's names for fields; where pascal case is not enough, a type gives its own."""


class NodeRow(Row):
    id: str = msgspec.field(default="", name="ID")
    node: NodeName = NodeName("")
    address: str = ""
    datacenter: str = ""
    tagged_addresses: dict[str, str] | None = None
    meta: dict[str, str] | None = None
    create_index: int = 0
    modify_index: int = 0

    filter_skip: ClassVar[frozenset[str]] = frozenset({"create_index", "modify_index"})


class ServiceAddressRow(Row):
    address: str = ""
    port: int = 0


class WeightsRow(Row):
    passing: int = 1
    warning: int = 1


class UpstreamRow(Row):
    destination_type: str = ""
    destination_name: str = ""
    local_bind_port: int = 0


class ProxyRow(Row):
    destination_service_name: str = ""
    local_service_port: int = 0
    upstreams: list[UpstreamRow] | None = None


class ConnectRow(Row):
    native: bool = False


class ServiceRow(Row):
    kind: str = ""
    id: str = msgspec.field(default="", name="ID")
    service: str = ""
    tags: list[str] | None = None
    address: str = ""
    tagged_addresses: dict[str, ServiceAddressRow] | None = None
    meta: dict[str, str] | None = None
    port: int = 0
    weights: WeightsRow | None = None
    enable_tag_override: bool = False
    proxy: ProxyRow | None = None
    connect: ConnectRow | None = None


class ServiceNodeRow(Row):
    id: str = msgspec.field(default="", name="ID")
    node: NodeName = NodeName("")
    address: str = ""
    datacenter: str = ""
    tagged_addresses: dict[str, str] | None = None
    node_meta: dict[str, str] | None = None
    service_kind: str = ""
    service_id: str = msgspec.field(default="", name="ServiceID")
    service_name: str = ""
    service_tags: list[str] | None = None
    service_address: str = ""
    service_tagged_addresses: dict[str, ServiceAddressRow] | None = None
    service_weights: WeightsRow = msgspec.field(default_factory=WeightsRow)
    service_meta: dict[str, str] | None = None
    service_port: int = 0
    service_enable_tag_override: bool = False
    service_proxy: ProxyRow = msgspec.field(default_factory=ProxyRow)
    service_connect: ConnectRow = msgspec.field(default_factory=ConnectRow)


class CheckRow(Row):
    node: NodeName = NodeName("")
    check_id: str = msgspec.field(default="", name="CheckID")
    name: str = ""
    status: str = ""
    notes: str = ""
    output: str = ""
    service_id: str = msgspec.field(default="", name="ServiceID")
    service_name: str = ""
    service_tags: list[str] | None = None
    type: str = ""


class CheckServiceNodeRow(Row):
    node: NodeRow | None = None
    service: ServiceRow | None = None
    checks: list[CheckRow] | None = None
