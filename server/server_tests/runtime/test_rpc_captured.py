"""What a real client agent said, said to our port: the answers have the shape of the real ones."""

import asyncio
from collections.abc import Iterator
from typing import Any

from proconsul.endpoints.forward import reply_type_of
from proconsul.endpoints.table import METHODS
from proconsul.model.catalog import RegisterRequest
from proconsul.rpc.msgpack_rpc import Call, CallReader, Reply, ReplyReader, decode_reply
from proconsul.rpc.yamux import Session
from proconsul.rpc.yamux_events import DataReceived, SessionEnded, StreamReset
from proconsul.wire import msgpack
from server_tests.rpc.captured import (
    CALLS,
    client_bytes,
    frames_of,
    request_of,
    response_of,
    server_bytes,
)
from server_tests.runtime.rpc_site import Client, rpc_site

UNANSWERED = (
    # They need a raft node, which the state in memory has not.
    *("Operator.ServerHealth", "Operator.RaftGetConfiguration", "Status.RaftStats"),
    # They are refused: what they are about is not served yet.
    *("ACL.", "ConnectCA.", "DiscoveryChain.", "PreparedQuery.", "Intention.Apply"),
    *("Intention.Match", "Intention.Check"),
)


def replies_in(data: bytes) -> Iterator[Reply]:
    reader = ReplyReader(1 << 20)
    reader.feed(data)
    while (reply := reader.next_reply()) is not None:
        yield reply


def first_call(data: bytes) -> Call:
    reader = CallReader(1 << 20)
    reader.feed(data)
    call = reader.next_call()
    assert call is not None
    return call


def shape_of(value: Any) -> Any:
    """The names of a map's fields; what a list holds is not the same in another cluster."""
    return sorted(value) if isinstance(value, dict) else type(value)


async def say(client: Client, request: bytes) -> Reply:
    client.writer.write(request)
    return await client.reply()


async def test_each_captured_call_has_an_answer_of_the_captured_shape() -> None:
    asked = [name for name in CALLS if not name.startswith(UNANSWERED)]
    asked.sort(key=lambda name: first_call(request_of(name)).seq)
    async with rpc_site() as port:
        register = RegisterRequest(datacenter="dc1", node="s1", address="127.0.0.1")
        await port.site.call("Catalog.Register", register)
        client = await port.connect(b"\x00")
        alike = 0
        for name in asked:
            (wanted,) = replies_in(response_of(name))
            reply = await say(client, request_of(name))
            assert (reply.seq, reply.method) == (wanted.seq, wanted.method)
            if reply.error or wanted.error:
                # What a call found there may be another thing here, but not how it is refused.
                continue
            form = reply_type_of(METHODS.find(reply.method))
            decode_reply(form, reply.body)
            ours, theirs = msgpack.unpack(reply.body), msgpack.unpack(wanted.body)
            if ours is not None and theirs is not None:
                assert shape_of(ours) == shape_of(theirs), name
            alike += 1
        assert alike > 0.8 * len(asked)


async def test_refusals_have_the_captured_words() -> None:
    async with rpc_site() as port:
        client = await port.connect(b"\x00")
        refused = 0
        for name in CALLS:
            (wanted,) = replies_in(response_of(name))
            if wanted.error and not name.startswith(UNANSWERED):
                reply = await say(client, request_of(name))
                assert (reply.error, reply.body) == (wanted.error, wanted.body)
                refused += 1
        assert refused == 3


async def test_the_captured_connection_is_served_stream_by_stream() -> None:
    said = frames_of(client_bytes())
    async with rpc_site() as port:
        client = await port.connect(b"\x04")
        ours = Session(is_client=True)  # to understand what the server says
        heard: dict[int, bytes] = {}
        opened = {header.stream for header, _ in said if header.stream}
        for _ in opened:
            ours.open_stream()
        ours.data_to_send(1 << 20)
        for header, payload in said:
            client.writer.write(header.encode() + payload)
        while True:
            try:
                async with asyncio.timeout(700):
                    data = await client.reader.read(1 << 16)
            except TimeoutError:
                break
            if not data:
                break  # we answer no pings here
            for event in ours.receive(data):
                assert not isinstance(event, SessionEnded | StreamReset)
                if isinstance(event, DataReceived):
                    heard[event.stream] = heard.get(event.stream, b"") + event.data
        theirs: dict[int, bytes] = {}
        for header, payload in frames_of(server_bytes()):
            theirs[header.stream] = theirs.get(header.stream, b"") + payload
        for stream in sorted(opened):
            wanted = [(one.seq, one.method) for one in replies_in(theirs[stream])]
            got = [(one.seq, one.method) for one in replies_in(heard[stream])]
            # A method that we do not have yet ends its stream with an error, as it must.
            assert got == wanted[: len(got)]
            assert got
