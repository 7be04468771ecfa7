"""The operations of a transaction as clients send them (Consul's `api/txn.go`)."""

from typing import Any, ClassVar

from msgspec.structs import replace

from proconsul.model.catalog import (
    ConnectProxyConfig,
    Node,
    NodeService,
    ServiceAddress,
    ServiceConnect,
    Weights,
)
from proconsul.model.health import HealthCheck, HealthCheckDefinition
from proconsul.model.kv import DirEntry
from proconsul.model.txn import TxnCheckOp, TxnKVOp, TxnNodeOp, TxnOp, TxnServiceOp
from proconsul.wire.golang import Duration, DurationError, parse_duration
from proconsul.wire.gostruct import GoStruct
from proconsul.wire.json_decode import BodyError

OPS_MAX = 64
UINT64_MAX = (1 << 64) - 1
GET = "get"
_KEY_WRITES = frozenset({"set", "delete", "delete-cas", "delete-tree", "cas", "lock", "unlock"})


class BodyKV(GoStruct, frozen=True, kw_only=True):
    """An operation on a key."""

    verb: str = ""
    key: str = ""
    value: bytes | None = None
    flags: int = 0
    index: int = 0
    session: str = ""
    namespace: str = ""


class BodyNode(GoStruct, frozen=True, kw_only=True):
    """An operation on a node."""

    verb: str = ""
    node: Node = Node()


class BodyServiceFields(GoStruct, frozen=True, kw_only=True):
    """A service; what makes it a part of the mesh is read and left aside, as in Consul."""

    kind: str = ""
    id: str = ""
    service: str = ""
    tags: list[str] | None = None
    meta: dict[str, str] | None = None
    port: int = 0
    address: str = ""
    tagged_addresses: dict[str, ServiceAddress] | None = None
    weights: Weights = Weights()
    enable_tag_override: bool = False
    create_index: int = 0
    modify_index: int = 0
    content_hash: str = ""
    proxy: ConnectProxyConfig | None = None
    connect: ServiceConnect | None = None
    namespace: str = ""


class BodyService(GoStruct, frozen=True, kw_only=True):
    """An operation on a service."""

    verb: str = ""
    node: str = ""
    service: BodyServiceFields = BodyServiceFields()


class BodyDefinition(GoStruct, frozen=True, kw_only=True):
    """A check's definition; each duration has two names, of which `...Duration` wins."""

    durations: ClassVar[frozenset[str]] = frozenset(
        {
            "interval_duration",
            "timeout_duration",
            "deregister_critical_service_after_duration",
        }
    )

    http: str = ""
    header: dict[str, list[str] | None] | None = None
    method: str = ""
    body: str = ""
    tls_skip_verify: bool = False
    tcp: str = ""
    interval_duration: Duration = Duration(0)
    timeout_duration: Duration = Duration(0)
    deregister_critical_service_after_duration: Duration = Duration(0)
    interval: Any = None
    timeout: Any = None
    deregister_critical_service_after: Any = None


class BodyCheckFields(GoStruct, frozen=True, kw_only=True):
    """A check."""

    node: str = ""
    check_id: str = ""
    name: str = ""
    status: str = ""
    notes: str = ""
    output: str = ""
    service_id: str = ""
    service_name: str = ""
    service_tags: list[str] | None = None
    type: str = ""
    namespace: str = ""
    definition: BodyDefinition = BodyDefinition()
    create_index: int = 0
    modify_index: int = 0


class BodyCheck(GoStruct, frozen=True, kw_only=True):
    """An operation on a check."""

    verb: str = ""
    check: BodyCheckFields = BodyCheckFields()


class BodyOp(GoStruct, frozen=True, kw_only=True):
    """One operation; the first of these that is there counts."""

    kv: BodyKV | None = None
    node: BodyNode | None = None
    service: BodyService | None = None
    check: BodyCheck | None = None


def is_write(op: BodyOp) -> bool:
    """Whether the operation has to go through the log."""
    if op.kv is not None:
        return op.kv.verb in _KEY_WRITES
    others = (op.node, op.service, op.check)
    return next((other.verb != GET for other in others if other is not None), False)


def to_op(op: BodyOp, datacenter: str) -> TxnOp | None:
    """The operation as the RPC has it; None for one that names nothing. Raises BodyError."""
    if op.kv is not None:
        return TxnOp(kv=_key(op.kv))
    if op.node is not None:
        node = op.node.node
        node = replace(node, datacenter=node.datacenter or datacenter, create_index=0)
        return TxnOp(node=TxnNodeOp(verb=op.node.verb, node=node))
    if op.service is not None:
        return TxnOp(service=_service(op.service))
    if op.check is not None:
        return TxnOp(check=_check(op.check))
    return None


def _key(op: BodyKV) -> TxnKVOp:
    for name, number in (("Flags", op.flags), ("Index", op.index)):
        if not 0 <= number <= UINT64_MAX:
            raise BodyError(
                f"json: cannot unmarshal number {number} into Go struct field "
                f"TxnOp.KV.{name} of type uint64"
            )
    return TxnKVOp(
        verb=op.verb,
        dir_ent=DirEntry(
            key=op.key,
            value=op.value,
            flags=op.flags,
            session=op.session,
            modify_index=op.index,
        ),
    )


def _service(op: BodyService) -> TxnServiceOp:
    given = op.service
    return TxnServiceOp(
        verb=op.verb,
        node=op.node,
        service=NodeService(
            id=given.id,
            service=given.service,
            tags=given.tags,
            address=given.address,
            meta=given.meta,
            port=given.port,
            weights=given.weights,
            enable_tag_override=given.enable_tag_override,
            modify_index=given.modify_index,
        ),
    )


def _check(op: BodyCheck) -> TxnCheckOp:
    given = op.check
    return TxnCheckOp(
        verb=op.verb,
        check=HealthCheck(
            node=given.node,
            check_id=given.check_id,
            name=given.name,
            status=given.status,
            notes=given.notes,
            output=given.output,
            service_id=given.service_id,
            service_name=given.service_name,
            service_tags=given.service_tags,
            definition=_definition(given.definition),
            modify_index=given.modify_index,
        ),
    )


def _definition(given: BodyDefinition) -> HealthCheckDefinition:
    return HealthCheckDefinition(
        http=given.http,
        tls_skip_verify=given.tls_skip_verify,
        header=given.header,
        method=given.method,
        body=given.body,
        tcp=given.tcp,
        interval=given.interval_duration or _duration(given.interval),
        timeout=given.timeout_duration or _duration(given.timeout),
        deregister_critical_service_after=(
            given.deregister_critical_service_after_duration
            or _duration(given.deregister_critical_service_after)
        ),
    )


def _duration(given: Any) -> Duration:
    if isinstance(given, str):
        try:
            return parse_duration(given)
        except DurationError as failure:
            raise BodyError(str(failure)) from failure
    if given is None or (isinstance(given, int | float) and not isinstance(given, bool)):
        return Duration(int(given or 0))
    raise BodyError("strconv.ParseFloat: parsing a duration: invalid syntax")
