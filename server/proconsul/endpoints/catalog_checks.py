"""What the leader makes of a registration before it goes into the log.

What is missing is filled in and what is wrong is refused here, once, so that applying the command
stays simple and the same on every server (agent/consul/catalog_endpoint.go).
"""

from msgspec.structs import replace

from proconsul.errors import RpcError
from proconsul.model.catalog import NodeService, RegisterRequest
from proconsul.model.health import HealthCheck, HealthCheckDefinition
from proconsul.model.service_rules import complaints_about_service
from proconsul.wire.golang import list_of_errors

UUID_SIZE_BYTES = 36
_UUID_DASHES = (8, 13, 18, 23)
_ANY_ADDRESSES = frozenset({"0.0.0.0", "::", "[::]"})


def checked_registration(request: RegisterRequest) -> RegisterRequest:
    """The registration as it goes into the log; raises RpcError as Consul words it."""
    if not request.node:
        raise RpcError("Must provide node")
    if not request.address and not request.skip_node_update:
        raise RpcError("Must provide address if SkipNodeUpdate is not set")
    check_node(request.node, request.id)
    service = None if request.service is None else checked_service(request.service)
    # The single check is the older form of the list.
    checks = [*(request.checks or ()), *((request.check,) if request.check else ())]
    return replace(
        request,
        service=service,
        check=None,
        checks=[_of_node(check, request.node) for check in checks] or None,
    )


def check_node(name: str, node_id: str) -> None:
    """Raises RpcError for a node without a name, or with a bad ID."""
    if not name:
        raise RpcError("Must provide node")
    flaw = uuid_flaw(node_id) if node_id else ""
    if flaw:
        raise RpcError(f"Bad node ID: {flaw}")


def named_check(check: HealthCheck) -> HealthCheck:
    """The check with an ID, which is its name where it has none."""
    return check if check.check_id else replace(check, check_id=check.name)


def uuid_flaw(text: str) -> str:
    """What Consul has against a text as a UUID, "" for a good one."""
    if len(text.encode("utf-8", "surrogateescape")) != UUID_SIZE_BYTES:
        return "uuid string is wrong length"
    if any(text[at : at + 1] != "-" for at in _UUID_DASHES):
        return "uuid is improperly formatted"
    for character in "".join(text.split("-", maxsplit=len(_UUID_DASHES))):
        if character not in "0123456789abcdefABCDEF":
            shown = f" '{character}'" if character.isprintable() else ""
            return f"encoding/hex: invalid byte: U+{ord(character):04X}{shown}"
    return ""


def checked_service(service: NodeService) -> NodeService:
    """The service with an ID; raises RpcError."""
    complaints = list(complaints_about_service(service))
    if complaints:
        raise RpcError(list_of_errors(complaints))
    if not service.id and service.service:
        service = replace(service, id=service.service)
    if service.id and not service.service:
        raise RpcError("Must provide service name with ID")
    if service.address in _ANY_ADDRESSES:
        raise RpcError("Invalid service address")
    return service


def _of_node(check: HealthCheck, node: str) -> HealthCheck:
    return replace(
        named_check(check),
        node=check.node or node,
        type=check.type or _type_of(check.definition),
    )


def _type_of(definition: HealthCheckDefinition) -> str:
    """What kind of check a definition means, in the order in which Consul asks."""
    timed = definition.interval > 0
    kinds = (
        (bool(definition.grpc) and timed, "grpc"),
        (bool(definition.http) and timed, "http"),
        (definition.ttl > 0, "ttl"),
        (bool(definition.tcp) and timed, "tcp"),
        (bool(definition.alias_node or definition.alias_service), "alias"),
        (bool(definition.script_args and definition.docker_container_id) and timed, "docker"),
        (bool(definition.script_args), "script"),
    )
    return next((kind for holds, kind in kinds if holds), "")
