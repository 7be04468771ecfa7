"""Intentions that the log brought."""

import asyncio
from typing import Any

import pytest

from proconsul.errors import RpcError
from proconsul.fsm.commands import MessageType
from proconsul.model.intention import Intention, IntentionQueryRequest, IntentionRequest
from proconsul.model.query import DCSpecificRequest
from server_tests.endpoints.site import Site, open_site

ID = "11111111-0000-4000-8000-00000000000"


async def site_with(*intentions: Intention) -> Site:
    site = open_site()
    for intention in intentions:
        request = IntentionRequest(op="create", intention=intention)
        await site.log.propose(MessageType.INTENTION, request)
    return site


def intention(digit: int, source: str, destination: str, **more: Any) -> Intention:
    return Intention(
        id=f"{ID}{digit}",
        source_ns="default",
        source_name=source,
        destination_ns="default",
        destination_name=destination,
        **more,
    )


ALL = (
    intention(1, "*", "*"),
    intention(2, "web", "db", action="allow"),
    intention(3, "api", "db"),
    intention(4, "*", "db"),
    intention(5, "web", "*"),
)


async def listed(site: Site, expression: str = "") -> list[str]:
    request = DCSpecificRequest(datacenter="dc1", filter=expression)
    found = await site.call("Intention.List", request)
    return [f"{row.source_name} {row.destination_name}" for row in found.intentions]


async def test_they_are_listed_in_the_order_in_which_they_decide() -> None:
    site = await site_with(*ALL)
    assert await listed(site) == ["api db", "web db", "* db", "web *", "* *"]
    assert await listed(site, "Action == allow") == ["web db"]
    assert await listed(await site_with()) == []


async def test_one_is_told_by_its_id() -> None:
    site = await site_with(*ALL)
    request = IntentionQueryRequest(datacenter="dc1", intention_id=f"{ID}2")
    found = await site.call("Intention.Get", request)
    assert [row.source_name for row in found.intentions] == ["web"]
    assert found.index == 15


@pytest.mark.parametrize(
    ("intention_id", "words"),
    [
        (f"{ID}9", "Intention not found"),
        ("x", "failed intention lookup: index error: UUID must be 36 characters"),
    ],
)
async def test_an_unknown_one_is_an_error(intention_id: str, words: str) -> None:
    request = IntentionQueryRequest(datacenter="dc1", intention_id=intention_id)
    with pytest.raises(RpcError) as caught:
        await (await site_with(*ALL)).call("Intention.Get", request)
    assert str(caught.value) == words


async def test_the_list_is_waited_for() -> None:
    site = await site_with(ALL[0])
    request = DCSpecificRequest(datacenter="dc1", min_query_index=11)
    waiting = asyncio.ensure_future(site.call("Intention.List", request))
    await asyncio.sleep(1)
    assert not waiting.done()
    change = IntentionRequest(op="create", intention=ALL[1])
    await site.log.propose(MessageType.INTENTION, change)
    assert len((await waiting).intentions) == 2


@pytest.mark.parametrize("name", ["Intention.Apply", "Intention.Match", "Intention.Check"])
async def test_they_are_not_made_or_weighed_yet(name: str) -> None:
    request_type = IntentionRequest if name == "Intention.Apply" else IntentionQueryRequest
    with pytest.raises(RpcError) as caught:
        await open_site().call(name, request_type(datacenter="dc1"))
    assert str(caught.value) == f"{name} is not implemented by this server yet"
    with pytest.raises(RpcError, match=r"^No path to datacenter$"):
        await open_site().call(name, request_type())
