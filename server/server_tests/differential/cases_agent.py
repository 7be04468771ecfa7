"""`/v1/agent/`: the agent itself, its members, its checks."""

from urllib.parse import quote

from server_tests.differential.run import Case, Options, Run, Story, table

A = "/v1/agent"
REGISTER = f"PUT {A}/check/register"
UPDATE = f"PUT {A}/check/update"
TTL = {"ID": "d-ttl", "Name": "of an application", "TTL": "100s", "Notes": "n"}
HTTP = {"Name": "d-http", "HTTP": "http://127.0.0.1:1/", "Interval": "100s"}

OF_A_MOMENT = frozenset(
    {
        *("DataDir", "revision", "goroutines", "version", "applied_index", "commit_index"),
        *("last_log_index", "last_log_term", "latest_configuration_index", "term"),
        *("event_queue", "event_time", "services", "checks", "check_ttls", "check_monitors"),
        *("last_snapshot_index", "last_snapshot_term", "latest_configuration", "fsm_pending"),
        # Consul's own tests of text: where the process runs, and how it was built
        *("LogLevel", "Error", "Height", "Vec"),
    }
)
MACHINE = Options(
    masked=frozenset(
        {
            *("Memory", "mhz", "uptime", "bootTime", "procs", "virtualizationSystem", "free"),
            *("virtualizationRole", "hostid", "used", "usedPercent", "inodesUsed", "inodesFree"),
            *("inodesUsedPercent", "CollectionTime"),
        }
    )
)
EMPTY = Options(no_body=True)


def _checks(*steps: object) -> Story:
    """Steps, then all checks that they left, then none."""

    def story(run: Run) -> None:
        rows = table("agent", [("steps", *steps)])
        rows[0].story(run)
        found = run.quietly("GET", f"{A}/checks").json() or {}
        run.note("checks", {name: {**check, "Output": ""} for name, check in found.items()})
        for check_id in found:
            run.quietly("PUT", f"{A}/check/deregister/{quote(check_id)}")
        # One that fails would be found by other groups: an alias of a service fails with it.
        assert run.quietly("GET", f"{A}/checks").json() == {}, "a check is left"

    return story


def _registering(name: str, body: object) -> Case:
    return Case("agent", f"check: {name}", _checks((REGISTER, body)))


ITSELF = table(
    "agent",
    [
        ("self", (f"GET {A}/self", None, Options(masked=OF_A_MOMENT))),
        ("self, pretty", (f"GET {A}/self?pretty", None, EMPTY)),
        ("self, verbs", f"PUT {A}/self", f"HEAD {A}/self", f"OPTIONS {A}/self"),
        ("members", f"GET {A}/members", (f"GET {A}/members?pretty", None, Options(exact=True))),
        ("members of the wan", f"GET {A}/members?wan=1", f"GET {A}/members?wan"),
        ("members of a segment", f"GET {A}/members?segment=x", f"GET {A}/members?segment=_all"),
        ("members, both", f"GET {A}/members?wan=1&segment=x"),
        ("members, verbs", f"PUT {A}/members", f"POST {A}/members", f"OPTIONS {A}/members"),
        ("members, ignored", f"GET {A}/members?ns=a&dc=other&index=x&stale&consistent"),
        ("host", (f"GET {A}/host", None, MACHINE)),
        ("host, verbs", f"PUT {A}/host", f"OPTIONS {A}/host"),
        ("paths", f"GET {A}", f"GET {A}/", f"GET {A}/none", f"GET {A}/self/", f"GET {A}//self"),
        ("paths of health", f"GET {A}/health", f"GET {A}/health/service/", f"GET {A}/health/x"),
        ("join nobody", f"PUT {A}/join/127.0.0.250"),
        ("join nobody at a port", f"PUT {A}/join/127.0.0.250:7"),
        ("join over the wan", f"PUT {A}/join/127.0.0.250?wan=1"),
        ("join nothing", f"PUT {A}/join/"),
        ("join itself", f"PUT {A}/join/{{IP}}", f"PUT {A}/join/{{IP}}?wan=1"),
        ("join, verbs", f"GET {A}/join/x", f"POST {A}/join/x"),
        ("force leave of nobody", f"PUT {A}/force-leave/none", f"PUT {A}/force-leave/"),
        ("force leave, prune", f"PUT {A}/force-leave/none?prune", f"PUT {A}/force-leave/a?prune=1"),
        ("force leave, verbs", f"GET {A}/force-leave/x", f"DELETE {A}/force-leave/x"),
        ("leave, verbs", f"GET {A}/leave", f"POST {A}/leave"),
        ("reload", f"PUT {A}/reload"),
        ("reload, verbs", f"GET {A}/reload", f"POST {A}/reload"),
        ("monitor at no level", f"GET {A}/monitor?loglevel=loud", f"PUT {A}/monitor"),
        ("tokens without acls", (f"PUT {A}/token/default", {"Token": "x"})),
        ("unknown token without acls", (f"PUT {A}/token/none", {}), f"PUT {A}/token/"),
        ("token, verbs", f"GET {A}/token/default", f"OPTIONS {A}/token/default"),
        ("metrics", (f"GET {A}/metrics", None, EMPTY)),
        ("metrics for nobody", f"GET {A}/metrics?format=prometheus"),
        ("metrics of no format", (f"GET {A}/metrics?format=none", None, EMPTY)),
        ("metrics, verbs", f"PUT {A}/metrics"),
        (
            "node maintenance refused",
            f"PUT {A}/maintenance",
            f"PUT {A}/maintenance?enable",
            f"PUT {A}/maintenance?enable=yes",
            f"GET {A}/maintenance?enable=true",
        ),
    ],
)


def _node_maintenance(run: Run) -> None:
    try:
        run.ask("PUT", f"{A}/maintenance?enable=true&reason=night+shift")
        run.ask("GET", f"{A}/checks?filter=CheckID+matches+%22maintenance%22")
        run.ask("PUT", f"{A}/maintenance?enable=true&reason=another")
        run.ask("GET", f"{A}/checks?filter=CheckID+matches+%22maintenance%22")
    finally:
        run.ask("PUT", f"{A}/maintenance?enable=false")
    run.ask("PUT", f"{A}/maintenance?enable=false")
    run.ask("GET", f"{A}/checks?filter=CheckID+matches+%22maintenance%22")


def _node_maintenance_without_reason(run: Run) -> None:
    run.ask("PUT", f"{A}/maintenance?enable=1")
    run.ask("GET", f"{A}/checks?filter=CheckID+matches+%22maintenance%22")
    run.ask("PUT", f"{A}/maintenance?enable=0")


BODIES: list[tuple[str, object]] = [
    ("no body", None),
    ("empty object", {}),
    ("null", "null"),
    ("array", []),
    ("text", '"x"'),
    ("number", "7"),
    ("garbage", "{"),
    ("something behind it", '{"Name":"d-x","TTL":"100s"}zork'),
    ("unknown field", {"Name": "d-x", "TTL": "100s", "Zork": 1}),
    ("fields of another form", {"Name": "d-x", "TTL": "100s", "CheckID": "c"}),
    ("namespace", {"Name": "d-x", "TTL": "100s", "Namespace": "default"}),
    ("number for a name", {"Name": 5}),
    ("list for a name", {"Name": ["x"]}),
    ("text for a flag", {"Name": "d-x", "TLSSkipVerify": "yes"}),
    ("part of a number", {"Name": "d-x", "TTL": "100s", "OutputMaxSize": 1.5}),
    ("text for headers", {"Name": "d-x", "Header": {"a": "b"}}),
    ("nothing to do", {"Name": "d-x"}),
    ("bad status", {"Name": "d-x", "TTL": "100s", "Status": "bad"}),
    ("maintenance as status", {"Name": "d-x", "TTL": "100s", "Status": "maintenance"}),
    ("status", {"Name": "d-x", "TTL": "100s", "Status": "warning"}),
    ("bad ttl", {"Name": "d-x", "TTL": "10y"}),
    ("negative ttl", {"Name": "d-x", "TTL": "-10s"}),
    ("ttl in nanoseconds", {"Name": "d-x", "TTL": 100_000_000_000}),
    ("ttl of another kind", {"Name": "d-x", "TTL": True}),
    ("ttl and interval", {"Name": "d-x", "TTL": "10s", "Interval": "10s"}),
    ("http without interval", {"Name": "d-x", "HTTP": "http://127.0.0.1:1/"}),
    ("http at no interval", {**HTTP, "Interval": "0s"}),
    ("http often", {**HTTP, "Interval": "1ms"}),
    ("http", HTTP),
    (
        "http with everything",
        {
            **HTTP,
            "Method": "POST",
            "Header": {"A": ["b", "c"]},
            "Body": "b",
            "TLSSkipVerify": True,
            "Timeout": "2s",
            "OutputMaxSize": 100,
            "SuccessBeforePassing": 2,
            "FailuresBeforeCritical": 2,
            "DeregisterCriticalServiceAfter": "90m",
            "Status": "passing",
        },
    ),
    ("negative output", {**HTTP, "OutputMaxSize": -1}),
    ("bad output of a ttl", {"Name": "d-x", "TTL": "100s", "OutputMaxSize": -1}),
    ("tcp", {"Name": "d-x", "TCP": "127.0.0.1:1", "Interval": "100s"}),
    ("grpc", {"Name": "d-x", "GRPC": "127.0.0.1:1", "Interval": "100s", "GRPCUseTLS": True}),
    ("script", {"Name": "d-x", "Args": ["true"], "Interval": "100s"}),
    ("script by its old name", {"Name": "d-x", "ScriptArgs": ["true"], "Interval": "100s"}),
    ("script by its oldest name", {"Name": "d-x", "Script": "true", "Interval": "100s"}),
    ("text for arguments", {"Name": "d-x", "Args": "true", "Interval": "100s"}),
    ("docker", {"Name": "d-x", "DockerContainerID": "c", "Args": ["true"], "Interval": "100s"}),
    ("alias with interval and http", {**HTTP, "AliasNode": "{NODE}"}),
    ("alias with a ttl", {"Name": "d-x", "AliasNode": "{NODE}", "TTL": "10s"}),
    ("alias of an unknown service", {"Name": "d-x", "AliasService": "none"}),
    ("of an unknown service", {"Name": "d-x", "TTL": "100s", "ServiceID": "none"}),
    ("of an unknown service, as snake", {"Name": "d-x", "TTL": "100s", "service_id": "none"}),
    ("snake", {**HTTP, "tls_skip_verify": True, "deregister_critical_service_after": "90m"}),
    ("lower case", {"id": "d-l", "name": "d-x", "ttl": "100s", "notes": "n"}),
    ("an id with a slash", {"ID": "d/x y", "Name": "d-x", "TTL": "100s"}),
    ("a token", {"Name": "d-x", "TTL": "100s", "Token": ""}),
]
REGISTERED = [_registering(name, body) for name, body in BODIES]


def _case(name: str, *steps: object) -> Case:
    return Case("agent", f"check: {name}", _checks(*steps))


REPORTED = [
    _case(
        "passes, warns, fails",
        (REGISTER, TTL),
        f"PUT {A}/check/pass/d-ttl?note=well",
        f"GET {A}/checks?filter=CheckID==%22d-ttl%22",
        f"PUT {A}/check/warn/d-ttl?note=so+so",
        f"GET {A}/checks?filter=CheckID==%22d-ttl%22",
        f"PUT {A}/check/fail/d-ttl",
        f"GET {A}/checks?filter=CheckID==%22d-ttl%22",
    ),
    _case("passes and nobody asks", f"PUT {A}/check/pass/none", f"PUT {A}/check/pass/"),
    _case("warns and nobody asks", f"PUT {A}/check/warn/none", f"PUT {A}/check/warn/"),
    _case("fails and nobody asks", f"PUT {A}/check/fail/none", f"PUT {A}/check/fail/"),
    _case("reports of one that is no ttl", (REGISTER, HTTP), f"PUT {A}/check/pass/d-http"),
    _case("report, verbs", f"GET {A}/check/pass/x", f"POST {A}/check/fail/x"),
    _case(
        "updated",
        (f"-{REGISTER}", TTL),
        (f"{UPDATE}/d-ttl", {"Status": "passing", "Output": "all well"}),
        f"GET {A}/checks?filter=CheckID==%22d-ttl%22",
        (f"{UPDATE}/d-ttl", {"status": "critical"}),
        f"GET {A}/checks?filter=CheckID==%22d-ttl%22",
    ),
    _case(
        "updated with much output",
        (f"-{REGISTER}", TTL),
        (f"{UPDATE}/d-ttl", {"Status": "passing", "Output": "x" * 9000}),
        f"GET {A}/checks?filter=CheckID==%22d-ttl%22",
    ),
    _case(
        "limited output",
        (f"-{REGISTER}", {**TTL, "OutputMaxSize": 10}),
        f"PUT {A}/check/pass/d-ttl?note=abcdefghijklmnop",
        f"GET {A}/checks?filter=CheckID==%22d-ttl%22",
    ),
    _case(
        "updates refused",
        (f"-{REGISTER}", TTL),
        f"{UPDATE}/d-ttl",
        (f"{UPDATE}/d-ttl", {}),
        (f"{UPDATE}/d-ttl", {"Status": "fine"}),
        (f"{UPDATE}/d-ttl", {"Status": "maintenance"}),
        (f"{UPDATE}/d-ttl", {"Status": 5}),
        (f"{UPDATE}/d-ttl", {"Status": "passing", "Zork": 1}),
        (f"{UPDATE}/d-ttl", "["),
        (f"{UPDATE}/none", {"Status": "passing"}),
        (f"{UPDATE}/", {"Status": "passing"}),
        f"GET {A}/check/update/d-ttl",
    ),
    _case(
        "registered twice keeps its status",
        (f"-{REGISTER}", TTL),
        f"PUT {A}/check/pass/d-ttl?note=well",
        (REGISTER, {**TTL, "Notes": "new"}),
        f"GET {A}/checks?filter=CheckID==%22d-ttl%22",
    ),
    _case(
        "deregistered",
        (f"-{REGISTER}", TTL),
        f"PUT {A}/check/deregister/d-ttl",
        f"PUT {A}/check/deregister/d-ttl",
        f"PUT {A}/check/deregister/",
        f"GET {A}/check/deregister/d-ttl",
    ),
    _case(
        "namespaces refused",
        (f"{REGISTER}?ns=a", TTL),
        f"PUT {A}/check/deregister/x?ns=a",
        f"PUT {A}/check/pass/x?ns=a",
        (f"{UPDATE}/x?ns=a", {"Status": "passing"}),
        (f"{UPDATE}/x?ns=a", {}),
        f"GET {A}/checks?ns=a",
        (f"GET {A}/checks", None, {"X-Consul-Namespace": "default"}),
    ),
    _case(
        "in the catalog",
        (REGISTER, TTL),
        ("GET /v1/health/node/{NODE}", None, Options(sort_by="CheckID")),
    ),
]

FILTERS = [
    _case(
        f"filter: {expression}",
        (f"-{REGISTER}", TTL),
        f"GET {A}/checks?filter={expression.replace(' ', '+')}",
    )
    for expression in (
        "Status==critical",
        "Status==passing",
        "Name contains application",
        "ServiceTags is empty",
        "Type==ttl",
        "Zork==x",
        "Zork.Bar==x",
        "Definition.HTTP==x",
        "CreateIndex==0",
        "(",
        "Status=",
    )
]
UNFILTERED = table("agent", [("filter of no checks", f"GET {A}/checks?filter=Zork==x")])

CASES = [
    *ITSELF,
    Case("agent", "node maintenance", _node_maintenance),
    Case("agent", "node maintenance without reason", _node_maintenance_without_reason),
    *REGISTERED,
    *REPORTED,
    *FILTERS,
    *UNFILTERED,
]
