"""`/v1/kv/`."""

from server_tests.differential.run import Case, Options, Run, table

EXACT = Options(exact=True)

WRITES = table(
    "kv",
    [
        ("put and get", ("PUT /v1/kv/a1", "v"), "GET /v1/kv/a1"),
        ("put without a body", "PUT /v1/kv/a2", "GET /v1/kv/a2"),
        ("put an empty body", ("PUT /v1/kv/a3", ""), "GET /v1/kv/a3", "GET /v1/kv/a3?raw"),
        ("put bytes", ("PUT /v1/kv/a4", b"\x00\xff\xfe"), "GET /v1/kv/a4", "GET /v1/kv/a4?raw"),
        ("put the same again", ("PUT /v1/kv/a5", "v"), ("PUT /v1/kv/a5", "v"), "GET /v1/kv/a5"),
        ("put another value", ("PUT /v1/kv/a6", "v"), ("PUT /v1/kv/a6", "w"), "GET /v1/kv/a6"),
        ("flags", ("PUT /v1/kv/a7?flags=42", "v"), "GET /v1/kv/a7"),
        ("largest flags", ("PUT /v1/kv/a8?flags=18446744073709551615", "v"), "GET /v1/kv/a8"),
        ("too large flags", ("PUT /v1/kv/a9?flags=18446744073709551616", "v"), "GET /v1/kv/a9"),
        ("flags that are no number", ("PUT /v1/kv/a9?flags=x", "v")),
        ("negative flags", ("PUT /v1/kv/a9?flags=-1", "v")),
        ("empty flags", ("PUT /v1/kv/a9?flags=", "v")),
        ("no key to put", ("PUT /v1/kv/", "v")),
        ("no key to get", "GET /v1/kv/"),
        ("no key to delete", "DELETE /v1/kv/"),
        ("key with slashes", ("PUT /v1/kv/b/c/d", "v"), "GET /v1/kv/b/c/d"),
        ("key that ends with a slash", ("PUT /v1/kv/b/dir/", ""), "GET /v1/kv/b/dir/"),
        ("escaped key", ("PUT /v1/kv/b%20c%2Fd%3f", "v"), "GET /v1/kv/b%20c/d%3F"),
        ("key in unicode", ("PUT /v1/kv/%C3%BC%E2%82%AC", "v"), "GET /v1/kv/%C3%BC%E2%82%AC"),
        ("unprintable key", ("PUT /v1/kv/a%0Ab", "v"), "GET /v1/kv/a%00b"),
        ("bad escape", "GET /v1/kv/a%zz"),
        ("two slashes", "GET /v1/kv//a", ("PUT /v1/kv//a", "v")),
        ("dots", "GET /v1/kv/a/../b", "GET /v1/kv/./b", "DELETE /v1/kv/a/./b?x=y"),
        ("root without a slash", "GET /v1/kv", ("PUT /v1/kv", "v")),
        ("plus in a key", ("PUT /v1/kv/b+c", "v"), "GET /v1/kv/b+c", "GET /v1/kv/b%2Bc"),
        (
            "html in a key",
            ("PUT /v1/kv/%3Ca%26b%3E", "<&>"),
            ("GET /v1/kv/%3Ca%26b%3E", None, EXACT),
        ),
        ("control characters in a value", ("PUT /v1/kv/ctl", "a\tb\x01"), "GET /v1/kv/ctl?raw"),
    ],
)

READS = table(
    "kv",
    [
        ("absent", "GET /v1/kv/absent", "GET /v1/kv/absent?raw", "GET /v1/kv/absent?recurse"),
        (
            "recurse",
            ("-PUT /v1/kv/r1/b", "1"),
            ("-PUT /v1/kv/r1/a", "2"),
            ("-PUT /v1/kv/r1/a/z", "3"),
            ("-PUT /v1/kv/r1-", "4"),
            "GET /v1/kv/r1?recurse",
            "GET /v1/kv/r1/?recurse",
            "GET /v1/kv/r1/?recurse&raw",
            "GET /v1/kv/r1/a?recurse=false",
        ),
        (
            "keys",
            ("-PUT /v1/kv/k1/a/x", "1"),
            ("-PUT /v1/kv/k1/a/y", "1"),
            ("-PUT /v1/kv/k1/b", "1"),
            ("-PUT /v1/kv/k1/c|d|e", "1"),
            "GET /v1/kv/k1?keys",
            "GET /v1/kv/k1/?keys&separator=/",
            "GET /v1/kv/k1/?keys&seperator=/",
            "GET /v1/kv/k1?keys&separator=/",
            "GET /v1/kv/k1/?keys&separator=%7C",
            "GET /v1/kv/k1/?keys&separator=a/",
            "GET /v1/kv/k1/?keys&separator=",
            "GET /v1/kv/k1/a/x?keys",
            "GET /v1/kv/none?keys",
        ),
        ("keys with recurse", ("-PUT /v1/kv/k2/a", "1"), "GET /v1/kv/k2?keys&recurse"),
        ("raw", ("-PUT /v1/kv/w1", "text"), ("GET /v1/kv/w1?raw", None, EXACT)),
        ("raw and empty", "-PUT /v1/kv/w2", ("GET /v1/kv/w2?raw", None, EXACT)),
        ("pretty", ("-PUT /v1/kv/p1", "v"), "GET /v1/kv/p1?pretty", "GET /v1/kv/p1?pretty=false"),
        ("pretty keys", ("-PUT /v1/kv/p2/a", "v"), ("GET /v1/kv/p2?keys&pretty", None, EXACT)),
        ("pretty write", ("PUT /v1/kv/p3?pretty", "v", EXACT)),
        ("head", ("-PUT /v1/kv/h1", "v"), "HEAD /v1/kv/h1"),
        ("post", ("POST /v1/kv/h1", "v")),
        ("patch", ("PATCH /v1/kv/h1", "v")),
        ("options", "OPTIONS /v1/kv/h1", "OPTIONS /v1/kv/"),
        (
            "gzip",
            ("-PUT /v1/kv/g1", "v" * 4000),
            ("GET /v1/kv/g1", None, {"Accept-Encoding": "gzip"}),
            ("GET /v1/kv/g1?raw", None, {"Accept-Encoding": "gzip"}),
            ("GET /v1/kv/g1", None, {"Accept-Encoding": "br, gzip;q=0.5"}),
            ("GET /v1/kv/g1", None, {"Accept-Encoding": "gzip;q=0"}),
            ("GET /v1/kv/g-none", None, {"Accept-Encoding": "gzip"}),
            ("GET /v1/kv/g1?recurse=1", None, {"Accept-Encoding": "identity"}),
        ),
        ("stale", ("-PUT /v1/kv/s1", "v"), "GET /v1/kv/s1?stale", "GET /v1/kv/s1?max_stale=10s"),
        ("consistent", ("-PUT /v1/kv/s2", "v"), "GET /v1/kv/s2?consistent"),
        ("stale and consistent", "GET /v1/kv/s2?stale&consistent"),
        ("stale and consistent keys", "GET /v1/kv/s2?keys&stale&consistent"),
        ("leader", "GET /v1/kv/s2?leader"),
        ("bad max_stale", "GET /v1/kv/s2?max_stale=x", "GET /v1/kv/s2?max_stale=-5s"),
        ("bad index", "GET /v1/kv/s2?index=x", "GET /v1/kv/s2?index=-1", "GET /v1/kv/s2?index="),
        ("bad wait", "GET /v1/kv/s2?wait=x", "GET /v1/kv/s2?index=1&wait=5"),
        ("index 0 does not wait", ("-PUT /v1/kv/s3", "v"), "GET /v1/kv/s3?index=0&wait=60s"),
        ("index 1 does not wait", ("-PUT /v1/kv/s4", "v"), "GET /v1/kv/s4?index=1&wait=60s"),
        ("other datacenter", "GET /v1/kv/s2?dc=other", ("PUT /v1/kv/s2?dc=other", "v")),
        ("keys of another datacenter", "GET /v1/kv/s2?keys&dc=other"),
        ("delete in another datacenter", "DELETE /v1/kv/s2?dc=other"),
        ("own datacenter", ("-PUT /v1/kv/s5", "v"), "GET /v1/kv/s5?dc=dc1"),
        ("namespace", "GET /v1/kv/s2?ns=a", ("PUT /v1/kv/s2?ns=a", "v"), "DELETE /v1/kv/s2?ns=a"),
        ("namespace header", ("GET /v1/kv/s2", None, {"X-Consul-Namespace": "a"})),
        ("namespace with keys", "GET /v1/kv/?keys&ns=a", "GET /v1/kv/x?recurse&ns=a"),
        ("bad query", "GET /v1/kv/s2?a=%zz", "GET /v1/kv/s2?a;b&c=d"),
        ("cached kv", "GET /v1/kv/s2?cached", "GET /v1/kv/s2?cached&consistent"),
        ("bad cache control", ("GET /v1/kv/s2", None, {"Cache-Control": "max-age=x"})),
        ("any token", "GET /v1/kv/s2?token=x", ("GET /v1/kv/s2", None, {"X-Consul-Token": "x"})),
    ],
)

CHANGES = table(
    "kv",
    [
        (
            "delete",
            ("-PUT /v1/kv/d1", "v"),
            "DELETE /v1/kv/d1",
            "GET /v1/kv/d1",
            "DELETE /v1/kv/d1",
        ),
        (
            "delete a tree",
            ("-PUT /v1/kv/d2/a", "v"),
            ("-PUT /v1/kv/d2/b", "v"),
            ("-PUT /v1/kv/d2-", "v"),
            "DELETE /v1/kv/d2/?recurse",
            "GET /v1/kv/d2?recurse",
            "GET /v1/kv/d2/?recurse",
        ),
        ("delete no tree", "DELETE /v1/kv/d-none?recurse"),
        ("delete with two flags", "DELETE /v1/kv/d3?recurse&cas=1"),
        ("delete with a bad cas", "DELETE /v1/kv/d3?cas=x"),
        ("delete with a stale cas", ("-PUT /v1/kv/d4", "v"), "DELETE /v1/kv/d4?cas=1"),
        ("delete with cas 0", ("-PUT /v1/kv/d5", "v"), "DELETE /v1/kv/d5?cas=0"),
        ("delete an absent key with cas", "DELETE /v1/kv/d-none?cas=1"),
        (
            "cas 0 makes",
            ("PUT /v1/kv/c1?cas=0", "v"),
            ("PUT /v1/kv/c1?cas=0", "w"),
            "GET /v1/kv/c1",
        ),
        ("stale cas", ("-PUT /v1/kv/c2", "v"), ("PUT /v1/kv/c2?cas=1", "w"), "GET /v1/kv/c2"),
        ("cas of an absent key", ("PUT /v1/kv/c-none?cas=5", "w"), "GET /v1/kv/c-none"),
        ("bad cas", ("PUT /v1/kv/c3?cas=x", "v"), ("PUT /v1/kv/c3?cas=", "v")),
        ("two flags", ("PUT /v1/kv/c4?cas=0&acquire=x", "v")),
        ("three flags", ("PUT /v1/kv/c4?cas=0&acquire=a%20b&release=c&z", "v")),
        ("acquire with no session", ("PUT /v1/kv/l1?acquire=", "v")),
        ("acquire with a bad session", ("PUT /v1/kv/l1?acquire=x", "v")),
        (
            "acquire with an unknown session",
            ("PUT /v1/kv/l1?acquire=aaaaaaaa-0000-4000-8000-00000000dead", "v"),
        ),
        ("release with no session", ("PUT /v1/kv/l1?release=", "v")),
        (
            "release with an unknown session",
            ("PUT /v1/kv/l1?release=aaaaaaaa-0000-4000-8000-00000000dead", "v"),
        ),
        ("too large", ("PUT /v1/kv/big", "x" * 524_289), "GET /v1/kv/big"),
        ("just small enough", ("PUT /v1/kv/big2", "x" * 524_288), ("GET /v1/kv/big2", None, EXACT)),
        (
            "chunked",
            ("PUT /v1/kv/ch1", "v" * 9000, {"Transfer-Encoding": "chunked"}),
            "GET /v1/kv/ch1?raw",
        ),
        (
            "chunked and too large",
            ("PUT /v1/kv/ch2", "x" * 524_289, {"Transfer-Encoding": "chunked"}),
        ),
    ],
)


def _cas_with_the_index(run: Run) -> None:
    run.ask("PUT", "/v1/kv/x1", "a")
    index = run.ask("GET", "/v1/kv/x1").json()[0]["ModifyIndex"]
    run.record("PUT cas", run.quietly("PUT", f"/v1/kv/x1?cas={index}", "b"))
    run.record("PUT cas again", run.quietly("PUT", f"/v1/kv/x1?cas={index}", "c"))
    run.ask("GET", "/v1/kv/x1")
    index = run.quietly("GET", "/v1/kv/x1").json()[0]["ModifyIndex"]
    run.record("DELETE cas", run.quietly("DELETE", f"/v1/kv/x1?cas={index}"))
    run.ask("GET", "/v1/kv/x1")


def _lock_and_unlock(run: Run) -> None:
    one, other = run.session(), run.session()
    for session in (one, one, other):
        run.ask("PUT", f"/v1/kv/lock1?acquire={session}", "mine")
        run.ask("GET", "/v1/kv/lock1")
    run.ask("PUT", "/v1/kv/lock1", "plainly")
    run.ask("GET", "/v1/kv/lock1")
    run.ask("PUT", f"/v1/kv/lock1?release={other}", "x")
    run.ask("PUT", f"/v1/kv/lock1?release={one}&flags=3", "free")
    run.ask("GET", "/v1/kv/lock1")
    run.ask("PUT", f"/v1/kv/lock1?acquire={other}", "other's")
    run.ask("GET", "/v1/kv/lock1")
    run.ask("PUT", f"/v1/session/destroy/{other}")
    run.ask("GET", "/v1/kv/lock1")


def _delete_behaviour(run: Run) -> None:
    session = run.session(Behavior="delete")
    run.ask("PUT", f"/v1/kv/lock2?acquire={session}", "v")
    run.ask("PUT", f"/v1/session/destroy/{session}")
    run.ask("GET", "/v1/kv/lock2")


def _lock_delay(run: Run) -> None:
    one, other = run.session(LockDelay="60s"), run.session()
    run.ask("PUT", f"/v1/kv/lock3?acquire={one}", "v")
    run.ask("PUT", f"/v1/session/destroy/{one}")
    run.ask("PUT", f"/v1/kv/lock3?acquire={other}", "v")
    lock = {"KV": {"Verb": "lock", "Key": "lock3", "Session": other}}
    run.ask("PUT", "/v1/txn", [lock])
    run.ask("PUT", "/v1/kv/lock3", "a plain write goes through")
    run.ask("GET", "/v1/kv/lock3")


def _released_without_delay(run: Run) -> None:
    one, other = run.session(LockDelay="60s"), run.session()
    run.ask("PUT", f"/v1/kv/lock4?acquire={one}", "v")
    run.ask("PUT", f"/v1/kv/lock4?release={one}", "v")
    run.ask("PUT", f"/v1/kv/lock4?acquire={other}", "v")


def _woken_by_its_key(run: Run) -> None:
    run.quietly("PUT", "/v1/kv/w/a", "1")
    index = run.ask("GET", "/v1/kv/w/a").index
    waiting = run.background("GET", f"/v1/kv/w/a?index={index}&wait=20s")
    run.quietly("PUT", "/v1/kv/w/b", "1")
    run.note("woken by another key", waiting.over(0.3))
    run.quietly("PUT", "/v1/kv/w/a", "2")
    run.record("GET waiting", waiting.answer())


def _woken_by_creation(run: Run) -> None:
    index = run.ask("GET", "/v1/kv/w2/none").index
    waiting = run.background("GET", f"/v1/kv/w2/none?index={index}&wait=20s")
    run.quietly("PUT", "/v1/kv/w2/none", "1")
    run.record("GET waiting", waiting.answer())


def _woken_by_deletion(run: Run) -> None:
    run.quietly("PUT", "/v1/kv/w3", "1")
    index = run.ask("GET", "/v1/kv/w3").index
    waiting = run.background("GET", f"/v1/kv/w3?index={index}&wait=20s")
    run.quietly("DELETE", "/v1/kv/w3")
    run.record("GET waiting", waiting.answer())


def _prefix_waits_for_its_own(run: Run) -> None:
    run.quietly("PUT", "/v1/kv/w4/a", "1")
    for form in ("recurse", "keys", "keys&separator=/"):
        index = run.ask("GET", f"/v1/kv/w4/?{form}").index
        waiting = run.background("GET", f"/v1/kv/w4/?{form}&index={index}&wait=20s")
        run.quietly("PUT", "/v1/kv/w5", "1" + form)
        run.note("woken by another prefix", waiting.over(0.3))
        run.quietly("PUT", "/v1/kv/w4/b", form)
        run.record("GET waiting", waiting.answer())


def _tree_deletion_wakes(run: Run) -> None:
    run.quietly("PUT", "/v1/kv/w6/a", "1")
    index = run.ask("GET", "/v1/kv/w6/?recurse").index
    waiting = run.background("GET", f"/v1/kv/w6/?recurse&index={index}&wait=20s")
    run.quietly("DELETE", "/v1/kv/w6/?recurse")
    run.record("GET waiting", waiting.answer())
    run.ask("GET", "/v1/kv/w6/?recurse")


def _time_over(run: Run) -> None:
    run.quietly("PUT", "/v1/kv/w7", "1")
    index = run.ask("GET", "/v1/kv/w7").index
    waiting = run.background("GET", f"/v1/kv/w7?index={index}&wait=300ms")
    run.record("GET waiting", waiting.answer())


def _same_value_does_not_wake(run: Run) -> None:
    run.quietly("PUT", "/v1/kv/w8", "1")
    index = run.ask("GET", "/v1/kv/w8").index
    waiting = run.background("GET", f"/v1/kv/w8?index={index}&wait=800ms")
    run.quietly("PUT", "/v1/kv/w8", "1")
    run.record("GET waiting", waiting.answer())


STORIES = [
    Case("kv", name, story)
    for name, story in (
        ("cas with the right index", _cas_with_the_index),
        ("lock and unlock", _lock_and_unlock),
        ("a session that deletes", _delete_behaviour),
        ("lock-delay", _lock_delay),
        ("no lock-delay after a release", _released_without_delay),
        ("waiting for a key", _woken_by_its_key),
        ("waiting for a key to come", _woken_by_creation),
        ("waiting for a key to go", _woken_by_deletion),
        ("waiting for a prefix", _prefix_waits_for_its_own),
        ("waiting for a tree to go", _tree_deletion_wakes),
        ("waiting until time is over", _time_over),
        ("a write that changes nothing", _same_value_does_not_wake),
    )
]

CASES = [*WRITES, *READS, *CHANGES, *STORIES]
