"""The RPC port: who gets in, what is answered, and what ends a connection."""

import asyncio
from typing import Any

import pytest

from proconsul.errors import RpcError
from proconsul.model.kv import DirEntry, KeyRequest, KVSRequest
from proconsul.model.query import DCSpecificRequest
from proconsul.rpc.msgpack_rpc import Call, decode_reply, encode_call, encode_value
from proconsul.runtime.rpc_server import RpcLimits
from proconsul.runtime.tls import RpcTls
from server_tests.endpoints.site import Site
from server_tests.runtime.rpc_site import HOST, Client, RpcSite, Serve, rpc_site

GET_A = KeyRequest(datacenter="dc1", key="a")
SET_A = KVSRequest(datacenter="dc1", op="set", dir_ent=DirEntry(key="a", value=b"1"))
SET_A_AGAIN = KVSRequest(datacenter="dc1", op="set", dir_ent=DirEntry(key="a", value=b"2"))
BLOCKING = KeyRequest(datacenter="dc1", key="a", min_query_index=100)
PING = encode_call(Call(2, "Status.Ping", b"\x80"))


async def settle() -> None:
    """Let everything happen that can happen now; the clock is virtual."""
    await asyncio.sleep(1)


async def blocked_client(port: RpcSite) -> Client:
    """A client whose first call, a query, waits."""
    client = await port.connect(b"\x00")
    client.writer.write(encode_call(Call(1, "KVS.Get", encode_value(BLOCKING))))
    await settle()
    return client


# ---------------------------------------------------------------- the first byte


@pytest.mark.parametrize("byte", [2, 3, 6, 7, 8, 9, 0x16, 99, 255])
async def test_what_is_not_served_is_closed_without_a_word(byte: int) -> None:
    async with rpc_site() as port:
        client = await port.connect(bytes([byte]))
        assert await client.is_closed()


async def test_who_says_nothing_is_closed_after_the_handshake_timeout() -> None:
    async with rpc_site() as port:
        began_s = asyncio.get_running_loop().time()
        client = await port.connect()
        assert await client.is_closed()
        assert asyncio.get_running_loop().time() - began_s == pytest.approx(5, abs=0.5)


async def test_who_has_said_what_it_wants_may_be_silent() -> None:
    async with rpc_site() as port:
        client = await port.connect(b"\x00")
        await asyncio.sleep(3600)
        assert (await client.call("Status.Ping")).body == b"\x80"


async def test_an_address_has_so_many_connections_and_no_more() -> None:
    limits = RpcLimits(handshake_timeout_s=5, connections_per_client_max=2)
    async with rpc_site(limits=limits) as port:
        first, second = await port.connect(b"\x00"), await port.connect(b"\x00")
        await first.call("Status.Ping")
        await second.call("Status.Ping")
        third = await port.connect(b"\x00")
        assert await third.is_closed()
        first.close()
        await settle()
        fourth = await port.connect(b"\x00")
        assert (await fourth.call("Status.Ping")).error == ""


async def test_the_raft_transport_gets_its_connection_behind_the_first_byte() -> None:
    async with rpc_site() as port:
        client = await port.connect(b"\x01vote for me")
        assert await client.reader.read() == b"raft says hello"
        assert port.raft == [b"vote for me"]


async def test_where_tls_is_wanted_nothing_is_served_in_the_clear() -> None:
    async with rpc_site(tls=RpcTls(context=None, verify_incoming=True)) as port:
        for byte in (0, 1, 4, 5):
            client = await port.connect(bytes([byte]))
            assert await client.is_closed()


async def test_a_taken_port_is_named_in_the_error() -> None:
    async with rpc_site() as port:
        with pytest.raises(OSError, match=f"listen tcp {HOST}:{port.port}: bind: Address already"):
            await port.server.listen(HOST, port.port)


# ---------------------------------------------------------------- calls


async def test_calls_are_answered_one_after_the_other() -> None:
    async with rpc_site() as port:
        client = await port.connect(b"\x00")
        applied = await client.call("KVS.Apply", SET_A, seq=7)
        assert (applied.seq, applied.method, applied.body) == (7, "KVS.Apply", b"\xc2")
        found = await client.call("KVS.Get", GET_A, seq=9)
        assert found.seq == 9
        assert b"\xa5Value\xa11" in found.body


async def test_requests_that_were_sent_ahead_are_answered_in_order() -> None:
    async with rpc_site() as port:
        client = await port.connect(b"\x00")
        for seq in range(5):
            client.writer.write(encode_call(Call(seq, "Status.Ping", b"\x80")))
        client.writer.write_eof()
        data = await client.reader.read()
        assert [data.count(bytes([0xA3]) + b"Seq" + bytes([seq])) for seq in range(5)] == [1] * 5


@pytest.mark.parametrize(
    ("method", "text"),
    [
        ("Nope.Nope", "rpc: can't find service Nope.Nope"),
        ("KVS.Nope", "rpc: can't find method KVS.Nope"),
        ("nodot", "rpc: service/method request ill-formed: nodot"),
    ],
)
async def test_a_method_that_is_not_there_is_named_and_the_connection_closed(
    method: str, text: str
) -> None:
    async with rpc_site() as port:
        client = await port.connect(b"\x00")
        reply = await client.call(method, seq=3)
        assert (reply.seq, reply.method, reply.error, reply.body) == (3, method, text, b"\x80")
        assert await client.is_closed()


async def test_arguments_of_another_type_are_refused_and_the_connection_closed() -> None:
    async with rpc_site() as port:
        client = await port.connect(b"\x00")
        client.writer.write(encode_call(Call(1, "KVS.Get", b"\x81\xa3Key\x01")))
        assert "wanted a string" in (await client.reply()).error
        assert await client.is_closed()


async def test_a_refusal_is_an_error_with_an_empty_body_and_the_stream_goes_on() -> None:
    async with rpc_site() as port:
        client = await port.connect(b"\x00")
        reply = await client.call("KVS.Get", KeyRequest(datacenter="mars", key="a"))
        assert (reply.error, reply.body) == ("No path to datacenter", b"\x80")
        assert (await client.call("KVS.Get", GET_A)).error == ""


async def test_a_failure_of_ours_is_an_error_for_one_call_only() -> None:
    def broken(site: Site) -> Serve:
        async def serve(method: str, request: Any) -> Any:
            if method == "KVS.Get":
                raise ZeroDivisionError
            return await site.call(method, request)

        return serve

    async with rpc_site(serve=broken) as port:
        client = await port.connect(b"\x00")
        assert (await client.call("KVS.Get", GET_A)).error == (
            "KVS.Get: internal error of the server"
        )
        assert (await client.call("Status.Leader", DCSpecificRequest(datacenter="dc1"))).error == ""


async def test_arguments_of_the_limit_are_served_and_larger_ones_end_the_connection() -> None:
    limit = len(encode_value(SET_A))
    limits = RpcLimits(
        handshake_timeout_s=5, connections_per_client_max=100, request_bytes_max=limit
    )
    async with rpc_site(limits=limits) as port:
        client = await port.connect(b"\x00")
        assert (await client.call("KVS.Apply", SET_A)).error == ""
        entry = DirEntry(key="a", value=b"12")
        larger = KVSRequest(datacenter="dc1", op="set", dir_ent=entry)
        client.writer.write(encode_call(Call(1, "KVS.Apply", encode_value(larger))))
        assert await client.is_closed()


async def test_requests_that_are_not_whole_have_a_limit_together() -> None:
    whole = encode_call(Call(1, "KVS.Apply", encode_value(SET_A)))
    begun = whole[:-1]
    head = len(encode_call(Call(1, "KVS.Apply", b"")))
    limits = RpcLimits(
        handshake_timeout_s=5,
        connections_per_client_max=100,
        arriving_bytes_max=2 * (len(begun) - head),
    )
    async with rpc_site(limits=limits) as port:
        first = await port.connect(b"\x00" + begun)
        second = await port.connect(b"\x00" + begun)
        await settle()
        third = await port.connect(b"\x00" + begun)
        assert await third.is_closed()
        for client in (first, second):
            client.writer.write(whole[-1:])
            assert (await client.reply()).error == ""
        fourth = await port.connect(b"\x00" + whole)
        assert (await fourth.reply()).error == ""


async def test_a_request_that_does_not_go_on_ends_the_connection() -> None:
    async with rpc_site() as port:
        client = await port.connect(b"\x00" + encode_call(Call(1, "Status.Ping", b"\x80"))[:-1])
        began_s = asyncio.get_running_loop().time()
        assert await client.is_closed()
        assert asyncio.get_running_loop().time() - began_s == pytest.approx(60, abs=0.5)


@pytest.mark.parametrize("garbage", [b"\xc1", b"\x80\x80", b"\xa1x\x80", b"GET / HTTP/1.1\r\n"])
async def test_garbage_ends_the_connection(garbage: bytes) -> None:
    async with rpc_site() as port:
        client = await port.connect(b"\x00" + garbage)
        client.writer.write_eof()
        await client.reader.read()
        await settle()
        assert port.server.connection_count == 0


# ---------------------------------------------------------------- blocking queries


async def test_a_blocking_query_waits_for_a_change() -> None:
    async with rpc_site() as port:
        client = await port.connect(b"\x00")
        await client.call("KVS.Apply", SET_A)
        waiting = asyncio.ensure_future(
            client.call("KVS.Get", KeyRequest(datacenter="dc1", key="a", min_query_index=11))
        )
        await asyncio.sleep(20)
        assert not waiting.done()
        await port.site.call("KVS.Apply", SET_A_AGAIN)
        assert b"\xa5Index\x0c" in (await waiting).body


@pytest.mark.parametrize("more", [b"", PING], ids=["nothing more", "more to ask"])
@pytest.mark.parametrize("how", ["close", "reset"])
async def test_a_blocking_query_ends_with_its_connection(how: str, more: bytes) -> None:
    async with rpc_site() as port:
        client = await blocked_client(port)
        client.writer.write(more)
        await settle()
        assert port.site.context.telemetry.blocking_queries == 1
        client.close() if how == "close" else client.reset()
        await settle()
        assert port.site.context.telemetry.blocking_queries == 0
        assert port.server.connection_count == 0


async def test_a_client_that_speaks_while_its_query_blocks_is_answered_in_order() -> None:
    async with rpc_site() as port:
        client = await blocked_client(port)
        client.writer.write(PING)
        await settle()
        port.site.log.index = 200
        await port.site.call("KVS.Apply", SET_A)
        data = await client.reader.readuntil(b"Status.Ping\x80")
        assert data.index(b"\xa3Seq\x01") < data.index(b"\xa3Seq\x02")


async def test_what_is_said_while_a_query_blocks_is_taken_in_up_to_a_limit() -> None:
    async with rpc_site() as port:
        client = await blocked_client(port)
        pings = b"".join(encode_call(Call(n, "Status.Ping", b"\x80")) for n in range(2, 20_002))
        client.writer.write(pings)
        sending = asyncio.ensure_future(client.writer.drain())
        await settle()
        assert port.site.context.telemetry.blocking_queries == 1
        port.site.log.index = 200
        await port.site.call("KVS.Apply", SET_A)
        answers = bytearray()
        while answers.count(b"Status.Ping") < 20_000:
            answers += (data := await client.reader.read(1 << 20))
            assert data
        await sending


async def test_a_write_is_seen_through_when_its_client_goes_away() -> None:
    begun, goes_on, done = asyncio.Event(), asyncio.Event(), asyncio.Event()

    def slow(site: Site) -> Serve:
        async def serve(method: str, request: Any) -> Any:
            begun.set()
            await goes_on.wait()
            result = await site.call(method, request)
            done.set()
            return result

        return serve

    async with rpc_site(serve=slow) as port:
        client = await port.connect(
            b"\x00" + encode_call(Call(1, "KVS.Apply", encode_value(SET_A)))
        )
        await begun.wait()
        client.reset()
        await settle()
        goes_on.set()
        await done.wait()


# ---------------------------------------------------------------- the end


async def test_a_stop_answers_what_was_asked_and_gives_up_what_blocks() -> None:
    goes_on = asyncio.Event()

    def slow(site: Site) -> Serve:
        async def serve(method: str, request: Any) -> Any:
            if method == "KVS.Apply":
                await goes_on.wait()
            return await site.call(method, request)

        return serve

    async with rpc_site(serve=slow) as port:
        writer, blocked = await port.connect(b"\x00"), await port.connect(b"\x00")
        writer.writer.write(encode_call(Call(1, "KVS.Apply", encode_value(SET_A))))
        blocked.writer.write(encode_call(Call(1, "KVS.Get", encode_value(BLOCKING))))
        await settle()
        stopping = asyncio.ensure_future(port.server.stop(grace_s=5))
        await asyncio.sleep(2)
        assert not stopping.done()
        goes_on.set()
        assert (await writer.reply()).error == ""
        await stopping
        assert await blocked.is_closed()
        assert port.site.context.telemetry.blocking_queries == 0
        assert port.server.connection_count == 0


async def test_what_a_handler_returns_is_read_by_its_type() -> None:
    async with rpc_site() as port:
        client = await port.connect(b"\x00")
        reply = await client.call("Status.Peers", DCSpecificRequest(datacenter="dc1"))
        assert decode_reply(list[str], reply.body) == ["127.0.0.1:8300"]


async def test_an_error_without_words_still_has_some() -> None:
    def silent(site: Site) -> Serve:
        async def serve(method: str, request: Any) -> Any:
            raise RpcError

        return serve

    async with rpc_site(serve=silent) as port:
        client = await port.connect(b"\x00")
        assert (await client.call("Status.Ping")).error
