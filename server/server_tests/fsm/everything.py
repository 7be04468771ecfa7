"""One of everything, put into a Consul server by its HTTP API."""

import datetime
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from server_tests.fsm.real_server import RealServer

LARGE_VALUE = bytes(range(256)) * 2400  # 600 KiB: proposed in two chunks
LONG_KEY = "long/" + "k" * 3000
TTL_JWT = (  # {"alg":"none"}.{"iss":"kubernetes/serviceaccount"}. with an empty signature
    "eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJrdWJlcm5ldGVzL3NlcnZpY2VhY2NvdW50In0.c2ln"
)


def fill(server: RealServer) -> None:
    """Write it all, changing and deleting some of it again."""
    _catalog(server)
    _sessions_and_keys(server)
    _config_entries(server)
    _intentions_and_queries(server)
    _rights(server)
    _operator(server)


def _catalog(server: RealServer) -> None:
    for number in (1, 2, 3):
        server.put("/v1/catalog/register", _node(number))
    server.put("/v1/catalog/register", _node(2) | {"Address": "10.1.0.2"})  # moved
    server.put("/v1/catalog/register", _node(2) | {"Address": "10.1.0.2"})  # unchanged
    renamed = {"Node": "renamed", "Address": "10.0.0.3", "ID": _uuid(3)}
    server.put("/v1/catalog/register", renamed)
    for proxy in (
        {"Kind": "connect-proxy", "Service": "web-proxy", "Port": 8001, "Proxy": _proxy()},
        {"Kind": "mesh-gateway", "Service": "mesh", "Port": 8443},
        {"Kind": "terminating-gateway", "Service": "exit", "Port": 8444},
        {"Kind": "ingress-gateway", "Service": "door", "Port": 8445},
        {"Service": "native", "Port": 9, "Connect": {"Native": True}},
        {"Service": "Upper", "ID": "UPPER-1", "Port": 7},
        {"Service": "upper", "ID": "upper-2", "Port": 7},
    ):
        server.put(
            "/v1/catalog/register", {"Node": "node1", "Address": "10.0.0.1"} | {"Service": proxy}
        )
    for status in ("passing", "warning", "warning"):
        server.put("/v1/catalog/register", _check(status))
    server.put(
        "/v1/catalog/register",
        {"Node": "gone", "Address": "10.0.0.9", "Service": {"Service": "brief"}},
    )
    server.put("/v1/catalog/deregister", {"Node": "gone", "ServiceID": "brief"})
    server.put("/v1/catalog/deregister", {"Node": "gone"})
    server.put("/v1/coordinate/update", _coordinate("node1"))


def _uuid(number: int) -> str:
    return f"40e4a748-2192-161a-0510-{number:012d}"


def _node(number: int) -> dict[str, Any]:
    return {
        "ID": _uuid(number),
        "Node": f"node{number}",
        "Address": f"10.0.0.{number}",
        "TaggedAddresses": {"lan": f"10.0.0.{number}", "wan": f"198.51.100.{number}"},
        "NodeMeta": {"rack": str(number), "züri": "schön"},
        "Service": {
            "ID": f"web{number}",
            "Service": "web",
            "Tags": ["v1", f"n{number}"] if number > 1 else None,
            "Address": "",
            "TaggedAddresses": {"lan": {"Address": "10.0.0.1", "Port": 80}},
            "Meta": {"version": "1"},
            "Port": 80,
            "Weights": {"Passing": 10, "Warning": 2},
            "EnableTagOverride": True,
        },
        "Checks": [
            {"CheckID": "node:alive", "Name": "alive", "Status": "passing"},
            {
                "CheckID": f"service:web{number}",
                "Name": "web",
                "Status": "passing",
                "ServiceID": f"web{number}",
                "Output": "ok \u2713",
                "Definition": {"HTTP": "http://x", "Interval": "10s", "Header": {"a": ["b"]}},
            },
        ],
    }


def _check(status: str) -> dict[str, Any]:
    check = {"Node": "node1", "CheckID": "extra", "Name": "extra", "Status": status}
    return {"Node": "node1", "Address": "10.0.0.1", "SkipNodeUpdate": True, "Check": check}


def _proxy() -> dict[str, Any]:
    return {
        "DestinationServiceName": "web",
        "DestinationServiceID": "web1",
        "LocalServicePort": 80,
        "Config": {"a": 1, "b": [1.5, "x", {"c": True}], "n": None, "e": {}},
        "Upstreams": [
            {"DestinationName": "db", "LocalBindPort": 9191, "Config": {"protocol": "tcp"}},
            {"DestinationType": "prepared_query", "DestinationName": "q", "LocalBindPort": 2},
        ],
        "MeshGateway": {"Mode": "local"},
        "Expose": {
            "Checks": True,
            "Paths": [{"Path": "/h", "LocalPathPort": 1, "ListenerPort": 2}],
        },
    }


def _coordinate(node: str) -> dict[str, Any]:
    vec = [0.1, -0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8]
    return {"Node": node, "Coord": {"Vec": vec, "Error": 1.5, "Adjustment": 0, "Height": 0.1}}


def _sessions_and_keys(server: RealServer) -> None:
    release = server.put("/v1/session/create", {"Name": "r", "TTL": "3600s", "LockDelay": "1s"})
    deleting = server.put(
        "/v1/session/create",
        {"Node": "node1", "Behavior": "delete", "NodeChecks": ["node:alive"], "LockDelay": "0s"},
    )
    lasting = server.put(
        "/v1/session/create",
        {"Node": "node2", "NodeChecks": [], "ServiceChecks": [{"ID": "service:web2"}]},
    )
    server.put("/v1/kv/plain?flags=18446744073709551615", b"value")
    server.put("/v1/kv/plain?flags=18446744073709551615", b"value")  # unchanged
    server.put("/v1/kv/empty", b"")
    server.put("/v1/kv/bytes", bytes(range(256)))
    server.put("/v1/kv/" + LONG_KEY, b"long")
    server.put("/v1/kv/large", LARGE_VALUE)
    for number in range(5):
        server.put(f"/v1/kv/tree/{number}", b"x")
    server.put("/v1/kv/tree/0", verb="DELETE")
    server.put("/v1/kv/tree/9", verb="DELETE")
    server.put("/v1/kv/tree/?recurse", verb="DELETE")
    server.put("/v1/kv/plain?cas=0", b"lost")
    server.put("/v1/kv/plain?cas=1", verb="DELETE")
    server.put(f"/v1/kv/lock/a?acquire={release['ID']}", b"mine")
    server.put(f"/v1/kv/lock/a?acquire={lasting['ID']}", b"not mine")
    server.put("/v1/kv/lock/a", b"plain set on a locked key")
    server.put(f"/v1/kv/lock/b?acquire={deleting['ID']}", b"gone with its session")
    server.put(f"/v1/kv/lock/c?acquire={lasting['ID']}", b"kept")
    server.put(f"/v1/kv/lock/d?acquire={lasting['ID']}", b"to release")
    server.put(f"/v1/kv/lock/d?release={lasting['ID']}", b"released")
    server.put(f"/v1/session/destroy/{release['ID']}")
    critical = {"CheckID": "node:alive", "Name": "alive", "Status": "critical", "Node": "node1"}
    server.put("/v1/catalog/register", {"Node": "node1", "Address": "10.0.0.1", "Check": critical})
    server.put("/v1/txn", [{"KV": {"Verb": "set", "Key": "txn/a", "Value": "YQ=="}}, _txn_node()])
    status, _ = server.call(
        "PUT",
        "/v1/txn",
        [
            {"KV": {"Verb": "set", "Key": "txn/b", "Value": "YQ=="}},
            {"KV": {"Verb": "check-index", "Key": "txn/a", "Index": 1}},
        ],
    )
    assert status == 409


def _txn_node() -> dict[str, Any]:
    return {"Node": {"Verb": "set", "Node": {"Node": "txn-node", "Address": "10.2.0.1"}}}


def _config_entries(server: RealServer) -> None:
    entries = [
        {
            "Kind": "proxy-defaults",
            "Name": "global",
            "Config": {"x": 1, "m": {"l": [1, True, "z"]}},
        },
        {"Kind": "service-defaults", "Name": "web", "Protocol": "http", "Meta": {"a": "b"}},
        {"Kind": "service-defaults", "Name": "api", "Protocol": "HTTP"},
        {
            "Kind": "service-resolver",
            "Name": "web",
            "DefaultSubset": "v1",
            "Subsets": {
                "v1": {"Filter": 'Service.Meta.version == "1"'},
                "v2": {"OnlyPassing": True},
            },
            "Failover": {"*": {"Datacenters": ["dc2", "dc3"]}},
            "ConnectTimeout": "15s",
        },
        {
            "Kind": "service-splitter",
            "Name": "web",
            "Splits": [
                {"Weight": 33.3, "ServiceSubset": "v1"},
                {"Weight": 66.7, "ServiceSubset": "v2"},
            ],
        },
        {
            "Kind": "service-router",
            "Name": "web",
            "Routes": [
                {
                    "Match": {
                        "HTTP": {"PathPrefix": "/a", "Header": [{"Name": "h", "Exact": "v"}]}
                    },
                    "Destination": {"Service": "api", "RequestTimeout": "3s", "NumRetries": 2},
                }
            ],
        },
        {
            "Kind": "ingress-gateway",
            "Name": "door",
            "Listeners": [
                {
                    "Port": 80,
                    "Protocol": "http",
                    "Services": [{"Name": "web", "Hosts": ["a.example"]}],
                },
                {"Port": 81, "Protocol": "tcp", "Services": [{"Name": "native"}]},
                {"Port": 82, "Protocol": "http", "Services": [{"Name": "*"}]},
            ],
        },
        {
            "Kind": "terminating-gateway",
            "Name": "exit",
            "Services": [{"Name": "*", "CAFile": "ca.pem"}, {"Name": "upper", "SNI": "u.example"}],
        },
        {"Kind": "service-defaults", "Name": "brief", "Protocol": "grpc"},
    ]
    for entry in entries:
        server.put("/v1/config", entry)
    server.put("/v1/config?cas=0", entries[1])
    server.put("/v1/config/service-defaults/brief", verb="DELETE")
    # A wildcard follows what is registered, and what is gone.
    late = {"Node": "node2", "Address": "10.1.0.2", "Service": {"Service": "late"}}
    server.put("/v1/catalog/register", late)
    server.put("/v1/catalog/register", late | {"Service": {"Service": "later"}})
    server.put("/v1/catalog/deregister", {"Node": "node2", "ServiceID": "later"})
    for misfit in MISFITS:
        status, answer = server.call("PUT", "/v1/config", misfit)
        assert status != 200, (misfit, answer)
    for entry in MORE_ENTRIES:
        server.put("/v1/config", entry)
    for misfit in MORE_MISFITS:
        status, answer = server.call("PUT", "/v1/config", misfit)
        assert status != 200, (misfit, answer)
    for needed in ("service-resolver/web", "service-resolver/hop2"):
        status, _ = server.call("DELETE", f"/v1/config/{needed}")
        assert status != 200, needed
    server.put("/v1/config/ingress-gateway/door3", verb="DELETE")


# Entries that `apply` refuses, each for another reason, and each for the sake of one chain only:
# among several a real server reports any.
MISFITS: list[dict[str, Any]] = [
    {"Kind": "service-defaults", "Name": "web", "Protocol": "tcp"},
    {"Kind": "service-router", "Name": "plain", "Routes": []},
    {
        "Kind": "service-splitter",
        "Name": "api",
        "Splits": [{"Weight": 100, "ServiceSubset": "missing"}],
    },
    {
        "Kind": "service-splitter",
        "Name": "solo",
        "Splits": [{"Weight": 50, "Service": "api"}, {"Weight": 50, "Service": "tcp-one"}],
    },
    {"Kind": "service-resolver", "Name": "web", "Subsets": {}},
    {"Kind": "ingress-gateway", "Name": "exit", "Listeners": []},
    {"Kind": "terminating-gateway", "Name": "door", "Services": []},
    {
        "Kind": "ingress-gateway",
        "Name": "door2",
        "Listeners": [{"Port": 1, "Protocol": "http", "Services": [{"Name": "native"}]}],
    },
]


MORE_ENTRIES: list[dict[str, Any]] = [
    # From here on http is what a service speaks if nothing else is said.
    {"Kind": "proxy-defaults", "Name": "global", "Config": {"protocol": "http"}},
    {"Kind": "service-splitter", "Name": "by-default", "Splits": [{"Weight": 100}]},
    {"Kind": "service-defaults", "Name": "outside", "ExternalSNI": "o.example", "Protocol": "http"},
    {"Kind": "service-resolver", "Name": "hop1", "Redirect": {"Service": "hop2"}},
    {"Kind": "service-resolver", "Name": "hop2", "Subsets": {"s": {}}, "DefaultSubset": "s"},
    {
        "Kind": "service-resolver",
        "Name": "hop3",
        "Redirect": {"Service": "hop2", "ServiceSubset": "s", "Datacenter": "dc2"},
    },
    {
        "Kind": "service-splitter",
        "Name": "circle-a",
        "Splits": [{"Weight": 50, "Service": "api"}, {"Weight": 50, "Service": "circle-b"}],
    },
    {
        "Kind": "ingress-gateway",
        "Name": "door3",
        "Listeners": [{"Port": 9, "Protocol": "http", "Services": [{"Name": "*"}]}],
    },
]

MORE_MISFITS: list[dict[str, Any]] = [
    {
        "Kind": "service-splitter",
        "Name": "circle-b",
        "Splits": [{"Weight": 100, "Service": "circle-a"}],
    },
    {"Kind": "service-resolver", "Name": "hop2", "Redirect": {"Service": "hop1"}},
    {"Kind": "service-resolver", "Name": "outside", "Subsets": {"a": {}}},
    {"Kind": "service-resolver", "Name": "outside", "Failover": {"*": {"Datacenters": ["dc2"]}}},
    {"Kind": "service-resolver", "Name": "hop2", "Subsets": {"t": {}}},
    {
        "Kind": "service-resolver",
        "Name": "failing",
        "Failover": {"*": {"Service": "hop2", "ServiceSubset": "u"}},
    },
    {
        "Kind": "service-router",
        "Name": "by-default",
        "Routes": [{"Destination": {"Service": "web", "ServiceSubset": "v9"}}],
    },
    {"Kind": "service-defaults", "Name": "circle-b", "Protocol": "grpc"},
]


def _intentions_and_queries(server: RealServer) -> None:
    first: dict[str, Any] = {}
    intention: dict[str, Any] = {}
    for source, destination in (("*", "web"), ("api", "web"), ("*", "*"), ("api", "*")):
        intention = {
            "SourceName": source,
            "DestinationName": destination,
            "SourceType": "consul",
            "Action": "deny" if source == "*" else "allow",
        }
        first = server.put("/v1/connect/intentions", intention, verb="POST")
    server.call("POST", "/v1/connect/intentions", intention)  # a second one
    server.put(f"/v1/connect/intentions/{first['ID']}", intention | {"Meta": {"k": "v"}})
    server.put(f"/v1/connect/intentions/{first['ID']}", verb="DELETE")
    session = server.put("/v1/session/create", {"Name": "q", "NodeChecks": []})
    query = {
        "Name": "q",
        "Session": session["ID"],
        "Service": {"Service": "web", "Tags": ["v1", "!old"], "Near": "_agent"},
        "DNS": {"TTL": "10s"},
    }
    server.put("/v1/query", query, verb="POST")
    server.call("POST", "/v1/query", query)  # the name is taken
    template = {
        "Name": "geo-",
        "Template": {
            "Type": "name_prefix_match",
            "Regexp": r"^geo-(.*?)-([^\-]+?)$",
            "RemoveEmptyTags": True,
        },
        "Service": {
            "Service": "${match(1)}",
            "Tags": ["${match(2)}", "${agent.segment}", "${name.suffix}"],
            "Failover": {"NearestN": 3, "Datacenters": ["dc1", "dc2"]},
            "NodeMeta": {"rack": "${name.full}"},
        },
    }
    made = server.put("/v1/query", template, verb="POST")
    for broken in BROKEN_TEMPLATES:
        bad = template | {"Name": "bad-", "Service": {"Service": broken}}
        status, answer = server.call("POST", "/v1/query", bad)
        assert status != 200, (broken, answer)
    server.put(f"/v1/query/{made['ID']}", template | {"Name": "geo-more-"})
    doomed = server.put("/v1/query", {"Name": "x", "Service": {"Service": "x"}}, verb="POST")
    server.put(f"/v1/query/{doomed['ID']}", verb="DELETE")


BROKEN_TEMPLATES = (
    "${",
    "${match(1}",
    "${nothing}",
    "${nothing(1)}",
    "${match(1, 2)}",
    "${1 +}",
    '${match("x")}',
    "a${name.full",
)


def _rights(server: RealServer) -> None:
    policy = server.put(
        "/v1/acl/policy", {"Name": "p", "Rules": 'key_prefix "" { policy = "read" }'}
    )
    doomed = server.put("/v1/acl/policy", {"Name": "doomed", "Rules": "", "Datacenters": ["dc1"]})
    links = [{"ID": policy["ID"]}, {"Name": "doomed"}]
    role = server.put(
        "/v1/acl/role",
        {
            "Name": "r",
            "Policies": links,
            "ServiceIdentities": [{"ServiceName": "web", "Datacenters": ["dc1"]}],
            "NodeIdentities": [{"NodeName": "node1", "Datacenter": "dc1"}],
        },
    )
    server.put("/v1/acl/token", {"Description": "t", "Policies": links, "Roles": [{"Name": "r"}]})
    server.put(
        "/v1/acl/token", {"Local": True, "ExpirationTTL": "1h", "Roles": [{"ID": role["ID"]}]}
    )
    gone = server.put("/v1/acl/token", {"NodeIdentities": [{"NodeName": "n", "Datacenter": "d"}]})
    server.put(f"/v1/acl/token/{gone['AccessorID']}", verb="DELETE")
    server.put(f"/v1/acl/policy/{doomed['ID']}", verb="DELETE")
    server.put(f"/v1/acl/policy/{policy['ID']}", policy | {"Name": "p2", "Description": "renamed"})
    server.put(f"/v1/acl/role/{role['ID']}", role | {"Policies": [{"ID": policy["ID"]}]})
    server.put(
        "/v1/acl/create", {"Name": "old", "Type": "client", "Rules": 'key "" { policy = "read" }'}
    )
    certificate, public_key = _certificate()
    methods: list[dict[str, Any]] = [
        {
            "Name": "kube",
            "Type": "kubernetes",
            "Config": {
                "Host": "https://192.0.2.1:8443",
                "CACert": certificate,
                "ServiceAccountJWT": TTL_JWT,
            },
        },
        {
            "Name": "jwt",
            "Type": "jwt",
            "MaxTokenTTL": "5m",
            "Config": {"JWTValidationPubKeys": [public_key], "ClaimMappings": {"sub": "name"}},
        },
    ]
    rule: dict[str, Any] = {}
    for method in methods:
        server.put("/v1/acl/auth-method", method)
        rule = {"AuthMethod": method["Name"], "BindType": "service", "BindName": "web"}
        server.put("/v1/acl/binding-rule", rule)
    server.put("/v1/acl/auth-method", methods[1] | {"Name": "away"})
    server.put("/v1/acl/binding-rule", rule | {"AuthMethod": "away", "Selector": "value.name==x"})
    server.put("/v1/acl/auth-method/away", verb="DELETE")


def _certificate() -> tuple[str, str]:
    """A certificate of a CA and its public key, both PEM."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "kube")])
    begin = datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(begin)
        .not_valid_after(begin + datetime.timedelta(days=36500))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    public = key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return made.public_bytes(serialization.Encoding.PEM).decode(), public.decode()


def _operator(server: RealServer) -> None:
    server.put(
        "/v1/operator/autopilot/configuration", {"CleanupDeadServers": False, "MaxTrailingLogs": 9}
    )
    server.put(
        "/v1/connect/ca/configuration",
        {"Provider": "consul", "Config": {"LeafCertTTL": "48h", "RotationPeriod": "2160h"}},
    )
