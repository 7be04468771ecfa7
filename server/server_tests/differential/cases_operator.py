"""`/v1/operator/raft/`, `/v1/operator/autopilot/` and `/v1/snapshot`."""

from server_tests.differential.run import Case, Options, Run, table

CONFIGURATION = "/v1/operator/autopilot/configuration"
PUT = f"PUT {CONFIGURATION}"
PEER = "DELETE /v1/operator/raft/peer"
INDEXED = Options(masked=frozenset({"CreateIndex", "ModifyIndex"}))
HEALTH = Options(masked=frozenset({"LastTerm", "LastIndex", "StableSince"}))
DEFAULTS = {
    "CleanupDeadServers": True,
    "LastContactThreshold": "200ms",
    "MaxTrailingLogs": 250,
    "ServerStabilizationTime": "10s",
}
SAVE = Options(no_body=True, loose_index=True)

OPERATOR = table(
    "operator",
    [
        (
            "raft",
            "GET /v1/operator/raft/configuration",
            "GET /v1/operator/raft/configuration?stale&pretty",
            "GET /v1/operator/raft/configuration?dc=other",
            "PUT /v1/operator/raft/configuration",
            "OPTIONS /v1/operator/raft/configuration",
        ),
        ("peers", PEER, f"{PEER}?id=none", f"{PEER}?address=none", f"{PEER}?id=a&address=b"),
        ("peers elsewhere", f"{PEER}?id=none&dc=other", "GET /v1/operator/raft/peer"),
        (
            "autopilot",
            (f"GET {CONFIGURATION}", None, None, INDEXED),
            (f"GET {CONFIGURATION}?consistent", None, None, INDEXED),
            f"GET {CONFIGURATION}?dc=other",
            f"DELETE {CONFIGURATION}",
        ),
        (
            "autopilot set",
            (PUT, {**DEFAULTS, "MaxTrailingLogs": 300, "MinQuorum": 3}),
            (f"GET {CONFIGURATION}", None, None, INDEXED),
            (PUT, {**DEFAULTS, "LastContactThreshold": 1000000, "ModifyIndex": 9}),
            (f"GET {CONFIGURATION}", None, None, INDEXED),
            (PUT, DEFAULTS),
        ),
        (
            "autopilot bad",
            (PUT, "x"),
            PUT,
            (PUT, {"Zork": 1}),
            (PUT, {"MaxTrailingLogs": "x"}),
            (PUT, {"LastContactThreshold": "soon"}),
            (f"{PUT}?cas=x", DEFAULTS),
            (f"{PUT}?cas=1", DEFAULTS),
            (f"{PUT}?dc=other", DEFAULTS),
        ),
        (
            "health",
            ("GET /v1/operator/autopilot/health", None, None, HEALTH),
            ("GET /v1/operator/autopilot/health?pretty", None, None, HEALTH),
            "GET /v1/operator/autopilot/health?dc=other",
            "PUT /v1/operator/autopilot/health",
        ),
    ],
)

SNAPSHOT = table(
    "snapshot",
    [
        (
            "save",
            ("GET /v1/snapshot", None, None, SAVE),
            ("GET /v1/snapshot?stale", None, None, SAVE),
        ),
        ("elsewhere", "GET /v1/snapshot?dc=other", ("PUT /v1/snapshot?dc=other", "x")),
        ("bad", "PUT /v1/snapshot", ("PUT /v1/snapshot", "x"), ("PUT /v1/snapshot", "no archive!")),
        ("verbs", "POST /v1/snapshot", "DELETE /v1/snapshot", "OPTIONS /v1/snapshot"),
        ("two ways", ("GET /v1/snapshot?stale&consistent", None, None, SAVE)),
    ],
)


def _cas(run: Run) -> None:
    """A check-and-set wins with the index that it read, once."""
    index = (run.quietly("GET", CONFIGURATION).json() or {}).get("ModifyIndex", 0)
    run.note("with the index", run.quietly("PUT", f"{CONFIGURATION}?cas={index}", DEFAULTS).body)
    run.note("with it again", run.quietly("PUT", f"{CONFIGURATION}?cas={index}", DEFAULTS).body)


def _there_and_back(run: Run) -> None:
    """What was saved comes back, what came later is gone, and who waits is told."""
    run.quietly("PUT", "/v1/kv/snap/kept", "before")
    run.quietly("PUT", "/v1/kv/snap/gone", "before")
    run.quietly("PUT", "/v1/catalog/register", {"Node": "snap-n", "Address": "10.0.0.1"})
    archive = run.target.ask("GET", "/v1/snapshot").body
    run.quietly("PUT", "/v1/kv/snap/kept", "after")
    run.quietly("PUT", "/v1/kv/snap/later", "after")
    run.quietly("DELETE", "/v1/kv/snap/gone")
    run.quietly("PUT", "/v1/catalog/deregister", {"Node": "snap-n"})
    index = run.target.ask("GET", "/v1/kv/snap/later").headers.get("x-consul-index", "1")
    waiting = run.background("GET", f"/v1/kv/snap/later?index={index}&wait=20s")
    answer = run.target.ask("PUT", "/v1/snapshot", archive)
    run.note("restored", [answer.status, answer.body])
    run.record("GET waiting", waiting.answer(), Options(loose_index=True))
    loose = Options(loose_index=True, masked=frozenset({"CreateIndex", "ModifyIndex"}))
    for path in ("kept", "gone", "later"):
        run.ask("GET", f"/v1/kv/snap/{path}", options=loose)
    run.ask("GET", "/v1/kv/snap/?keys", options=loose)
    run.note(
        "the node is back", "snap-n" in run.target.ask("GET", "/v1/catalog/nodes").body.decode()
    )
    run.note("writes go on", run.quietly("PUT", "/v1/kv/snap/new", "x").body)
    run.quietly("PUT", "/v1/catalog/deregister", {"Node": "snap-n"})
    run.quietly("DELETE", "/v1/kv/snap/?recurse")


CASES: list[Case] = [
    *OPERATOR,
    Case("operator", "autopilot check-and-set", _cas),
    *SNAPSHOT,
    Case("snapshot", "there and back", _there_and_back),
]
