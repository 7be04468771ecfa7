"""Prepared queries that the log brought."""

import asyncio

import pytest

from proconsul.endpoints.table import METHODS
from proconsul.errors import RpcError
from proconsul.fsm.commands import MessageType
from proconsul.model.prepared_query import (
    PreparedQuery,
    PreparedQueryRequest,
    PreparedQuerySpecificRequest,
)
from proconsul.model.query import DCSpecificRequest
from server_tests.endpoints.site import Site, open_site

ID = "11111111-0000-4000-8000-00000000000"
LATER = ("Apply", "Execute", "ExecuteRemote", "Explain")


async def store(site: Site, digit: int, name: str) -> None:
    query = PreparedQuery(id=f"{ID}{digit}", name=name)
    request = PreparedQueryRequest(op="create", query=query)
    await site.log.propose(MessageType.PREPARED_QUERY, request)


async def test_they_are_listed_by_id_and_told_one_by_one() -> None:
    site = open_site()
    await store(site, 2, "a")
    await store(site, 1, "b")
    found = await site.call("PreparedQuery.List", DCSpecificRequest(datacenter="dc1"))
    assert [query.name for query in found.queries] == ["b", "a"]
    request = PreparedQuerySpecificRequest(datacenter="dc1", query_id=f"{ID}2")
    found = await site.call("PreparedQuery.Get", request)
    assert [query.name for query in found.queries] == ["a"]


async def test_none_is_null() -> None:
    found = await open_site().call("PreparedQuery.List", DCSpecificRequest(datacenter="dc1"))
    assert (found.queries, found.index) == (None, 1)


@pytest.mark.parametrize(
    ("query_id", "words"),
    [
        (f"{ID}9", "Query not found"),
        ("x", "failed prepared query lookup: index error: UUID must be 36 characters"),
    ],
)
async def test_an_unknown_one_is_an_error(query_id: str, words: str) -> None:
    request = PreparedQuerySpecificRequest(datacenter="dc1", query_id=query_id)
    with pytest.raises(RpcError) as caught:
        await open_site().call("PreparedQuery.Get", request)
    assert str(caught.value) == words


async def test_the_list_is_waited_for() -> None:
    site = open_site()
    await store(site, 1, "a")
    request = DCSpecificRequest(datacenter="dc1", min_query_index=11)
    waiting = asyncio.ensure_future(site.call("PreparedQuery.List", request))
    await asyncio.sleep(1)
    assert not waiting.done()
    await store(site, 2, "b")
    assert len((await waiting).queries) == 2


@pytest.mark.parametrize("name", [f"PreparedQuery.{name}" for name in LATER])
async def test_they_are_not_made_or_run_yet(name: str) -> None:
    request_type = METHODS.find(name).request
    assert request_type is not None
    with pytest.raises(RpcError) as caught:
        await open_site().call(name, request_type(datacenter="dc1"))
    assert str(caught.value) == f"{name} is not implemented by this server yet"
    with pytest.raises(RpcError, match=r"^No path to datacenter$"):
        await open_site().call(name, request_type())
