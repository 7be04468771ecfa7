"""`/v1/session/`: what clients send and get."""

from typing import Any

import pytest

from server_tests.endpoints.site import NODE, Site, open_site

UNKNOWN = "aaaaaaaa-0000-4000-8000-00000000dead"


async def site_with_itself() -> Site:
    """A server whose own node is alive in the catalog."""
    site = open_site()
    check = {"CheckID": "serfHealth", "Name": "Serf Health Status", "Status": "passing"}
    body = {"Node": NODE, "Address": "127.0.0.1", "Check": check}
    assert (await site.ask("PUT", "/v1/catalog/register", body)).status == 200
    return site


async def create(site: Site, body: object = None) -> str:
    reply = await site.ask("PUT", "/v1/session/create", body)
    assert reply.status == 200
    return str(reply.json()["ID"])


async def info(site: Site, session: str) -> Any:
    return (await site.ask("GET", f"/v1/session/info/{session}")).json()


async def test_a_session_without_a_body_is_this_node_s_and_checks_its_health() -> None:
    site = await site_with_itself()
    session = await create(site)
    [made] = await info(site, session)
    assert made["Node"] == NODE
    assert made["NodeChecks"] == ["serfHealth"]
    assert made["LockDelay"] == 15_000_000_000
    assert made["Behavior"] == "release"


@pytest.mark.parametrize(
    ("given", "lock_delay_ns"),
    [("5s", 5_000_000_000), (20, 20_000_000_000), (20_000_000_000, 20_000_000_000), ("0s", 0)],
)
async def test_a_lock_delay_may_be_text_seconds_or_nanoseconds(
    given: object, lock_delay_ns: int
) -> None:
    site = await site_with_itself()
    [made] = await info(site, await create(site, {"LockDelay": given}))
    assert made["LockDelay"] == lock_delay_ns


async def test_sessions_are_listed_renewed_and_destroyed() -> None:
    site = await site_with_itself()
    session = await create(site, {"TTL": "30s"})
    for path in ("list", f"node/{NODE}"):
        listed = (await site.ask("GET", f"/v1/session/{path}")).json()
        assert [one["ID"] for one in listed] == [session]
    assert (await site.ask("PUT", f"/v1/session/renew/{session}")).json()[0]["TTL"] == "30s"
    assert len(site.context.session_timers) == 1
    assert (await site.ask("PUT", f"/v1/session/destroy/{session}")).body == b"true"
    assert await info(site, session) == []
    reply = await site.ask("PUT", f"/v1/session/renew/{session}")
    assert (reply.status, reply.text) == (404, f"Session id '{session}' not found")


@pytest.mark.parametrize(
    ("target", "body", "status", "text"),
    [
        ("create", {"TTL": "1s"}, 500, "Invalid Session TTL '1000000000', must be between [10s="),
        ("create", {"TTL": "x"}, 500, "Session TTL 'x' invalid: time: invalid duration \"x\""),
        ("create", {"Behavior": "x"}, 500, "Invalid Behavior setting 'x'"),
        ("create", {"Checks": ["none"]}, 500, "Missing check 'none' registration"),
        ("create", {"Node": "none"}, 500, "Missing node registration"),
        ("create", b"{", 400, "Request decode failed: "),
        ("destroy/", None, 400, "Missing session"),
        ("renew/", None, 400, "Missing session"),
        (f"renew/{UNKNOWN}", None, 404, f"Session id '{UNKNOWN}' not found"),
    ],
)
async def test_bad_requests_get_their_status_and_text(
    target: str, body: object, status: int, text: str
) -> None:
    site = await site_with_itself()
    reply = await site.ask("PUT", f"/v1/session/{target}", body)
    assert reply.status == status
    assert reply.text.startswith(text)


async def test_a_failing_check_ends_the_session_and_frees_its_locks() -> None:
    site = await site_with_itself()
    session = await create(site, {"LockDelay": "0s"})
    assert (await site.ask("PUT", f"/v1/kv/a?acquire={session}", b"v")).body == b"true"
    check = {"CheckID": "serfHealth", "Name": "x", "Status": "critical"}
    body = {"Node": NODE, "SkipNodeUpdate": True, "Check": check}
    await site.ask("PUT", "/v1/catalog/register", body)
    assert await info(site, session) == []
    [entry] = (await site.ask("GET", "/v1/kv/a")).json()
    assert "Session" not in entry
