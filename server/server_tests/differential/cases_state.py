"""What one change does to everything around it: indexes, sessions, checks, waiting reads."""

from collections.abc import Callable, Collection

from server_tests.differential.run import Case, Run, Waiting

SERVICE = "st-web"
# Consul wakes who waits for an empty state at the change of any check; ours does not.
EMPTY = "/v1/health/state/critical"
VIEWS = (
    "/v1/catalog/nodes",
    "/v1/catalog/services",
    f"/v1/catalog/service/{SERVICE}",
    "/v1/catalog/node/st1",
    "/v1/catalog/node-services/st1",
    f"/v1/health/service/{SERVICE}",
    f"/v1/health/service/{SERVICE}?passing",
    f"/v1/health/service/{SERVICE}?tag=a",
    f"/v1/health/checks/{SERVICE}",
    "/v1/health/node/st1",
    "/v1/health/state/passing",
    EMPTY,
    "/v1/health/state/any",
    f"/v1/health/connect/{SERVICE}",
    f"/v1/catalog/connect/{SERVICE}",
    "/v1/session/list",
    "/v1/session/node/st1",
    "/v1/kv/st?recurse",
    "/v1/kv/st/lock",
)


def put(run: Run, node: str = "st1", **more: object) -> None:
    """Register, not compared."""
    run.quietly("PUT", "/v1/catalog/register", {"Node": node, "Address": "10.6.0.1", **more})


def gone(run: Run, **what: object) -> None:
    """Deregister, not compared."""
    run.quietly("PUT", "/v1/catalog/deregister", {"Node": "st1", **what})


def web(**more: object) -> dict[str, object]:
    """The service."""
    return {"Service": SERVICE, "ID": "w", "Port": 80, "Tags": ["a"], **more}


def check(status: str, check_id: str = "c", **more: object) -> dict[str, object]:
    """A check of the service."""
    return {"CheckID": check_id, "Name": check_id, "Status": status, "ServiceID": "w", **more}


def _prepared(run: Run) -> None:
    put(run, Service=web(), Checks=[check("passing"), {"CheckID": "n", "Status": "passing"}])
    put(run, "st2", Service=web(), Check=check("passing"))
    run.quietly("PUT", "/v1/kv/st/lock", "v")


def _after(name: str, change: Callable[[Run], object]) -> Case:
    """Every view of the state after one change."""

    def story(run: Run) -> None:
        _prepared(run)
        change(run)
        for path in VIEWS:
            run.ask("GET", path)
        for node in ("st1", "st2", "st3"):
            run.quietly("PUT", "/v1/catalog/deregister", {"Node": node})
        run.quietly("DELETE", "/v1/kv/st/?recurse")

    return Case("state", f"after {name}", story)


def _woken(name: str, change: Callable[[Run], object]) -> Case:
    """Which of the waiting reads a change wakes."""

    def story(run: Run) -> None:
        _prepared(run)
        waiting = {}
        for path in VIEWS:
            if path == EMPTY:
                continue
            joint = "&" if "?" in path else "?"
            index = run.quietly("GET", path).index
            waiting[path] = run.background(
                "GET", f"{path}{joint}index={index}&wait=30s", settle_s=0.0
            )
        run.pause(0.3)
        change(run)
        _until_nobody_more_is_told(run, waiting.values())
        for path, one in waiting.items():
            run.note(f"{path} woken", one.over())
        for one in waiting.values():
            one.leave()
        for node in ("st1", "st2", "st3"):
            run.quietly("PUT", "/v1/catalog/deregister", {"Node": node})
        run.quietly("DELETE", "/v1/kv/st/?recurse")

    return Case("state", f"woken by {name}", story)


def _until_nobody_more_is_told(run: Run, waiting: Collection[Waiting]) -> None:
    told = -1
    while told < (now := sum(one.over() for one in waiting)):
        told = now
        run.pause(0.5)


def _lock(run: Run) -> None:
    session = run.session(Node="st1", Checks=["n"])
    run.quietly("PUT", f"/v1/kv/st/lock?acquire={session}", "v")


def _locked_then(change: Callable[[Run], object]) -> Callable[[Run], object]:
    def both(run: Run) -> None:
        _lock(run)
        change(run)

    return both


CHANGES: tuple[tuple[str, Callable[[Run], object]], ...] = (
    ("nothing", lambda run: None),
    ("the same registration", lambda run: put(run, Service=web(), Check=check("passing"))),
    ("a new address of the node", lambda run: put(run, Address="10.6.0.9")),
    ("new metadata of the node", lambda run: put(run, NodeMeta={"a": "b"})),
    ("new tags", lambda run: put(run, Service=web(Tags=["b"]))),
    ("a new port", lambda run: put(run, Service=web(Port=81))),
    ("another name of the service", lambda run: put(run, Service=web(Service="st-other"))),
    ("another kind of the service", lambda run: put(run, Service=web(Connect={"Native": True}))),
    ("another service", lambda run: put(run, Service={"Service": "st-other"})),
    ("a new instance", lambda run: put(run, "st3", Service=web())),
    ("a new node", lambda run: put(run, "st3")),
    ("a new output", lambda run: put(run, Check=check("passing", Output="x"))),
    ("a failing check", lambda run: put(run, Check=check("critical"))),
    ("a new check", lambda run: put(run, Check=check("warning", "c2"))),
    ("a check of the node", lambda run: put(run, Check={"CheckID": "n", "Status": "critical"})),
    ("a check that leaves the service", lambda run: put(run, Check={"CheckID": "c"})),
    ("a check gone", lambda run: gone(run, CheckID="c")),
    ("a check of the node gone", lambda run: gone(run, CheckID="n")),
    ("the service gone", lambda run: gone(run, ServiceID="w")),
    ("the node gone", gone),
    ("a session", _lock),
    (
        "a session whose check fails",
        _locked_then(lambda run: put(run, Check={"CheckID": "n", "Status": "critical"})),
    ),
    ("a session whose check goes", _locked_then(lambda run: gone(run, CheckID="n"))),
    ("a session whose node goes", _locked_then(gone)),
    ("a session whose service goes", _locked_then(lambda run: gone(run, ServiceID="w"))),
    ("a key", lambda run: run.quietly("PUT", "/v1/kv/st/new", "v")),
    ("a key gone", lambda run: run.quietly("DELETE", "/v1/kv/st/lock")),
    ("a tree gone", lambda run: run.quietly("DELETE", "/v1/kv/st/?recurse")),
    ("a locked key gone", _locked_then(lambda run: run.quietly("DELETE", "/v1/kv/st/lock"))),
    ("a key of another tree", lambda run: run.quietly("PUT", "/v1/kv/su", "v")),
    (
        "a transaction",
        lambda run: run.quietly(
            "PUT",
            "/v1/txn",
            [
                {"KV": {"Verb": "set", "Key": "st/t", "Value": "dg=="}},
                {"Check": {"Verb": "set", "Check": {"Node": "st1", "CheckID": "n"}}},
            ],
        ),
    ),
)


def _both_gone(run: Run) -> None:
    """The index of a service that was there is not forgotten too early."""
    _prepared(run)
    views = [path for path in VIEWS if SERVICE in path]
    for node in ("st1", "st2"):
        run.quietly("PUT", "/v1/catalog/deregister", {"Node": node, "ServiceID": "w"})
        for path in views:
            run.ask("GET", path)
    for node in ("st1", "st2"):
        run.quietly("PUT", "/v1/catalog/deregister", {"Node": node})
    for path in views:
        run.ask("GET", path)
    run.quietly("DELETE", "/v1/kv/st/?recurse")


def _deleted_keys(run: Run) -> None:
    """Tombstones hold the index of a prefix up."""
    for key in ("st/t/a", "st/t/b", "st/u"):
        run.quietly("PUT", f"/v1/kv/{key}", "v")
    for path in ("/v1/kv/st/t/a", "/v1/kv/st/t/?recurse"):
        run.quietly("DELETE", path)
        for view in ("st/t?recurse", "st/t/?keys", "st?recurse", "st/u", "st/t/a", "none", "?keys"):
            run.ask("GET", f"/v1/kv/{view}")
    run.quietly("DELETE", "/v1/kv/st/?recurse")
    run.ask("GET", "/v1/kv/st?recurse")


CASES = [
    *(_after(name, change) for name, change in CHANGES),
    *(_woken(name, change) for name, change in CHANGES),
    Case("state", "both instances gone", _both_gone),
    Case("state", "deleted keys", _deleted_keys),
]
