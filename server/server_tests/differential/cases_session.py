"""`/v1/session/`."""

from server_tests.differential.run import Case, Options, Run, Story, table

DEAD = "aaaaaaaa-0000-4000-8000-00000000dead"

BODIES: list[tuple[str, object]] = [
    ("no body", None),
    ("empty object", {}),
    ("name", {"Name": "n"}),
    ("lock delay in text", {"LockDelay": "5s"}),
    ("lock delay in seconds", {"LockDelay": 20}),
    ("lock delay in nanoseconds", {"LockDelay": 20_000_000_000}),
    ("lock delay 0", {"LockDelay": "0s"}),
    ("lock delay too long", {"LockDelay": "120s"}),
    ("bad lock delay", {"LockDelay": "x"}),
    ("lock delay of another kind", {"LockDelay": True}),
    ("negative lock delay", {"LockDelay": "-5s"}),
    ("ttl", {"TTL": "30s"}),
    ("short ttl", {"TTL": "10ms"}),
    ("long ttl", {"TTL": "25h"}),
    ("bad ttl", {"TTL": "x"}),
    ("zero ttl", {"TTL": "0s"}),
    ("ttl of another kind", {"TTL": 10}),
    ("behaviour delete", {"Behavior": "delete"}),
    ("bad behaviour", {"Behavior": "explode"}),
    ("unknown node", {"Node": "nobody"}),
    ("no checks", {"Checks": []}),
    ("null checks", {"Checks": None}),
    ("node checks", {"NodeChecks": ["serfHealth"]}),
    ("no node checks", {"NodeChecks": []}),
    ("both kinds of checks", {"Checks": ["serfHealth"], "NodeChecks": ["serfHealth"]}),
    ("unknown check", {"Checks": ["nothing"]}),
    ("unknown node check", {"NodeChecks": ["nothing"]}),
    ("service checks", {"ServiceChecks": [{"ID": "nothing"}]}),
    ("unknown field", {"Zork": 1}),
    ("lower case", {"name": "n", "ttl": "20s", "lockdelay": "3s", "behavior": "delete"}),
    ("own id", {"ID": DEAD}),
    ("array", []),
    ("text", '"x"'),
    ("null", "null"),
    ("garbage", "{"),
    ("number for a name", {"Name": 1}),
]


def _create(body: object) -> Story:
    def story(run: Run) -> None:
        answer = run.ask("PUT", "/v1/session/create", body)
        made = answer.json()
        if isinstance(made, dict):
            run.ask("GET", f"/v1/session/info/{made['ID']}")
            run.quietly("PUT", f"/v1/session/destroy/{made['ID']}")

    return story


CREATED = [Case("session", f"create: {name}", _create(body)) for name, body in BODIES]

PLAIN = table(
    "session",
    [
        ("create elsewhere", ("PUT /v1/session/create?dc=other", {})),
        ("create in a namespace", ("PUT /v1/session/create?ns=a", {})),
        ("create by GET", "GET /v1/session/create", "OPTIONS /v1/session/create"),
        ("destroy nothing", "PUT /v1/session/destroy/", "PUT /v1/session/destroy"),
        ("destroy an unknown one", f"PUT /v1/session/destroy/{DEAD}"),
        ("destroy a bad one", "PUT /v1/session/destroy/x"),
        ("destroy by GET", f"GET /v1/session/destroy/{DEAD}"),
        ("destroy elsewhere", f"PUT /v1/session/destroy/{DEAD}?dc=other"),
        ("info of nothing", "GET /v1/session/info/"),
        ("info of an unknown one", f"GET /v1/session/info/{DEAD}"),
        ("info of a bad one", "GET /v1/session/info/x"),
        ("info elsewhere", f"GET /v1/session/info/{DEAD}?dc=other"),
        ("renew nothing", "PUT /v1/session/renew/"),
        ("renew an unknown one", f"PUT /v1/session/renew/{DEAD}"),
        ("renew a bad one", "PUT /v1/session/renew/x"),
        ("renew elsewhere", f"PUT /v1/session/renew/{DEAD}?dc=other"),
        ("list", "GET /v1/session/list", "GET /v1/session/list?pretty"),
        ("list elsewhere", "GET /v1/session/list?dc=other"),
        ("list of a namespace", "GET /v1/session/list?ns=a"),
        ("list in two ways", "GET /v1/session/list?stale&consistent", "GET /v1/session/list?stale"),
        ("sessions of a node", "GET /v1/session/node/{NODE}", "GET /v1/session/node/nobody"),
        ("sessions of no node", "GET /v1/session/node/"),
        ("sessions of a node elsewhere", "GET /v1/session/node/{NODE}?dc=other"),
        ("bad index", "GET /v1/session/list?index=x", "GET /v1/session/node/x?wait=y"),
    ],
)


def _life(run: Run) -> None:
    one = run.session(Name="one", TTL="30s", Behavior="delete")
    two = run.session(Name="two")
    run.ask("GET", "/v1/session/list", options=Options(sort_by="Name"))
    run.ask("GET", "/v1/session/node/{NODE}", options=Options(sort_by="Name"))
    run.ask("GET", f"/v1/session/info/{one}?pretty")
    run.ask("PUT", f"/v1/session/renew/{one}")
    run.ask("PUT", f"/v1/session/renew/{two}")
    run.ask("PUT", f"/v1/session/destroy/{one}")
    run.ask("PUT", f"/v1/session/destroy/{one}")
    run.ask("PUT", f"/v1/session/renew/{one}")
    run.ask("GET", f"/v1/session/info/{one}")
    run.quietly("PUT", f"/v1/session/destroy/{two}")


def _ends_by_ttl(run: Run) -> None:
    session = run.session(TTL="1s")
    run.ask("PUT", f"/v1/kv/ttl?acquire={session}", "v")
    index = run.ask("GET", "/v1/kv/ttl").index
    waiting = run.background("GET", f"/v1/kv/ttl?index={index}&wait=20s")
    run.record("GET waiting", waiting.answer())
    run.ask("GET", f"/v1/session/info/{session}")


def _ends_with_its_check(run: Run) -> None:
    node = {"Node": "sess1", "Address": "10.0.0.1"}
    run.ask("PUT", "/v1/catalog/register", {**node, "Check": {"Name": "c", "Status": "passing"}})
    made = run.ask(
        "PUT", "/v1/session/create", {"Node": "sess1", "Checks": ["c"], "LockDelay": "0s"}
    )
    session = made.json()["ID"]
    run.ask("GET", f"/v1/session/info/{session}")
    index = run.ask("GET", "/v1/session/node/sess1").index
    waiting = run.background("GET", f"/v1/session/node/sess1?index={index}&wait=20s")
    run.ask("PUT", "/v1/catalog/register", {**node, "Check": {"Name": "c", "Status": "critical"}})
    run.record("GET waiting", waiting.answer())
    run.ask("GET", f"/v1/session/info/{session}")
    run.ask("PUT", "/v1/session/create", {"Node": "sess1", "Checks": ["c"]})
    run.quietly("PUT", "/v1/catalog/deregister", {"Node": "sess1"})


def _ends_with_its_node(run: Run) -> None:
    run.quietly("PUT", "/v1/catalog/register", {"Node": "sess2", "Address": "10.0.0.1"})
    made = run.ask("PUT", "/v1/session/create", {"Node": "sess2", "Checks": [], "LockDelay": "0s"})
    session = made.json()["ID"]
    run.ask("PUT", f"/v1/kv/node-lock?acquire={session}", "v")
    run.ask("PUT", "/v1/catalog/deregister", {"Node": "sess2"})
    run.ask("GET", "/v1/kv/node-lock")
    run.ask("GET", f"/v1/session/info/{session}")


STORIES = [
    Case("session", "a life", _life),
    Case("session", "ends by its ttl", _ends_by_ttl),
    Case("session", "ends with its check", _ends_with_its_check),
    Case("session", "ends with its node", _ends_with_its_node),
]

CASES = [*CREATED, *PLAIN, *STORIES]
