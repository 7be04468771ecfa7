"""What an attack from outside found, and who wakes whom: stories across several endpoints."""

import gzip
import http.server
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from server_tests.differential.run import Case, Options, Run, Story, table
from server_tests.loopback import address

SITE_HOST = 205
REGISTER = "PUT /v1/catalog/register"
DEREGISTER = "PUT /v1/catalog/deregister"
NO_BODY = Options(no_body=True)
WAKES_S = 0.25

# ---------------------------------------------------------------- plain requests

ROOTS = ("agent/service/deregister", "agent/service/maintenance", "agent/check/deregister")
NAMESPACED = {"Node": "at-ns", "Address": "1.1.1.1", "Service": {"Service": "a", "Namespace": "b"}}

PLAIN = table(
    "attack",
    [
        ("subtrees within others", *[f"PUT /v1/{path}" for path in ROOTS]),
        (
            "namespaces in bodies",
            (REGISTER, NAMESPACED, Options(exact=True)),
            (DEREGISTER, {"Node": "x", "Namespace": "b"}, Options(exact=True)),
            ("PUT /v1/agent/service/register", {"Name": "x", "Namespacex": "b"}),
        ),
        (
            "connect: native, proxies, a sick one",
            (REGISTER, {"Node": "at-c1", "Address": "1", "Service": {"Service": "at-web"}}),
            *[
                (
                    f"-{REGISTER}",
                    {
                        "Node": node,
                        "Address": "1",
                        "Service": {
                            "Kind": "connect-proxy",
                            "Service": "at-web-proxy",
                            "Port": 9,
                            "Proxy": {"DestinationServiceName": "at-web"},
                        },
                        "Check": {
                            "Name": "k",
                            "ServiceID": "at-web-proxy",
                            "Status": status,
                        },
                    },
                )
                for node, status in (("at-c1", "passing"), ("at-c2", "critical"))
            ],
            "GET /v1/catalog/connect/at-web",
            "GET /v1/health/connect/at-web",
            "GET /v1/health/connect/at-web?passing",
            (f"-{DEREGISTER}", {"Node": "at-c1"}),
            (f"-{DEREGISTER}", {"Node": "at-c2"}),
            "GET /v1/health/connect/at-web",
        ),
        (
            "health as text",
            ("-PUT /v1/agent/service/register", {"Name": "at-text"}),
            *[
                (f"GET /v1/agent/health/service/{what}", None, {"Accept": accept})
                for what in ("name/at-text", "id/at-text?format=text", "id/none")
                for accept in ("text/plain, */*", "TEXT/PLAIN", "application/json, text/plain")
            ],
            "PUT /v1/agent/service/deregister/at-text",
        ),
        (
            "a check id that two services want",
            *[
                (
                    "PUT /v1/agent/service/register",
                    {"Name": name, "Check": {"CheckID": "at-shared", "TTL": "1h"}},
                )
                for name in ("at-sa", "at-sb")
            ],
            "GET /v1/agent/checks?filter=CheckID==%22at-shared%22",
            "PUT /v1/agent/service/deregister/at-sa",
            "GET /v1/agent/checks?filter=CheckID==%22at-shared%22",
            "PUT /v1/agent/service/deregister/at-sb",
        ),
    ],
)

# ---------------------------------------------------------------- indexes of everything

LOOKS = (
    *("catalog/nodes", "catalog/services", "catalog/service/at-i1", "catalog/service/at-i2"),
    *("catalog/node/at-in", "catalog/node/none", "catalog/node-services/at-in"),
    *("health/node/at-in", "health/service/at-i1", "health/service/at-i2"),
    *("health/service/at-i1?passing", "health/checks/at-i1", "health/checks/none"),
    *("health/state/any", "health/state/critical", "catalog/connect/at-i1"),
    *("health/connect/at-i1", "kv/none", "kv/at-i?recurse", "kv/at-i?keys", "session/list"),
)


def _indexes_through_a_life(run: Run) -> None:
    def look() -> None:
        for path in LOOKS:
            run.ask("GET", f"/v1/{path}", options=NO_BODY)

    def put(how: str, **fields: object) -> None:
        run.quietly("PUT", f"/v1/catalog/{how}", {"Node": "at-in", **fields})
        look()

    put("register", Address="1")
    put("register", Address="1", Service={"Service": "at-i1"})
    put("register", Address="1", Check={"Name": "node"})
    put("register", Address="1", Check={"Name": "web", "ServiceID": "at-i1"})
    put("register", Address="1", Service={"Service": "at-i2"})
    put("register", Address="1", Check={"Name": "node", "Status": "passing"})
    put("register", Address="2")
    put("deregister", CheckID="web")
    put("deregister", ServiceID="at-i1")
    run.quietly("PUT", "/v1/kv/at-i/a", "1")
    run.quietly("DELETE", "/v1/kv/at-i/a")
    put("register", Address="2", Service={"Service": "at-i1", "Connect": {"Native": True}})
    put("deregister")


# ---------------------------------------------------------------- who wakes whom

Act = tuple[str, str, object]


def _register(node: str, **fields: object) -> Act:
    return "PUT", "/v1/catalog/register", {"Node": node, "Address": "10.0.0.1", **fields}


def _deregister(node: str, **fields: object) -> Act:
    return "PUT", "/v1/catalog/deregister", {"Node": node, **fields}


def _waking(path: str, *acts: Act) -> Story:
    """A query waits while things happen; which of them end it is compared.

    Names are far from each other: Consul's trees let a missing name be woken by its neighbours.
    """

    def story(run: Run) -> None:
        index = run.quietly("GET", path).index
        joint = "&" if "?" in path else "?"
        waiting = None
        for at, (method, where, body) in enumerate(acts):
            if waiting is None:
                waiting = run.background("GET", f"{path}{joint}index={index}&wait=8s")
            run.quietly(method, where, body)
            woke = waiting.over(WAKES_S)
            run.note(f"{at} {method} {where} wakes", woke)
            if woke:
                answer = waiting.answer()
                run.note("the index moves", answer.index > index)
                index, waiting = answer.index, None
        run.quietly("PUT", "/v1/kv/at-done", "1")

    return story


WEB = {"Service": "at-wk", "Port": 80}
PROXY = {"Service": "at-px", "Kind": "connect-proxy", "Port": 1}
TO_WEB = {"Proxy": {"DestinationServiceName": "at-wk"}}
SICK = {"Name": "c", "ServiceID": "at-wk", "Status": "critical"}
WELL = {**SICK, "Status": "passing"}

WAKING = [
    Case("attack", f"waking: {path}", _waking(path, *acts))
    for path, acts in {
        "/v1/health/service/at-wk?passing": (
            _register("at-w1", Service=WEB, Check=SICK),
            _register("at-w1", Check={**SICK, "Output": "told more"}),
            _register("at-w1", Check=WELL),
            _register("at-w1", Check=WELL),
            _register("at-w1", Address="10.0.0.2"),
            _deregister("at-w1"),
        ),
        "/v1/catalog/nodes": (
            _register("at-w2"),
            _register("at-w2"),
            _register("at-w2", Service=WEB),
            _register("at-w2", Check={"Name": "x"}),
            _register("at-w2", NodeMeta={"a": "b"}),
            _deregister("at-w2", ServiceID="at-wk"),
            _deregister("at-w2"),
        ),
        "/v1/catalog/services": (
            _register("at-w3"),
            _register("at-w3", Service=WEB),
            _register("at-w3", Service=WEB),
            _register("at-w3", Service={**WEB, "Tags": ["z"]}),
            _register("at-w3", Check={"Name": "x"}),
            _deregister("at-w3"),
        ),
        "/v1/health/connect/at-wk": (
            _register("at-w4", Service=WEB),
            _register("at-w4", Service={**PROXY, **TO_WEB}),
            _register("at-w4", Service={**WEB, "Tags": ["x"]}),
            _register("at-w4", Service={**PROXY, **TO_WEB, "Port": 2}),
            _deregister("at-w4", ServiceID="at-px"),
            _deregister("at-w4"),
        ),
        "/v1/session/list": (
            ("PUT", "/v1/kv/at-w5", "1"),
            _register("at-w5"),
            _deregister("at-w5"),
        ),
    }.items()
]


def _a_prefix_wakes_its_keys(run: Run) -> None:
    run.quietly("PUT", "/v1/kv/at-pd/a", "0")
    index = run.quietly("GET", "/v1/kv/at-pd/a").index
    waiting = [
        run.background("GET", f"/v1/kv/at-pd/{what}index={index}&wait=8s")
        for what in ("a?", "?keys&", "?recurse&")
    ]
    run.ask("PUT", "/v1/txn", [{"KV": {"Verb": "delete-tree", "Key": "at-pd/"}}])
    for one in waiting:
        run.note("woken", one.over(2.0))
        run.record("GET", one.answer())


def _a_lock_goes_with_its_check(run: Run) -> None:
    run.quietly(
        "PUT",
        "/v1/agent/service/register",
        {"Name": "at-lock", "Check": {"CheckID": "at-alive", "TTL": "1s", "Status": "passing"}},
    )
    run.until("synced", lambda: bool(run.quietly("GET", "/v1/health/checks/at-lock").json()))
    session = run.session(Checks=["at-alive"])
    run.ask("PUT", f"/v1/kv/at-lock?acquire={session}", "held")
    index = run.quietly("GET", "/v1/kv/at-lock").index
    waiting = run.background("GET", f"/v1/kv/at-lock?index={index}&wait=9s")
    run.note("woken", waiting.over(5.0))
    run.record("GET", waiting.answer())
    run.ask("GET", f"/v1/session/info/{session}")
    run.ask("PUT", "/v1/agent/service/deregister/at-lock")


# ---------------------------------------------------------------- checks that run


class _Site(http.server.BaseHTTPRequestHandler):
    """Answers with the status that the path names, and no reason for odd ones."""

    def do_GET(self) -> None:
        self.send_response(int(self.path.strip("/")))
        self.send_header("Content-Length", "4")
        self.end_headers()
        self.wfile.write(b"body")

    def log_message(self, format: str, *args: object) -> None:
        """Nothing: the tests' output is not for it."""


@contextmanager
def _site(host: str) -> Iterator[str]:
    server = http.server.ThreadingHTTPServer((host, 0), _Site)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://{host}:{server.server_address[1]}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _http_checks(run: Run) -> None:
    with _site(address(SITE_HOST)) as site:
        urls = {str(code): f"{site}/{code}" for code in (200, 299, 429, 503, 301, 307)}
        urls |= {"scheme": "://x", "none": "http:///x", "ftp": "ftp://127.0.0.1/"}
        for name, url in urls.items():
            body = {"Name": f"at-h{name}", "HTTP": url, "Interval": "1s"}
            run.quietly("PUT", "/v1/agent/check/register", body)

        def outputs() -> dict[str, list[str]]:
            checks = run.quietly("GET", "/v1/agent/checks").json() or {}
            return {
                name: [check["Status"], check["Output"].replace(site, "SITE")]
                for name, check in checks.items()
                if name.startswith("at-h")
            }

        run.until("all have run", lambda: all(output for _, output in outputs().values()))
        run.note("outputs", outputs())
        for name in urls:
            run.quietly("PUT", f"/v1/agent/check/deregister/at-h{name}")


def _a_sidecar_is_written_once(run: Run) -> None:
    body = {"Name": "at-side", "Port": 80, "Connect": {"SidecarService": {}}}
    run.quietly("PUT", "/v1/agent/service/register", body)
    run.until(
        "synced",
        lambda: len(run.quietly("GET", "/v1/health/checks/at-side-sidecar-proxy").json()) == 2,
    )
    run.pause(WAKES_S)
    run.ask("GET", "/v1/health/checks/at-side-sidecar-proxy", options=Options(sort_by="CheckID"))
    for name in ("at-side", "at-side-sidecar-proxy"):
        run.ask("PUT", f"/v1/agent/service/deregister/{name}")


# ---------------------------------------------------------------- snapshots


def _damaged_snapshots(run: Run) -> None:
    good = run.quietly("GET", "/v1/snapshot").body
    plain = gzip.decompress(good)
    state_at = plain.index(b"state.bin") + 600
    for name, data in {
        "cut in the state": gzip.compress(plain[:state_at]),
        "cut at the end": good[:-1],
        "short rubbish behind": good + b"junk",
        "rubbish behind": good + b"only rubbish",
        "another behind": good + gzip.compress(b"tail"),
        "two": good + good,
    }.items():
        answer = run.target.ask("PUT", "/v1/snapshot", data)
        text = answer.body.decode("utf-8", "replace")
        run.note(name, [answer.status, "".join(c for c in text if not c.isdigit())])


CASES: list[Case] = [
    *PLAIN,
    Case("attack", "indexes through a life", _indexes_through_a_life),
    *WAKING,
    Case("attack", "a prefix wakes its keys", _a_prefix_wakes_its_keys),
    Case("attack", "a lock goes with its check", _a_lock_goes_with_its_check),
    Case("attack", "http checks", _http_checks),
    Case("attack", "a sidecar is written once", _a_sidecar_is_written_once),
    Case("attack", "damaged snapshots", _damaged_snapshots),
]
