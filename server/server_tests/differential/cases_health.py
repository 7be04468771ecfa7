"""`/v1/health/`."""

from server_tests.differential.run import Case, Options, Run, table

REGISTER = "PUT /v1/catalog/register"
DEREGISTER = "PUT /v1/catalog/deregister"
H = "/v1/health"


Prepared = tuple[str, object]


def at(name: str, **more: object) -> Prepared:
    """A step that registers something, not compared."""
    return "-" + REGISTER, {"Node": name, "Address": "10.2.0.1", **more}


def check(check_id: str, status: str, service: str = "", **more: object) -> dict[str, object]:
    """A check."""
    return {"CheckID": check_id, "Name": check_id, "Status": status, "ServiceID": service, **more}


WEB = {"Service": "h-web", "Port": 80}
SOME = (
    at(
        "hn1",
        NodeMeta={"rack": "1"},
        Service={**WEB, "ID": "w1", "Tags": ["a", "b"]},
        Checks=[check("alive", "passing"), check("web", "passing", "w1")],
    ),
    at(
        "hn2",
        NodeMeta={"rack": "2"},
        Service={**WEB, "ID": "w2", "Tags": ["a"]},
        Checks=[check("alive", "passing"), check("web", "warning", "w2", Output="slow")],
    ),
    at(
        "hn3",
        Service={**WEB, "ID": "w3", "Meta": {"v": "3"}},
        Checks=[check("alive", "critical"), check("web", "passing", "w3")],
    ),
    at("hn4", Service={**WEB, "ID": "w4", "Tags": ["b", "C"]}),
)
GONE: tuple[Prepared, ...] = tuple(
    ("-" + DEREGISTER, {"Node": name}) for name in ("hn1", "hn2", "hn3", "hn4")
)


def with_some(name: str, *steps: object) -> tuple[object, ...]:
    """A row of steps with four instances there."""
    return (name, *SOME, *steps, *GONE)


READS = table(
    "health",
    [
        with_some("service", f"GET {H}/service/h-web", f"GET {H}/service/H-WEB?pretty"),
        with_some(
            "passing",
            f"GET {H}/service/h-web?passing",
            f"GET {H}/service/h-web?passing=1",
            f"GET {H}/service/h-web?passing=true",
            f"GET {H}/service/h-web?passing=false",
            f"GET {H}/service/h-web?passing=0",
            f"GET {H}/service/h-web?passing=",
            f"GET {H}/service/h-web?passing=yes",
            f"GET {H}/service/none?passing=yes",
        ),
        with_some(
            "tags",
            f"GET {H}/service/h-web?tag=a",
            f"GET {H}/service/h-web?tag=a&tag=b",
            f"GET {H}/service/h-web?tag=c",
            f"GET {H}/service/h-web?tag=zork",
            f"GET {H}/service/h-web?tag=",
            f"GET {H}/service/h-web?tag=a&passing",
            f"GET {H}/ingress/h-web?tag=a",
            f"GET {H}/connect/h-web?tag=a",
        ),
        with_some(
            "metadata",
            f"GET {H}/service/h-web?node-meta=rack:1",
            f"GET {H}/service/h-web?node-meta=rack:1&node-meta=x:y",
            f"GET {H}/service/h-web?node-meta=rack:2&tag=a",
            f"GET {H}/checks/h-web?node-meta=rack:2",
            f"GET {H}/state/any?node-meta=rack:2",
            f"GET {H}/state/passing?node-meta=rack:1",
            f"GET {H}/state/passing?node-meta=rack:none",
        ),
        with_some(
            "filter",
            f"GET {H}/service/h-web?filter=Service.Meta.v==3",
            f"GET {H}/service/h-web?filter=Node.Node==hn2",
            f"GET {H}/service/h-web?filter=Checks.Status==warning",
            f"GET {H}/service/h-web?filter=Checks%20is%20empty",
            f"GET {H}/service/h-web?filter=not%20Service.Tags%20contains%20a",
            f"GET {H}/service/h-web?filter=Zork==1",
            f"GET {H}/service/h-web?filter=Service.Port==x",
            f"GET {H}/checks/h-web?filter=Status==passing",
            f"GET {H}/checks/h-web?filter=Zork==passing",
            f"GET {H}/node/hn2?filter=ServiceID==w2",
            f"GET {H}/node/hn2?filter=Definition.HTTP==w2",
            f"GET {H}/state/any?filter=Node==hn3",
            f"GET {H}/state/any?filter=%29",
        ),
        with_some("checks", f"GET {H}/checks/h-web", f"GET {H}/checks/h-web?tag=a"),
        with_some(
            "state",
            f"GET {H}/state/passing",
            f"GET {H}/state/warning",
            f"GET {H}/state/critical",
            f"GET {H}/state/any",
            f"GET {H}/state/unknown",
            f"GET {H}/state/PASSING",
        ),
        with_some("node", f"GET {H}/node/hn1", f"GET {H}/node/HN1", f"GET {H}/node/hn4"),
        with_some(
            "cached",
            f"GET {H}/service/h-web?cached",
            f"GET {H}/service/h-web?cached",
            f"GET {H}/service/h-web?cached&passing",
            f"GET {H}/service/h-web?cached&tag=a",
            f"GET {H}/service/h-web?cached&stale",
            f"GET {H}/service/h-web?cached&index=1",
            f"GET {H}/checks/h-web?cached",
            f"GET {H}/node/hn1?cached",
            f"GET {H}/state/critical?cached",
        ),
        (
            "cache control",
            (f"GET {H}/service/hc?cached", None, {"Cache-Control": "max-age=10"}),
            (f"GET {H}/service/hc?cached", None, {"Cache-Control": "max-age=0"}),
            (f"GET {H}/service/hc?cached", None, {"Cache-Control": "must-revalidate"}),
            (f"GET {H}/service/hc?cached", None, {"Cache-Control": "stale-if-error=5"}),
            (f"GET {H}/service/hc?cached", None, {"Cache-Control": "no-store"}),
            (f"GET {H}/service/hc?cached", None, {"Cache-Control": "max-age=x"}),
            (f"GET {H}/service/hc?cached", None, {"Cache-Control": "max-age=-1"}),
        ),
        ("cached and consistent", f"GET {H}/service/x?cached&consistent"),
        ("cached elsewhere", f"GET {H}/service/x?cached&dc=other"),
        ("nothing", f"GET {H}/service/none", f"GET {H}/checks/none", f"GET {H}/node/none"),
        ("no names", f"GET {H}/service/", f"GET {H}/checks/", f"GET {H}/node/", f"GET {H}/state/"),
        ("no paths", f"GET {H}", f"GET {H}/", f"GET {H}/zork", f"GET {H}/service"),
        ("own", f"GET {H}/service/consul", f"GET {H}/node/{{NODE}}", f"GET {H}/checks/consul"),
        ("elsewhere", f"GET {H}/service/x?dc=other", f"GET {H}/checks/x?dc=other"),
        ("others elsewhere", f"GET {H}/node/x?dc=other", f"GET {H}/state/any?dc=other"),
        ("namespaces", f"GET {H}/service/x?ns=a", f"GET {H}/checks/x?ns=a", f"GET {H}/node/x?ns=a"),
        ("namespace of a state", f"GET {H}/state/any?ns=a", f"GET {H}/state/?ns=a"),
        (
            "stale",
            f"GET {H}/service/x?stale",
            f"GET {H}/state/warning?stale",
            f"GET {H}/node/x?stale",
        ),
        ("consistent", f"GET {H}/service/x?consistent", f"GET {H}/checks/x?consistent"),
        ("two ways", f"GET {H}/service/x?stale&consistent", f"GET {H}/state/?stale&consistent"),
        (
            "bad index",
            f"GET {H}/service/x?index=y",
            f"GET {H}/state/any?wait=5",
            f"GET {H}/node/?index=y",
        ),
        ("verbs", f"PUT {H}/service/x", f"POST {H}/state/any", f"DELETE {H}/node/x"),
        ("options", f"OPTIONS {H}/service/x", f"OPTIONS {H}/state/any"),
        ("connect", f"GET {H}/connect/none", f"GET {H}/connect/", f"GET {H}/connect/x?dc=other"),
        ("ingress", f"GET {H}/ingress/none", f"GET {H}/ingress/", f"GET {H}/ingress/x?dc=other"),
        (
            "a proxy",
            at(
                "hp1",
                Service={
                    "Service": "h-proxy",
                    "Kind": "connect-proxy",
                    "Port": 9,
                    "Proxy": {"DestinationServiceName": "h-dest"},
                },
                Check=check("p", "passing", "h-proxy"),
            ),
            f"GET {H}/connect/h-dest",
            f"GET {H}/connect/h-dest?passing",
            "GET /v1/catalog/connect/h-dest",
            f"GET {H}/service/h-proxy",
            ("-" + DEREGISTER, {"Node": "hp1"}),
            f"GET {H}/connect/h-dest",
        ),
        (
            "a native instance",
            at("hp2", Service={"Service": "h-native", "Port": 9, "Connect": {"Native": True}}),
            f"GET {H}/connect/h-native",
            "GET /v1/catalog/connect/h-native",
            ("-" + DEREGISTER, {"Node": "hp2"}),
        ),
        (
            "unprintable in a name",
            f"GET {H}/service/a%0ab",
            f"GET {H}/service/a%20b",
            f"GET {H}/service/%C3%BC",
        ),
        with_some(
            "gzip",
            (f"GET {H}/service/h-web", None, {"Accept-Encoding": "gzip"}),
            (f"GET {H}/state/none", None, {"Accept-Encoding": "gzip"}),
        ),
    ],
)


def _waits(name: str, path: str, other: Prepared, own: Prepared) -> Case:
    """A waiting read: what does not concern it comes first, then what does."""

    def story(run: Run) -> None:
        run.prepare(SOME)
        index = run.ask("GET", path).index
        joint = "&" if "?" in path else "?"
        waiting = run.background("GET", f"{path}{joint}index={index}&wait=20s")
        run.prepare([other])
        run.note("woken by something else", waiting.over(0.3))
        run.prepare([own])
        run.record("GET waiting", waiting.answer())
        run.prepare([*GONE, ("-" + DEREGISTER, {"Node": "hn9"})])

    return Case("health", f"waiting for {name}", story)


def _same_status_keeps_the_index(run: Run) -> None:
    for _ in range(2):
        run.ask(
            "PUT",
            "/v1/catalog/register",
            {"Node": "hs1", "Address": "10.2.0.1", "Check": check("same", "passing")},
        )
        run.ask("GET", "/v1/health/node/hs1")
    run.ask("PUT", "/v1/catalog/deregister", {"Node": "hs1", "CheckID": "same"})
    run.ask("GET", "/v1/health/node/hs1")
    run.quietly("PUT", "/v1/catalog/deregister", {"Node": "hs1"})


def _tags_of_a_check_follow_the_service(run: Run) -> None:
    base = {"Node": "hs2", "Address": "10.2.0.1"}
    service = {"Service": "h-tags", "Tags": ["old"]}
    run.quietly(
        "PUT",
        "/v1/catalog/register",
        {**base, "Service": service, "Check": check("t", "passing", "h-tags")},
    )
    run.ask("GET", "/v1/health/checks/h-tags")
    run.quietly("PUT", "/v1/catalog/register", {**base, "Service": {**service, "Tags": ["new"]}})
    run.ask("GET", "/v1/health/checks/h-tags")
    run.ask("GET", "/v1/health/service/h-tags")
    run.quietly("PUT", "/v1/catalog/deregister", {"Node": "hs2", "ServiceID": "h-tags"})
    run.ask("GET", "/v1/health/checks/h-tags")
    run.ask("GET", "/v1/health/service/h-tags")
    run.quietly("PUT", "/v1/catalog/deregister", {"Node": "hs2"})


def _coming_and_going(run: Run) -> None:
    index = run.ask("GET", "/v1/health/service/h-new?passing").index
    waiting = run.background("GET", f"/v1/health/service/h-new?passing&index={index}&wait=20s")
    run.quietly(
        "PUT",
        "/v1/catalog/register",
        {"Node": "hs3", "Address": "10.2.0.1", "Service": {"Service": "h-new"}},
    )
    answer = waiting.answer()
    run.record("GET waiting", answer)
    waiting = run.background(
        "GET", f"/v1/health/service/h-new?passing&index={answer.index}&wait=20s"
    )
    run.quietly("PUT", "/v1/catalog/deregister", {"Node": "hs3", "ServiceID": "h-new"})
    run.record("GET waiting", waiting.answer())
    run.quietly("PUT", "/v1/catalog/deregister", {"Node": "hs3"})


def _time_over(run: Run) -> None:
    index = run.ask("GET", "/v1/health/service/consul").index
    path = f"/v1/health/service/consul?index={index}&wait=200ms"
    run.record("GET waiting", run.background("GET", path).answer())
    run.record("GET cached", run.background("GET", path + "&cached").answer(), Options())


WEB_CRITICAL = at("hn1", SkipNodeUpdate=True, Check=check("web", "critical", "w1"))
NODE_CRITICAL = at("hn1", SkipNodeUpdate=True, Check=check("alive", "critical"))
OTHER_CHECK = at("hn4", SkipNodeUpdate=True, Check=check("other", "warning"))

STORIES = [
    _waits("a service's check", f"{H}/service/h-web", at("hn9"), WEB_CRITICAL),
    _waits("a node's check", f"{H}/service/h-web", at("hn9"), NODE_CRITICAL),
    _waits("tagged instances", f"{H}/service/h-web?tag=b", at("hn9"), WEB_CRITICAL),
    _waits("checks of a service", f"{H}/checks/h-web", at("hn9"), WEB_CRITICAL),
    _waits("checks of a node", f"{H}/node/hn1", OTHER_CHECK, NODE_CRITICAL),
    _waits("a state", f"{H}/state/critical", at("hn9"), NODE_CRITICAL),
    _waits("any state", f"{H}/state/any", at("hn9"), NODE_CRITICAL),
    Case("health", "the same status again", _same_status_keeps_the_index),
    Case("health", "tags of a check", _tags_of_a_check_follow_the_service),
    Case("health", "waiting for a service to come and go", _coming_and_going),
    Case("health", "waiting until time is over", _time_over),
]

CASES = [*READS, *STORIES]
