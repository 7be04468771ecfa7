"""The RPC port: real connections on loopback, with TLS or without, to servers of four policies.

The first byte of an input chooses the server, the TLS of the client and how it ends; the rest is
what it says, its first byte included. Methods are not called here: what they do is no question
of the port.
"""

import asyncio
import logging
import ssl
import tempfile
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

from proconsul.config.schema import Tls
from proconsul.errors import RpcError
from proconsul.model.query import QueryOptions
from proconsul.rpc import first_byte
from proconsul.rpc.first_byte import PROTOCOLS, FirstByte, Service, TlsPolicy, service_for
from proconsul.rpc.msgpack_rpc import ReplyReader
from proconsul.rpc.snapshot_stream import HeadReader, SnapshotResponse
from proconsul.rpc.yamux_frame import HEADER_BYTES, decode_header
from proconsul.runtime.logs import ROOT
from proconsul.runtime.rpc_server import RpcLimits
from proconsul.runtime.tls import RpcTls, rpc_incoming
from server_tests.endpoints.site import Site
from server_tests.fuzz.msgpack_mutation import MSGPACK
from server_tests.fuzz.target import Target, cut, promise
from server_tests.fuzz.targets import yamux
from server_tests.loopback import address
from server_tests.rpc.captured import CALLS, GOLDEN, client_bytes, request_of
from server_tests.runtime.certificates import SERVER, Authority, tls_keys
from server_tests.runtime.rpc_site import RpcSite, Serve, rpc_site

HOST = address(131)
LIMITS = RpcLimits(handshake_timeout_s=5.0, connections_per_client_max=0, request_bytes_max=3000)
GONE_S_MAX = 5.0  # for a server to forget a client that has gone
_POLICIES, _TLS, _WITHOUT_CERTIFICATE, _RESET, _PIECES = 3, 12, 16, 32, 64
_NATIVE, _INSIDE, _INSECURE = 4, 8, 12


class Complaints(logging.Handler):
    """Errors in the log: what went wrong where nobody expected it."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.texts: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keep it."""
        self.texts.append(logging.Formatter().format(record))


def serve(site: Site) -> Serve:
    """Instead of methods: a blocking query waits for ever, most others are refused."""

    async def call(method: str, request: Any) -> Any:
        if isinstance(request, QueryOptions) and request.min_query_index > 0:
            await asyncio.get_running_loop().create_future()
        if method == "Status.Ping":
            return None
        if method.startswith("KVS"):
            raise ValueError("as a mistake of ours would")
        raise RpcError(f"{method} is not served here")

    return call


class Town:
    """The servers, all in one loop that goes on from input to input."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self.complaints = Complaints()
        logging.getLogger(ROOT).addHandler(self.complaints)
        self._folder = tempfile.TemporaryDirectory()
        self.authority = Authority(Path(self._folder.name), "ca")
        self._stack = AsyncExitStack()
        self.policies: list[TlsPolicy] = []
        self.sites = self.loop.run_until_complete(self._build())
        pair = self.authority.pair("client", "client.dc1.consul")
        self.contexts = [self._context(self.authority.trusted(*one)) for one in ((pair,), ())]

    async def _build(self) -> list[RpcSite]:
        pair = self.authority.pair("server", SERVER)
        keys = [tls_keys(pair, self.authority.ca_file, verify_incoming=on) for on in (False, True)]
        policies = [RpcTls(), RpcTls(verify_incoming=True), *map(self._incoming, keys)]
        self.policies = [tls.policy for tls in policies]
        return [
            await self._stack.enter_async_context(
                rpc_site(limits=LIMITS, tls=tls, serve=serve, at=(HOST, 0))
            )
            for tls in policies
        ]

    @staticmethod
    def _incoming(keys: Tls) -> RpcTls:
        return rpc_incoming(keys, datacenter="dc1", domain="consul.")

    @staticmethod
    def _context(context: ssl.SSLContext) -> ssl.SSLContext:
        context.check_hostname = False
        context.set_alpn_protocols(list(PROTOCOLS))
        return context


_town: list[Town] = []


def town() -> Town:
    """It is built for the first input."""
    if not _town:
        _town.append(Town())
    return _town[0]


async def _talk(site: RpcSite, options: int, wire: bytes) -> bytes:
    """Say it all, and hear what is answered."""
    reader, writer = await asyncio.open_connection(HOST, site.port)
    try:
        await _begin_tls(writer, options)
        for piece in cut(wire, 1 if options & _PIECES else 0):
            writer.write(piece)
            await asyncio.sleep(0)
        if options & _RESET or not writer.can_write_eof():
            await writer.drain()
            return b""
        writer.write_eof()
        return await reader.read()
    except OSError:  # ssl.SSLError is one
        return b""
    finally:
        writer.transport.abort()


async def _begin_tls(writer: asyncio.StreamWriter, options: int) -> None:
    kind = options & _TLS
    if kind in (_INSIDE, _INSECURE):
        writer.write(bytes([FirstByte.TLS if kind == _INSIDE else FirstByte.TLS_INSECURE]))
    if kind:
        await writer.start_tls(town().contexts[bool(options & _WITHOUT_CERTIFICATE)])


async def _forgotten(site: RpcSite) -> bool:
    loop = asyncio.get_running_loop()
    until_s = loop.time() + GONE_S_MAX
    while site.server.connection_count or site.server._tasks:
        if loop.time() > until_s:
            return False
        await asyncio.sleep(0)
    return True


def check(data: bytes) -> None:
    """One client."""
    options, wire = (data[0] if data else 0), data[1:]
    here = town()
    site, policy = here.sites[options & _POLICIES], here.policies[options & _POLICIES]
    here.complaints.texts.clear()
    answer = here.loop.run_until_complete(_talk(site, options, wire))
    promise(here.loop.run_until_complete(_forgotten(site)), "who has gone is forgotten")
    mistakes = [one for one in here.complaints.texts if "as a mistake of ours" not in one]
    promise(not mistakes, "\n".join(mistakes))
    for number in range(256):
        _check_choice(number, policy)
    if not options & _TLS and wire:
        _check_answer(service_for(wire[0], policy), answer)


def _check_choice(byte: int, policy: TlsPolicy) -> None:
    service = service_for(byte, policy)
    in_the_clear = (Service.CALLS, Service.RAFT, Service.YAMUX, Service.SNAPSHOT)
    promise(not policy.is_wanted or service not in in_the_clear, "nothing in the clear")
    promise(first_byte.service_inside_tls(byte) in (None, *in_the_clear), "no TLS inside TLS")


def _check_answer(service: Service | None, answer: bytes) -> None:
    """What was asked for is what answers."""
    match service:
        case None:
            promise(not answer, "closed without a word")
        case Service.CALLS:
            replies = ReplyReader(1 << 20)
            replies.feed(answer)
            while replies.next_reply() is not None:
                pass
            promise(replies._values.pending_bytes == 0, "whole replies")
        case Service.RAFT:
            promise(answer in (b"", b"raft says hello"), "raft")
        case Service.YAMUX:
            for frame in yamux.frames_of(answer):
                decode_header(frame[:HEADER_BYTES])
        case Service.SNAPSHOT:
            promise(not answer or HeadReader(SnapshotResponse).feed(answer) is not None, "a head")
        case _:
            return  # alerts of TLS


# ---------------------------------------------------------------- seeds


def seeds() -> list[bytes]:
    """What a real agent said on each kind of connection, and the first bytes that were probed."""
    frames = list(yamux.frames_of(client_bytes()))
    opened = b"\4" + b"".join(frames[:20])
    save = (GOLDEN / "snapshot-save.1.c2s.bin").read_bytes()
    restore = (GOLDEN / "snapshot-restore.2.c2s.bin").read_bytes()
    calls = [b"\0" + request_of(call) for call in CALLS[::4]]
    waiting = [b"\0" + request_of("KVS.Get.01").replace(b"MinQueryIndex\0", b"MinQueryIndex\5")]
    raft = b"\1" + (GOLDEN.parent / "raft" / "RequestVote.01.req.bin").read_bytes()
    hello = bytes.fromhex("16030100c8010000c40303") + bytes(60)
    wires = [opened, save, restore, *waiting, raft, hello, b"\3" + hello, b"\7" + hello]
    made = [bytes([options]) + wire for wire in wires for options in (0, 2, _PIECES)]
    made += [bytes([_INSIDE | 2]) + wire for wire in wires[:5]]
    made += [bytes([_INSIDE | 3]) + opened, bytes([_INSIDE | _WITHOUT_CERTIFICATE | 3]) + opened]
    made += [bytes([_NATIVE | 2]) + calls[0][1:], bytes([_INSECURE | 2]) + calls[0][1:]]
    made += [b"\0" + one for one in calls]
    made += [bytes([policy, byte]) for policy in range(4) for byte in (2, 3, 6, 7, 8, 9, 99)]
    made.append(bytes([_RESET]) + opened)
    made.append(b"\0\0" + request_of(CALLS[0]) + bytes([0x82]) + bytes(4000))
    return made


TARGET = Target(
    name="mux",
    check=check,
    seeds=seeds,
    mutations=MSGPACK,
    size_bytes_max=6000,
    memory_bytes_max=16 << 20,
)
