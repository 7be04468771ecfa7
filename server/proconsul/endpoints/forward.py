"""Where a call is served: here, at the leader, or not yet (wire/rpc.md section 7, ForwardRPC).

Pure: the caller tells how things stand, and does what is decided.
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import Any, get_type_hints

from proconsul.endpoints.methods import Feature, Method
from proconsul.errors import NoLeaderError, ProconsulError, RpcError


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """How this server stands towards the cluster, at one moment."""

    datacenter: str
    leads: bool
    leader_address: str  # `ip:port` of another server's RPC port, "" when nobody is known
    has_heard_of_a_leader: bool  # ever: without, there is nothing stale to read
    leaves: bool = False  # it is on its way out of the cluster
    primary_datacenter: str = ""  # "": this one
    missing: frozenset[Feature] = frozenset({Feature.ACL})  # what is switched off here


@dataclass(frozen=True, slots=True)
class Here:
    """Serve it."""


@dataclass(frozen=True, slots=True)
class There:
    """Ask the leader."""

    address: str


@dataclass(frozen=True, slots=True)
class NotYet:
    """Nobody leads that we know of: look again a little later."""


@dataclass(frozen=True, slots=True)
class Refused:
    """Nobody would serve it."""

    failure: ProconsulError


Decision = Here | There | NotYet | Refused
HERE = Here()


def decide(method: Method, request: Any, standing: Standing) -> Decision:
    """Where to serve a call of `method` with `request`."""
    if method.needs in standing.missing:
        return HERE  # to be refused: that looks at nothing else
    datacenter = _datacenter_of(method, request, standing)
    if datacenter is not None and datacenter != standing.datacenter:
        # What is switched off says that first, and refuses other datacenters by itself.
        return HERE if method.needs else Refused(RpcError("No path to datacenter"))
    if method.local or standing.leads:
        return HERE
    if method.read and _allows_stale(request) and standing.has_heard_of_a_leader:
        return HERE
    return _elsewhere(standing)


def _elsewhere(standing: Standing) -> Decision:
    if standing.leaves:
        return Refused(NoLeaderError())
    if standing.leader_address:
        return There(standing.leader_address)
    return NotYet()


def _datacenter_of(method: Method, request: Any, standing: Standing) -> str | None:
    """Which datacenter is asked; None where a request does not say it."""
    if method.primary:
        return standing.primary_datacenter or standing.datacenter
    kind = type(request)
    name = _name_of_datacenter(kind)  # type: ignore[arg-type]  # mypy: no type is Hashable
    asked: str | None = getattr(request, name, None)
    return standing.datacenter if asked == "" and method.own_by_default else asked


@lru_cache(maxsize=256)  # of request types, of which there are fewer
def _name_of_datacenter(request_type: type) -> str:
    # A datacenter may be asked about another one.
    return "target_datacenter" if hasattr(request_type, "target_datacenter") else "datacenter"


def _allows_stale(request: Any) -> bool:
    return bool(getattr(request, "allow_stale", False))


def reply_type_of(method: Method) -> Any:
    """What a method answers with, as it is declared: a struct, a scalar, a list, NoneType."""
    return method.answers or get_type_hints(method.handler)["return"]
