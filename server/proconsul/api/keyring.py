"""`/v1/operator/keyring`: the gossip keys of all members (agent/operator_endpoint.go)."""

from typing import Any

from proconsul.api.agent_bodies import KeyringKey
from proconsul.api.failure import BadRequestError
from proconsul.api.http import Request
from proconsul.api.options import parse_datacenter, parse_token
from proconsul.api.parsing import decoded
from proconsul.api.reply import NOTHING, Reply
from proconsul.api.surface import Api
from proconsul.errors import RpcError
from proconsul.model.keyring import (
    INSTALL,
    LIST,
    REMOVE,
    USE,
    KeyringRequest,
    KeyringResponse,
    KeyringResponses,
)
from proconsul.wire.golang import list_of_errors, quote
from proconsul.wire.gostruct import to_json

RELAY_FACTOR_MAX = 5
OPERATIONS = {"GET": LIST, "POST": INSTALL, "PUT": USE, "DELETE": REMOVE}
_TRUE = frozenset({"1", "t", "T", "TRUE", "true", "True"})
_FALSE = frozenset({"0", "f", "F", "FALSE", "false", "False"})


async def keyring(api: Api, request: Request) -> Reply:
    """List, install, use or remove a key, by the verb; a key stands in the body."""
    operation = OPERATIONS[request.method]
    key = _key(api, request) if operation != LIST else ""
    relay_factor = _relay_factor(request.query.first("relay-factor"))
    local_only = _local_only(request.query.first("local-only"))
    if local_only and operation != LIST:
        raise BadRequestError(
            "Bad request: Invalid use of local-only: local-only can only be set for list requests"
        )
    found: KeyringResponses = await api.call(
        "Internal.KeyringOperation",
        KeyringRequest(
            operation=operation,
            key=key,
            datacenter=parse_datacenter(request, api.facts.datacenter),
            relay_factor=relay_factor,
            local_only=local_only,
            token=parse_token(request),
        ),
    )
    responses = found.responses or []
    complaints = [text for each in responses for text in _complaints(each)]
    if complaints:
        raise RpcError(list_of_errors(complaints))
    if operation != LIST:
        return NOTHING
    return Reply([_json(each) for each in responses])


def _key(api: Api, request: Request) -> str:
    try:
        return decoded(api, KeyringKey, request).key
    except BadRequestError as failure:
        raise BadRequestError(f"Bad request: {failure}") from failure


def _complaints(response: KeyringResponse) -> list[str]:
    if not response.error:
        return []
    pool = "WAN" if response.wan else f"{response.datacenter} (LAN)"
    messages = sorted((response.messages or {}).items())
    return [f"{pool} error: {response.error}", *(f"{node}: {text}" for node, text in messages)]


def _json(response: KeyringResponse) -> dict[str, Any]:
    builtins: dict[str, Any] = to_json(response)
    return builtins


def _relay_factor(text: str) -> int:
    if not text:
        return 0
    try:
        number = int(text)
    except ValueError:
        raise BadRequestError(
            "Bad request: Error parsing relay factor: strconv.Atoi: parsing "
            f"{quote(text)}: invalid syntax"
        ) from None
    if not 0 <= number <= RELAY_FACTOR_MAX:
        raise BadRequestError(
            "Bad request: Invalid relay-factor: Relay factor must be in range: "
            f"[0, {RELAY_FACTOR_MAX}]"
        )
    return number


def _local_only(text: str) -> bool:
    if text and text not in _TRUE | _FALSE:
        raise BadRequestError(
            "Bad request: Error parsing local-only: strconv.ParseBool: parsing "
            f"{quote(text)}: invalid syntax"
        )
    return text in _TRUE
