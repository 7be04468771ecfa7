"""The RPC port over yamux: streams beside each other, windows, keepalive, the end."""

import asyncio

import pytest

from proconsul.model.kv import DirEntry, KeyRequest, KVSRequest
from proconsul.rpc import yamux
from proconsul.rpc.msgpack_rpc import Call, encode_call, encode_value
from proconsul.rpc.yamux import Session
from proconsul.rpc.yamux_events import DataReceived, Event, PeerLeaves, StreamEnded, StreamReset
from proconsul.rpc.yamux_frame import Flags, Header, Kind
from server_tests.runtime.rpc_site import Client, RpcSite, rpc_site

GET_A = KeyRequest(datacenter="dc1", key="a")
SET_A = KVSRequest(datacenter="dc1", op="set", dir_ent=DirEntry(key="a", value=b"1"))
BLOCKING = KeyRequest(datacenter="dc1", key="a", min_query_index=100)


async def settle() -> None:
    """Let everything happen that can happen now; the clock is virtual."""
    await asyncio.sleep(1)


class YamuxClient:
    """The client's end of a yamux connection, with the session in the test's hands."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self.session = Session(is_client=True)
        self.events: list[Event] = []

    def say(self) -> None:
        """Send what the session wants to send."""
        self.client.writer.write(self.session.data_to_send(1 << 30))

    async def hear(self) -> None:
        """Take what comes within a second."""
        while True:
            try:
                async with asyncio.timeout(1):
                    data = await self.client.reader.read(1 << 16)
            except TimeoutError:
                return
            if not data:
                return
            self.events += self.session.receive(data)

    def data_of(self, stream: int) -> bytes:
        """All that came on a stream."""
        pieces = (one for one in self.events if isinstance(one, DataReceived))
        return b"".join(one.data for one in pieces if one.stream == stream)

    def open_with(self, call: Call) -> int:
        """A new stream on which something is asked."""
        stream = self.session.open_stream()
        self.session.send(stream, encode_call(call))
        self.say()
        return stream


async def yamux_client(port: RpcSite) -> YamuxClient:
    return YamuxClient(await port.connect(b"\x04"))


async def test_a_blocking_query_does_not_hold_up_the_other_streams() -> None:
    async with rpc_site() as port:
        client = await yamux_client(port)
        blocked = client.open_with(Call(1, "KVS.Get", encode_value(BLOCKING)))
        pinged = client.open_with(Call(2, "Status.Ping", b"\x80"))
        await client.hear()
        assert client.data_of(pinged).endswith(b"Status.Ping\x80")
        assert client.data_of(blocked) == b""


@pytest.mark.parametrize("how", ["finish", "reset"])
async def test_a_blocking_query_ends_with_its_stream(how: str) -> None:
    async with rpc_site() as port:
        client = await yamux_client(port)
        stream = client.open_with(Call(1, "KVS.Get", encode_value(BLOCKING)))
        await settle()
        assert port.site.context.telemetry.blocking_queries == 1
        client.session.finish(stream) if how == "finish" else client.session.reset(stream)
        client.say()
        await settle()
        assert port.site.context.telemetry.blocking_queries == 0
        await client.hear()
        assert client.session.stream_count == 0


async def test_an_unknown_method_ends_its_stream_and_no_other() -> None:
    async with rpc_site() as port:
        client = await yamux_client(port)
        bad = client.open_with(Call(1, "KVS.Nope", b"\x80"))
        good = client.open_with(Call(2, "Status.Ping", b"\x80"))
        await client.hear()
        assert b"rpc: can't find method KVS.Nope" in client.data_of(bad)
        assert StreamEnded(bad) in client.events
        assert StreamEnded(good) not in client.events


async def test_a_large_reply_waits_for_the_window() -> None:
    async with rpc_site() as port:
        for name in "abcd":
            entry = DirEntry(key=name, value=name.encode() * (200 << 10))
            request = KVSRequest(datacenter="dc1", op="set", dir_ent=entry)
            await port.site.call("KVS.Apply", request)
        client = await yamux_client(port)
        listing = encode_value(KeyRequest(datacenter="dc1", key=""))
        stream = client.open_with(Call(1, "KVS.List", listing))
        await client.hear()
        assert len(client.data_of(stream)) == 256 << 10
        seen = 0
        while (size := len(client.data_of(stream))) > seen:
            client.session.consumed(stream, size - seen)
            client.say()
            seen = size
            await client.hear()
        for letter in b"abcd":
            assert client.data_of(stream).count(bytes([letter]) * (200 << 10)) == 1


async def test_a_client_that_does_not_take_its_reply_is_given_up() -> None:
    async with rpc_site() as port:
        entry = DirEntry(key="a", value=bytes(1 << 20))
        await port.site.call("KVS.Apply", KVSRequest(datacenter="dc1", op="set", dir_ent=entry))
        client = await yamux_client(port)
        stream = client.open_with(Call(1, "KVS.Get", encode_value(GET_A)))
        for _ in range(59):  # it is there, but it opens its window no further
            await client.hear()
            client.say()
            await asyncio.sleep(4)
        assert StreamReset(stream) not in client.events
        assert len(client.data_of(stream)) == 256 << 10
        await asyncio.sleep(6)
        await client.hear()
        assert client.events[-1] == StreamReset(stream)


async def test_pings_are_answered_and_sent_every_30_seconds() -> None:
    async with rpc_site() as port:
        client = await yamux_client(port)
        client.session.ping()
        client.say()
        await client.hear()
        assert [str(one) for one in client.events] == ["PingAnswered(ping=0)"]
        await asyncio.sleep(30)
        await client.hear()
        assert client.session.data_to_send(0).hex() == "000200020000000000000000"


async def test_a_client_that_answers_no_ping_within_10_seconds_is_closed() -> None:
    async with rpc_site() as port:
        await yamux_client(port)
        await asyncio.sleep(39)
        assert port.server.connection_count == 1
        await asyncio.sleep(2)
        assert port.server.connection_count == 0


async def test_a_client_that_answers_its_pings_may_be_silent_otherwise() -> None:
    async with rpc_site() as port:
        client = await yamux_client(port)
        for _ in range(100):
            await client.hear()
            client.say()
            await asyncio.sleep(8)
        assert port.server.connection_count == 1


async def test_an_answer_to_another_ping_is_none() -> None:
    async with rpc_site() as port:
        client = await yamux_client(port)
        await asyncio.sleep(31)
        client.client.writer.write(bytes.fromhex("000200020000000000000007"))
        await asyncio.sleep(10)
        assert port.server.connection_count == 0


async def test_a_broken_rule_is_answered_with_a_go_away_and_the_end() -> None:
    async with rpc_site() as port:
        client = await port.connect(b"\x04" + b"\x01" + bytes(11))
        assert (await client.reader.read()).hex() == "000300000000000000000001"


async def test_a_client_that_never_ends_its_stream_loses_it_after_five_minutes() -> None:
    async with rpc_site() as port:
        client = await yamux_client(port)
        bad = client.open_with(Call(1, "KVS.Nope", b"\x80"))
        for _ in range(80):
            await client.hear()
            client.say()
            await asyncio.sleep(4)
        assert StreamReset(bad) in client.events


async def test_a_thousand_streams_are_served_at_once() -> None:
    async with rpc_site() as port:
        client = await yamux_client(port)
        streams = []
        for seq in range(1000):
            if not client.session.may_open:
                await client.hear()
            streams.append(client.open_with(Call(seq, "KVS.Get", encode_value(BLOCKING))))
        await client.hear()
        assert port.site.context.telemetry.blocking_queries == 1000
        port.site.log.index = 200
        await port.site.call("KVS.Apply", SET_A)
        await client.hear()
        assert all(client.data_of(stream) for stream in streams)


async def test_a_stop_lets_a_large_answer_out() -> None:
    async with rpc_site() as port:
        entry = DirEntry(key="a", value=b"x" * (3 << 20))
        await port.site.call("KVS.Apply", KVSRequest(datacenter="dc1", op="set", dir_ent=entry))
        client = await yamux_client(port)
        stream = client.open_with(Call(1, "KVS.Get", encode_value(GET_A)))
        await client.hear()
        stopping = asyncio.ensure_future(port.server.stop(grace_s=30))
        seen = 0
        while (size := len(client.data_of(stream))) > seen:
            client.session.consumed(stream, size - seen)
            client.say()
            seen = size
            await client.hear()
        await stopping
        assert client.data_of(stream).count(b"x" * (3 << 20)) == 1


async def test_a_stop_sends_clients_elsewhere_and_answers_what_was_on_its_way() -> None:
    async with rpc_site() as port:
        client = await yamux_client(port)
        before = client.open_with(Call(1, "KVS.Get", encode_value(BLOCKING)))
        await client.hear()
        late = client.session.open_stream()
        client.session.send(late, encode_call(Call(2, "Status.Ping", b"\x80")))
        stopping = asyncio.ensure_future(port.server.stop(grace_s=30))
        client.say()
        await client.hear()
        assert PeerLeaves() in client.events
        await stopping
        assert client.data_of(late).endswith(b"Status.Ping\x80")
        assert client.data_of(before) == b""
        assert not client.session.opens_streams


async def test_a_client_that_reads_nothing_is_not_remembered_without_end() -> None:
    async with rpc_site() as port:
        entry = DirEntry(key="a", value=bytes(8 << 20))
        await port.site.call("KVS.Apply", KVSRequest(datacenter="dc1", op="set", dir_ent=entry))
        client = await yamux_client(port)
        most = yamux.UNSENT_BYTES_MAX // (8 << 20)
        streams = [
            client.open_with(Call(seq, "KVS.Get", encode_value(GET_A))) for seq in range(most + 2)
        ]
        await client.hear()
        refused = [stream for stream in streams if StreamReset(stream) in client.events]
        served = streams[: len(streams) - len(refused)]
        assert most - 1 <= len(served) <= most + 1
        assert all(client.data_of(stream) for stream in served)


# For server_tests/runtime/test_rpc_server_yamux.py (fails without the fix in runtime/rpc_yamux.py)
async def test_a_stream_that_takes_the_number_of_one_that_was_reset_is_another_one() -> None:
    async with rpc_site() as port:
        client = await port.connect(b"\x04")
        opened = Header(Kind.WINDOW_UPDATE, Flags.SYN, 1, 0).encode()
        reset = Header(Kind.WINDOW_UPDATE, Flags.RST, 1, 0).encode()
        client.writer.write(opened + reset + opened)
        await settle()
        client.close()
        await settle()
        assert port.server.connection_count == 0
        assert not port.server._tasks, "the second stream's conversation has ended, too"
