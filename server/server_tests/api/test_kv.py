"""`/v1/kv/`: what clients send and get."""

import asyncio
from urllib.parse import unquote_to_bytes

import pytest
from msgspec.structs import replace

from proconsul.api.surface import HttpSettings
from proconsul.endpoints.table import METHODS
from proconsul.model.kv import IndexedDirEntries, KeyRequest
from proconsul.wire.golang import SECOND, Duration
from server_tests.endpoints.site import Site, open_site


async def put(site: Site, target: str, value: bytes = b"v") -> bytes:
    reply = await site.ask("PUT", f"/v1/kv/{target}", value)
    assert reply.status == 200
    return reply.body


async def keys(site: Site, target: str) -> list[str]:
    found: list[str] = (await site.ask("GET", f"/v1/kv/{target}")).json()
    return found


async def test_a_key_comes_back_with_flags_and_indexes() -> None:
    site = open_site()
    assert await put(site, "a?flags=42", b"\x00v") == b"true"
    reply = await site.ask("GET", "/v1/kv/a")
    assert reply.json() == [
        {
            "LockIndex": 0,
            "Key": "a",
            "Flags": 42,
            "Value": "AHY=",
            "CreateIndex": 11,
            "ModifyIndex": 11,
        }
    ]
    assert reply.index == 11


async def test_a_raw_value_is_no_page_for_a_browser() -> None:
    site = open_site()
    await put(site, "a", b"<html>")
    reply = await site.ask("GET", "/v1/kv/a?raw")
    assert reply.body == b"<html>"
    assert reply.headers["Content-Type"] == "text/plain"
    assert reply.headers["Content-Security-Policy"] == "sandbox"
    assert reply.headers["X-Content-Type-Options"] == "nosniff"


async def test_an_absent_key_is_404_and_can_be_waited_for() -> None:
    site = open_site()
    await put(site, "other")
    reply = await site.ask("GET", "/v1/kv/a")
    assert (reply.status, reply.body) == (404, b"")
    waiting = asyncio.ensure_future(site.ask("GET", f"/v1/kv/a?index={reply.index}&wait=60s"))
    await asyncio.sleep(1)
    await put(site, "other", b"w")
    await asyncio.sleep(1)
    assert not waiting.done()
    await put(site, "a")
    assert (await waiting).status == 200


async def test_prefixes_are_listed_and_folded() -> None:
    site = open_site()
    for key in ("d/a/x", "d/a/y", "d/b", "e"):
        await put(site, key)
    assert await keys(site, "d/?keys") == ["d/a/x", "d/a/y", "d/b"]
    assert await keys(site, "d/?keys&separator=/") == ["d/a/", "d/b"]
    rows = (await site.ask("GET", "/v1/kv/d?recurse")).json()
    assert [row["Key"] for row in rows] == ["d/a/x", "d/a/y", "d/b"]
    assert (await site.ask("GET", "/v1/kv/none?keys")).status == 404
    assert (await site.ask("DELETE", "/v1/kv/d/?recurse")).body == b"true"
    assert await keys(site, "?keys") == ["e"]


async def test_check_and_set_answers_whether_it_won() -> None:
    site = open_site()
    assert await put(site, "a?cas=0") == b"true"
    assert await put(site, "a?cas=0", b"w") == b"false"
    index = (await site.ask("GET", "/v1/kv/a")).index
    assert await put(site, f"a?cas={index}", b"w") == b"true"
    assert (await site.ask("DELETE", f"/v1/kv/a?cas={index}")).body == b"false"


async def test_a_lock_has_one_holder() -> None:
    site = open_site()
    await site.ask("PUT", "/v1/catalog/register", {"Node": "n2", "Address": "10.0.0.2"})
    sessions = []
    for _ in range(2):
        body = {"Node": "n2", "Checks": [], "LockDelay": "0s"}
        sessions.append((await site.ask("PUT", "/v1/session/create", body)).json()["ID"])
    one, other = sessions
    assert await put(site, f"a?acquire={one}") == b"true"
    assert await put(site, f"a?acquire={other}") == b"false"
    assert (await site.ask("GET", "/v1/kv/a")).json()[0]["Session"] == one
    assert await put(site, f"a?release={one}") == b"true"
    assert await put(site, f"a?acquire={other}") == b"true"
    assert (await site.ask("GET", "/v1/kv/a")).json()[0]["LockIndex"] == 2


@pytest.mark.parametrize(
    ("method", "target", "status", "text"),
    [
        ("GET", "/v1/kv/", 400, "Missing key name"),
        ("PUT", "/v1/kv/", 400, "Missing key name"),
        ("PUT", "/v1/kv/a?cas=0&acquire=x", 400, "Conflicting flags: acquire=x&cas=0"),
        ("DELETE", "/v1/kv/a?recurse&cas=0", 400, "Conflicting flags: cas=0&recurse="),
        ("PUT", "/v1/kv/a?flags=x", 500, 'strconv.ParseUint: parsing "x": invalid syntax'),
        ("PUT", "/v1/kv/a?acquire=", 500, "missing session"),
        ("GET", "/v1/kv/a?dc=other", 500, "No path to datacenter"),
        ("POST", "/v1/kv/a", 405, "method POST not allowed"),
    ],
)
async def test_bad_requests_get_their_status_and_text(
    method: str, target: str, status: int, text: str
) -> None:
    reply = await open_site().ask(method, target)
    assert (reply.status, reply.text) == (status, text)


async def test_a_value_that_is_too_large_is_refused() -> None:
    reply = await open_site().ask("PUT", "/v1/kv/a", b"x" * (524_288 + 1))
    assert reply.status == 413
    assert reply.text.startswith("Request body(524289 bytes) too large, max size: 524288 bytes.")


async def test_an_answer_that_is_older_than_max_stale_allows_is_asked_for_at_the_leader() -> None:
    site = open_site()
    await put(site, "a")
    asked: list[bool] = []

    async def follower(method: str, request: KeyRequest) -> IndexedDirEntries:
        """Answers by itself what may be stale; its leader was heard two seconds ago."""
        asked.append(request.allow_stale)
        answer: IndexedDirEntries = await METHODS.call(site.context, method, request)
        age = Duration(2 * SECOND if request.allow_stale else 0)
        return replace(answer, last_contact=age)

    site.api.call = follower
    reply = await site.ask("GET", "/v1/kv/a?max_stale=3s")
    assert (reply.headers["X-Consul-Lastcontact"], asked) == ("2000", [True])
    reply = await site.ask("GET", "/v1/kv/a?max_stale=1s")
    assert (reply.headers["X-Consul-Lastcontact"], asked) == ("0", [True, True, False])


UNPRINTABLE_TOO = HttpSettings(refuse_unprintable=False)
LISTED = (
    "a%22%5Cb",
    "%3Cb%3E%26",
    "%E2%80%A8%08",
    "%22Session%22:%22%22,",
    "plain",
    "%C3%A9",
    "%FF",
)
VALUES = (b"", b"v", b'"Session":"",', bytes(range(256)) * 300)


async def test_a_listing_spells_each_entry_as_it_is_spelled_alone() -> None:
    site = open_site(UNPRINTABLE_TOO)
    await put(site, "outside")
    await site.ask("PUT", "/v1/catalog/register", {"Node": "n1", "Address": "127.0.0.1"})
    session = (await site.ask("PUT", "/v1/session/create", {"Checks": []})).json()["ID"]
    paths = [f"in/{name}/{at}" for name in LISTED for at in range(len(VALUES))]
    values = VALUES * len(LISTED)
    for number, (path, value) in enumerate(zip(paths, values, strict=True)):
        await put(site, f"{path}?flags={(1 << 64) - 1 - number}", value)
        if number % 3 == 0:
            await put(site, f"{path}?acquire={session}", value)
    alone = {path: await site.ask("GET", f"/v1/kv/{path}") for path in paths}
    listed = await site.ask("GET", "/v1/kv/in/?recurse")
    ordered = sorted(paths, key=unquote_to_bytes)
    assert listed.body == b"[" + b",".join(alone[path].body[1:-1] for path in ordered) + b"]"
    assert listed.index == max(reply.index for reply in alone.values())
    assert listed.body.count(b',"Session":"') == len(paths[::3])


async def test_a_listing_is_pretty_as_an_entry_is() -> None:
    site = open_site(UNPRINTABLE_TOO)
    await put(site, "in/a", b"")
    one = await site.ask("GET", "/v1/kv/in/a?pretty")
    assert one.body.startswith(b"[\n    {\n")
    assert (await site.ask("GET", "/v1/kv/in/?recurse&pretty")).body == one.body


@pytest.mark.parametrize("name", LISTED)
async def test_names_and_raw_values_are_told_as_they_were_written(name: str) -> None:
    site = open_site(UNPRINTABLE_TOO)
    for at, value in enumerate(VALUES):
        await put(site, f"in/{name}/{at}", value)
        assert (await site.ask("GET", f"/v1/kv/in/{name}/{at}?raw")).body == value
    folder = unquote_to_bytes(f"in/{name}/").decode("utf-8", "replace")
    assert await keys(site, "in/?keys") == [f"{folder}{at}" for at in range(len(VALUES))]
    assert await keys(site, "in/?keys&separator=/") == [folder]
