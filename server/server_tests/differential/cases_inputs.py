"""Odd and hostile input, everywhere: none of it may break anything, all of it has an answer."""

from server_tests.differential.run import Options, table

REGISTER = "PUT /v1/catalog/register"
GONE = ("-PUT /v1/catalog/deregister", {"Node": "odd"})
EXACT = Options(exact=True)
BASE = '"Node":"odd","Address":"10.5.0.1"'


def body(more: str) -> tuple[str, str]:
    """A registration in JSON text, as odd as needed."""
    return REGISTER, f"{{{BASE},{more}}}"


JSON = table(
    "input",
    [
        ("keys twice", body('"Node":"odd2","Node":"odd"'), "GET /v1/catalog/node/odd", GONE),
        ("keys in two cases", body('"node":"odd"'), "GET /v1/catalog/node/odd", GONE),
        ("key in strange case", body('"NoDeMeTa":{"a":"b"}'), "GET /v1/catalog/node/odd", GONE),
        (
            "null everywhere",
            body('"Service":null,"Check":null,"Checks":null,"NodeMeta":null'),
            GONE,
        ),
        (
            "null in a service",
            body('"Service":{"Service":"odd","Tags":null,"Port":null,"Meta":null}'),
            "GET /v1/catalog/node/odd",
            GONE,
        ),
        (
            "null tag",
            body('"Service":{"Service":"odd","Tags":[null,"a"]}'),
            "GET /v1/catalog/node/odd",
            GONE,
        ),
        ("null in meta", body('"NodeMeta":{"a":null}'), "GET /v1/catalog/node/odd", GONE),
        ("port as 80.0", body('"Service":{"Service":"odd","Port":80.0}')),
        ("port as 8e1", body('"Service":{"Service":"odd","Port":8e1}')),
        ("port too large", body('"Service":{"Service":"odd","Port":99999999999999999999}')),
        (
            "port of 62 bits",
            body('"Service":{"Service":"odd","Port":4611686018427387904}'),
            "GET /v1/catalog/node/odd",
            GONE,
        ),
        (
            "negative port",
            body('"Service":{"Service":"odd","Port":-1}'),
            "GET /v1/catalog/node/odd",
            GONE,
        ),
        ("text for a bool", body('"SkipNodeUpdate":"true"')),
        ("number for a bool", body('"SkipNodeUpdate":1')),
        ("object for text", body('"ID":{}')),
        ("array for an object", body('"Service":[]')),
        ("object for an array", body('"Checks":{}')),
        ("text for a map", body('"NodeMeta":"x"')),
        ("number in a map", body('"NodeMeta":{"a":1}')),
        (
            "escapes",
            body('"NodeMeta":{"\\u00fc":"\\u0000\\t\\u2028<"}'),
            ("GET /v1/catalog/node/odd", None, EXACT),
            GONE,
        ),
        ("lone surrogate", body('"NodeMeta":{"a":"\\ud800x"}'), "GET /v1/catalog/node/odd", GONE),
        (
            "pair of surrogates",
            body('"NodeMeta":{"a":"\\ud83d\\ude00"}'),
            "GET /v1/catalog/node/odd",
            GONE,
        ),
        (
            "no utf-8",
            (REGISTER, b'{"Node":"odd","Address":"x","NodeMeta":{"a":"\xff\xfe"}}'),
            "GET /v1/catalog/node/odd",
            GONE,
        ),
        ("byte order mark", (REGISTER, b'\xef\xbb\xbf{"Node":"odd","Address":"x"}')),
        ("white space", (REGISTER, f"  \n\t{{ {BASE} }}\n "), GONE),
        ("two values", (REGISTER, f"{{{BASE}}}{{{BASE}}}"), GONE),
        ("comments", (REGISTER, f"{{{BASE}}} // x"), GONE),
        ("comment in front", (REGISTER, f"/* x */ {{{BASE}}}")),
        ("single quotes", (REGISTER, "{'Node':'odd'}")),
        ("trailing comma", (REGISTER, f"{{{BASE},}}")),
        ("nan", body('"Service":{"Service":"odd","Port":NaN}')),
        ("deep", (REGISTER, "[" * 5000 + "]" * 5000)),
        ("deep and unfinished", (REGISTER, '{"a":' * 5000)),
        ("much deeper", (REGISTER, "[" * 200_000)),
        ("deep in an unknown field", body('"Zork":' + "[" * 5000 + "]" * 5000)),
        ("control character in text", body('"NodeMeta":{"a":"\x01"}')),
        ("huge number", body('"Service":{"Service":"odd","Port":1e999}')),
        (
            "duration of a fraction",
            body('"Check":{"Name":"c","Definition":{"Interval":"1.5h","Timeout":"-2s"}}'),
            "GET /v1/health/node/odd",
            GONE,
        ),
        (
            "duration in a fraction of ns",
            body('"Check":{"Name":"c","Definition":{"Interval":1.7}}'),
            "GET /v1/health/node/odd",
            GONE,
        ),
        ("duration without a unit", body('"Check":{"Name":"c","Definition":{"Interval":"10"}}')),
        (
            "duration in snake case",
            body('"Check":{"Name":"c","Definition":{"deregister_critical_service_after":"1m"}}'),
            "GET /v1/health/node/odd",
            GONE,
        ),
        ("weights of text", body('"Service":{"Service":"odd","Weights":{"Passing":"1"}}')),
        (
            "weights in lower case",
            body('"Service":{"Service":"odd","Weights":{"passing":2,"warning":3}}'),
            "GET /v1/catalog/node/odd",
            GONE,
        ),
        ("token in the body", body('"Token":"x"'), GONE),
        ("token in a write request", body('"WriteRequest":{"Token":"x"}'), GONE),
        ("raft index in the body", body('"RaftIndex":{"CreateIndex":5}'), GONE),
        ("enterprise meta in the body", body('"EnterpriseMeta":{}'), GONE),
    ],
)

NAMES = table(
    "input",
    [
        (
            "long key",
            (f"PUT /v1/kv/long/{'k' * 3000}", "v"),
            f"GET /v1/kv/long/{'k' * 3000}",
            "GET /v1/kv/long?keys",
        ),
        (
            "two long keys",
            (f"-PUT /v1/kv/long2/{'k' * 600}a", "1"),
            (f"-PUT /v1/kv/long2/{'k' * 600}b", "2"),
            "GET /v1/kv/long2?recurse",
            f"DELETE /v1/kv/long2/{'k' * 600}a",
            "GET /v1/kv/long2?keys",
        ),
        (
            "long node",
            (REGISTER, {"Node": "n" * 700, "Address": "x", "Service": {"Service": "s" * 700}}),
            f"GET /v1/catalog/node/{'n' * 700}",
            f"GET /v1/health/service/{'s' * 700}",
            ("PUT /v1/catalog/deregister", {"Node": "n" * 700}),
        ),
        (
            "nul in a node",
            (REGISTER, '{"Node":"a\\u0000b","Address":"x"}'),
            "GET /v1/catalog/nodes",
            ("PUT /v1/catalog/deregister", '{"Node":"a\\u0000b"}'),
            "GET /v1/catalog/nodes",
        ),
        (
            "spaces",
            (REGISTER, {"Node": " ", "Address": " "}),
            "GET /v1/catalog/node/%20",
            ("PUT /v1/catalog/deregister", {"Node": " "}),
        ),
        (
            "bytes in a key",
            ("PUT /v1/kv/by/%ff%fe", "v"),
            "GET /v1/kv/by/%ff%fe",
            "GET /v1/kv/by?keys",
            "DELETE /v1/kv/by/%ff%fe",
        ),
        (
            "names of two cases",
            (REGISTER, {"Node": "CaSe", "Address": "x", "Service": {"Service": "WeB", "ID": "Id"}}),
            "GET /v1/catalog/node/case",
            "GET /v1/catalog/service/web",
            "GET /v1/health/service/WEB",
            ("PUT /v1/catalog/deregister", {"Node": "case", "ServiceID": "id"}),
            "GET /v1/catalog/node/CaSe",
            ("PUT /v1/catalog/deregister", {"Node": "CASE"}),
            "GET /v1/catalog/node/CaSe",
        ),
        ("key in two cases", ("-PUT /v1/kv/cs/A", "1"), "GET /v1/kv/cs/a", "GET /v1/kv/CS?keys"),
        ("encoded slash", "GET /v1/catalog/node/a%2Fb", "GET /v1/kv%2Fa", "GET /v1%2Fkv/a"),
        ("capitals in the path", "GET /V1/kv/a", "GET /v1/KV/a"),
        ("question marks", "GET /v1/kv/a??b", "GET /v1/kv/a?keys?x"),
    ],
)

QUERIES = table(
    "input",
    [
        (
            "dc twice",
            "GET /v1/catalog/nodes?dc=dc1&dc=other",
            "GET /v1/catalog/nodes?dc=other&dc=dc1",
            "GET /v1/catalog/nodes?dc=",
        ),
        (
            "index of too many bits",
            "GET /v1/kv/q?index=18446744073709551616",
            "GET /v1/kv/q?index=1.5",
            "GET /v1/kv/q?index=0x1",
            "GET /v1/kv/q?index=+1",
        ),
        (
            "wait of all kinds",
            "GET /v1/kv/q?wait=-5s",
            "GET /v1/kv/q?wait=0",
            "GET /v1/kv/q?wait=1.5h",
            "GET /v1/kv/q?wait=99999999999h",
            "GET /v1/kv/q?wait=1x",
            "GET /v1/kv/q?wait=.s",
        ),
        ("wait before index", "GET /v1/kv/q?wait=x&index=y"),
        ("flags twice", ("PUT /v1/kv/q?flags=1&flags=2", "v"), "GET /v1/kv/q"),
        (
            "values of flags",
            "GET /v1/kv/q?stale=false",
            "GET /v1/kv/q?recurse=0",
            "GET /v1/kv/q?consistent=x",
        ),
        ("plus", "GET /v1/catalog/nodes?filter=Node+==+none", "GET /v1/catalog/service/x?tag=a+b"),
        ("long filter", f"GET /v1/catalog/nodes?filter={'Node==a%20or%20' * 50}Node==b"),
        (
            "not a filter",
            "GET /v1/catalog/nodes?filter=Node",
            "GET /v1/catalog/nodes?filter=Node==",
            "GET /v1/catalog/nodes?filter=%00",
        ),
        ("filter twice", "GET /v1/catalog/nodes?filter=Node==a&filter=Node==b"),
        ("bad pattern in a filter", "GET /v1/catalog/nodes?filter=Node%20matches%20%22%28%22"),
        (
            "tokens",
            ("GET /v1/catalog/nodes?filter=Node==x", None, {"Authorization": "Bearer x"}),
            ("GET /v1/catalog/nodes?filter=Node==x", None, {"Authorization": "Basic x"}),
        ),
        (
            "gzip of refusals",
            ("GET /v1/kv/?x", None, {"Accept-Encoding": "gzip"}),
            ("GET /v1/catalog/nodes?dc=other", None, {"Accept-Encoding": "gzip"}),
            ("PUT /v1/status/leader", None, {"Accept-Encoding": "gzip"}),
        ),
        (
            "gzip of an option",
            ("OPTIONS /v1/kv/a", None, {"Accept-Encoding": "gzip"}),
            ("GET /v1//kv/a", None, {"Accept-Encoding": "gzip"}),
        ),
        (
            "pretty refusals",
            "GET /v1/kv/?pretty",
            "GET /v1/catalog/nodes?dc=other&pretty",
            "GET /v1/catalog/node/none?pretty",
            "GET /v1/coordinate/node/none?pretty",
        ),
        (
            "pretty lists",
            ("GET /v1/catalog/service/none?pretty", None, EXACT),
            ("GET /v1/catalog/services?node-meta=no:where&pretty", None, EXACT),
            ("GET /v1/status/leader?pretty", None, EXACT),
            ("GET /v1/catalog/node/none?pretty", None, EXACT),
        ),
        (
            "bodies of reads",
            ("GET /v1/kv/q", "body"),
            ("GET /v1/catalog/nodes?filter=Node==x", "body"),
            ("DELETE /v1/kv/q", "body"),
        ),
        (
            "cors",
            (
                "OPTIONS /v1/kv/a",
                None,
                {"Origin": "http://x", "Access-Control-Request-Method": "PUT"},
            ),
        ),
    ],
)

CASES = [*JSON, *NAMES, *QUERIES]
