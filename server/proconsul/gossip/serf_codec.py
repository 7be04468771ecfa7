"""One message of Serf to bytes and back: a type byte, then one msgpack map (wire/gossip/serf.md 2).

What is passed on to others is passed on as the bytes that came, never decoded and written anew:
others compare some of it as bytes, and it may say more than we read.
"""

from collections.abc import Callable
from enum import IntEnum
from typing import assert_never

from proconsul.gossip import fields, serf_state
from proconsul.gossip.address import Address
from proconsul.gossip.failure import PacketError
from proconsul.gossip.fields import (
    UINT8_MAX,
    UINT16_MAX,
    UINT32_MAX,
    UINT64_MAX,
    Fields,
    Value,
)
from proconsul.gossip.serf_messages import (
    ConflictResponse,
    Filter,
    Join,
    KeyRequest,
    KeyResponse,
    Leave,
    NodeFilter,
    Query,
    QueryResponse,
    Relay,
    SerfMessage,
    State,
    TagFilter,
    UnknownFilter,
    UserEvent,
)


class Kind(IntEnum):
    """The byte in front of a message."""

    LEAVE = 0
    JOIN = 1
    STATE = 2
    USER_EVENT = 3
    QUERY = 4
    QUERY_RESPONSE = 5
    CONFLICT_RESPONSE = 6
    KEY_REQUEST = 7
    KEY_RESPONSE = 8
    RELAY = 9


# ---------------------------------------------------------------- writing


def encode(message: SerfMessage) -> bytes:
    """The bytes of a message, its type byte included."""
    kind = bytes([_KINDS[type(message)]])
    match message:
        case State():
            return kind + serf_state.encode(message)
        case Relay():
            return kind + fields.pack(_relay_fields(message)) + message.message
        case _:
            return kind + fields.pack(_body(message))


_KINDS: dict[type[SerfMessage], Kind] = {
    Leave: Kind.LEAVE,
    Join: Kind.JOIN,
    State: Kind.STATE,
    UserEvent: Kind.USER_EVENT,
    Query: Kind.QUERY,
    QueryResponse: Kind.QUERY_RESPONSE,
    KeyRequest: Kind.KEY_REQUEST,
    KeyResponse: Kind.KEY_RESPONSE,
    Relay: Kind.RELAY,
}


def _body(
    message: Leave | Join | UserEvent | Query | QueryResponse | KeyRequest | KeyResponse,
) -> dict[str, object]:
    match message:
        case Leave():
            body = {"LTime": message.ltime, "Node": message.node, "Prune": message.prune}
        case Join():
            body = {"LTime": message.ltime, "Node": message.node}
        case UserEvent():
            body = _event_fields(message)
        case Query():
            body = _query_fields(message)
        case QueryResponse():
            body = _response_fields(message)
        case KeyRequest():
            body = {"Key": message.key}
        case KeyResponse():
            body = _key_response_fields(message)
        case _:
            assert_never(message)
    return body


def encode_conflict(member: ConflictResponse | None) -> bytes:
    """What answers `_serf_conflict`; None: the name is not known here."""
    body = None if member is None else _member_fields(member)
    return bytes([Kind.CONFLICT_RESPONSE]) + fields.pack(body)


def _event_fields(event: UserEvent) -> dict[str, object]:
    return {
        "CC": event.coalesce,
        "LTime": event.ltime,
        "Name": event.name,
        "Payload": event.payload or None,
    }


def _query_fields(query: Query) -> dict[str, object]:
    return {
        "Addr": query.address.ip,
        "Filters": [encode_filter(one) for one in query.filters] or None,
        "Flags": query.flags,
        "ID": query.id,
        "LTime": query.ltime,
        "Name": query.name,
        "Payload": query.payload or None,
        "Port": query.address.port,
        "RelayFactor": query.relay_factor,
        "SourceNode": query.source_node,
        "Timeout": query.timeout_ns,
    }


def _response_fields(response: QueryResponse) -> dict[str, object]:
    return {
        "Flags": response.flags,
        "From": response.sender,
        "ID": response.id,
        "LTime": response.ltime,
        "Payload": response.payload or None,
    }


def _relay_fields(relay: Relay) -> dict[str, object]:
    address = {"IP": relay.address.ip, "Port": relay.address.port, "Zone": relay.zone}
    return {"DestAddr": address, "DestName": relay.node}


def _key_response_fields(response: KeyResponse) -> dict[str, object]:
    return {
        "Keys": list(response.keys) or None,
        "Message": response.message,
        "PrimaryKey": response.primary_key,
        "Result": response.result,
    }


def _member_fields(member: ConflictResponse) -> dict[str, object]:
    protocol_min, protocol_max, protocol = member.protocol
    delegate_min, delegate_max, delegate = member.delegate
    return {
        "Addr": member.address.ip,
        "DelegateCur": delegate,
        "DelegateMax": delegate_max,
        "DelegateMin": delegate_min,
        "Name": member.name,
        "Port": member.address.port,
        "ProtocolCur": protocol,
        "ProtocolMax": protocol_max,
        "ProtocolMin": protocol_min,
        "Status": member.status,
        "Tags": dict(sorted(member.tags.items())),
    }


_NODE_FILTER = 0
_TAG_FILTER = 1


def encode_filter(one: Filter) -> bytes:
    """A filter as it stands in a query."""
    match one:
        case NodeFilter():
            return bytes([_NODE_FILTER]) + fields.pack(list(one.names))
        case TagFilter():
            return bytes([_TAG_FILTER]) + fields.pack({"Expr": one.expression, "Tag": one.tag})
        case UnknownFilter():
            return one.data
    assert_never(one)


# ---------------------------------------------------------------- reading


def decode(data: bytes) -> SerfMessage:
    """The message that is these bytes. Raises PacketError."""
    if not data:
        raise PacketError("a Serf message without a type")
    kind = data[0]
    body = memoryview(data)[1:]
    if kind == Kind.STATE:
        return serf_state.decode(body)
    if kind == Kind.RELAY:
        value, message = fields.unpack(body)
        return _read_relay(fields.fields_of(value), message)
    reader = _READERS.get(kind)
    if reader is None:
        raise PacketError(f"Serf message type ({kind}) not supported")
    return reader(fields.read_fields(body))


def _ltime(body: Fields, name: bytes = b"LTime") -> int:
    return fields.unsigned(body.get(name), UINT64_MAX)


def _read_leave(body: Fields) -> Leave:
    return Leave(
        ltime=_ltime(body),
        node=fields.text(body.get(b"Node")),
        prune=fields.flag(body.get(b"Prune")),
    )


def _read_join(body: Fields) -> Join:
    return Join(ltime=_ltime(body), node=fields.text(body.get(b"Node")))


def _read_event(body: Fields) -> UserEvent:
    return UserEvent(
        ltime=_ltime(body),
        name=fields.text(body.get(b"Name")),
        payload=fields.raw(body.get(b"Payload")),
        coalesce=fields.flag(body.get(b"CC")),
    )


def _address(body: Fields, ip: bytes) -> Address:
    port = fields.unsigned(body.get(b"Port"), UINT16_MAX)
    return Address(fields.raw(body.get(ip)), port)


def _read_query(body: Fields) -> Query:
    filters = tuple(_read_filter(one) for one in fields.items(body.get(b"Filters")))
    return Query(
        ltime=_ltime(body),
        id=fields.unsigned(body.get(b"ID"), UINT32_MAX),
        address=_address(body, b"Addr"),
        source_node=fields.text(body.get(b"SourceNode")),
        filters=filters,
        flags=fields.unsigned(body.get(b"Flags"), UINT32_MAX),
        relay_factor=fields.unsigned(body.get(b"RelayFactor"), UINT8_MAX),
        timeout_ns=fields.signed(body.get(b"Timeout")),
        name=fields.text(body.get(b"Name")),
        payload=fields.raw(body.get(b"Payload")),
    )


def _read_filter(value: Value) -> Filter:
    """One that cannot be read is one that we do not know, and no error: others may know it."""
    data = fields.raw(value)
    kind, body = data[:1], memoryview(data)[1:]
    try:
        if kind == bytes([_NODE_FILTER]):
            return NodeFilter(fields.texts(fields.unpack(body)[0]))
        if kind == bytes([_TAG_FILTER]):
            found = fields.read_fields(body)
            return TagFilter(
                tag=fields.text(found.get(b"Tag")), expression=fields.text(found.get(b"Expr"))
            )
    except PacketError:
        pass
    return UnknownFilter(data)


def _read_response(body: Fields) -> QueryResponse:
    return QueryResponse(
        ltime=_ltime(body),
        id=fields.unsigned(body.get(b"ID"), UINT32_MAX),
        sender=fields.text(body.get(b"From")),
        flags=fields.unsigned(body.get(b"Flags"), UINT32_MAX),
        payload=fields.raw(body.get(b"Payload")),
    )


def _read_relay(body: Fields, message: bytes) -> Relay:
    to = fields.fields_of(body.get(b"DestAddr"))
    return Relay(
        address=_address(to, b"IP"),
        zone=fields.text(to.get(b"Zone")),
        node=fields.text(body.get(b"DestName")),
        message=message,
    )


def _read_key_request(body: Fields) -> KeyRequest:
    return KeyRequest(fields.raw(body.get(b"Key")))


def _read_key_response(body: Fields) -> KeyResponse:
    return KeyResponse(
        result=fields.flag(body.get(b"Result")),
        message=fields.text(body.get(b"Message")),
        keys=fields.texts(body.get(b"Keys")),
        primary_key=fields.text(body.get(b"PrimaryKey")),
    )


_READERS: dict[int, Callable[[Fields], SerfMessage]] = {
    Kind.LEAVE: _read_leave,
    Kind.JOIN: _read_join,
    Kind.USER_EVENT: _read_event,
    Kind.QUERY: _read_query,
    Kind.QUERY_RESPONSE: _read_response,
    Kind.KEY_REQUEST: _read_key_request,
    Kind.KEY_RESPONSE: _read_key_response,
}
