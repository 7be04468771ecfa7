"""`/v1/catalog/`."""

from server_tests.differential.run import Case, Options, Run, table

REGISTER = "PUT /v1/catalog/register"
DEREGISTER = "PUT /v1/catalog/deregister"
EXACT = Options(exact=True)


def node(name: str, **more: object) -> dict[str, object]:
    """A registration of a node."""
    return {"Node": name, "Address": "10.1.0.1", **more}


BAD_BODIES: list[tuple[str, object]] = [
    ("no body", None),
    ("empty object", {}),
    ("null", "null"),
    ("array", "[]"),
    ("text", '"x"'),
    ("garbage", "{x"),
    ("cut", '{"Node":'),
    ("rest behind", '{"Node":"cat-rest","Address":"1.1.1.1"} x'),
    ("unknown field", node("b", Zork=1)),
    ("unknown field of the service", node("b", Service={"Service": "x", "Zork": 1})),
    ("unknown field of the check", node("b", Check={"Name": "x", "Zork": 1})),
    ("number for a name", {"Node": 1, "Address": "x"}),
    ("text for a port", node("b", Service={"Service": "x", "Port": "80"})),
    ("fraction for a port", node("b", Service={"Service": "x", "Port": 80.5})),
    ("text for tags", node("b", Service={"Service": "x", "Tags": "a"})),
    ("number among the tags", node("b", Service={"Service": "x", "Tags": [1]})),
    ("no address", {"Node": "b"}),
    ("no node", {"Address": "1.1.1.1"}),
    ("short id", node("b", ID="x")),
    ("id without dashes", node("b", ID="aaaaaaaa000040008000000000000bad0000")),
    ("id of wrong letters", node("b", ID="zaaaaaaa-0000-4000-8000-000000000bad")),
    ("service without a name", node("b", Service={"ID": "x"})),
    ("empty service", node("b", Service={})),
    ("any address", node("b", Service={"Service": "x", "Address": "0.0.0.0"})),
    ("any address 6", node("b", Service={"Service": "x", "Address": "::"})),
    ("proxy without a destination", node("b", Service={"Service": "x", "Kind": "connect-proxy"})),
    (
        "proxy with a bad upstream",
        node(
            "b",
            Service={
                "Service": "x",
                "Kind": "connect-proxy",
                "Port": 1,
                "Proxy": {"DestinationServiceName": "y", "Upstreams": [{}]},
            },
        ),
    ),
    ("mesh gateway without a port", node("b", Service={"Service": "x", "Kind": "mesh-gateway"})),
    ("empty check", node("b", Check={})),
    ("check of another node", node("b", Check={"Node": "other", "Name": "x"})),
    ("check of an unknown service", node("b", Check={"Name": "x", "ServiceID": "nothing"})),
    ("bad interval", node("b", Check={"Name": "x", "Definition": {"Interval": "y"}})),
    ("other datacenter", node("b", Datacenter="other")),
    ("namespace", node("b", Namespace="a")),
    ("namespace of the service", node("b", Service={"Service": "x", "Namespace": "a"})),
    ("name of a node with another id", node("{NODE}", ID="aaaaaaaa-0000-4000-8000-000000000bad")),
]

REFUSED = table("catalog", [(f"register: {name}", (REGISTER, body)) for name, body in BAD_BODIES])

GOOD_BODIES: list[tuple[str, dict[str, object]]] = [
    ("node", {}),
    (
        "node with everything",
        {
            "ID": "aaaaaaaa-0000-4000-8000-0000000000c1",
            "NodeMeta": {"b": "2", "a": "1"},
            "TaggedAddresses": {"wan": "1.2.3.4", "lan": "5.6.7.8"},
        },
    ),
    ("strange node meta", {"NodeMeta": {"": "x", "consul-y": "z", "<&>": "ü"}}),
    ("empty node meta", {"NodeMeta": {}, "TaggedAddresses": {}}),
    ("service", {"Service": {"Service": "cat-web"}}),
    (
        "service with everything",
        {
            "Service": {
                "ID": "w1",
                "Service": "cat-web",
                "Tags": ["b", "a", "b"],
                "Address": "10.0.0.9",
                "Port": 80,
                "Meta": {"k": "v"},
                "Weights": {"Passing": 3, "Warning": 2},
                "EnableTagOverride": True,
                "TaggedAddresses": {"wan": {"Address": "1.2.3.4", "Port": 5}},
                "Connect": {"Native": True},
            }
        },
    ),
    (
        "empty lists",
        {"Service": {"Service": "cat-web", "Tags": [], "Meta": {}, "TaggedAddresses": {}}},
    ),
    ("bad weights", {"Service": {"Service": "cat-web", "Weights": {"Passing": 0, "Warning": -1}}}),
    ("some weights", {"Service": {"Service": "cat-web", "Weights": {"Passing": 7}}}),
    ("unknown kind", {"Service": {"Service": "cat-web", "Kind": "unheard-of"}}),
    ("name that dns cannot say", {"Service": {"Service": "cat_web.ü"}}),
    ("slashes in an id", {"Service": {"ID": "a/b", "Service": "cat-web"}}),
    (
        "proxy",
        {
            "Service": {
                "Service": "cat-proxy",
                "Kind": "connect-proxy",
                "Port": 9,
                "Proxy": {
                    "DestinationServiceName": "cat-web",
                    "DestinationServiceID": "w1",
                    "LocalServiceAddress": "127.0.0.1",
                    "LocalServicePort": 80,
                    "Config": {"a": 1, "b": "x", "c": True, "d": 1.5},
                    "Upstreams": [
                        {"DestinationName": "db", "LocalBindPort": 1, "Config": {"x": "y"}}
                    ],
                    "MeshGateway": {"Mode": "local"},
                    "Expose": {"Checks": True, "Paths": [{"Path": "/p", "ListenerPort": 7}]},
                },
            }
        },
    ),
    (
        "proxy in snake case",
        {
            "Service": {
                "Service": "cat-proxy2",
                "Kind": "connect-proxy",
                "Port": 9,
                "Proxy": {
                    "destination_service_name": "cat-web",
                    "upstreams": [{"destination_name": "db", "local_bind_port": 1}],
                },
            }
        },
    ),
    ("check by name", {"Check": {"Name": "alive", "Status": "passing"}}),
    ("check without a status", {"Check": {"CheckID": "c1"}}),
    ("check with a strange status", {"Check": {"CheckID": "c1", "Status": "fine"}}),
    (
        "check with everything",
        {
            "Service": {"Service": "cat-web", "Tags": ["t"]},
            "Check": {
                "CheckID": "c2",
                "Name": "n",
                "Status": "warning",
                "Notes": "notes",
                "Output": "out",
                "ServiceID": "cat-web",
                "Type": "own",
                "Definition": {
                    "HTTP": "http://x",
                    "Header": {"a": ["b", "c"]},
                    "Method": "POST",
                    "Body": "b",
                    "TLSSkipVerify": True,
                    "Interval": "10s",
                    "Timeout": "1500ms",
                    "DeregisterCriticalServiceAfter": "90m",
                    "OutputMaxSize": 10,
                },
            },
        },
    ),
    (
        "definition in numbers",
        {
            "Check": {
                "CheckID": "c3",
                "Definition": {"TCP": "a:1", "Interval": 5_000_000_000, "Timeout": 7},
            }
        },
    ),
    ("definition of a ttl", {"Check": {"CheckID": "c4", "Definition": {"TTL": "15s"}}}),
    (
        "definition of an alias",
        {"Check": {"CheckID": "c5", "Definition": {"AliasNode": "n", "AliasService": "s"}}},
    ),
    (
        "definition of grpc",
        {
            "Check": {
                "CheckID": "c6",
                "Definition": {"GRPC": "a:1", "GRPCUseTLS": True, "Interval": "1s"},
            }
        },
    ),
    (
        "definition of a script",
        {"Check": {"CheckID": "c7", "Definition": {"ScriptArgs": ["a"], "Interval": "1s"}}},
    ),
    (
        "definition of docker",
        {
            "Check": {
                "CheckID": "c8",
                "Definition": {
                    "DockerContainerID": "d",
                    "Shell": "sh",
                    "ScriptArgs": ["a"],
                    "Interval": "1s",
                },
            }
        },
    ),
    (
        "strange definition",
        {"Check": {"CheckID": "c9", "Definition": {"Zork": 1, "Interval": None}}},
    ),
    (
        "several checks",
        {
            "Check": {"CheckID": "one"},
            "Checks": [{"CheckID": "two", "Status": "passing"}, {"CheckID": "three"}],
        },
    ),
    ("lower case", {"service": {"service": "cat-low", "port": 5, "tags": ["x"]}}),
    (
        "indexes are not taken",
        {"Service": {"Service": "cat-web", "CreateIndex": 5, "ModifyIndex": 6}},
    ),
]


def _registered(name: str, more: dict[str, object]) -> Case:
    def story(run: Run) -> None:
        run.ask("PUT", "/v1/catalog/register", node("cat1", **more))
        run.ask("GET", "/v1/catalog/node/cat1")
        run.ask("GET", "/v1/catalog/node-services/cat1")
        run.ask("GET", "/v1/health/node/cat1")
        for service in ("cat-web", "cat-proxy"):
            run.ask("GET", f"/v1/catalog/service/{service}")
            run.ask("GET", f"/v1/health/service/{service}")
        run.quietly("PUT", "/v1/catalog/deregister", {"Node": "cat1"})

    return Case("catalog", f"registered: {name}", story)


REGISTERED = [_registered(name, more) for name, more in GOOD_BODIES]

WEB = {"Service": "cat-s", "Port": 80, "Tags": ["a", "b"]}
SOME = (
    ("-" + REGISTER, node("cn1", NodeMeta={"rack": "1", "os": "x"}, Service={**WEB, "ID": "s1"})),
    (
        "-" + REGISTER,
        node(
            "cn2",
            NodeMeta={"rack": "2"},
            Service={**WEB, "ID": "s2", "Tags": ["B"], "Meta": {"v": "1"}},
        ),
    ),
    ("-" + REGISTER, node("cn1", SkipNodeUpdate=True, Service={"Service": "cat-t", "Tags": None})),
)
GONE = (("-" + DEREGISTER, {"Node": "cn1"}), ("-" + DEREGISTER, {"Node": "cn2"}))


def with_some(name: str, *steps: object) -> tuple[object, ...]:
    """A row of steps with two nodes there."""
    return (name, *SOME, *steps, *GONE)


READS = table(
    "catalog",
    [
        with_some("nodes", "GET /v1/catalog/nodes", "GET /v1/catalog/nodes?pretty"),
        with_some(
            "nodes by metadata",
            "GET /v1/catalog/nodes?node-meta=rack:1",
            "GET /v1/catalog/nodes?node-meta=rack:1&node-meta=os:x",
            "GET /v1/catalog/nodes?node-meta=rack:1&node-meta=os:y",
            "GET /v1/catalog/nodes?node-meta=rack",
            "GET /v1/catalog/nodes?node-meta=",
        ),
        with_some(
            "nodes by filter",
            "GET /v1/catalog/nodes?filter=Meta.rack==2",
            "GET /v1/catalog/nodes?filter=Node%20matches%20%22cn.%22",
            "GET /v1/catalog/nodes?filter=%22os%22%20in%20Meta",
            "GET /v1/catalog/nodes?filter=Zork==1",
            "GET /v1/catalog/nodes?filter=%28",
            "GET /v1/catalog/nodes?filter=",
        ),
        with_some(
            "services",
            "GET /v1/catalog/services",
            "GET /v1/catalog/services?node-meta=rack:1",
            "GET /v1/catalog/services?node-meta=rack:7",
            "GET /v1/catalog/services?filter=Zork==1",
            "GET /v1/catalog/services?pretty",
        ),
        with_some(
            "instances",
            "GET /v1/catalog/service/cat-s",
            "GET /v1/catalog/service/CAT-S",
            "GET /v1/catalog/service/cat-s?tag=a",
            "GET /v1/catalog/service/cat-s?tag=b",
            "GET /v1/catalog/service/cat-s?tag=a&tag=b",
            "GET /v1/catalog/service/cat-s?tag=c",
            "GET /v1/catalog/service/cat-s?tag=",
            "GET /v1/catalog/service/cat-s?node-meta=rack:2",
            "GET /v1/catalog/service/cat-s?node-meta=rack:2&tag=a",
            "GET /v1/catalog/service/cat-t",
            "GET /v1/catalog/service/none",
            "GET /v1/catalog/service/none?tag=a",
        ),
        with_some(
            "instances by filter",
            "GET /v1/catalog/service/cat-s?filter=ServiceMeta.v==1",
            "GET /v1/catalog/service/cat-s?filter=ServiceTags%20contains%20a",
            "GET /v1/catalog/service/cat-s?filter=ServicePort==80",
            "GET /v1/catalog/service/cat-s?filter=ServicePort==x",
            "GET /v1/catalog/service/cat-s?filter=ServiceTags%20is%20empty",
            "GET /v1/catalog/service/cat-s?filter=%22%22",
        ),
        with_some(
            "one node",
            "GET /v1/catalog/node/cn1",
            "GET /v1/catalog/node/CN1",
            "GET /v1/catalog/node/none",
            "GET /v1/catalog/node/cn1?filter=Service==cat-t",
            "GET /v1/catalog/node/cn1?filter=Service==none",
            "GET /v1/catalog/node/cn1?filter=Zork==none",
            "GET /v1/catalog/node/none?filter=Service==none",
            "GET /v1/catalog/node/",
        ),
        with_some(
            "services of one node",
            "GET /v1/catalog/node-services/cn1",
            "GET /v1/catalog/node-services/none",
            "GET /v1/catalog/node-services/cn1?filter=Service==cat-t",
            "GET /v1/catalog/node-services/cn1?filter=Service==none",
            "GET /v1/catalog/node-services/cn1?filter=Zork==none",
            "GET /v1/catalog/node-services/",
        ),
        ("own node", "GET /v1/catalog/node/{NODE}", "GET /v1/catalog/service/consul"),
        ("node by its id", "GET /v1/catalog/node/d1fe7e17-0000-4000-8000-00000000a110"),
        (
            "node by some of its id",
            "GET /v1/catalog/node/d1fe7e17",
            "GET /v1/catalog/node/d1fe7e17-0000-40",
        ),
        ("no service", "GET /v1/catalog/service/", "GET /v1/catalog/connect/"),
        ("no path", "GET /v1/catalog", "GET /v1/catalog/", "GET /v1/catalog/zork"),
        ("datacenters", "GET /v1/catalog/datacenters", "GET /v1/catalog/datacenters?pretty"),
        ("datacenters elsewhere", "GET /v1/catalog/datacenters?dc=other"),
        ("datacenters in two ways", "GET /v1/catalog/datacenters?stale&consistent"),
        ("datacenters at an index", "GET /v1/catalog/datacenters?index=x&wait=y"),
        ("elsewhere", "GET /v1/catalog/nodes?dc=other", "GET /v1/catalog/services?dc=other"),
        (
            "node elsewhere",
            "GET /v1/catalog/node/x?dc=other",
            "GET /v1/catalog/node-services/x?dc=other",
        ),
        (
            "instances elsewhere",
            "GET /v1/catalog/service/x?dc=other",
            "GET /v1/catalog/connect/x?dc=other",
        ),
        (
            "namespaces",
            "GET /v1/catalog/nodes?ns=a",
            "GET /v1/catalog/services?ns=a",
            "GET /v1/catalog/datacenters?ns=a",
        ),
        (
            "namespaces of names",
            "GET /v1/catalog/service/x?ns=a",
            "GET /v1/catalog/node/x?ns=a",
            "GET /v1/catalog/node-services/x?ns=a",
            "GET /v1/catalog/gateway-services/x?ns=a",
        ),
        (
            "namespaces of writes",
            (REGISTER + "?ns=a", node("b")),
            (DEREGISTER + "?ns=a", node("b")),
        ),
        (
            "stale",
            "GET /v1/catalog/nodes?stale",
            "GET /v1/catalog/services?stale",
            "GET /v1/catalog/service/consul?stale",
            "GET /v1/catalog/node/{NODE}?stale",
        ),
        (
            "consistent",
            "GET /v1/catalog/nodes?consistent",
            "GET /v1/catalog/services?consistent",
            "GET /v1/catalog/service/consul?consistent",
            "GET /v1/catalog/node/{NODE}?consistent",
        ),
        (
            "bad index",
            "GET /v1/catalog/nodes?index=x",
            "GET /v1/catalog/services?wait=x",
            "GET /v1/catalog/service/?index=x",
        ),
        (
            "gateway",
            "GET /v1/catalog/gateway-services/",
            "GET /v1/catalog/gateway-services/none",
            "GET /v1/catalog/gateway-services/x?dc=other",
        ),
        ("connect", "GET /v1/catalog/connect/none", "GET /v1/catalog/connect/none?filter=Zork==1"),
        (
            "verbs",
            "GET /v1/catalog/register",
            "POST /v1/catalog/deregister",
            "PUT /v1/catalog/nodes",
            "DELETE /v1/catalog/service/x",
        ),
        (
            "options",
            "OPTIONS /v1/catalog/register",
            "OPTIONS /v1/catalog/nodes",
            "OPTIONS /v1/catalog/node/x",
        ),
        (
            "redirect",
            "GET /v1/catalog/node",
            "GET /v1//catalog/nodes",
            "PUT /v1/catalog/./register",
        ),
        ("near nobody", "GET /v1/catalog/nodes?near=none"),
        (
            "register elsewhere by query",
            (REGISTER + "?dc=other", node("cat9")),
            "GET /v1/catalog/node/cat9",
            (DEREGISTER, {"Node": "cat9"}),
        ),
        (
            "register with a token",
            (REGISTER + "?token=x", node("cat9", WriteRequest={"Token": "x"})),
            (DEREGISTER, {"Node": "cat9"}),
        ),
        (
            "skip node update",
            (REGISTER, node("cat8")),
            (
                REGISTER,
                {
                    "Node": "cat8",
                    "SkipNodeUpdate": True,
                    "Address": "9.9.9.9",
                    "Check": {"Name": "x"},
                },
            ),
            "GET /v1/catalog/node/cat8",
            (DEREGISTER, {"Node": "cat8"}),
        ),
        (
            "skip node update of a new node",
            (REGISTER, {"Node": "cat7", "SkipNodeUpdate": True}),
            "GET /v1/catalog/node/cat7",
            (DEREGISTER, {"Node": "cat7"}),
        ),
        (
            "change of an address",
            (REGISTER, node("cat6")),
            (REGISTER, {**node("cat6"), "Address": "10.9.9.9"}),
            "GET /v1/catalog/node/cat6",
            (DEREGISTER, {"Node": "cat6"}),
        ),
        (
            "same registration again",
            (REGISTER, node("cat5", Service=WEB)),
            (REGISTER, node("cat5", Service=WEB)),
            "GET /v1/catalog/node/cat5",
            (DEREGISTER, {"Node": "cat5"}),
        ),
        (
            "rename by id",
            (REGISTER, node("cat4", ID="aaaaaaaa-0000-4000-8000-0000000000c4")),
            (REGISTER, node("cat4b", ID="aaaaaaaa-0000-4000-8000-0000000000c4")),
            "GET /v1/catalog/nodes",
            (DEREGISTER, {"Node": "cat4b"}),
        ),
        (
            "deregister nothing",
            (DEREGISTER, {}),
            (DEREGISTER, {"ServiceID": "x"}),
            (DEREGISTER, None),
            (DEREGISTER, "x"),
        ),
        (
            "deregister unknown",
            (DEREGISTER, {"Node": "none"}),
            (DEREGISTER, {"Node": "none", "ServiceID": "x"}),
            (DEREGISTER, {"Node": "{NODE}", "ServiceID": "none"}),
            (DEREGISTER, {"Node": "{NODE}", "CheckID": "none"}),
        ),
        (
            "deregister with more",
            (DEREGISTER, {"Node": "none", "Address": "x"}),
            (DEREGISTER, {"Node": "none", "Zork": "x"}),
            (DEREGISTER, {"Node": "none", "Namespace": "x"}),
        ),
        (
            "deregister elsewhere",
            (DEREGISTER, {"Node": "none", "Datacenter": "other"}),
            (DEREGISTER + "?dc=other", {"Node": "none"}),
        ),
        with_some(
            "deregister a service",
            (DEREGISTER, {"Node": "cn1", "ServiceID": "s1"}),
            "GET /v1/catalog/node/cn1",
            "GET /v1/catalog/service/cat-s",
        ),
        with_some(
            "deregister a check",
            ("-" + REGISTER, node("cn1", SkipNodeUpdate=True, Check={"Name": "k"})),
            (DEREGISTER, {"Node": "cn1", "CheckID": "k"}),
            "GET /v1/health/node/cn1",
        ),
        with_some(
            "deregister a check and a service",
            ("-" + REGISTER, node("cn1", SkipNodeUpdate=True, Check={"Name": "k"})),
            (DEREGISTER, {"Node": "cn1", "CheckID": "k", "ServiceID": "s1"}),
            "GET /v1/health/node/cn1",
            "GET /v1/catalog/node/cn1",
        ),
        with_some(
            "deregister a node",
            (DEREGISTER, {"Node": "cn1"}),
            "GET /v1/catalog/node/cn1",
            "GET /v1/catalog/services",
            "GET /v1/catalog/service/cat-t",
        ),
        with_some(
            "cached",
            "GET /v1/catalog/services?cached",
            "GET /v1/catalog/services?cached",
            "GET /v1/catalog/service/cat-s?cached&tag=a",
            "GET /v1/catalog/service/cat-s?cached&tag=a",
            "GET /v1/catalog/service/cat-s?cached&tag=b",
            "GET /v1/catalog/service/cat-s?cached&stale",
            "GET /v1/catalog/nodes?cached",
            "GET /v1/catalog/node/cn1?cached",
            "GET /v1/catalog/node-services/cn1?cached",
        ),
        (
            "cached datacenters",
            # A proxy on the agent may have asked before: so this begins with a new answer.
            (
                "GET /v1/catalog/datacenters?cached",
                None,
                {"Cache-Control": "must-revalidate"},
            ),
            ("GET /v1/catalog/datacenters?cached", None, {"Cache-Control": "max-age=0"}),
            ("GET /v1/catalog/datacenters?cached", None, {"Cache-Control": "max-age=50"}),
            "GET /v1/catalog/datacenters?cached",
            "GET /v1/catalog/datacenters?cached&consistent",
        ),
        (
            "cached elsewhere",
            "GET /v1/catalog/services?cached&dc=other",
            "GET /v1/catalog/services?cached&dc=other",
        ),
    ],
)


def _waits(name: str, path: str, other: dict[str, object], own: dict[str, object]) -> Case:
    """A waiting read: what does not concern it comes first, then what does."""

    def story(run: Run) -> None:
        run.quietly("PUT", "/v1/catalog/register", node("wn1", Service={"Service": "ws1"}))
        index = run.ask("GET", path).index
        joint = "&" if "?" in path else "?"
        waiting = run.background("GET", f"{path}{joint}index={index}&wait=20s")
        run.quietly("PUT", "/v1/catalog/register", other)
        run.note("woken by something else", waiting.over(0.3))
        run.quietly("PUT", "/v1/catalog/register", own)
        run.record("GET waiting", waiting.answer())
        for name in ("wn1", "wn2", "wn3"):
            run.quietly("PUT", "/v1/catalog/deregister", {"Node": name})

    return Case("catalog", f"waiting for {name}", story)


def _node_services_wait(run: Run) -> None:
    run.quietly("PUT", "/v1/catalog/register", node("wn4"))
    index = run.ask("GET", "/v1/catalog/node/wn4").index
    waiting = run.background("GET", f"/v1/catalog/node/wn4?index={index}&wait=20s")
    run.quietly("PUT", "/v1/catalog/register", node("wn4", Service={"Service": "x"}))
    run.record("GET waiting", waiting.answer())
    index = run.ask("GET", "/v1/catalog/node/wn4").index
    waiting = run.background("GET", f"/v1/catalog/node/wn4?index={index}&wait=20s")
    run.quietly("PUT", "/v1/catalog/deregister", {"Node": "wn4"})
    run.record("GET waiting", waiting.answer())


def _service_goes(run: Run) -> None:
    run.quietly("PUT", "/v1/catalog/register", node("wn5", Service={"Service": "ws5"}))
    index = run.ask("GET", "/v1/catalog/service/ws5").index
    waiting = run.background("GET", f"/v1/catalog/service/ws5?index={index}&wait=20s")
    run.quietly("PUT", "/v1/catalog/deregister", {"Node": "wn5", "ServiceID": "ws5"})
    run.record("GET waiting", waiting.answer())
    run.quietly("PUT", "/v1/catalog/deregister", {"Node": "wn5"})


WAITING = [
    _waits(
        "nodes",
        "/v1/catalog/nodes",
        {"Node": "wn1", "SkipNodeUpdate": True, "Check": {"Name": "x"}},
        node("wn2"),
    ),
    _waits(
        "services", "/v1/catalog/services", node("wn2"), node("wn2", Service={"Service": "ws2"})
    ),
    _waits(
        "a service",
        "/v1/catalog/service/ws1",
        node("wn2", Service={"Service": "ws2"}),
        node("wn3", Service={"Service": "ws1"}),
    ),
    _waits(
        "a service to come",
        "/v1/catalog/service/ws9",
        node("wn2"),
        node("wn3", Service={"Service": "ws9"}),
    ),
    _waits(
        "metadata",
        "/v1/catalog/nodes?node-meta=w:1",
        {"Node": "wn1", "SkipNodeUpdate": True, "Check": {"Name": "x"}},
        node("wn3", NodeMeta={"w": "1"}),
    ),
    Case("catalog", "waiting for a node", _node_services_wait),
    Case("catalog", "waiting for a service to go", _service_goes),
]

CASES = [*REFUSED, *REGISTERED, *READS, *WAITING]
