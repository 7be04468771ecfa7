"""Gateways of other datacenters."""

from typing import ClassVar

from proconsul.model.catalog import CheckServiceNode
from proconsul.model.query import QueryMeta, QueryOptions, WriteRequest
from proconsul.wire.golang import ZERO_TIME, Time
from proconsul.wire.gostruct import GoStruct


class FederationState(GoStruct, frozen=True, kw_only=True):
    """The mesh gateways of a datacenter, as its leader told the others."""

    json_omit_empty: ClassVar[frozenset[str]] = frozenset({"mesh_gateways"})
    filter_skip: ClassVar[frozenset[str]] = frozenset({"create_index", "modify_index"})

    datacenter: str = ""
    mesh_gateways: list[CheckServiceNode] | None = None
    updated_at: Time = ZERO_TIME
    primary_modify_index: int = 0
    create_index: int = 0
    modify_index: int = 0


class FederationStateRequest(WriteRequest, frozen=True, kw_only=True):
    """Change or delete a datacenter's federation state."""

    datacenter: str = ""
    op: str = ""
    state: FederationState | None = None


class FederationStateQuery(QueryOptions, frozen=True, kw_only=True):
    """Ask `target_datacenter` for what it knows of `datacenter`."""

    datacenter: str = ""
    target_datacenter: str = ""


class FederationStateResponse(QueryMeta, frozen=True, kw_only=True):
    """Answer: the state of one datacenter, or none."""

    state: FederationState | None = None


class IndexedFederationStates(QueryMeta, frozen=True, kw_only=True):
    """Answer: the states of all datacenters."""

    states: list[FederationState] | None = None
