"""`/v1/txn`: several operations, all or none (agent/txn_endpoint.go).

The body has the shape of Consul's public Go client, which is not that of its RPC: keys carry
their flags and index beside the verb, durations may be texts.
"""

from typing import Any

from proconsul.api.catalog_json import check_json, holds_floats
from proconsul.api.failure import HttpError
from proconsul.api.http import Request
from proconsul.api.options import parse_datacenter, parse_options, parse_token
from proconsul.api.parsing import warn_of
from proconsul.api.reply import Reply
from proconsul.api.surface import Api
from proconsul.api.txn_body import OPS_MAX, BodyOp, is_write, to_op
from proconsul.model.txn import (
    TxnOp,
    TxnReadRequest,
    TxnReadResponse,
    TxnRequest,
    TxnResponse,
    TxnResult,
)
from proconsul.wire.golang import quote
from proconsul.wire.gostruct import list_to_json, to_json
from proconsul.wire.json_decode import BodyError

TOO_LARGE_HELP = "https://www.consul.io/docs/agent/options.html#txn_max_req_len"


async def txn(api: Api, request: Request) -> Reply:
    """`PUT /v1/txn`: 409 with the errors when an operation failed."""
    ops, writes = _operations(api, request)
    answer: TxnReadResponse | TxnResponse
    if writes:
        change = TxnRequest(
            datacenter=parse_datacenter(request, api.facts.datacenter),
            ops=ops,
            token=parse_token(request),
        )
        answer = await api.call("Txn.Apply", change)
        headers: tuple[tuple[str, str], ...] = ()
    else:
        options = parse_options(request)
        datacenter = parse_datacenter(request, api.facts.datacenter)
        wanted = TxnReadRequest(datacenter=datacenter, ops=ops, **options)
        found: TxnReadResponse = await api.call("Txn.Read", wanted)
        answer, headers = found, _headers(found)
    return Reply(
        _json(answer),
        status=409 if answer.errors else 200,
        headers=headers,
        floats=any(
            one.service is not None and holds_floats(one.service.proxy)
            for one in answer.results or ()
        ),
    )


def _headers(answer: TxnReadResponse) -> tuple[tuple[str, str], ...]:
    return (
        ("X-Consul-Knownleader", "true" if answer.known_leader else "false"),
        ("X-Consul-Lastcontact", str(max(answer.last_contact, 0) // 1_000_000)),
    )


def _json(answer: TxnReadResponse | TxnResponse) -> dict[str, Any]:
    results = answer.results
    made: dict[str, Any] = {
        "Results": None if results is None else [_result_json(one) for one in results],
        "Errors": list_to_json(answer.errors),
    }
    if isinstance(answer, TxnReadResponse):
        made["Index"] = answer.index
        made["LastContact"] = answer.last_contact
        made["KnownLeader"] = answer.known_leader
        made["ConsistencyLevel"] = answer.consistency_level
    return made


def _result_json(result: TxnResult) -> dict[str, Any]:
    if result.check is not None:
        return {"Check": check_json(result.check)}
    return to_json(result)


def _operations(api: Api, request: Request) -> tuple[list[TxnOp], int]:
    """(operations, how many of them write); raises HttpError."""
    value_bytes_max = api.facts.kv_value_bytes_max
    limit = max(api.facts.txn_bytes_max, value_bytes_max)
    if request.body_too_large or max(request.content_length, len(request.body)) > limit:
        told = f"({request.content_length} bytes)" if request.content_length >= 0 else ""
        raise HttpError(
            413,
            f"Request body{told} too large, max size: {limit} bytes. See {TOO_LARGE_HELP}.",
        )
    try:
        body, aside = api.decoder.decode_list(BodyOp, request.body)
        ops = [op for one in body if (op := to_op(one, api.facts.datacenter)) is not None]
    except BodyError as failure:
        raise HttpError(400, f"Failed to parse body: {failure}") from failure
    warn_of(request, aside)
    if len(body) > OPS_MAX:
        raise HttpError(413, f"Transaction contains too many operations ({len(body)} > {OPS_MAX})")
    for one in body:
        size = len(one.kv.value or b"") if one.kv is not None else 0
        if one.kv is not None and size > value_bytes_max:
            raise HttpError(
                413,
                f"Value for key {quote(one.kv.key)} is too large "
                f"({size} > {value_bytes_max} bytes)",
            )
    return ops, sum(is_write(one) for one in body)
