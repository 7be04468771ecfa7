"""`/v1/event/`: fire and list."""

import asyncio

import pytest

from server_tests.endpoints.site import Site, open_site


async def fire(site: Site, name: str, payload: bytes | None = None) -> str:
    reply = await site.ask("PUT", f"/v1/event/fire/{name}", payload)
    assert reply.status == 200
    return str(reply.json()["ID"])


async def test_a_fired_event_is_listed_with_its_payload_and_its_time() -> None:
    site = open_site()
    fired = (await site.ask("PUT", "/v1/event/fire/deploy?node=n1", b"go")).json()
    assert (fired["Name"], fired["Payload"], fired["LTime"]) == ("deploy", "Z28=", 0)
    await fire(site, "deploy?node=other")
    await fire(site, "restart")
    listed = (await site.ask("GET", "/v1/event/list")).json()
    assert [one["Name"] for one in listed] == ["deploy", "restart"]
    assert listed[0] == {**fired, "LTime": 2}
    assert listed[1]["Payload"] is None
    named = (await site.ask("GET", "/v1/event/list?name=restart")).json()
    assert [one["Name"] for one in named] == ["restart"]


async def test_services_of_this_agent_are_asked_for_a_service_filter() -> None:
    site = open_site()
    site.context.user_events.services = lambda: {"web": ["blue"]}
    for query in ("service=web", "service=db", "service=web&tag=blue", "service=web&tag=red"):
        await fire(site, f"e?{query}")
    listed = (await site.ask("GET", "/v1/event/list")).json()
    assert [(one["ServiceFilter"], one["TagFilter"]) for one in listed] == [
        ("web", ""),
        ("web", "blue"),
    ]


async def test_who_gives_the_index_of_the_newest_waits_for_another() -> None:
    site = open_site()
    assert (await site.ask("GET", "/v1/event/list")).index == 1
    await fire(site, "a")
    index = (await site.ask("GET", "/v1/event/list?name=a")).index
    waiting = asyncio.ensure_future(
        site.ask("GET", f"/v1/event/list?name=a&index={index}&wait=60s")
    )
    await asyncio.sleep(1)
    await fire(site, "b")
    await asyncio.sleep(1)
    assert not waiting.done()
    await fire(site, "a")
    assert len((await waiting).json()) == 2
    # Any other index is old, also a higher one.
    reply = await site.ask("GET", f"/v1/event/list?index={index + 1}&wait=60s")
    assert len(reply.json()) == 3


async def test_the_wait_ends_with_what_there_is() -> None:
    site = open_site()
    reply = await site.ask("GET", "/v1/event/list?index=1&wait=5s")
    assert (reply.body, reply.index) == (b"[]", 1)
    assert asyncio.get_running_loop().time() == pytest.approx(5)


@pytest.mark.parametrize(
    ("target", "status", "text"),
    [
        ("/v1/event/fire/", 400, "Missing name"),
        ("/v1/event/fire/a?tag=x", 500, "Cannot provide tag filter without service filter"),
        ("/v1/event/fire/a?dc=other", 500, "No path to datacenter"),
    ],
)
async def test_bad_events_get_their_status_and_text(target: str, status: int, text: str) -> None:
    reply = await open_site().ask("PUT", target)
    assert (reply.status, reply.text) == (status, text)
