"""`/v1/config`: configuration entries, and the loose rules by which their bodies are read."""

from typing import Any

from server_tests.differential.run import Case, Options, Run, table

PUT = "PUT /v1/config"
GET = "GET /v1/config/"
DELETE = "DELETE /v1/config/"
EXACT = Options(exact=True)
SD = "service-defaults"


def entry(kind: str, name: str = "cc", **fields: Any) -> dict[str, Any]:
    """A body."""
    return {"Kind": kind, "Name": name, **fields}


def tries(kind: str, *variants: dict[str, Any]) -> list[Any]:
    """Each is put and then read, and at the end it is gone."""
    steps: list[Any] = []
    for fields in variants:
        steps += [(PUT, {"Kind": kind, "name": "cc", **fields}), (GET + f"{kind}/cc", None, EXACT)]
    return [*steps, f"-{DELETE}{kind}/cc"]


def each(name: str, *values: Any) -> list[dict[str, Any]]:
    """Objects with one field; a name with dots is a way through objects."""
    outer, _, inner = name.partition(".")
    if not inner:
        return [{outer: value} for value in values]
    return [{outer: one} for one in each(inner, *values)]


def paths(*variants: Any) -> list[dict[str, Any]]:
    """Service defaults that expose them."""
    return [{"Expose": {"Paths": one}} for one in variants]


def settings(*variants: Any) -> list[Any]:
    """Global proxy-defaults with such a config."""
    steps: list[Any] = []
    for config in variants:
        body = {"kind": "proxy-defaults", "name": "global", "config": config}
        steps += [(PUT, body), (GET + "proxy-defaults/global", None, EXACT)]
    return [*steps, f"-{DELETE}proxy-defaults/global"]


BODIES = table(
    "config",
    [
        ("empty", PUT, (PUT, ""), (PUT, "null"), (PUT, "{}")),
        ("not JSON", (PUT, "x"), (PUT, '{"Kind":"service-defaults"'), (PUT, '{"a":1e400}')),
        ("not an object", (PUT, "[]"), (PUT, '"x"'), (PUT, "5"), (PUT, "true")),
        ("trailing", (PUT, '{"Kind":"service-defaults","Name":"cc-t"} x'), DELETE + f"{SD}/cc-t"),
        (
            "kinds",
            (PUT, {"Kind": 1}),
            (PUT, {"kind": "zork"}),
            (PUT, {"KIND": SD}),
            (PUT, {"Kind": SD, "kind": "zork", "Name": "cc"}),
            (PUT, {"Kind": None, "kind": SD}),
            (PUT, {"Kind": "service-intentions", "Name": "cc"}),
        ),
        (
            "unknown keys",
            (PUT, entry(SD, Zork=1)),
            (PUT, entry(SD, Namespace="x")),
            (PUT, entry(SD, sub_namespace="x")),
            (PUT, entry(SD, createindex=1)),
            (PUT, entry(SD, MeshGateway={"Zork": 1})),
            (PUT, entry(SD, Expose={"Paths": [{"Zork": 1}]})),
            (PUT, entry("service-resolver", Subsets={"v1": {"Zork": 1}})),
            (PUT, entry(SD, EnterpriseMeta={})),
        ),
        (
            "known keys",
            (PUT, entry(SD, CreateIndex=1, ModifyIndex=2)),
            (PUT, entry(SD, RaftIndex={"ModifyIndex": 7})),
            (PUT, entry(SD, RaftIndex=5)),
            (PUT, entry(SD, RaftIndex={"Zork": 5})),
            (PUT, entry(SD, RaftIndex={"ModifyIndex": "x"})),
            (GET + f"{SD}/cc", None, EXACT),
            f"-{DELETE}{SD}/cc",
        ),
        (
            "names twice",
            (PUT, {"Kind": SD, "name": "cc", "Name": "other"}),
            (PUT, entry(SD, MeshGateway={"Mode": "a"}, mesh_gateway={"Mode": "b"})),
            (PUT, entry(SD, meshgateway={"Mode": "a"}, mesh_gateway={"Mode": "b"})),
            f"-{DELETE}{SD}/cc",
        ),
        (
            "names",
            *(
                (PUT, {"Kind": SD, **one})
                for one in each("Name", 1, 1.5, True, False, 1e21, None, ["cc"], [], ["a", "b"], {})
            ),
            (GET + SD, None, EXACT),
            *(f"-{DELETE}{SD}/{name}" for name in ("1", "1.5", "0", "1000000000000000000000")),
            f"-{DELETE}{SD}/cc",
        ),
        (
            "snake case",
            *tries(
                SD, {"protocol": "Http", "mesh_gateway": {"mode": "local"}, "external_sni": "x"}
            ),
            *tries(
                "service-resolver",
                {"default_subset": "v1", "subsets": {"v1": {"only_passing": True}}},
                {"connect_timeout": "90s"},
                {"failover": {"*": {"service": "x", "datacenters": ["dc1"]}}},
            ),
            *tries(
                "terminating-gateway", {"services": [{"name": "x", "ca_file": "c", "sni": "s"}]}
            ),
        ),
        (
            "structs",
            *tries(
                SD,
                *each("MeshGateway", [{"Mode": "local"}], [], {}, None, "x", 5, True),
                {"MeshGateway": [{"Mode": "a"}, {"Mode": "b"}]},
                {"MeshGateway": {"Mode": {}}},
                {"MeshGateway": {"Mode": ["local"]}},
            ),
        ),
        (
            "truths",
            *tries(
                SD,
                *each("Expose.Checks", "true", "T", "x", "", "0", 1, 0, 0.5, [], {}, [True], None),
            ),
        ),
        (
            "numbers",
            *tries(
                SD,
                *each("Expose.Paths.ListenerPort", 80, 8.9, -1, "80", "0x10", "010", "0b1", "1_0"),
                *each(
                    "Expose.Paths.ListenerPort", "", "x", "8.5", True, {}, [], [7], None, "9" * 20
                ),
            ),
        ),
        (
            "lists",
            *tries(
                SD,
                *paths(
                    {"Path": "/a", "listener_port": "80", "local_path_port": 8},
                    [[{"Path": "/x"}]],
                    *({}, "x", [None], None, [], [1, "x"]),
                    [{"Path": "/a", "ParsedFromCheck": True}],
                ),
            ),
            *tries(
                "service-resolver",
                *each(
                    "Failover.*.Datacenters", "dc2", ["dc2", 5], [{}], {}, [["dc2"]], [True, 1.5]
                ),
            ),
        ),
        (
            "maps",
            *tries(
                SD,
                {"Meta": {"a": 1, "b": True, "c": 1.5, "d": 1e21, "e": None, "f": ["x"]}},
                *each("Meta", [], {}, "x", 5, ["x"], ["x", "y"], [["x"]], None),
                {"Meta": [{"a": "b"}, {"c": "d"}]},
                {"Meta": {"a": {}}},
            ),
            *tries(
                "service-resolver",
                *each("Subsets", "x", {"v1": None}, {"v1": "x"}, {"v1": [{}]}),
                {"Subsets": [{"v1": {"filter": "x"}}, {"v2": {}}]},
                *each("Redirect", "x", None, {}),
            ),
        ),
        (
            "durations",
            *tries(
                "service-resolver",
                *each(
                    "ConnectTimeout",
                    "1m30s",
                    5,
                    1.9,
                    "5",
                    "zork",
                    "",
                    "-5s",
                    True,
                    {},
                    ["5s"],
                    None,
                ),
            ),
        ),
        (
            "weights",
            *(
                (PUT, entry("service-splitter", **one))
                for one in each(
                    "Splits.Weight",
                    "100",
                    100,
                    True,
                    "x",
                    {},
                    "1e2",
                    "inf",
                    -1,
                    33.335,
                    99.999,
                    None,
                )
            ),
        ),
        (
            "retries",
            *(
                (PUT, entry("service-router", **one))
                for one in (
                    *each("Routes.Destination.num_retries", -1, "x", "-1", "9" * 11, {}, "3"),
                    *each("Routes.Destination.retry_on_status_codes", "500", ["x"], [500.9]),
                    *each("Routes.Destination.request_timeout", "1s", "x"),
                )
            ),
            (PUT, entry("service-router", Routes={"Match": {"http": "x"}})),
            (PUT, entry("service-router", Routes=[None])),
            (PUT, entry("service-router", Routes={"Match": {"HTTP": {"Methods": "get"}}})),
        ),
        (
            "several mistakes",
            (PUT, entry(SD, Expose={"Paths": [1, "x"], "Checks": {}}, Meta="x", Zork=1)),
            (PUT, entry("service-resolver", ConnectTimeout="x", Subsets={"a": 1}, Redirect=2)),
        ),
        (
            "settings of proxies",
            *settings(
                {"a": 1.5, "b": 1e30, "c": "x", "d": True, "e": {"z": 1, "y": {"x": 2, "w": 3}}},
                *each("a", [1], ["x"], [[1, 2]], [[1], [2]], [], [[]], [[[1]]]),
                *each("a", [{"b": 1}], [{"b": 1}, {"c": 2}], [{}], {"b": [{"c": 1}]}),
                {"a": [{"b": [{"c": [1]}], "d": [[2]], "e": [], "f": [1, {"g": [3]}]}]},
                *([{"a": 1}], [{"a": 1}, {"b": 2}], [], {}, "x", 5),
            ),
        ),
    ],
)

ENTRIES = table(
    "config",
    [
        (
            "names of paths",
            *(GET + name for name in (f"{SD}/none", f"{SD}/", f"{SD}/a/b", "zork", "zork/a", "//")),
            *(DELETE + name for name in (SD, f"{SD}/none", f"{SD}/", "zork", "zork/a", "")),
            "GET /v1/config",
            "DELETE /v1/config",
        ),
        (
            "verbs",
            "POST /v1/config",
            "OPTIONS /v1/config",
            f"PUT /v1/config/{SD}/x",
            f"OPTIONS /v1/config/{SD}/x",
        ),
        (
            "options of reads",
            *(
                GET + f"{SD}/none?{query}"
                for query in ("index=x", "wait=x", "dc=mars", "stale", "consistent", "cached")
            ),
            GET + f"{SD}?dc=mars",
            GET + f"{SD}/none?stale&consistent",
            GET + f"{SD}/none?ns=x",
            GET + f"{SD}?ns=x",
            GET + "zork/a?ns=x",
            GET + f"{SD}?filter=zork%20zork",
        ),
        (
            "options of writes",
            (f"{PUT}?dc=mars", entry(SD)),
            (f"{PUT}?ns=x", entry(SD)),
            (f"{PUT}?ns=x", entry("zork")),
            (PUT, entry(SD), {"X-Consul-Namespace": "x"}),
            DELETE + f"{SD}/cc?ns=x",
            DELETE + "zork/cc?ns=x",
            DELETE + f"{SD}/cc?dc=mars",
            GET + f"{SD}/cc",
        ),
        (
            "check-and-set",
            *((f"{PUT}?cas={text}", entry(SD, "cc-cas")) for text in ("x", "-1", "9" * 20, "1.5")),
            (f"{PUT}?cas=7", entry(SD, "cc-cas")),
            (f"{PUT}?cas=0", entry(SD, "cc-cas")),
            (f"{PUT}?cas=0", entry(SD, "cc-cas")),
            (f"{PUT}?cas=", entry(SD, "cc-cas", ModifyIndex=5)),
            GET + f"{SD}/cc-cas",
            DELETE + f"{SD}/cc-cas",
        ),
        (
            "routers",
            (PUT, entry("proxy-defaults", "global", Config={"protocol": "http"})),
            (
                PUT,
                entry(
                    "service-router",
                    "cc-r",
                    Routes=[
                        {
                            "Match": {"HTTP": {"PathPrefix": "/a", "Methods": ["get"]}},
                            "Destination": {"Service": "x", "RequestTimeout": "1500ms"},
                        },
                        {"Destination": {"NumRetries": 3, "RetryOnStatusCodes": [500]}},
                        {},
                    ],
                ),
            ),
            (GET + "service-router/cc-r", None, EXACT),
            (GET + "service-router?pretty", None, EXACT),
            (
                PUT,
                entry(
                    "service-splitter",
                    "cc-s",
                    Splits=[{"Weight": 33.33, "Service": "x"}, {"Weight": 66.67}],
                ),
            ),
            (GET + "service-splitter/cc-s", None, EXACT),
            (
                PUT,
                entry(
                    "ingress-gateway",
                    "cc-i",
                    Listeners=[{"Port": 80, "Protocol": "HTTP", "Services": [{"Name": "x"}]}],
                ),
            ),
            (GET + "ingress-gateway/cc-i", None, EXACT),
            (GET, None, EXACT),
            "GET /v1/catalog/gateway-services/cc-i",
            DELETE + "service-router/cc-r",
            DELETE + "proxy-defaults/global",
            DELETE + "service-splitter/cc-s",
            DELETE + "ingress-gateway/cc-i",
            DELETE + "proxy-defaults/global",
            GET,
        ),
        (
            "refused by the others",
            (PUT, entry("service-router", "cc-r")),
            (PUT, entry("service-resolver", "cc-a", DefaultSubset="v1")),
            (PUT, entry("terminating-gateway", "cc-g")),
            (PUT, entry("ingress-gateway", "cc-g")),
            DELETE + "terminating-gateway/cc-g",
            (PUT, entry(SD, "")),
            (PUT, entry("ingress-gateway", "")),
        ),
    ],
)


def _waited_for(run: Run) -> None:
    """A blocking query of an entry, and of a kind."""
    run.quietly("PUT", "/v1/config", entry(SD, "cc-w"))
    index = run.ask("GET", f"/v1/config/{SD}/cc-w").index
    waiting = run.background("GET", f"/v1/config/{SD}/cc-w?index={index}&wait=10s")
    of_kind = run.background("GET", f"/v1/config/{SD}?index={index}&wait=10s")
    run.note("still waiting", [waiting.over(), of_kind.over()])
    run.quietly("PUT", "/v1/config", entry(SD, "cc-w", Protocol="grpc"))
    run.record("GET waiting", waiting.answer())
    run.record("GET waiting for the kind", of_kind.answer())
    run.quietly("DELETE", f"/v1/config/{SD}/cc-w")
    run.ask("GET", f"/v1/config/{SD}/cc-w")


CASES: list[Case] = [*BODIES, *ENTRIES, Case("config", "waited for", _waited_for)]
