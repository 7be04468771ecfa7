"""`/v1/agent/service…` and `/v1/agent/health/`: the services of the agent."""

import time

from server_tests.differential.run import Case, Options, Run, Story, table

A = "/v1/agent"
REGISTER = f"PUT {A}/service/register"
WEB = {
    "ID": "d-web1",
    "Name": "d-web",
    "Tags": ["a", "b"],
    "Port": 80,
    "Address": "10.0.0.1",
    "Meta": {"v": "1"},
    "EnableTagOverride": True,
    "Weights": {"Passing": 10, "Warning": 2},
    "TaggedAddresses": {"wan": {"Address": "1.2.3.4", "Port": 90}},
    "Check": {"TTL": "100s", "Notes": "n"},
}
PROXY = {
    "ID": "d-proxy",
    "Name": "d-proxy",
    "Kind": "connect-proxy",
    "Port": 85,
    "Proxy": {
        "DestinationServiceName": "d-web",
        "Upstreams": [{"DestinationName": "db", "LocalBindPort": 99, "Config": {"a": 1}}],
        "Config": {"x": "y", "n": 1.5},
    },
}
CHECKS = Options(sort_by="CheckID")
WORDS = {"Accept": "text/plain"}


def _services(*steps: object) -> Story:
    """Steps, then all services and checks that they left, then none."""

    def story(run: Run) -> None:
        table("agent", [("steps", *steps)])[0].story(run)
        services = run.quietly("GET", f"{A}/services").json() or {}
        run.note("services", services)
        checks = run.quietly("GET", f"{A}/checks").json() or {}
        run.note("checks", {name: {**check, "Output": ""} for name, check in checks.items()})
        for name in services:
            run.quietly("PUT", f"{A}/service/deregister/{name.replace(' ', '%20')}")
        for name in checks:
            run.quietly("PUT", f"{A}/check/deregister/{name}")

    return story


def _case(name: str, *steps: object) -> Case:
    return Case("agent", f"service: {name}", _services(*steps))


def _name(**fields: object) -> dict[str, object]:
    return {"Name": "d-x", **fields}


BODIES: list[tuple[str, object]] = [
    ("no body", None),
    ("empty object", {}),
    ("null", "null"),
    ("array", []),
    ("garbage", '{"Name":'),
    ("unknown field", {"Nam": "d-x"}),
    ("field of the catalog", {"Service": "d-x"}),
    ("index", _name(CreateIndex=1)),
    ("namespace", _name(Namespace="default")),
    ("empty name", {"Name": ""}),
    ("name alone", _name()),
    ("name that is no dns name", {"Name": "d x!"}),
    ("everything", WEB),
    ("lower case", {"name": "d-x", "id": "d-l", "tags": ["t"], "port": 1}),
    (
        "snake",
        _name(
            enable_tag_override=True,
            tagged_addresses={"lan": {"address": "1.1.1.1", "port": 2}},
            check={"ttl": "100s", "deregister_critical_service_after": "90m"},
        ),
    ),
    ("text for a port", _name(Port="80")),
    ("negative port", _name(Port=-5)),
    ("port too high", _name(Port=70_000)),
    ("text for tags", _name(Tags="a")),
    ("number among tags", _name(Tags=[1])),
    ("number in meta", _name(Meta={"a": 1})),
    ("meta without key", _name(Meta={"": "x"})),
    ("meta with a reserved key", _name(Meta={"consul-x": "x"})),
    ("meta with a bad key", _name(Meta={"a b": "x"})),
    ("long meta key", _name(Meta={"k" * 129: "x"})),
    ("long meta value", _name(Meta={"k": "x" * 513})),
    ("much meta", _name(Meta={f"k{number}": "x" for number in range(65)})),
    ("address of all", _name(Address="0.0.0.0")),
    ("ipv6 address of all", _name(Address="::")),
    ("ipv6 address", _name(Address="2001:db8::1", Port=80)),
    ("name as address", _name(Address="host.example", Port=80)),
    ("no weight", _name(Weights={"Passing": 0, "Warning": 1})),
    ("negative weight", _name(Weights={"Passing": 1, "Warning": -1})),
    ("heavy", _name(Weights={"Passing": 65_536, "Warning": 1})),
    ("weight of another kind", _name(Weights=5)),
    ("unknown weight", _name(Weights={"Zork": 1})),
    ("check that does nothing", _name(Check={"Name": "c"})),
    ("check with a bad status", _name(Check={"TTL": "100s", "Status": "bad"})),
    ("check with an unknown field", _name(Check={"TTL": "100s", "Zork": 1})),
    ("check that is a list", _name(Check=[])),
    ("check that is empty", _name(Check={})),
    ("check of another service", _name(Check={"TTL": "100s", "ServiceID": "other"})),
    ("script check", _name(Check={"Args": ["true"], "Interval": "100s"})),
    ("two checks, one bad", _name(Checks=[{"TTL": "100s"}, {"HTTP": "x"}])),
    (
        "checks",
        _name(
            Check={"TTL": "100s", "Status": "passing"},
            Checks=[{"CheckID": "d-c", "Name": "C", "TTL": "90s", "Status": "warning"}],
        ),
    ),
    ("checks that are no list", _name(Checks={})),
    ("native", _name(Port=84, Connect={"Native": True})),
    ("unknown connect field", _name(Connect={"Zork": 1})),
    ("sidecar", _name(Port=83, Connect={"SidecarService": {}})),
    ("sidecar with a port", _name(Port=83, Connect={"SidecarService": {"Port": 4000}})),
    ("sidecar with an id", _name(Connect={"SidecarService": {"ID": "a"}})),
    ("sidecar with an unknown field", _name(Connect={"SidecarService": {"Zork": 1}})),
    (
        "sidecar in a sidecar",
        _name(Connect={"SidecarService": {"Connect": {"SidecarService": {}}}}),
    ),
    ("proxy", PROXY),
    ("proxy of nobody", _name(Kind="connect-proxy", Port=80)),
    ("proxy without port", {**PROXY, "Port": 0}),
    ("proxy that is native", {**PROXY, "Connect": {"Native": True}}),
    ("upstream without name", {**PROXY, "Proxy": {"Upstreams": [{"LocalBindPort": 1}]}}),
    ("unknown proxy field", _name(Proxy={"Zork": 1})),
    ("mesh gateway", _name(Kind="mesh-gateway", Port=86)),
    ("mesh gateway without port", _name(Kind="mesh-gateway")),
    ("ingress gateway", _name(Kind="ingress-gateway")),
    (
        "terminating gateway with proxy",
        _name(Kind="terminating-gateway", Port=1, **{"Proxy": PROXY["Proxy"]}),
    ),
    ("kind that is none", _name(Kind="zork")),
    ("id with a slash", {"ID": "d/a", "Name": "d-x"}),
]
REGISTERED = [_case(name, (REGISTER, body)) for name, body in BODIES]

READ = [
    _case("unknown", f"GET {A}/service/none", f"GET {A}/service/"),
    _case("read", (f"-{REGISTER}", WEB), f"GET {A}/service/d-web1", f"GET {A}/services"),
    _case(
        "read exactly",
        (f"-{REGISTER}", WEB),
        (f"GET {A}/service/d-web1?pretty", None, Options(exact=True)),
        (f"GET {A}/services", None, Options(exact=True)),
    ),
    _case("proxy read", (f"-{REGISTER}", PROXY), f"GET {A}/service/d-proxy"),
    _case("wait refused", f"GET {A}/service/x?wait=x", f"GET {A}/service/x?index=x"),
    _case("ignored", f"GET {A}/service/x?stale&consistent", f"GET {A}/services?wait=x&dc=other"),
    _case(
        "namespaces refused",
        f"GET {A}/services?ns=a",
        f"GET {A}/service/x?ns=a",
        (f"{REGISTER}?ns=a", {}),
        f"PUT {A}/service/deregister/x?ns=a",
        f"PUT {A}/service/maintenance/x?ns=a&enable=true",
        f"GET {A}/health/service/id/x?ns=a",
        f"GET {A}/health/service/name/x?ns=a",
    ),
    _case(
        "verbs",
        f"PUT {A}/services",
        f"GET {A}/service/register",
        f"POST {A}/service/register",
        f"GET {A}/service/deregister/x",
        f"OPTIONS {A}/service/register",
    ),
    _case(
        "deregistered",
        (f"-{REGISTER}", WEB),
        f"PUT {A}/service/deregister/d-web1",
        f"GET {A}/services",
        f"PUT {A}/service/deregister/d-web1",
        f"PUT {A}/service/deregister/",
    ),
    _case(
        "deregistered with its sidecar",
        (f"-{REGISTER}", {"Name": "d-x", "Port": 1, "Connect": {"SidecarService": {}}}),
        f"PUT {A}/service/deregister/d-x",
        f"GET {A}/services",
    ),
    _case(
        "registered again with other checks",
        (f"-{REGISTER}", {"Name": "d-x", "Checks": [{"CheckID": "d-1", "TTL": "90s"}]}),
        (REGISTER, {"Name": "d-x", "Checks": [{"CheckID": "d-2", "TTL": "90s"}]}),
        f"GET {A}/checks",
        (
            f"{REGISTER}?replace-existing-checks=1",
            {"Name": "d-x", "Checks": [{"CheckID": "d-2", "TTL": "90s"}]},
        ),
        f"GET {A}/checks",
        (
            f"{REGISTER}?replace-existing-checks=true",
            {"Name": "d-x", "Checks": [{"CheckID": "d-2", "TTL": "90s"}]},
        ),
        f"GET {A}/checks",
        (f"{REGISTER}?replace-existing-checks", {"Name": "d-x"}),
        f"GET {A}/checks",
    ),
    _case(
        "in the catalog",
        (REGISTER, WEB),
        "GET /v1/catalog/service/d-web",
        "GET /v1/health/checks/d-web",
        f"PUT {A}/service/deregister/d-web1",
        "GET /v1/catalog/service/d-web",
    ),
    _case(
        "a check of its own",
        (f"-{REGISTER}", {"Name": "d-x", "Tags": ["t"]}),
        (f"PUT {A}/check/register", {"Name": "d-c", "ServiceID": "d-x", "TTL": "90s"}),
        f"GET {A}/checks",
    ),
]


def _the_hash_changes(run: Run) -> None:
    run.quietly("PUT", f"{A}/service/register", {"Name": "d-x", "Port": 1})
    first = run.quietly("GET", f"{A}/service/d-x").headers.get("x-consul-contenthash", "")
    run.note("the hash", first)
    began_s = time.monotonic()
    run.ask("GET", f"{A}/service/d-x?hash={first}&wait=1s")
    run.note("it waited", time.monotonic() - began_s > 0.9)
    waiting = run.background("GET", f"{A}/service/d-x?hash={first}&wait=20s")
    run.quietly("PUT", f"{A}/service/register", {"Name": "d-x", "Port": 2})
    run.record("the change", waiting.answer())
    waiting = run.background("GET", f"{A}/service/d-x?hash=other&wait=20s")
    run.record("another hash", waiting.answer())
    run.quietly("PUT", f"{A}/service/deregister/d-x")


def _the_hashes(run: Run) -> None:
    bodies: list[object] = [
        WEB,
        PROXY,
        {"Name": "d-n", "Connect": {"Native": True}, "Tags": ["x"]},
        {"Name": "d-s", "Port": 5, "Connect": {"SidecarService": {"Tags": ["s"]}}},
        {"Name": "d-m", "Kind": "mesh-gateway", "Port": 6, "Proxy": {"Config": {"l": [1, "a"]}}},
    ]
    for body in bodies:
        run.quietly("PUT", f"{A}/service/register", body)
    for name in sorted(run.quietly("GET", f"{A}/services").json() or {}):
        found = run.quietly("GET", f"{A}/service/{name}").json() or {}
        run.note(f"hash of {name}", found.get("ContentHash"))
        run.quietly("PUT", f"{A}/service/deregister/{name}")


FILTERS = [
    _case(
        f"filter: {expression}",
        (f"-{REGISTER}", WEB),
        (f"-{REGISTER}", {"Name": "d-x"}),
        f"GET {A}/services?filter={expression.replace(' ', '+')}",
    )
    for expression in (
        "Service==%22d-web%22",
        "ID==%22d-web1%22",
        "a in Tags",
        "Tags is empty",
        "Meta.v==1",
        "Meta is empty",
        "Port==80",
        "Port!=80",
        "Port==abc",
        "Weights.Passing==10",
        "Weights==1",
        "EnableTagOverride==true",
        "EnableTagOverride==zork",
        "TaggedAddresses.wan.Port==90",
        "Kind is empty",
        "Zork==1",
        "CreateIndex==0",
        "ContentHash==x",
        "Namespace==x",
        "Proxy.Config.x==1",
        "Connect is empty",
        "(",
    )
]


def _health(name: str, checks: list[object], *more: object) -> Case:
    body = {"ID": "d-h1", "Name": "d-h", "Port": 1, "Checks": checks}
    return _case(
        f"health: {name}",
        (f"-{REGISTER}", body),
        *more,
        (f"GET {A}/health/service/id/d-h1", None, CHECKS),
        f"GET {A}/health/service/id/d-h1?format=text",
        (f"GET {A}/health/service/id/d-h1", None, WORDS),
        (f"GET {A}/health/service/name/d-h", None, CHECKS),
        f"GET {A}/health/service/name/d-h?format=text",
        (f"GET {A}/health/service/name/d-h?format=json", None, CHECKS),
    )


def _ttl(check_id: str, status: str) -> dict[str, str]:
    return {"CheckID": check_id, "TTL": "100s", "Status": status}


HEALTH = [
    _health("no checks", []),
    _health("passing", [_ttl("d-1", "passing")]),
    _health("warning", [_ttl("d-1", "passing"), _ttl("d-2", "warning")]),
    _health("critical", [_ttl("d-1", "critical"), _ttl("d-2", "warning")]),
    _health(
        "maintenance",
        [_ttl("d-1", "warning")],
        f"PUT {A}/service/maintenance/d-h1?enable=true&reason=why",
    ),
    _health(
        "a bad node",
        [_ttl("d-1", "passing")],
        (f"-PUT {A}/check/register", {"Name": "d-node", "TTL": "100s"}),
    ),
    _case(
        "health: the worst of several",
        (f"-{REGISTER}", {"ID": "d-1", "Name": "d-h", "Check": _ttl("d-c1", "passing")}),
        (f"-{REGISTER}", {"ID": "d-2", "Name": "d-h", "Check": _ttl("d-c2", "warning")}),
        f"GET {A}/health/service/name/d-h?format=text",
        f"PUT {A}/check/fail/d-c1",
        f"GET {A}/health/service/name/d-h?format=text",
        f"GET {A}/health/service/id/d-2?format=text",
    ),
    _case(
        "health: unknown",
        f"GET {A}/health/service/id/none",
        f"GET {A}/health/service/id/none?format=text",
        (f"GET {A}/health/service/id/none", None, WORDS),
        f"GET {A}/health/service/name/none",
        f"GET {A}/health/service/name/none?format=text",
        f"GET {A}/health/service/id/",
        f"GET {A}/health/service/name/",
        f"PUT {A}/health/service/id/x",
    ),
]

MAINTENANCE = [
    _case(
        "maintenance refused",
        f"PUT {A}/service/maintenance/",
        f"PUT {A}/service/maintenance/x",
        f"PUT {A}/service/maintenance/x?enable",
        f"PUT {A}/service/maintenance/x?enable=yes",
        f"PUT {A}/service/maintenance/none?enable=true",
        f"PUT {A}/service/maintenance/none?enable=false",
        f"GET {A}/service/maintenance/x?enable=true",
    ),
    _case(
        "maintenance",
        (f"-{REGISTER}", {"Name": "d-x", "Tags": ["t"]}),
        f"PUT {A}/service/maintenance/d-x?enable=true&reason=because",
        f"GET {A}/checks",
        f"PUT {A}/service/maintenance/d-x?enable=T&reason=again",
        f"GET {A}/checks",
        "GET /v1/health/checks/d-x",
        f"PUT {A}/service/maintenance/d-x?enable=0",
        f"GET {A}/checks",
    ),
    _case(
        "maintenance without reason",
        (f"-{REGISTER}", {"Name": "d-x"}),
        f"PUT {A}/service/maintenance/d-x?enable=1",
        f"GET {A}/checks",
    ),
]

CASES = [
    *REGISTERED,
    *READ,
    Case("agent", "service: waiting for another hash", _the_hash_changes),
    Case("agent", "service: hashes are those of the real one", _the_hashes),
    *FILTERS,
    *HEALTH,
    *MAINTENANCE,
]
