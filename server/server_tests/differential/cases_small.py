"""`/v1/status/`, `/v1/coordinate/`, `/v1/event/`, and what is common to all paths."""

from server_tests.differential.run import Case, Options, Run, table

EVENT = Options(masked=frozenset({"LTime"}))
AT = {
    "Vec": [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8],
    "Error": 1.5,
    "Adjustment": 0.0,
    "Height": 1e-05,
}
UPDATE = "PUT /v1/coordinate/update"

STATUS = table(
    "status",
    [
        ("leader", "GET /v1/status/leader", "GET /v1/status/leader?pretty"),
        ("peers", "GET /v1/status/peers", "GET /v1/status/peers?pretty"),
        ("elsewhere", "GET /v1/status/leader?dc=other", "GET /v1/status/peers?dc=other"),
        ("here", "GET /v1/status/leader?dc=dc1"),
        ("ignored", "GET /v1/status/leader?ns=a&index=x&stale&consistent"),
        ("verbs", "PUT /v1/status/leader", "POST /v1/status/peers", "OPTIONS /v1/status/peers"),
        ("paths", "GET /v1/status", "GET /v1/status/", "GET /v1/status/leader/"),
    ],
)

COORDINATE = table(
    "coordinate",
    [
        ("datacenters", "GET /v1/coordinate/datacenters", "GET /v1/coordinate/datacenters?pretty"),
        ("datacenters, ignored", "GET /v1/coordinate/datacenters?dc=other&index=x&ns=a"),
        ("unknown node", "GET /v1/coordinate/node/none", "GET /v1/coordinate/node/"),
        (
            "unknown node and gzip",
            (
                "GET /v1/coordinate/node/none",
                None,
                {"Accept-Encoding": "gzip"},
                Options(loose_index=True),
            ),
        ),
        ("elsewhere", "GET /v1/coordinate/nodes?dc=other", "GET /v1/coordinate/node/x?dc=other"),
        ("namespace", "GET /v1/coordinate/node/none?ns=a"),
        ("segment", "GET /v1/coordinate/nodes?segment=none"),
        ("bad index", "GET /v1/coordinate/nodes?index=x", "GET /v1/coordinate/node/x?wait=x"),
        ("two ways", "GET /v1/coordinate/nodes?stale&consistent"),
        ("update garbage", (UPDATE, "x"), (UPDATE, "[]"), (UPDATE, '"x"'), UPDATE),
        ("update with an unknown field", (UPDATE, {"Node": "x", "Zork": 1})),
        ("update of few dimensions", (UPDATE, {"Node": "x", "Coord": {**AT, "Vec": [1, 2]}})),
        ("update of text", (UPDATE, {"Node": "x", "Coord": {**AT, "Error": "1"}})),
        ("update of an unknown node", (UPDATE, {"Node": "none", "Coord": AT})),
        ("update elsewhere", (UPDATE + "?dc=other", {"Node": "none", "Coord": AT})),
        (
            "update elsewhere by body",
            (UPDATE, {"Node": "none", "Datacenter": "other", "Coord": AT}),
        ),
        (
            "verbs",
            "GET /v1/coordinate/update",
            "PUT /v1/coordinate/nodes",
            "OPTIONS /v1/coordinate/update",
        ),
    ],
)


def _placed(run: Run) -> None:
    """Nodes at different distances, and lists sorted by them."""
    places = {"co1": 0.3, "co2": 0.1, "co3": 0.2}
    for name, away in places.items():
        registration = {
            "Node": name,
            "Address": "10.4.0.1",
            "Service": {"Service": "co-svc"},
            "Check": {"CheckID": "co", "Status": "passing", "ServiceID": "co-svc"},
        }
        run.quietly("PUT", "/v1/catalog/register", registration)
        coord = {"Vec": [away, 0, 0, 0, 0, 0, 0, 0], "Error": 1.5, "Height": 1e-5}
        run.ask("PUT", "/v1/coordinate/update", {"Node": name, "Coord": coord})
    run.quietly(
        "PUT",
        "/v1/catalog/register",
        {"Node": "co0", "Address": "10.4.0.1", "Service": {"Service": "co-svc"}},
    )
    run.until(
        "the coordinates are there",
        lambda: run.quietly("GET", "/v1/coordinate/node/co3").status == 200,
        patience_s=12.0,
    )
    loose = Options(loose_index=True)
    run.ask("GET", "/v1/coordinate/node/co1", options=loose)
    run.ask("GET", "/v1/coordinate/node/co1?segment=x", options=loose)
    run.ask("GET", "/v1/coordinate/node/co1?pretty", options=loose)
    for near in ("co2", "co1", "CO3", "co0", "none"):
        run.ask("GET", f"/v1/catalog/service/co-svc?near={near}")
        run.ask("GET", f"/v1/health/service/co-svc?near={near}")
        run.ask("GET", f"/v1/health/checks/co-svc?near={near}")
        run.ask("GET", f"/v1/catalog/nodes?near={near}&filter=Node%20matches%20%22%5Eco%22")
        run.ask("GET", f"/v1/health/state/passing?near={near}&filter=Name==co")
    for name in ("co0", *places):
        run.quietly("PUT", "/v1/catalog/deregister", {"Node": name})
    run.ask("GET", "/v1/coordinate/node/co1", options=loose)


def _near_the_agent(run: Run) -> None:
    """An agent tells its own coordinate within half a minute; then it is nearest to itself."""
    run.until(
        "the agent has told where it is",
        lambda: run.quietly("GET", "/v1/coordinate/node/{NODE}").status == 200,
        patience_s=60.0,
    )
    unplaced = {"Node": "aa-unplaced", "Address": "10.4.0.1", "Check": {"Name": "aa"}}
    run.quietly("PUT", "/v1/catalog/register", unplaced)
    run.ask("GET", "/v1/catalog/nodes?near=_agent")
    run.ask("GET", "/v1/health/service/consul?near=_agent")
    run.ask("GET", "/v1/health/state/any?near=_agent")
    run.quietly("PUT", "/v1/catalog/deregister", {"Node": "aa-unplaced"})


FIRE = "PUT /v1/event/fire/"
EVENTS = table(
    "event",
    [
        ("no name", FIRE, "PUT /v1/event/fire"),
        ("bad node filter", FIRE + "a?node=%28"),
        ("bad service filter", FIRE + "a?service=%28"),
        ("bad tag filter", FIRE + "a?service=x&tag=%5B"),
        ("tag without a service", FIRE + "a?tag=x"),
        ("elsewhere", FIRE + "a?dc=other"),
        ("too large", (FIRE + "a", "x" * 513), (FIRE + "a", "x" * 440)),
        ("bad index", "GET /v1/event/list?index=x", "GET /v1/event/list?wait=x"),
        ("none of a name", "GET /v1/event/list?name=none"),
        (
            "verbs",
            "GET /v1/event/fire/a",
            "POST /v1/event/fire/a",
            "PUT /v1/event/list",
            "OPTIONS /v1/event/list",
        ),
    ],
)


def _fired(run: Run) -> None:
    run.ask("PUT", "/v1/event/fire/one", "payload", options=EVENT)
    run.ask("PUT", "/v1/event/fire/two%20words/x?node=^differential&ns=a", options=EVENT)
    run.ask("PUT", "/v1/event/fire/elsewhere?node=^other$", options=EVENT)
    run.ask("PUT", "/v1/event/fire/unserved?service=none", options=EVENT)
    run.ask("PUT", "/v1/event/fire/untagged?service=none&tag=x", options=EVENT)
    run.until("both came", lambda: len(run.quietly("GET", "/v1/event/list").json() or ()) >= 2)
    loose = Options(masked=frozenset({"LTime"}), loose_index=True)
    run.ask("GET", "/v1/event/list", options=loose)
    run.ask("GET", "/v1/event/list?name=one&stale&consistent", options=loose)
    run.ask("GET", "/v1/event/list?name=none", options=loose)


def _waited_for(run: Run) -> None:
    loose = Options(masked=frozenset({"LTime"}), loose_index=True)
    run.quietly("PUT", "/v1/event/fire/first")
    run.until("it came", lambda: bool(run.quietly("GET", "/v1/event/list?name=first").json()))
    index = run.ask("GET", "/v1/event/list?name=first", options=loose).index
    waiting = run.background("GET", f"/v1/event/list?name=first&index={index}&wait=10s")
    run.quietly("PUT", "/v1/event/fire/another")
    run.note("woken by another event", waiting.over(0.5))
    run.quietly("PUT", "/v1/event/fire/first", "again")
    run.record("GET waiting", waiting.answer(), loose)
    late = run.background("GET", f"/v1/event/list?name=first&index={index}&wait=10s")
    run.record("GET with an old index", late.answer(), loose)
    index = run.quietly("GET", "/v1/event/list?name=first").index
    over = run.background("GET", f"/v1/event/list?name=first&index={index}&wait=200ms")
    run.record("GET until time is over", over.answer(), loose)
    run.note("the index is the event's", index > 1)


COMMON = table(
    "http",
    [
        ("root", "GET /", "GET /zork", "PUT /", "HEAD /"),
        ("unknown", "GET /v1", "GET /v1/", "GET /v1/zork", "PUT /v1/zork", "OPTIONS /v1/zork"),
        (
            "redirects",
            "GET //v1/kv/a",
            "GET /v1/../v1/status/leader",
            "HEAD /v1//kv/a",
            "PUT /v1//kv/a",
        ),
        ("redirect with a query", "GET /v1//kv/a?b=c&d", "GET /v1/kv?recurse"),
        ("not found and gzip", ("GET /zork", None, {"Accept-Encoding": "gzip"})),
        ("rare verb", "PATCH /v1/status/leader", "PURGE /v1/kv/a", "PROPFIND /v1/txn"),
        ("bad query", "GET /v1/status/leader?a=%zz", "GET /v1/status/leader?%zz"),
        ("semicolon", "GET /v1/status/leader?pretty;a=b"),
        ("origin", ("GET /v1/status/leader", None, {"Origin": "http://x"})),
        ("expect", ("PUT /v1/kv/expect", "v", {"Expect": "100-continue"})),
        ("old paths", "GET /v1/catalog/datacenters/", "GET /v1/status/leader/x"),
    ],
)

STORIES = [
    Case("coordinate", "near", _placed),
    Case("coordinate", "near the agent", _near_the_agent),
    Case("event", "fired", _fired),
    Case("event", "waited for", _waited_for),
]

CASES = [*STATUS, *COORDINATE, *EVENTS, *COMMON, *STORIES]
