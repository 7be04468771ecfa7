"""Raw calls of `ConfigEntry.*`, and of what hangs on entries: gateways and proxies."""

from dataclasses import dataclass, field
from typing import Any

from server_tests.runtime.rpc_twins import Step, Story, config_entry, step

HERE = {"Datacenter": "dc1"}
TCP_DESTINATION = {"Destination": {"Service": "x"}}


def put(kind: str, name: str = "", op: str = "upsert", **fields: Any) -> Step:
    """`ConfigEntry.Apply`."""
    return step("ConfigEntry.Apply", config_entry(kind, {"Name": name, **fields}, Op=op))


def cas(kind: str, name: str, index: int) -> Step:
    """The same as a check-and-set."""
    return put(kind, name, "upsert-cas", ModifyIndex=index)


def drop(kind: str, name: str) -> Step:
    """`ConfigEntry.Delete`."""
    return step("ConfigEntry.Delete", config_entry(kind, {"Name": name}, Op="delete"))


def get(kind: str, name: str) -> Step:
    """`ConfigEntry.Get`."""
    return step("ConfigEntry.Get", {**HERE, "Kind": kind, "Name": name})


def listed(kind: str) -> Step:
    """`ConfigEntry.List`."""
    return step("ConfigEntry.List", {**HERE, "Kind": kind})


def defaults(name: str, protocol: str = "http", **fields: Any) -> Step:
    """`service-defaults` for a service."""
    return put("service-defaults", name, Protocol=protocol, **fields)


def resolved(name: str, **fields: Any) -> Step:
    """`ConfigEntry.ResolveServiceConfig`."""
    return step("ConfigEntry.ResolveServiceConfig", {**HERE, "Name": name, **fields})


def tried(kind: str, *bad: dict[str, Any]) -> list[Step]:
    """One attempt after the other; none of them should get through."""
    return [put(kind, fields.pop("Name", "rv"), **fields) for fields in map(dict, bad)]


WHOLE: dict[str, dict[str, Any]] = {
    "service-defaults": {
        "Protocol": "HTTP2",
        "MeshGateway": {"Mode": "local"},
        "Expose": {"Checks": True, "Paths": [{"Path": "/a", "ListenerPort": 80}]},
        "ExternalSNI": "web.example",
        "Meta": {"a": "b"},
        "Kind": "zork",
        "CreateIndex": 7,
    },
    "service-resolver": {
        "DefaultSubset": "v1",
        "Subsets": {"v1": {"Filter": "x == y", "OnlyPassing": True}, "v2": {}},
        "Failover": {"*": {"Service": "rx", "Datacenters": ["dc1", "dc2"]}},
        "ConnectTimeout": 5_000_000_000,
    },
    "service-splitter": {
        "Splits": [{"Weight": 33.337, "Service": "rx"}, {"Weight": 66.66, "Namespace": "n"}]
    },
    "service-router": {
        "Routes": [
            {
                "Match": {
                    "HTTP": {
                        "PathPrefix": "/a",
                        "Header": [{"Name": "x", "Exact": "y", "Invert": True}],
                        "QueryParam": [{"Name": "q", "Present": True}],
                        "Methods": ["get", "Put"],
                    }
                },
                "Destination": {
                    "Service": "rx",
                    "PrefixRewrite": "/b",
                    "RequestTimeout": 1_500_000_000,
                    "NumRetries": 3,
                    "RetryOnConnectFailure": True,
                    "RetryOnStatusCodes": [500, 502],
                },
            },
            {},
        ]
    },
    "ingress-gateway": {
        "TLS": {"Enabled": True},
        "Listeners": [
            {"Port": 80, "Protocol": "HTTP", "Services": [{"Name": "rx", "Hosts": ["a.b", "*.c"]}]},
            {"Port": 81, "Protocol": "http", "Services": [{"Name": "*"}]},
        ],
    },
    "terminating-gateway": {
        "Services": [{"Name": "rx", "CAFile": "c", "CertFile": "c", "KeyFile": "k", "SNI": "s"}]
    },
}

WRITING = [
    *(
        Story(
            f"a whole {kind}",
            [
                put("proxy-defaults", "global", Config={"protocol": "http"}),
                put(kind, "rw", **fields),
                get(kind, "RW"),
                listed(kind),
                put(kind, "rw", **fields),
                get(kind, "rw"),
                drop(kind, "rw"),
                drop(kind, "rw"),
                get(kind, "rw"),
                drop("proxy-defaults", "global"),
            ],
        )
        for kind, fields in WHOLE.items()
    ),
    Story(
        "the global proxy-defaults",
        [
            put("proxy-defaults", "zork", Config={"a": 1, "b": {"c": 2.5, "d": [1, {"e": "f"}]}}),
            get("proxy-defaults", "zork"),
            get("proxy-defaults", "global"),
            put("proxy-defaults", "", MeshGateway={"Mode": "remote"}, Meta={"a": "b"}),
            get("proxy-defaults", "global"),
            listed("proxy-defaults"),
            drop("proxy-defaults", "another name"),
            get("proxy-defaults", "global"),
        ],
    ),
    Story(
        "a redirect to the same service elsewhere",
        [
            put("service-resolver", "rd", Redirect={"Datacenter": "dc2"}),
            get("service-resolver", "rd"),
            drop("service-resolver", "rd"),
        ],
    ),
    Story(
        "check-and-set",
        [
            cas("service-defaults", "rcas", 7),
            cas("service-defaults", "rcas", 0),
            cas("service-defaults", "rcas", 0),
            cas("service-defaults", "rcas", 7),
            get("service-defaults", "rcas"),
            put("service-defaults", "rcas", "zork", ModifyIndex=7),
            put("service-defaults", "rcas", "delete"),
            get("service-defaults", "rcas"),
            drop("service-defaults", "rcas"),
        ],
    ),
    Story(
        "datacenters of writes",
        [
            step(
                "ConfigEntry.Apply",
                config_entry("service-defaults", {"Name": "rdc"}, Datacenter=datacenter),
            )
            for datacenter in ("", "mars", "dc1")
        ]
        + [
            step(
                "ConfigEntry.Delete",
                config_entry("service-defaults", {"Name": "rdc"}, Datacenter="mars"),
            )
        ],
    ),
    Story(
        "all kinds at once",
        [
            defaults("rl-b"),
            defaults("rl-a", "tcp"),
            put("service-resolver", "rl-a"),
            put("proxy-defaults", "global"),
            put("terminating-gateway", "rl-t", Services=[{"Name": "x"}]),
            listed(""),
            step("ConfigEntry.ListAll", HERE),
            step("ConfigEntry.ListAll", {**HERE, "Filter": "zork"}),
            listed("zork"),
            get("zork", "x"),
            get("", ""),
            drop("service-defaults", "rl-a"),
            drop("service-defaults", "rl-b"),
            drop("service-resolver", "rl-a"),
            drop("proxy-defaults", "global"),
            drop("terminating-gateway", "rl-t"),
            listed(""),
            step("ConfigEntry.ListAll", HERE),
        ],
    ),
]

META_TOO_LONG = {"Meta": {"k" * 129: "v"}}
META_VALUE_TOO_LONG = {"Meta": {"k": "v" * 513}}
META_TOO_MANY = {"Meta": {f"k{number}": "" for number in range(65)}}
BAD_META = (META_TOO_LONG, META_VALUE_TOO_LONG, META_TOO_MANY)


def http_match(**fields: Any) -> dict[str, Any]:
    """A router with one route that matches so."""
    return {"Routes": [{"Match": {"HTTP": fields}}]}


def listener(*services: dict[str, Any], port: int = 80, protocol: str = "http") -> dict[str, Any]:
    """An ingress listener."""
    return {"Port": port, "Protocol": protocol, "Services": list(services)}


def doors(*listeners: dict[str, Any], tls: bool = False) -> dict[str, Any]:
    """An ingress gateway."""
    return {"TLS": {"Enabled": tls}, "Listeners": list(listeners)}


def hosts(*names: str) -> dict[str, Any]:
    """A service behind these names."""
    return {"Name": "x", "Hosts": list(names)}


BAD_RESOLVERS: list[dict[str, Any]] = [
    {"Subsets": {"": {}}},
    {"Subsets": {"Ab": {}}},
    {"Subsets": {"-a": {}}},
    {"Subsets": {"a-": {}}},
    {"Subsets": {"a.b": {}}},
    {"Subsets": {"a" * 64: {}}},
    {"Subsets": {"\u00e4": {}}},
    {"DefaultSubset": "v1"},
    {"Redirect": {}},
    {"Redirect": {"ServiceSubset": "v1"}},
    {"Redirect": {"Namespace": "v1"}},
    {"Redirect": {"Service": "rv", "ServiceSubset": "v1"}},
    {"Redirect": {"Service": "x"}, "Failover": {"*": {"Service": "y"}}},
    {"Failover": {"v1": {"Service": "y"}}},
    {"Failover": {"*": {}}},
    {"Failover": {"*": {"ServiceSubset": "v1"}}},
    {"Failover": {"*": {"Service": "rv", "ServiceSubset": "v1"}}},
    {"Failover": {"*": {"Datacenters": ["dc1", ""]}}},
    {"ConnectTimeout": -1_500_000_000},
]

REFUSED = [
    *(Story(f"bad meta: {kind}", tried(kind, *BAD_META)) for kind in (*WHOLE, "proxy-defaults")),
    Story(
        "without a name",
        [put(kind, "", **fields) for kind, fields in WHOLE.items()]
        + [put(kind, "") for kind in WHOLE]
        + [drop(kind, "") for kind in (*WHOLE, "proxy-defaults")],
    ),
    Story(
        "bad routers",
        tried(
            "service-router",
            http_match(PathExact="a"),
            http_match(PathPrefix="a"),
            http_match(PathExact="/a", PathPrefix="/a"),
            http_match(PathExact="/a", PathRegex="/a"),
            http_match(PathPrefix="/a", PathRegex="/a"),
            http_match(Header=[{}]),
            http_match(Header=[{"Name": "x"}]),
            http_match(Header=[{"Name": "x", "Exact": "a"}, {"Name": "x", "Invert": True}]),
            http_match(Header=[{"Name": "x", "Exact": "a", "Regex": "a"}]),
            http_match(Header=[{"Name": "x", "Prefix": "a", "Suffix": "a"}]),
            http_match(QueryParam=[{}]),
            http_match(QueryParam=[{"Name": "x"}]),
            http_match(QueryParam=[{"Name": "x", "Present": True, "Exact": "a"}]),
            http_match(Methods=["get", "zork"]),
            http_match(Methods=["get", "GET"]),
            {"Routes": [{"Destination": {"PrefixRewrite": "/a"}}]},
            {
                "Routes": [
                    {},
                    {
                        "Match": {"HTTP": {"PathRegex": "/a"}},
                        "Destination": {"PrefixRewrite": "/a"},
                    },
                ]
            },
            {"Routes": [TCP_DESTINATION]},
            {},
        ),
    ),
    Story(
        "bad splitters",
        tried(
            "service-splitter",
            {},
            {"Splits": []},
            {"Splits": [{"Weight": 99.99}]},
            {"Splits": [{"Weight": 100.004}]},
            {"Splits": [{"Weight": 50}, {"Weight": 50}]},
            {"Splits": [{"Weight": 50}, {"Weight": 50, "Service": "rv"}]},
            {
                "Splits": [
                    {"Weight": 50, "Service": "b", "ServiceSubset": "v1", "Namespace": "n"},
                    {"Weight": 50, "Service": "b", "ServiceSubset": "v1", "Namespace": "n"},
                ]
            },
            {"Splits": [{"Weight": 33.335}, {"Weight": 66.665, "Service": "b"}]},
            {"Splits": [{"Weight": -100}, {"Weight": 200, "Service": "b"}]},
            {"Splits": [{"Weight": 1e30}]},
            {"Splits": [{"Weight": float("inf")}]},
        ),
    ),
    Story("bad resolvers", tried("service-resolver", *BAD_RESOLVERS)),
    Story(
        "bad ingress gateways",
        tried(
            "ingress-gateway",
            doors(listener({"Name": "x"}), listener({"Name": "x"})),
            doors(listener({"Name": "x"}, protocol="zork")),
            doors(listener()),
            doors(listener({"Name": "x"}, {"Name": "y"}, protocol="tcp")),
            doors(listener({"Name": "x"}, {"Name": "y"}, protocol="grpc")),
            doors(listener({"Name": "*"}, protocol="tcp")),
            doors(listener(hosts("a"), protocol="")),
            doors(listener({"Name": ""})),
            doors(listener({"Name": "*", "Hosts": ["a"]})),
            doors(listener(hosts("a", "a"))),
            doors(listener(hosts("a"), {"Name": "y", "Hosts": ["a"]})),
            doors(listener(hosts("*")), tls=True),
            doors(listener(hosts("*.*"))),
            doors(listener(hosts("a.*.b"))),
            doors(listener(hosts(""))),
            doors(listener(hosts("a..b"))),
            doors(listener(hosts("a" * 64))),
            doors(listener(hosts("." * 3))),
            doors(listener(hosts(".".join(["a" * 63] * 4)))),
            doors(listener({"Name": "unknown"})),
        ),
    ),
    Story(
        "hosts that are good",
        [
            put("proxy-defaults", "global", Config={"protocol": "http"}),
            put("ingress-gateway", "rv", **doors(listener(hosts("*", "a_b", "-x-", "a.b.")))),
            put("ingress-gateway", "rv", **doors(listener(hosts(".".join(["a" * 49] * 5))))),
            put("ingress-gateway", "rv", **doors(listener(hosts("\u00fc", "a b", ".")))),
            drop("ingress-gateway", "rv"),
            drop("proxy-defaults", "global"),
        ],
    ),
    Story(
        "bad terminating gateways",
        tried(
            "terminating-gateway",
            {"Services": [{"Name": ""}]},
            {"Services": [{"Name": "x"}, {"Name": "x"}]},
            {"Services": [{"Name": "x", "CertFile": "c"}]},
            {"Services": [{"Name": "x", "KeyFile": "c"}]},
            {"Services": [{"Name": "x", "CAFile": "c", "CertFile": "c"}]},
        ),
    ),
    Story(
        "entries that do not fit together",
        [
            defaults("rm-a"),
            put("service-router", "rm-a", Routes=[{"Destination": {"ServiceSubset": "v9"}}]),
            put("service-router", "rm-a", Routes=[{"Destination": {"Service": "rm-tcp"}}]),
            put("service-resolver", "rm-a", Redirect={"Service": "rm-b"}),
            put("service-splitter", "rm-a", Splits=[{"Weight": 100}]),
            put("terminating-gateway", "rm-gate", Services=[{"Name": "*"}]),
            put("ingress-gateway", "rm-gate"),
            put("ingress-gateway", "rm-door", **doors(listener({"Name": "rm-a"}, protocol="tcp"))),
            put("ingress-gateway", "rm-door", **doors(listener({"Name": "rm-x"}))),
            put("ingress-gateway", "rm-door", **doors(listener({"Name": "*"}))),
            drop("service-defaults", "rm-a"),
            drop("service-resolver", "rm-a"),
            drop("service-splitter", "rm-a"),
            drop("service-defaults", "rm-a"),
            drop("terminating-gateway", "rm-gate"),
            drop("ingress-gateway", "rm-door"),
            listed(""),
        ],
    ),
]

# ---------------------------------------------------------------- what agents ask for their proxies

RESOLVING = [
    Story(
        "nothing to resolve",
        [
            resolved("rz-web"),
            resolved("rz-web", Upstreams=["rz-a"]),
            resolved("rz-web", UpstreamIDs=[{"ID": "rz-a"}]),
            resolved("", Upstreams=[""]),
        ],
    ),
    Story(
        "a service and its upstreams",
        [
            defaults("rr-web", "grpc", MeshGateway={"Mode": "local"}),
            defaults("rr-a", "http"),
            defaults("rr-b", ""),
            resolved("rr-web", Upstreams=["rr-a", "rr-b", "rr-none", "rr-a"]),
            resolved("RR-WEB", UpstreamIDs=[{"ID": "rr-b"}, {"ID": "rr-a"}, {"ID": "rr-a"}]),
            resolved("rr-web", Upstreams=["rr-none"], UpstreamIDs=[{"ID": "rr-a"}]),
            put("proxy-defaults", "global", Config={"protocol": "http2", "n": 1.5, "l": ["x"]}),
            resolved("rr-web", Upstreams=["rr-a", "rr-b", "rr-none"]),
            resolved("rr-none", UpstreamIDs=[{"ID": "rr-b"}, {"ID": "rr-a"}]),
            put(
                "proxy-defaults",
                "global",
                Config={"protocol": ""},
                MeshGateway={"Mode": "remote"},
                Expose={"Paths": [{"Path": "/g"}]},
            ),
            resolved("rr-web", Upstreams=["rr-none"]),
            resolved("rr-none"),
            defaults("rr-web", "", Expose={"Checks": True, "Paths": [{"Path": "/o"}]}),
            resolved("rr-web"),
            put("proxy-defaults", "global", Config={"protocol": 5}),
            resolved("rr-web", Upstreams=["rr-a", "rr-none"]),
            put("proxy-defaults", "global", Config={"protocol": [True]}),
            resolved("rr-web", Upstreams=["rr-a", "rr-none"]),
            put("proxy-defaults", "global", Config={"protocol": {"a": 1.5}}),
            resolved("rr-web", Upstreams=["rr-a", "rr-none"]),
            put("proxy-defaults", "global", Config={}),
            resolved("rr-web"),
            *(drop("service-defaults", name) for name in ("rr-web", "rr-a", "rr-b")),
            drop("proxy-defaults", "global"),
            resolved("rr-web"),
        ],
    ),
]

# ---------------------------------------------------------------- what stands behind gateways


def instance(node: str, service: str, **fields: Any) -> Step:
    """A registered instance."""
    registration = {
        **HERE,
        "Node": node,
        "Address": "10.7.0.1",
        "Service": {"ID": f"{service}-1", "Service": service, "Port": 80, **fields},
        "Check": {"CheckID": service, "Status": "passing", "ServiceID": f"{service}-1"},
    }
    return step("-Catalog.Register", registration)


def behind(gateway: str, *services: str) -> list[Step]:
    """What is there, and how it is found from behind."""
    args = {**HERE, "ServiceName": gateway}
    made = [step("Catalog.GatewayServices", args), step("Internal.GatewayServiceDump", args)]
    for service in services:
        args = {**HERE, "ServiceName": service}
        made += [
            step("Health.ServiceNodes", {**args, "Ingress": True}),
            step("Health.ServiceNodes", {**args, "Connect": True}),
            step("Catalog.ServiceNodes", {**args, "Connect": True}),
        ]
    return made


GATEWAYS = [
    Story(
        "services behind a terminating gateway",
        [
            *behind("rg-none"),
            instance("rg1", "rg-db"),
            instance("rg1", "rg-gate", Kind="terminating-gateway"),
            put("terminating-gateway", "rg-gate", Services=[{"Name": "rg-db"}, {"Name": "rg-x"}]),
            *behind("rg-gate", "rg-db", "rg-cache", "rg-x"),
            *behind("RG-GATE"),
            put("terminating-gateway", "rg-gate", Services=[{"Name": "*", "CAFile": "c"}]),
            *behind("rg-gate", "rg-db", "rg-cache", "rg-x"),
            instance("rg2", "rg-db"),
            instance("rg2", "rg-cache"),
            *behind("rg-gate", "rg-db", "rg-cache", "rg-x"),
            step("-Catalog.Deregister", {**HERE, "Node": "rg2"}),
            *behind("rg-gate", "rg-db", "rg-cache", "rg-x"),
            drop("terminating-gateway", "rg-gate"),
            *behind("rg-gate", "rg-db", "rg-cache", "rg-x"),
            step("-Catalog.Deregister", {**HERE, "Node": "rg1"}),
        ],
    ),
    Story(
        "services behind an ingress gateway",
        [
            instance("ri1", "ri-web"),
            instance("ri1", "ri-api"),
            instance("ri1", "ri-door", Kind="ingress-gateway"),
            defaults("ri-web"),
            put(
                "ingress-gateway",
                "ri-door",
                **doors(listener({"Name": "*"}), listener(hosts("a", "b"), port=81)),
            ),
            defaults("x"),
            put(
                "ingress-gateway",
                "ri-door",
                **doors(listener({"Name": "*"}), listener(hosts("a", "b"), port=81)),
            ),
            *behind("ri-door", "ri-web", "ri-api", "x"),
            defaults("ri-api"),
            *behind("ri-door", "ri-web", "ri-api", "x"),
            defaults("ri-web", "grpc"),
            *behind("ri-door", "ri-web", "ri-api", "x"),
            drop("ingress-gateway", "ri-door"),
            *behind("ri-door", "ri-web", "ri-api", "x"),
            *(drop("service-defaults", name) for name in ("ri-web", "ri-api", "x")),
            step("-Catalog.Deregister", {**HERE, "Node": "ri1"}),
        ],
    ),
]

CONFIG_STORIES = [*WRITING, *REFUSED, *RESOLVING, *GATEWAYS]

# ---------------------------------------------------------------- what ends a blocking query

Call = tuple[str, Any]


@dataclass(frozen=True, slots=True)
class Waiting:
    """A query that waits, changes one after the other, and the one that it should wait for."""

    name: str
    method: str
    args: dict[str, Any]
    before: list[Call]
    changes: dict[str, Call]
    woken_by: str
    after: list[Call] = field(default_factory=list)


def call(made: Step) -> Call:
    """A step as a call."""
    return made.method, made.args


def _service(name: str, protocol: str) -> Call:
    return call(defaults(name, protocol))


_CHANGES = {
    "another kind": call(put("service-resolver", "rb-b")),
    "another name": _service("rb-b", "http"),
    "itself": _service("rb-a", "http"),
}
_BEFORE = [_service("rb-a", "tcp")]
_AFTER = [
    call(drop("service-defaults", "rb-a")),
    call(drop("service-defaults", "rb-b")),
    call(drop("service-resolver", "rb-b")),
]
_ONE = {**HERE, "Kind": "service-defaults", "Name": "rb-a"}

WAITING = [
    Waiting("one entry", "ConfigEntry.Get", _ONE, _BEFORE, _CHANGES, "itself", _AFTER),
    Waiting("all kinds", "ConfigEntry.ListAll", HERE, _BEFORE, _CHANGES, "another kind", _AFTER),
]
