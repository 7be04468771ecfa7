"""`/v1/txn`: the body of Consul's Go client, and what comes back."""

import base64
from typing import Any

import pytest
from msgspec import structs

from proconsul.endpoints.context import Facts
from server_tests.endpoints.site import Reply, Site, open_site


async def txn(site: Site, ops: object, query: str = "") -> Reply:
    return await site.ask("PUT", f"/v1/txn{query}", ops)


def kv(verb: str, key: str, value: str = "", **more: Any) -> dict[str, object]:
    encoded = base64.b64encode(value.encode()).decode()
    return {"KV": {"Verb": verb, "Key": key, "Value": encoded, **more}}


async def test_writes_answer_entries_without_their_values() -> None:
    site = open_site()
    reply = await txn(site, [kv("set", "a", "v", Flags=3), kv("get", "a")])
    assert reply.status == 200
    answer = reply.json()
    assert list(answer) == ["Results", "Errors"]
    assert [one["KV"]["Value"] for one in answer["Results"]] == [None, "dg=="]
    assert "X-Consul-Knownleader" not in reply.headers


async def test_reads_say_how_they_were_read_and_have_no_index_header() -> None:
    site = open_site()
    reply = await txn(site, [kv("get-tree", "a")])
    assert reply.json() == {
        "Results": [],
        "Errors": None,
        "Index": 0,
        "LastContact": 0,
        "KnownLeader": True,
        "ConsistencyLevel": "",
    }
    assert reply.headers["X-Consul-Knownleader"] == "true"
    assert "X-Consul-Index" not in reply.headers


async def test_a_failed_one_is_a_conflict_and_changes_nothing() -> None:
    site = open_site()
    reply = await txn(site, [kv("set", "a", "v"), kv("cas", "a", "w", Index=1)])
    assert reply.status == 409
    assert reply.text == (
        '{"Results":null,"Errors":[{"OpIndex":1,'
        '"What":"failed to set key \\"a\\", index is stale"}]}'
    )
    assert (await site.ask("GET", "/v1/kv/a")).status == 404


async def test_nodes_services_and_checks_in_one_go() -> None:
    site = open_site()
    definition = {"HTTP": "http://x", "Interval": "10s", "IntervalDuration": "4s"}
    reply = await txn(
        site,
        [
            {"Node": {"Verb": "set", "Node": {"Node": "n2", "Address": "10.0.0.2"}}},
            {"Service": {"Verb": "set", "Node": "n2", "Service": {"Service": "web", "Port": 1}}},
            {
                "Check": {
                    "Verb": "set",
                    "Check": {"Node": "n2", "Name": "c", "Definition": definition},
                }
            },
            {},
        ],
    )
    node, service, check = reply.json()["Results"]
    assert node["Node"]["Datacenter"] == "dc1"
    assert service["Service"]["ID"] == "web"
    assert check["Check"]["CheckID"] == "c"
    assert check["Check"]["Definition"] == {"Interval": "4s", "HTTP": "http://x"}


@pytest.mark.parametrize(
    ("body", "status", "text"),
    [
        (b"", 400, "Failed to parse body: EOF"),
        ([{"Zork": {}}], 400, 'Failed to parse body: json: unknown field "Zork"'),
        (
            [kv("set", "a", Flags=-1)],
            400,
            "Failed to parse body: json: cannot unmarshal number -1 into Go struct field "
            "KVTxnOp.KV.Flags of type uint64",
        ),
        (
            [{"Check": {"Verb": "set", "Check": {"Definition": {"Interval": "x"}}}}],
            400,
            'Failed to parse body: time: invalid duration "x"',
        ),
        ([{}] * 65, 413, "Transaction contains too many operations (65 > 64)"),
        (
            b"[" + b" " * 524_288,
            413,
            "Request body(524289 bytes) too large, max size: 524288 bytes. "
            "See https://www.consul.io/docs/agent/options.html#txn_max_req_len.",
        ),
        (
            [kv("zork", "a")],
            409,
            '{"Results":null,"Errors":[{"OpIndex":0,"What":"unknown KV verb \\"zork\\""}],'
            '"Index":0,"LastContact":0,"KnownLeader":true,"ConsistencyLevel":""}',
        ),
    ],
)
async def test_bad_bodies_get_their_status_and_text(body: object, status: int, text: str) -> None:
    reply = await txn(open_site(), body)
    assert (reply.status, reply.text) == (status, text)


async def test_a_value_alone_can_be_too_large_where_transactions_may_be_larger() -> None:
    site = open_site()
    site.api.facts = replaced(site, txn_bytes_max=2 << 20)
    reply = await txn(site, [kv("set", "a", "x" * 524_289)])
    assert (reply.status, reply.text) == (
        413,
        'Value for key "a" is too large (524289 > 524288 bytes)',
    )


def replaced(site: Site, **more: Any) -> Facts:

    return structs.replace(site.api.facts, **more)


async def test_what_newer_clients_send_is_left_aside_and_named(
    caplog: pytest.LogCaptureFixture,
) -> None:
    reply = await txn(
        open_site(),
        [
            {**kv("set", "a"), "Node": None},
            {"Node": {"Verb": "set", "Node": {"Node": "n", "Address": "x", "Partition": "p"}}},
            {"Check": {"Verb": "set", "Check": {"Node": "n", "CheckID": "c", "ExposedPort": 0}}},
        ],
    )
    assert reply.status == 200
    assert "Partition, ExposedPort" in caplog.text
