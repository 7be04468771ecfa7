"""Our client at the RPC port of a real Consul 1.8.7, and our port beside it."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from typing import Any

import pytest

from proconsul.model.catalog import IndexedNodes
from proconsul.model.kv import DirEntry, IndexedDirEntries, KeyRequest, KVSRequest
from proconsul.model.operator import RaftConfigurationResponse, ServerStats
from proconsul.model.query import DCSpecificRequest
from proconsul.rpc.msgpack_rpc import Call, decode_reply, encode_call, encode_value
from proconsul.rpc.snapshot_stream import SnapshotOp, SnapshotRequest
from proconsul.runtime.rpc_client import ClientLimits, RemoteError, RpcClient, RpcTransportError
from proconsul.wire.golang import SECOND, Duration
from server_tests.fsm.real_server import (
    MASTER_TOKEN,
    RealServer,
    free_address,
    real_server,
    requires_real_consul,
)
from server_tests.runtime.rpc_site import Client, rpc_site

pytestmark = [requires_real_consul, pytest.mark.real_clock]

DC1 = DCSpecificRequest(datacenter="dc1", token=MASTER_TOKEN)


@pytest.fixture(scope="module")
def consul() -> Iterator[RealServer]:
    """One server for all tests here."""
    with real_server(free_address(115)) as server:
        yield server


@pytest.fixture
def port_of(consul: RealServer) -> str:
    """The address of its RPC port."""
    return f"{consul.address}:8300"


def client() -> RpcClient:
    return RpcClient(ClientLimits(), None)


def set_key(key: str, value: bytes, op: str = "set") -> KVSRequest:
    entry = DirEntry(key=key, value=value)
    return KVSRequest(datacenter="dc1", op=op, dir_ent=entry, token=MASTER_TOKEN)


def get_key(key: str, index: int = 0) -> KeyRequest:
    return KeyRequest(
        datacenter="dc1",
        key=key,
        token=MASTER_TOKEN,
        min_query_index=index,
        max_query_time=Duration(30 * SECOND),
    )


async def test_our_client_calls_it_over_yamux(port_of: str) -> None:
    ours = client()
    assert await ours.call(port_of, "Status.Leader", DC1, str) == port_of
    assert await ours.call(port_of, "Status.Peers", DC1, list[str]) == [port_of]
    assert await ours.call(port_of, "Status.Ping", None, None) is None
    stats = await ours.call(port_of, "Status.RaftStats", None, ServerStats)
    assert stats.last_index > 0
    nodes = await ours.call(port_of, "Catalog.ListNodes", DC1, IndexedNodes)
    assert [node.node for node in nodes.nodes] == ["n1"]
    servers = await ours.call(
        port_of, "Operator.RaftGetConfiguration", DC1, RaftConfigurationResponse
    )
    assert [server.address for server in servers.servers] == [port_of]
    await ours.close()


async def test_what_our_client_writes_is_there(consul: RealServer, port_of: str) -> None:
    ours = client()
    assert await ours.call(port_of, "KVS.Apply", set_key("a", b"\x00\xff"), bool) is False
    assert await ours.call(port_of, "KVS.Apply", set_key("a", b"2", op="cas"), bool) is False
    assert await ours.call(port_of, "KVS.Apply", set_key("b", b"2", op="cas"), bool) is True
    found = await ours.call(port_of, "KVS.Get", get_key("a"), IndexedDirEntries)
    assert found.entries[0].value == b"\x00\xff"
    assert consul.get("/v1/kv/b?raw") == b"2"
    await ours.close()


async def test_its_blocking_query_ends_with_a_change(consul: RealServer, port_of: str) -> None:
    ours = client()
    await ours.call(port_of, "KVS.Apply", set_key("watched", b"1"), bool)
    found = await ours.call(port_of, "KVS.Get", get_key("watched"), IndexedDirEntries)
    waiting = asyncio.ensure_future(
        ours.call(port_of, "KVS.Get", get_key("watched", found.index), IndexedDirEntries)
    )
    for _ in range(20):  # beside it, on the same connection
        await ours.call(port_of, "Status.Ping", None, None)
    assert not waiting.done()
    await asyncio.to_thread(consul.put, "/v1/kv/watched", b"2")
    assert (await waiting).entries[0].value == b"2"
    await ours.close()


async def test_many_calls_at_once_and_replies_beyond_the_window(port_of: str) -> None:
    ours = client()
    for number in range(4):
        await ours.call(port_of, "KVS.Apply", set_key(f"large/{number}", b"x" * 400_000), bool)
    request = get_key("large/")
    asked = (ours.call(port_of, "KVS.List", request, IndexedDirEntries) for _ in range(5))
    for found in await asyncio.gather(*asked):
        assert [len(entry.value or b"") for entry in found.entries] == [400_000] * 4
    pings = (ours.call(port_of, "Status.Ping", None, None) for _ in range(400))
    await asyncio.gather(*pings)
    await ours.close()


async def test_a_blocking_query_that_is_given_up_leaves_the_connection_well(port_of: str) -> None:
    ours = client()
    waiting = asyncio.ensure_future(
        ours.call(port_of, "KVS.Get", get_key("nothing", 1 << 40), IndexedDirEntries)
    )
    await ours.call(port_of, "Status.Ping", None, None)
    waiting.cancel()
    await asyncio.wait({waiting})
    for _ in range(20):
        await ours.call(port_of, "Status.Ping", None, None)
    await ours.close()


async def test_its_refusals_come_back_in_its_words(port_of: str) -> None:
    ours = client()
    for method, request, text in (
        ("KVS.Get", KeyRequest(datacenter="mars"), "No path to datacenter"),
        ("KVS.Apply", set_key("", b""), "Must provide key"),
        ("KVS.Nope", None, "rpc: can't find method KVS.Nope"),
        ("Nope.Nope", None, "rpc: can't find service Nope.Nope"),
    ):
        with pytest.raises(RemoteError) as refused:
            await ours.call(port_of, method, request, None)
        assert refused.value.text == text
    await ours.close()


async def test_a_snapshot_is_saved_and_restored(consul: RealServer, port_of: str) -> None:
    ours = client()
    await ours.call(port_of, "KVS.Apply", set_key("kept", b"then"), bool)
    save = SnapshotRequest(datacenter="dc1", token=MASTER_TOKEN, op=SnapshotOp.SAVE)
    response, pieces = await ours.save_snapshot(port_of, save)
    archive = b"".join([piece async for piece in pieces])
    assert response.index > 0
    assert response.known_leader
    assert archive[:2] == b"\x1f\x8b"

    async def upload() -> AsyncIterator[bytes]:
        yield archive[:100]
        yield archive[100:]

    await ours.call(port_of, "KVS.Apply", set_key("kept", b"now"), bool)
    restore = SnapshotRequest(datacenter="dc1", token=MASTER_TOKEN, op=SnapshotOp.RESTORE)
    await ours.restore_snapshot(port_of, restore, upload())
    assert consul.get("/v1/kv/kept?raw") == b"then"

    async def damaged() -> AsyncIterator[bytes]:
        yield archive[:-20]

    with pytest.raises((RemoteError, RpcTransportError)):
        await ours.restore_snapshot(port_of, restore, damaged())
    assert consul.get("/v1/kv/kept?raw") == b"then"
    await ours.close()


# ---------------------------------------------------------------- the same bytes to both

STORIES: list[list[tuple[str, Any]]] = [
    [("Status.Ping", None), ("KVS.Get", KeyRequest(datacenter="dc1", key="none"))],
    [("KVS.Apply", set_key("", b"")), ("Status.Ping", None)],
    [("KVS.Nope", None)],
    [("Nope.Nope", None)],
    [("nodot", None)],
    [("KVS.Apply", set_key("same", b"x" * 40)), ("KVS.Apply", set_key("same", b"y", op="cas"))],
    [("Session.Apply", DCSpecificRequest(datacenter="mars"))],
    [("Catalog.ListDatacenters", None)],
]


async def say_all(first: bytes, reader: asyncio.StreamReader, writer: Any, story: Any) -> Any:
    """What is answered to each call, and whether the server has closed then."""
    conversation = Client(reader, writer)
    writer.write(first)
    answers = []
    for seq, (method, request) in enumerate(story):
        reply = await conversation.call(method, request, seq=seq + 1)
        shape = decode_reply(Any, reply.body)
        names = sorted(shape) if isinstance(shape, dict) else shape
        answers.append((reply.seq, reply.method, reply.error, names))
    writer.write(encode_call(Call(99, "Status.Ping", encode_value(None))))
    try:
        closed = not await reader.read(1)
    except ConnectionResetError:
        closed = True
    writer.close()
    return answers, closed


@pytest.mark.parametrize("story", STORIES)
async def test_both_ports_answer_alike(consul: RealServer, story: list[tuple[str, Any]]) -> None:
    theirs = await asyncio.open_connection(consul.address, 8300)
    wanted = await say_all(b"\x00", *theirs, story)
    async with rpc_site() as port:
        ours = await port.connect()
        assert await say_all(b"\x00", ours.reader, ours.writer, story) == wanted


@pytest.mark.parametrize(
    "data",
    [
        b"\x02",
        b"\x06",
        b"\x63",
        b"\x00" + encode_call(Call(1, "KVS.Get", b"\x81\xa3Key\x01")),
        b"\x00\xc1",
        b"\x04\x01" + bytes(11),
    ],
)
async def test_both_ports_close_on_nonsense(consul: RealServer, data: bytes) -> None:
    reader, writer = await asyncio.open_connection(consul.address, 8300)
    theirs = Client(reader, writer)
    writer.write(data)
    async with rpc_site() as port, asyncio.timeout(10):
        await closing(theirs)
        await closing(await port.connect(data))
    theirs.close()


async def closing(client: Client) -> None:
    """Read to the end, which has to come."""
    with suppress(ConnectionResetError):
        while await client.reader.read(1 << 16):
            pass
