"""The commands of the log: one byte of type, then a msgpack value (wire/fsm.md sections 1, 2).

The high bit of the type says that a server which does not know the command may skip it; without
that bit an unknown command must stop the server, or its state would part from the others'.
"""

import enum
from dataclasses import dataclass
from typing import Any, Final

from proconsul.fsm import key_commands
from proconsul.model.acl import (
    ACLAuthMethodBatchDeleteRequest,
    ACLAuthMethodBatchSetRequest,
    ACLBindingRuleBatchDeleteRequest,
    ACLBindingRuleBatchSetRequest,
    ACLPolicyBatchDeleteRequest,
    ACLPolicyBatchSetRequest,
    ACLRequest,
    ACLRoleBatchDeleteRequest,
    ACLRoleBatchSetRequest,
    ACLTokenBatchDeleteRequest,
    ACLTokenBatchSetRequest,
    ACLTokenBootstrapRequest,
)
from proconsul.model.catalog import DeregisterRequest, RegisterRequest
from proconsul.model.cluster_mark import ClusterMark
from proconsul.model.config_entry import ConfigEntryRequest
from proconsul.model.connect_ca import CALeafRequest, CARequest
from proconsul.model.coordinate import Coordinate
from proconsul.model.federation_state import FederationStateRequest
from proconsul.model.intention import IntentionRequest
from proconsul.model.kv import KVSRequest, TombstoneRequest
from proconsul.model.operator import AutopilotSetConfigRequest
from proconsul.model.prepared_query import PreparedQueryRequest
from proconsul.model.session import SessionRequest
from proconsul.model.txn import TxnRequest
from proconsul.store.key_rows import PlainSet
from proconsul.wire import msgpack, native
from proconsul.wire.gostruct import GoStruct, WireError, from_wire, to_wire

IGNORE_UNKNOWN = 0x80


class MessageType(enum.IntEnum):
    """The first byte of a command, and of a record in a snapshot."""

    __hash__ = int.__hash__  # Enum's own is slower, and asked for several times a command

    REGISTER = 0
    DEREGISTER = 1
    KVS = 2
    SESSION = 3
    ACL = 4
    TOMBSTONE = 5
    COORDINATE_BATCH_UPDATE = 6
    PREPARED_QUERY = 7
    TXN = 8
    AUTOPILOT = 9
    AREA = 10  # Enterprise
    ACL_BOOTSTRAP = 11
    INTENTION = 12
    CONNECT_CA = 13
    CONNECT_CA_PROVIDER_STATE = 14  # in snapshots only
    CONNECT_CA_CONFIG = 15  # in snapshots only
    INDEX = 16  # in snapshots only
    ACL_TOKEN_SET = 17
    ACL_TOKEN_DELETE = 18
    ACL_POLICY_SET = 19
    ACL_POLICY_DELETE = 20
    CONNECT_CA_LEAF = 21
    CONFIG_ENTRY = 22
    ACL_ROLE_SET = 23
    ACL_ROLE_DELETE = 24
    ACL_BINDING_RULE_SET = 25
    ACL_BINDING_RULE_DELETE = 26
    ACL_AUTH_METHOD_SET = 27
    ACL_AUTH_METHOD_DELETE = 28
    CHUNKING_STATE = 29  # in snapshots only
    FEDERATION_STATE = 30
    CLUSTER_MARK = 120  # ours, far from what Consul may come to use


REQUESTS: Final[dict[MessageType, type[GoStruct]]] = {
    MessageType.REGISTER: RegisterRequest,
    MessageType.DEREGISTER: DeregisterRequest,
    MessageType.KVS: KVSRequest,
    MessageType.SESSION: SessionRequest,
    MessageType.ACL: ACLRequest,
    MessageType.TOMBSTONE: TombstoneRequest,
    MessageType.PREPARED_QUERY: PreparedQueryRequest,
    MessageType.TXN: TxnRequest,
    MessageType.AUTOPILOT: AutopilotSetConfigRequest,
    MessageType.ACL_BOOTSTRAP: ACLTokenBootstrapRequest,
    MessageType.INTENTION: IntentionRequest,
    MessageType.CONNECT_CA: CARequest,
    MessageType.ACL_TOKEN_SET: ACLTokenBatchSetRequest,
    MessageType.ACL_TOKEN_DELETE: ACLTokenBatchDeleteRequest,
    MessageType.ACL_POLICY_SET: ACLPolicyBatchSetRequest,
    MessageType.ACL_POLICY_DELETE: ACLPolicyBatchDeleteRequest,
    MessageType.CONNECT_CA_LEAF: CALeafRequest,
    MessageType.CONFIG_ENTRY: ConfigEntryRequest,
    MessageType.ACL_ROLE_SET: ACLRoleBatchSetRequest,
    MessageType.ACL_ROLE_DELETE: ACLRoleBatchDeleteRequest,
    MessageType.ACL_BINDING_RULE_SET: ACLBindingRuleBatchSetRequest,
    MessageType.ACL_BINDING_RULE_DELETE: ACLBindingRuleBatchDeleteRequest,
    MessageType.ACL_AUTH_METHOD_SET: ACLAuthMethodBatchSetRequest,
    MessageType.ACL_AUTH_METHOD_DELETE: ACLAuthMethodBatchDeleteRequest,
    MessageType.FEDERATION_STATE: FederationStateRequest,
    MessageType.CLUSTER_MARK: ClusterMark,
}

# What Consul 1.8.7 proposes with the bit that lets older servers skip it; and what only we know.
_MAY_BE_IGNORED = frozenset(
    {MessageType.COORDINATE_BATCH_UPDATE, MessageType.CONNECT_CA_LEAF, MessageType.CLUSTER_MARK}
)


_FIRST_BYTES: Final = {
    kind: bytes((kind | (IGNORE_UNKNOWN if kind in _MAY_BE_IGNORED else 0),))
    for kind in MessageType
}
_KVS: Final = _FIRST_BYTES[MessageType.KVS]
_KVS_BYTE: Final = int(MessageType.KVS)
_TYPES: Final = {int(kind): kind for kind in MessageType}


class CommandError(Exception):
    """A command of the log cannot be understood. It is committed, so the server must stop."""


class UndecodableCommandError(CommandError):
    """The type is known, the value behind it does not fit."""


class UnknownCommandError(CommandError):
    """The type is not known, and the command may not be skipped."""

    def __init__(self, number: int) -> None:
        super().__init__(
            f"the log holds a command of type {number}, which this version does not know and "
            "which may not be skipped: run a version that knows it"
        )


@dataclass(frozen=True, slots=True)
class Skipped:
    """A command of an unknown type that says of itself that it may be skipped."""

    number: int


@dataclass(frozen=True, slots=True)
class CoordinateBatch:
    """The value of a coordinate update: the only command that is a list, not a struct."""

    updates: list[Coordinate]


Request = GoStruct | CoordinateBatch


def encode_command(message_type: MessageType, request: Request) -> bytes:
    """The bytes of a command for the log."""
    if type(request) is KVSRequest:
        data = key_commands.encode_key_command(_KVS, request)
        if len(data) <= REMEMBERED_BYTES_MAX and _is_canonical(request) and not plain_set(data):
            if len(_encoded_here) >= REMEMBERED_MAX:
                _encoded_here.clear()  # they were never committed
            _encoded_here[id(data)] = data, message_type, request
        return data
    first = _FIRST_BYTES[message_type]
    if isinstance(request, CoordinateBatch):
        return first + msgpack.pack([to_wire(update) for update in request.updates])
    return first + msgpack.pack(to_wire(request))


# A leader applies what it encoded a moment before: decoding it would take a third of applying it.
# Plain sets are not decoded.
REMEMBERED_MAX: Final = 4096
REMEMBERED_BYTES_MAX: Final = 4096
# By identity, to which a large value makes no difference.
_encoded_here: Final[dict[int, tuple[bytes, MessageType, Request]]] = {}


def _is_canonical(request: KVSRequest) -> bool:
    """Whether decoding what encoding makes of it surely gives an equal one."""
    entry = request.dir_ent
    return (
        (entry.value is None or bool(entry.value))  # an empty one comes back as none at all
        and entry.key.isascii()
        and entry.session.isascii()
        and request.datacenter.isascii()
        and request.token.isascii()
    )


class PlainSetCommands:
    """Spells out the commands that set a value and say nothing else."""

    def __init__(self, datacenter: str) -> None:
        self._head = key_commands.plain_set_head(_KVS, datacenter)

    def encode(self, key: str, value: bytes) -> bytes:
        """As `encode_command` does; neither may be empty."""
        assert value, "an empty value has another form"
        return key_commands.plain_set_command(
            self._head, key.encode("utf-8", "surrogateescape"), value
        )


def plain_set(data: bytes) -> PlainSet | None:
    """What a command sets that says nothing else; None: it has to be decoded."""
    return key_commands.plain_set(data) if data and data[0] == _KVS_BYTE else None


def decode_command(data: bytes | memoryview) -> tuple[MessageType, Request] | Skipped:
    """Read the bytes of a command.

    Raises UnknownCommandError and UndecodableCommandError.
    """
    remembered = _encoded_here.pop(id(data), None)
    if remembered is not None and remembered[0] is data:
        return remembered[1], remembered[2]
    if not len(data):
        raise UndecodableCommandError("the log holds a command without a byte")
    number = data[0] & ~IGNORE_UNKNOWN
    message_type = _TYPES.get(number, MessageType.AREA)  # that is as unknown as any other
    is_batch = message_type is MessageType.COORDINATE_BATCH_UPDATE
    if not is_batch and message_type not in REQUESTS:
        if data[0] & IGNORE_UNKNOWN:
            return Skipped(number)
        raise UnknownCommandError(number)
    try:
        if is_batch:
            return message_type, _batch(msgpack.unpack(data[1:]))
        return message_type, native.decode(REQUESTS[message_type], data[1:])
    except (msgpack.MsgpackError, WireError) as failure:
        raise UndecodableCommandError(
            f"the log holds a {message_type.name} command that cannot be decoded: {failure}"
        ) from failure


def _batch(value: Any) -> CoordinateBatch:
    if not isinstance(value, list):
        raise WireError(f"wanted a list, got {type(value).__name__}")
    return CoordinateBatch([from_wire(Coordinate, one) for one in value])
