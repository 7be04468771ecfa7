"""`/v1/txn`."""

import base64

from server_tests.differential.run import Case, Options, Run, table

TXN = "PUT /v1/txn"
CHUNKED = {"Transfer-Encoding": "chunked"}


def kv(verb: str, key: str = "", value: str | None = None, **more: object) -> dict[str, object]:
    """An operation on a key."""
    fields: dict[str, object] = {"Verb": verb, "Key": key, **more}
    if value is not None:
        fields["Value"] = base64.b64encode(value.encode()).decode()
    return {"KV": fields}


def node(verb: str, **fields: object) -> dict[str, object]:
    """An operation on a node."""
    return {"Node": {"Verb": verb, "Node": fields}}


def service(verb: str, at: str, **fields: object) -> dict[str, object]:
    """An operation on a service."""
    return {"Service": {"Verb": verb, "Node": at, "Service": fields}}


def check(verb: str, **fields: object) -> dict[str, object]:
    """An operation on a check."""
    return {"Check": {"Verb": verb, "Check": fields}}


BIG = "x" * 524_289
DEAD = "aaaaaaaa-0000-4000-8000-00000000dead"
GONE = ("-PUT /v1/catalog/deregister", {"Node": "tn1"})
MADE = ("-PUT /v1/catalog/register", {"Node": "tn1", "Address": "10.3.0.1"})


def on_node(name: str, *operations: object) -> tuple[object, ...]:
    """A row: each list of operations on a node that is there."""
    steps = [(TXN, ops) for ops in operations]
    return (name, MADE, *steps, "GET /v1/catalog/node/tn1", "GET /v1/health/node/tn1", GONE)


BODIES = table(
    "txn",
    [
        ("no body", TXN),
        ("nothing", (TXN, "[]"), (TXN, "null"), (TXN, "[{}]"), (TXN, "[{},{}]")),
        ("object", (TXN, "{}")),
        ("text", (TXN, '"x"')),
        ("garbage", (TXN, "[x")),
        ("unknown operation", (TXN, '[{"Zork":{}}]')),
        ("session operation", (TXN, '[{"Session":{"Verb":"delete"}}]')),
        ("intention operation", (TXN, '[{"Intention":{"Op":"create"}}]')),
        ("unknown field of a key", (TXN, [kv("set", "t", Zork=1)])),
        ("unknown field of a node", (TXN, [node("set", Node="x", Zork=1)])),
        ("unknown field of a service", (TXN, [service("set", "x", Service="y", Zork=1)])),
        ("unknown field of a check", (TXN, [check("set", Node="x", Zork=1)])),
        ("bad base64", (TXN, [{"KV": {"Verb": "set", "Key": "t", "Value": "!!"}}])),
        ("number for a value", (TXN, [{"KV": {"Verb": "set", "Key": "t", "Value": 5}}])),
        ("text for flags", (TXN, [kv("set", "t", "v", Flags="5")])),
        ("negative flags", (TXN, [kv("set", "t", "v", Flags=-5)])),
        (
            "namespace",
            (TXN, [kv("set", "t/ns", "v", Namespace="a")]),
            (TXN + "?ns=a", [kv("get", "t/ns")]),
        ),
        (
            "64 operations",
            (TXN, [kv("set", f"t/many/{n}", "v") for n in range(64)], Options(no_body=True)),
        ),
        ("65 operations", (TXN, [kv("set", f"t/many/{n}", "v") for n in range(65)])),
        ("65 empty operations", (TXN, [{} for _ in range(65)])),
        ("too large", (TXN, [kv("set", "t/big", BIG)])),
        ("too large in all", (TXN, [kv("set", f"t/big{n}", "x" * 100_000) for n in range(5)])),
        ("too large and chunked", (TXN, [kv("set", "t/big", BIG)], CHUNKED)),
        ("chunked", (TXN, [kv("set", "t/ch", "v" * 9000)], CHUNKED)),
        ("verbs", "GET /v1/txn", "POST /v1/txn", "DELETE /v1/txn", "OPTIONS /v1/txn"),
        ("path below", ("PUT /v1/txn/x", "[]")),
        (
            "elsewhere",
            (TXN + "?dc=other", [kv("set", "t", "v")]),
            (TXN + "?dc=other", [kv("get", "t")]),
        ),
        ("pretty", (TXN + "?pretty", [kv("set", "t/p", "v")], Options(exact=True))),
        ("pretty conflict", (TXN + "?pretty", [kv("get", "t/none")], Options(exact=True))),
    ],
)

KEYS = table(
    "txn",
    [
        ("set and get", (TXN, [kv("set", "t/a", "v", Flags=7), kv("get", "t/a")])),
        ("get", ("-PUT /v1/kv/t/b", "v"), (TXN, [kv("get", "t/b")])),
        ("get an absent key", (TXN, [kv("get", "t/none")])),
        ("get in a write", (TXN, [kv("set", "t/c", "v"), kv("get", "t/none")]), "GET /v1/kv/t/c"),
        ("two errors", (TXN, [kv("get", "t/n1"), kv("get", "t/n2")])),
        ("no key", (TXN, [kv("set"), kv("get"), kv("delete-tree")])),
        ("no key to read", (TXN, [kv("get")]), (TXN, [kv("get-tree")])),
        ("no verb", (TXN, [{"KV": {"Key": "t/x"}}])),
        (
            "unknown verb",
            (TXN, [kv("zork", "t/x")]),
            (TXN, [kv("zork", "t/x"), kv("set", "t/y", "v")]),
        ),
        ("verb in capitals", (TXN, [kv("SET", "t/x", "v")])),
        (
            "value null",
            (TXN, [{"KV": {"Verb": "set", "Key": "t/nul", "Value": None}}]),
            "GET /v1/kv/t/nul",
        ),
        (
            "tree",
            ("-PUT /v1/kv/t/tr/a", "1"),
            ("-PUT /v1/kv/t/tr/b", "2"),
            (TXN, [kv("get-tree", "t/tr/")]),
            (TXN, [kv("delete-tree", "t/tr/"), kv("get-tree", "t/tr/")]),
        ),
        (
            "delete",
            ("-PUT /v1/kv/t/d", "1"),
            (TXN, [kv("delete", "t/d")]),
            (TXN, [kv("delete", "t/d")]),
        ),
        (
            "cas",
            (TXN, [kv("cas", "t/cas", "v", Index=0)]),
            (TXN, [kv("cas", "t/cas", "w", Index=0)]),
        ),
        (
            "delete-cas",
            ("-PUT /v1/kv/t/dc", "1"),
            (TXN, [kv("delete-cas", "t/dc", Index=1)]),
            (TXN, [kv("delete-cas", "t/none", Index=1)]),
        ),
        (
            "check-not-exists",
            ("-PUT /v1/kv/t/ex", "1"),
            (TXN, [kv("check-not-exists", "t/ex")]),
            (TXN, [kv("check-not-exists", "t/none")]),
        ),
        (
            "check-index",
            ("-PUT /v1/kv/t/ci", "1"),
            (TXN, [kv("check-index", "t/ci", Index=1)]),
            (TXN, [kv("check-index", "t/none", Index=1)]),
        ),
        (
            "check-session",
            ("-PUT /v1/kv/t/cs", "1"),
            (TXN, [kv("check-session", "t/cs", Session=DEAD)]),
            (TXN, [kv("check-session", "t/none", Session=DEAD)]),
        ),
        (
            "lock without a session",
            (TXN, [kv("lock", "t/l", "v")]),
            (TXN, [kv("unlock", "t/l", "v")]),
        ),
        (
            "lock with a bad session",
            (TXN, [kv("lock", "t/l", "v", Session="x")]),
            (TXN, [kv("lock", "t/l", "v", Session=DEAD)]),
        ),
        (
            "all or nothing",
            (TXN, [kv("set", "t/an", "v"), kv("cas", "t/an", "w", Index=1)]),
            "GET /v1/kv/t/an",
        ),
        ("the same value", (TXN, [kv("set", "t/sv", "v")]), (TXN, [kv("set", "t/sv", "v")])),
        (
            "consistency",
            (TXN + "?stale", [kv("get-tree", "t/none")]),
            (TXN + "?consistent", [kv("get-tree", "t/none")]),
            (TXN + "?stale&consistent", [kv("get-tree", "t/none")]),
        ),
        ("consistency of a write", (TXN + "?stale&consistent", [kv("set", "t/cw", "v")])),
        (
            "waiting means nothing",
            (TXN + "?index=999999&wait=5s", [kv("get-tree", "t/none")]),
            (TXN + "?index=x", [kv("get-tree", "t/none")]),
        ),
    ],
)

CATALOG = table(
    "txn",
    [
        ("get a node", (TXN, [node("get", Node="{NODE}")]), (TXN, [node("get", Node="none")])),
        ("get a node by id", (TXN, [node("get", ID="x")]), (TXN, [node("get", ID=DEAD)])),
        (
            "make a node",
            (
                TXN,
                [
                    node(
                        "set",
                        Node="tn1",
                        Address="10.3.0.1",
                        Meta={"a": "b"},
                        TaggedAddresses={"wan": "1.1.1.1"},
                    )
                ],
            ),
            "GET /v1/catalog/node/tn1",
            GONE,
        ),
        (
            "make a node elsewhere",
            (TXN, [node("set", Node="tn1", Address="x", Datacenter="dc9")]),
            "GET /v1/catalog/node/tn1",
            GONE,
        ),
        ("node without a name", (TXN, [node("set")]), (TXN, [node("get")]), (TXN, [{"Node": {}}])),
        ("node with a bad id", (TXN, [node("set", Node="tn1", ID="x")])),
        ("node with a bad verb", (TXN, [node("zork", Node="tn1")])),
        on_node("node without an address", [node("set", Node="tn1")]),
        on_node(
            "node cas",
            [node("cas", Node="tn1", Address="y", ModifyIndex=1)],
            [node("cas", Node="tn-none", ModifyIndex=5)],
        ),
        on_node("node delete", [node("delete", Node="tn1")], [node("delete", Node="tn1")]),
        on_node(
            "node delete-cas",
            [node("delete-cas", Node="tn1", ModifyIndex=1)],
            [node("delete-cas", Node="tn-none", ModifyIndex=1)],
        ),
        on_node(
            "service",
            [
                service(
                    "set",
                    "tn1",
                    ID="s1",
                    Service="t-svc",
                    Port=80,
                    Tags=["a"],
                    Meta={"k": "v"},
                    Address="1.2.3.4",
                    EnableTagOverride=True,
                )
            ],
            [service("get", "tn1", ID="s1")],
            [service("set", "tn1", ID="s1", Service="t-svc", Port=81)],
        ),
        on_node(
            "service weights",
            [service("set", "tn1", Service="t-svc", Weights={"Passing": 4})],
            [service("set", "tn1", Service="t-svc", Weights={"Passing": 0, "Warning": 3})],
        ),
        on_node(
            "service in the mesh",
            [
                service(
                    "set",
                    "tn1",
                    Service="t-svc",
                    Kind="connect-proxy",
                    Proxy={"DestinationServiceName": "x"},
                    Connect={"Native": True},
                    TaggedAddresses={"lan": {"Address": "x"}},
                )
            ],
        ),
        on_node(
            "service without a name",
            [service("set", "tn1", ID="s1")],
            [service("set", "tn1")],
            [service("delete", "tn1", ID="s1")],
        ),
        on_node("service at any address", [service("set", "tn1", Service="x", Address="0.0.0.0")]),
        on_node(
            "service of no node",
            [service("set", "tn-none", Service="x")],
            [service("set", "", Service="x")],
            [service("get", "tn-none", ID="x")],
        ),
        on_node(
            "service verbs",
            [service("zork", "tn1", Service="x")],
            [service("get", "tn1", ID="none")],
            [service("delete", "tn1", Service="none")],
        ),
        on_node(
            "service cas",
            [service("cas", "tn1", Service="c1", ModifyIndex=0)],
            [service("cas", "tn1", Service="c1", ModifyIndex=1)],
            [service("delete-cas", "tn1", Service="c1", ModifyIndex=1)],
        ),
        on_node(
            "check",
            [check("set", Node="tn1", Name="c", Status="passing", Notes="n", Output="o", Type="t")],
            [check("get", Node="tn1", CheckID="c")],
        ),
        on_node(
            "check of a service",
            [
                service("set", "tn1", Service="t-svc", Tags=["a"]),
                check("set", Node="tn1", CheckID="c", ServiceID="t-svc"),
            ],
        ),
        on_node("check of no service", [check("set", Node="tn1", CheckID="c", ServiceID="none")]),
        on_node("check of no node", [check("set", Node="tn-none", CheckID="c")], [check("set")]),
        on_node("check without an id", [check("set", Node="tn1")], [check("get", Node="tn1")]),
        on_node(
            "check verbs",
            [check("zork", Node="tn1", CheckID="c")],
            [check("get", Node="tn1", CheckID="none")],
            [check("delete", Node="tn1", CheckID="none")],
        ),
        on_node(
            "check cas",
            [check("cas", Node="tn1", CheckID="c", Status="warning")],
            [check("cas", Node="tn1", CheckID="c", ModifyIndex=1)],
            [check("delete-cas", Node="tn1", CheckID="c", ModifyIndex=1)],
        ),
        on_node(
            "check definition",
            [
                check(
                    "set",
                    Node="tn1",
                    CheckID="c",
                    Definition={
                        "HTTP": "http://x",
                        "Header": {"a": ["b"]},
                        "Method": "PUT",
                        "Body": "b",
                        "TLSSkipVerify": True,
                        "TCP": "t",
                        "Interval": "10s",
                        "Timeout": 5_000_000,
                        "DeregisterCriticalServiceAfter": "1h",
                    },
                )
            ],
        ),
        on_node(
            "check durations",
            [
                check(
                    "set",
                    Node="tn1",
                    CheckID="c",
                    Definition={
                        "Interval": "10s",
                        "IntervalDuration": "4s",
                        "Timeout": "2s",
                        "TimeoutDuration": 7_000_000,
                        "DeregisterCriticalServiceAfterDuration": "3m",
                    },
                )
            ],
        ),
        on_node(
            "check definition with more",
            [
                check(
                    "set", Node="tn1", CheckID="c", Definition={"GRPC": "x", "TTL": "5s", "Zork": 1}
                )
            ],
        ),
        on_node(
            "bad durations",
            [check("set", Node="tn1", CheckID="c", Definition={"Interval": "x"})],
            [check("set", Node="tn1", CheckID="c", Definition={"Interval": True})],
            [check("set", Node="tn1", CheckID="c", Definition={"IntervalDuration": "x"})],
        ),
        on_node(
            "all kinds",
            [
                kv("set", "t/all", "v"),
                node("set", Node="tn1", Address="z"),
                service("set", "tn1", Service="t-svc"),
                check("set", Node="tn1", CheckID="c"),
                kv("get", "t/all"),
                node("get", Node="tn1"),
                service("get", "tn1", ID="t-svc"),
                check("get", Node="tn1", CheckID="c"),
            ],
        ),
        on_node(
            "errors of all kinds",
            [
                kv("get", "t/none"),
                node("delete-cas", Node="tn1", ModifyIndex=1),
                service("set", "tn-none", Service="x"),
                check("get", Node="tn1", CheckID="none"),
                {},
                kv("get", "t/none2"),
            ],
        ),
    ],
)


def _locks(run: Run) -> None:
    one, other = run.session(), run.session()
    run.ask("PUT", "/v1/txn", [kv("lock", "t/lock", "v", Session=one), kv("get", "t/lock")])
    run.ask("PUT", "/v1/txn", [kv("lock", "t/lock", "v", Session=other)])
    run.ask("PUT", "/v1/txn", [kv("check-session", "t/lock", Session=one)])
    run.ask("PUT", "/v1/txn", [kv("unlock", "t/lock", "v", Session=other)])
    run.ask("PUT", "/v1/txn", [kv("unlock", "t/lock", "v", Session=one)])
    run.ask("GET", "/v1/kv/t/lock")


def _right_indexes(run: Run) -> None:
    run.quietly("PUT", "/v1/kv/t/ri", "v")
    index = run.quietly("GET", "/v1/kv/t/ri").json()[0]["ModifyIndex"]
    run.ask("PUT", "/v1/txn", [kv("check-index", "t/ri", Index=index)])
    run.ask("PUT", "/v1/txn", [kv("cas", "t/ri", "w", Index=index), kv("get", "t/ri")])
    index = run.quietly("GET", "/v1/kv/t/ri").json()[0]["ModifyIndex"]
    run.ask("PUT", "/v1/txn", [kv("delete-cas", "t/ri", Index=index)])
    run.ask("GET", "/v1/kv/t/ri")


def _wakes(run: Run) -> None:
    run.quietly("PUT", "/v1/kv/t/wake", "v")
    index = run.quietly("GET", "/v1/kv/t/wake").index
    waiting = run.background("GET", f"/v1/kv/t/wake?index={index}&wait=20s")
    run.quietly("PUT", "/v1/txn", [kv("set", "t/wake", "w"), kv("get", "t/none")])
    run.note("woken by what was undone", waiting.over(0.3))
    run.quietly("PUT", "/v1/txn", [kv("set", "t/wake", "w")])
    run.record("GET waiting", waiting.answer())


STORIES = [
    Case("txn", "locks", _locks),
    Case("txn", "right indexes", _right_indexes),
    Case("txn", "waking", _wakes),
]

CASES = [*BODIES, *KEYS, *CATALOG, *STORIES]
