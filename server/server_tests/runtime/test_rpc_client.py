"""Calls to other servers: connections that are shared, streams that are used again, errors."""

import asyncio
import itertools
from typing import Any

import pytest
import uvloop

from proconsul.errors import NoLeaderError, RpcError
from proconsul.model.kv import DirEntry, IndexedDirEntries, KeyRequest, KVSRequest
from proconsul.model.query import DCSpecificRequest
from proconsul.rpc.snapshot_stream import SnapshotOp, SnapshotRequest
from proconsul.runtime.rpc_client import (
    ClientLimits,
    RemoteError,
    RpcClient,
    RpcTransportError,
    can_retry,
)
from proconsul.wire.golang import SECOND, Duration
from server_tests.endpoints.site import Site
from server_tests.runtime.rpc_site import HOST, Serve, rpc_site

DC1 = DCSpecificRequest(datacenter="dc1")
GET_A = KeyRequest(datacenter="dc1", key="a")
SAVE = SnapshotRequest(datacenter="dc1", op=SnapshotOp.SAVE)
RESTORE = SnapshotRequest(datacenter="dc1", op=SnapshotOp.RESTORE)


def set_key(key: str, value: bytes) -> KVSRequest:
    return KVSRequest(datacenter="dc1", op="set", dir_ent=DirEntry(key=key, value=value))


def client() -> RpcClient:
    return RpcClient(ClientLimits(), None)


def failing_with(failure: Exception) -> Any:
    def wrap(site: Site) -> Serve:
        async def serve(method: str, request: Any) -> Any:
            raise failure

        return serve

    return wrap


async def test_calls_bring_back_what_the_method_returns() -> None:
    async with rpc_site() as port:
        ours = client()
        assert await ours.call(port.address, "Status.Leader", DC1, str) == "127.0.0.1:8300"
        assert await ours.call(port.address, "Status.Peers", DC1, list[str]) == ["127.0.0.1:8300"]
        assert await ours.call(port.address, "Status.Ping", None, None) is None
        assert await ours.call(port.address, "KVS.Apply", set_key("a", b"1"), bool) is False
        found = await ours.call(port.address, "KVS.Get", GET_A, IndexedDirEntries)
        assert [entry.value for entry in found.entries] == [b"1"]
        await ours.close()


async def test_calls_at_once_share_one_connection_and_calls_in_turn_one_stream() -> None:
    async with rpc_site() as port:
        ours = client()
        asked = (ours.call(port.address, "KVS.Get", GET_A, IndexedDirEntries) for _ in range(300))
        await asyncio.gather(*asked)
        assert port.server.connection_count == 1
        (link,) = [task.result() for task in ours._links.values()]
        assert len(link.idle) == 64
        streams = link.connection.stream_count
        for _ in range(50):
            await ours.call(port.address, "Status.Ping", None, None)
        assert link.connection.stream_count == streams
        await ours.close()


async def test_more_than_a_backlog_of_calls_at_once_are_all_answered() -> None:
    async with rpc_site() as port:
        ours = client()
        blocking = KeyRequest(datacenter="dc1", key="a", min_query_index=100)
        asked = [
            asyncio.ensure_future(ours.call(port.address, "KVS.Get", blocking, IndexedDirEntries))
            for _ in range(600)
        ]
        await asyncio.sleep(1)
        assert port.site.context.telemetry.blocking_queries == 600
        port.site.log.index = 200
        await port.site.call("KVS.Apply", set_key("a", b"1"))
        answers = await asyncio.gather(*asked)
        assert {answer.index for answer in answers} == {201}
        await ours.close()


async def test_a_large_reply_comes_whole() -> None:
    async with rpc_site() as port:
        for name in "abcdefgh":
            await port.site.call("KVS.Apply", set_key(name, name.encode() * (400 << 10)))
        ours = client()
        request = KeyRequest(datacenter="dc1", key="")
        found = await ours.call(port.address, "KVS.List", request, IndexedDirEntries)
        assert [len(entry.value) for entry in found.entries] == [400 << 10] * 8
        await ours.close()


async def test_a_large_request_goes_whole() -> None:
    async with rpc_site() as port:
        ours = client()
        await ours.call(port.address, "KVS.Apply", set_key("a", b"x" * (2 << 20)), bool)
        found = await port.site.call("KVS.Get", GET_A)
        assert found.entries[0].value == b"x" * (2 << 20)
        await ours.close()


async def test_a_servers_refusal_comes_back_in_its_words_and_the_connection_stays() -> None:
    async with rpc_site() as port:
        ours = client()
        with pytest.raises(RemoteError) as refused:
            await ours.call(port.address, "KVS.Get", KeyRequest(datacenter="mars"), None)
        assert str(refused.value) == "rpc error making call: No path to datacenter"
        assert refused.value.text == "No path to datacenter"
        await ours.call(port.address, "Status.Ping", None, None)
        assert port.server.connection_count == 1
        await ours.close()


async def test_nobody_there_is_an_error_that_says_the_request_was_not_sent() -> None:
    ours = client()
    with pytest.raises(RpcTransportError) as refused:
        await ours.call(f"{HOST}:1", "Status.Ping", None, None)
    assert str(refused.value).startswith(
        f"rpc error getting client: failed to get conn: dial tcp {HOST}:1: "
    )
    assert not refused.value.sent
    await ours.close()


async def test_a_server_that_goes_away_leaves_the_outcome_unknown() -> None:
    async with rpc_site() as port:
        ours = client()
        blocking = KeyRequest(datacenter="dc1", key="a", min_query_index=100)
        asked = asyncio.ensure_future(ours.call(port.address, "KVS.Get", blocking, None))
        await asyncio.sleep(1)
        await port.server.stop(0)
        with pytest.raises(RpcTransportError) as lost:
            await asked
        assert lost.value.sent
        assert str(lost.value) == "rpc error making call: EOF"
        with pytest.raises(RpcTransportError) as refused:
            await ours.call(port.address, "Status.Ping", None, None)
        assert not refused.value.sent
        await ours.close()


async def test_a_server_that_is_back_is_dialled_again() -> None:
    async with rpc_site() as port:
        ours = client()
        await ours.call(port.address, "Status.Ping", None, None)
        await port.server.stop(0)
        await asyncio.sleep(1)
        await port.server.listen(HOST, port.port)
        await ours.call(port.address, "Status.Ping", None, None)
        await ours.close()


async def test_a_server_that_leaves_answers_what_it_was_asked_and_is_asked_nothing_more() -> None:
    async with rpc_site() as port:
        ours = client()
        blocking = KeyRequest(datacenter="dc1", key="a", min_query_index=100)
        asked = asyncio.ensure_future(
            ours.call(port.address, "KVS.Get", blocking, IndexedDirEntries)
        )
        await asyncio.sleep(1)
        (serving,) = port.server._yamux
        serving.leave()
        await asyncio.sleep(1)
        await ours.call(port.address, "Status.Ping", None, None)  # on a new connection
        assert port.server.connection_count == 2
        port.site.log.index = 200
        await port.site.call("KVS.Apply", set_key("a", b"1"))
        assert (await asked).index == 201
        await asyncio.sleep(121)  # nobody uses them any more
        assert port.server.connection_count == 0
        await ours.close()


async def test_a_client_that_is_closed_closes_connections_to_servers_that_leave_too() -> None:
    async with rpc_site() as port:
        ours = client()
        await ours.call(port.address, "Status.Ping", None, None)
        (serving,) = port.server._yamux
        serving.leave()
        await asyncio.sleep(1)
        await ours.call(port.address, "Status.Ping", None, None)
        await ours.close()
        await asyncio.sleep(1)
        assert port.server.connection_count == 0


async def test_a_call_that_is_given_up_ends_on_the_server_too() -> None:
    async with rpc_site() as port:
        ours = client()
        blocking = KeyRequest(datacenter="dc1", key="a", min_query_index=100)
        asked = asyncio.ensure_future(ours.call(port.address, "KVS.Get", blocking, None))
        await asyncio.sleep(1)
        assert port.site.context.telemetry.blocking_queries == 1
        asked.cancel()
        await asyncio.sleep(1)
        assert port.site.context.telemetry.blocking_queries == 0
        await ours.call(port.address, "Status.Ping", None, None)
        await ours.close()


async def test_a_server_that_never_answers_is_given_up_after_a_minute() -> None:
    def never(site: Site) -> Serve:
        async def serve(method: str, request: Any) -> Any:
            await asyncio.Event().wait()

        return serve

    async with rpc_site(serve=never) as port:
        ours = client()
        with pytest.raises(RpcTransportError, match=r"no answer to Status\.Ping after 60 s"):
            await ours.call(port.address, "Status.Ping", None, None)
        await ours.close()


async def test_a_blocking_query_has_the_time_that_it_asks_for() -> None:
    async with rpc_site() as port:
        ours = client()
        await port.site.call("KVS.Apply", set_key("a", b"1"))
        blocking = KeyRequest(
            datacenter="dc1", key="a", min_query_index=100, max_query_time=Duration(400 * SECOND)
        )
        began_s = asyncio.get_running_loop().time()
        found = await ours.call(port.address, "KVS.Get", blocking, IndexedDirEntries)
        assert found.index == 11
        assert asyncio.get_running_loop().time() - began_s == pytest.approx(400, abs=1)
        await ours.close()


async def test_a_connection_that_nobody_uses_is_closed_after_two_minutes() -> None:
    async with rpc_site() as port:
        ours = client()
        await ours.call(port.address, "Status.Ping", None, None)
        await asyncio.sleep(100)
        await ours.call(port.address, "Status.Ping", None, None)
        await asyncio.sleep(100)
        assert port.server.connection_count == 1
        await asyncio.sleep(30)
        assert port.server.connection_count == 0
        await ours.call(port.address, "Status.Ping", None, None)
        await ours.close()


async def test_what_is_no_rpc_server_is_an_error() -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        await reader.read()
        writer.close()

    server = await asyncio.start_server(answer, HOST, 0)
    ours = client()
    port = server.sockets[0].getsockname()[1]
    with pytest.raises(RpcTransportError, match="yamux: version 72"):
        await ours.call(f"{HOST}:{port}", "Status.Ping", None, None)
    await ours.close()
    server.close()


async def test_a_reply_of_another_type_is_an_error() -> None:
    async with rpc_site() as port:
        ours = client()
        with pytest.raises(RpcTransportError, match="wanted bool, got str"):
            await ours.call(port.address, "Status.Leader", DC1, bool)
        await ours.close()


async def test_a_client_that_is_closed_calls_nobody() -> None:
    async with rpc_site() as port:
        ours = client()
        await ours.close()
        with pytest.raises(RpcTransportError, match="client closed"):
            await ours.call(port.address, "Status.Ping", None, None)


async def test_an_address_that_is_none_is_an_error() -> None:
    ours = client()
    for address in ("nothing", "127.0.0.1:port"):
        with pytest.raises(RpcTransportError, match="rpc error getting client"):
            await ours.call(address, "Status.Ping", None, None)
    await ours.close()


@pytest.mark.parametrize(
    ("failure", "is_read", "again"),
    [
        (RemoteError("No cluster leader"), False, True),
        (RemoteError("rpc error making call: No cluster leader"), True, True),
        (RemoteError("Permission denied"), True, False),
        (RemoteError("leadership lost while committing log"), False, False),
        (RpcTransportError("EOF", sent=True), False, False),
        (RpcTransportError("EOF", sent=True), True, True),
        (RpcTransportError("refused", sent=False), False, True),
        (RpcError("No cluster leader"), False, True),
    ],
)
def test_what_may_be_tried_again(failure: RpcError, *, is_read: bool, again: bool) -> None:
    assert can_retry(failure, is_read=is_read) is again


async def test_no_leader_at_the_server_may_be_tried_again() -> None:
    async with rpc_site(serve=failing_with(NoLeaderError())) as port:
        ours = client()
        with pytest.raises(RemoteError) as refused:
            await ours.call(port.address, "KVS.Apply", set_key("a", b"1"), bool)
        assert can_retry(refused.value, is_read=False)
        await ours.close()


# ---------------------------------------------------------------- snapshots


async def test_a_snapshot_is_saved() -> None:
    async with rpc_site() as port:
        ours = client()
        response, archive = await ours.save_snapshot(port.address, SAVE)
        assert (response.index, response.known_leader) == (42, True)
        assert b"".join([piece async for piece in archive]) == port.snapshots.archive
        await asyncio.sleep(1)
        assert port.server.connection_count == 0


async def test_a_snapshot_is_restored() -> None:
    async def upload() -> Any:
        for number in itertools.count():
            if number == 100:
                return
            yield bytes([number]) * 10_000

    async with rpc_site() as port:
        ours = client()
        response = await ours.restore_snapshot(port.address, RESTORE, upload())
        assert response.error == ""
        (restored,) = port.snapshots.restored
        assert restored == b"".join(bytes([number]) * 10_000 for number in range(100))


async def test_a_snapshot_that_fails_says_why() -> None:
    async def nothing() -> Any:
        yield b""

    async with rpc_site() as port:
        port.snapshots.failure = RpcError("not today")
        ours = client()
        with pytest.raises(RemoteError, match="not today"):
            await ours.save_snapshot(port.address, SAVE)
        with pytest.raises(RemoteError, match="not today"):
            await ours.restore_snapshot(port.address, RESTORE, nothing())


async def test_an_upload_that_breaks_off_is_not_restored() -> None:
    async def breaks_off() -> Any:
        yield b"begins well"
        raise ConnectionError("the uploader has gone")

    async with rpc_site() as port:
        ours = client()
        with pytest.raises(RpcTransportError, match="the uploader has gone"):
            await ours.restore_snapshot(port.address, RESTORE, breaks_off())
        await asyncio.sleep(1)
        assert port.server.connection_count == 0


async def test_an_unknown_snapshot_operation_is_refused() -> None:
    async with rpc_site() as port:
        ours = client()
        with pytest.raises(RemoteError, match="unrecognized snapshot op 7"):
            await ours.save_snapshot(port.address, SnapshotRequest(datacenter="dc1", op=7))


async def test_a_snapshot_request_that_does_not_come_is_given_up() -> None:
    async with rpc_site() as port:
        silent = await port.connect(b"\x05\x84")
        began_s = asyncio.get_running_loop().time()
        assert await silent.is_closed()
        assert asyncio.get_running_loop().time() - began_s == pytest.approx(60, abs=1)


# ---------------------------------------------------------------- uvloop


def test_the_loop_of_the_real_server_serves_all_of_it() -> None:
    async def story() -> None:
        async with rpc_site() as port:
            ours = client()
            await ours.call(port.address, "KVS.Apply", set_key("a", b"x" * (2 << 20)), bool)
            found = await ours.call(port.address, "KVS.Get", GET_A, IndexedDirEntries)
            assert len(found.entries[0].value) == 2 << 20
            response, archive = await ours.save_snapshot(port.address, SAVE)
            assert response.index == 42
            assert b"".join([piece async for piece in archive]) == port.snapshots.archive
            raft = await port.connect(b"\x01vote")
            assert await raft.reader.read() == b"raft says hello"
            bad = await port.connect(b"\x63")
            assert await bad.is_closed()
            await ours.close()

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(story())
