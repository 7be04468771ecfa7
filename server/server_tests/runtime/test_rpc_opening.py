"""How a connection to the RPC port begins: byte 7, TLS without a byte, and too long silences."""

import asyncio
import socket
import ssl
from pathlib import Path

import pytest

from proconsul.rpc.first_byte import FirstByte
from proconsul.rpc.msgpack_rpc import Call, encode_call, encode_value
from proconsul.rpc.snapshot_stream import HeadReader, SnapshotRequest, SnapshotResponse
from proconsul.runtime.rpc_client import dial
from proconsul.runtime.rpc_server import INSECURE_REQUEST_BYTES_MAX, RpcLimits
from proconsul.runtime.rpc_streams import SocketStream, open_on
from proconsul.runtime.rpc_yamux import YamuxConnection, YamuxStream
from proconsul.runtime.tls import ClientTls, RpcTls, rpc_incoming
from proconsul.wire.gostruct import encode
from server_tests.runtime.certificates import SERVER, Authority, tls_keys
from server_tests.runtime.rpc_site import HOST, Client, RpcSite, rpc_site

PATIENCE_S = 5.0


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path, "ca")


def incoming(authority: Authority, *, has_ca: bool = True, **keys: bool) -> RpcTls:
    pair = authority.pair("server", SERVER)
    tls = tls_keys(pair, authority.ca_file if has_ca else "", **keys)
    return rpc_incoming(tls, datacenter="dc1", domain="consul.")


async def encrypted(
    port: RpcSite, context: ssl.SSLContext, *, first: bytes = b"", protocols: tuple[str, ...] = ()
) -> SocketStream:
    """A connection in TLS, behind some bytes in the clear."""
    loop = asyncio.get_running_loop()
    dialled = socket.create_connection((HOST, port.port))
    dialled.setblocking(False)
    await loop.sock_sendall(dialled, first)
    if protocols:
        context.set_alpn_protocols(list(protocols))
    return await open_on(dialled, tls=context, is_server=False)


def speak(stream: SocketStream) -> Client:
    return Client(stream.reader, stream.writer)


async def is_closed(stream: SocketStream) -> bool:
    """Whether the server says nothing more, and goes."""
    try:
        return await stream.read() == b""
    except ConnectionError:
        return True
    finally:
        stream.close()


# ---------------------------------------------------------------- byte 7


@pytest.mark.parametrize("verify", [True, False])
async def test_agents_without_a_certificate_get_the_words_of_a_server_that_signs_none(
    authority: Authority, *, verify: bool
) -> None:
    async with rpc_site(tls=incoming(authority, verify_incoming=verify)) as port:
        stream = await encrypted(port, authority.trusted(), first=b"\x07")
        agent = speak(stream)
        sign = await agent.call("AutoEncrypt.Sign", seq=1)
        assert (sign.seq, sign.method, sign.error, sign.body) == (
            1,
            "AutoEncrypt.Sign",
            "AutoEncrypt.AllowTLS must be enabled in order to use this endpoint",
            b"\x80",
        )
        stream.writer.write(
            encode_call(Call(2, "AutoConfig.InitialConfiguration", b"\xa5\x0a\x03dc1"))
        )
        assert (await agent.reply()).error == "Auto Config is disabled"
        stream.close()


@pytest.mark.parametrize(
    ("method", "text"),
    [
        ("Status.Ping", "rpc: can't find service Status.Ping"),
        ("KVS.Get", "rpc: can't find service KVS.Get"),
        ("AutoEncrypt.Nope", "rpc: can't find method AutoEncrypt.Nope"),
        ("nodot", "rpc: service/method request ill-formed: nodot"),
    ],
)
async def test_they_can_call_nothing_else(authority: Authority, method: str, text: str) -> None:
    async with rpc_site(tls=incoming(authority)) as port:
        stream = await encrypted(port, authority.trusted(), first=b"\x07")
        assert (await speak(stream).call(method)).error == text
        assert await is_closed(stream)


async def test_they_may_say_so_much_and_no_more(authority: Authority) -> None:
    def asking(size_bytes: int) -> bytes:
        around_bytes = len(encode_value({b"CSR": b"x" * 300})) - 300
        body = encode_value({b"CSR": b"x" * (size_bytes - around_bytes)})
        assert len(body) == size_bytes
        return encode_call(Call(1, "AutoEncrypt.Sign", body))

    async with rpc_site(tls=incoming(authority)) as port:
        largest = await encrypted(port, authority.trusted(), first=b"\x07")
        largest.writer.write(asking(INSECURE_REQUEST_BYTES_MAX))
        assert "AllowTLS" in (await speak(largest).reply()).error
        larger = await encrypted(port, authority.trusted(), first=b"\x07")
        larger.writer.write(asking(INSECURE_REQUEST_BYTES_MAX + 1))
        assert await is_closed(larger)
        largest.close()


# ---------------------------------------------------------------- TLS without a byte before it


def known(authority: Authority) -> ssl.SSLContext:
    return authority.trusted(authority.pair("client", "client.dc1.consul"))


async def test_alpn_says_what_a_connection_is_for(authority: Authority) -> None:
    async with rpc_site(tls=incoming(authority)) as port:
        single = await encrypted(port, known(authority), protocols=("h2", "consul/rpc-single"))
        assert (await speak(single).call("Status.Ping")).error == ""
        single.close()

        raft = await encrypted(port, known(authority), protocols=("consul/raft",))
        await raft.write(b"vote for me")
        assert await raft.read() == b"raft says hello"
        raft.close()

        multi = await encrypted(port, known(authority), protocols=("consul/rpc-multi",))
        yamux = YamuxConnection(multi, is_client=True, on_stream=YamuxStream.close)
        running = asyncio.ensure_future(yamux.run())
        stream = await yamux.open_stream()
        await stream.write(encode_call(Call(1, "Status.Ping", b"\x80")))
        assert (await stream.read()).endswith(b"Status.Ping\x80")
        yamux.abort("enough")
        await running

        snapshot = await encrypted(port, known(authority), protocols=("consul/rpc-snapshot",))
        await snapshot.write(encode(SnapshotRequest(datacenter="dc1")))
        snapshot.finish()
        reader = HeadReader(SnapshotResponse)
        while (head := reader.feed(await snapshot.read())) is None:
            pass
        assert head[0].index == 42
        snapshot.close()


@pytest.mark.parametrize(
    "protocols", [(), ("h2",), ("consul/rpc-gossip",), ("consul/wan-gossip/stream",)]
)
async def test_what_alpn_does_not_say_is_closed(
    authority: Authority, protocols: tuple[str, ...]
) -> None:
    async with rpc_site(tls=incoming(authority)) as port:
        stream = await encrypted(port, known(authority), protocols=protocols)
        assert stream.alpn_protocol is None
        assert await is_closed(stream)


async def test_native_tls_is_for_those_with_a_certificate(authority: Authority) -> None:
    async with rpc_site(tls=incoming(authority)) as port:
        stream = await encrypted(port, authority.trusted(), protocols=("consul/rpc-single",))
        stream.writer.write(encode_call(Call(1, "Status.Ping", b"\x80")))
        assert await is_closed(stream)


async def test_a_server_without_a_ca_knows_no_native_tls(authority: Authority) -> None:
    async with rpc_site(tls=incoming(authority, has_ca=False)) as port:
        with pytest.raises(ConnectionError):
            await encrypted(port, authority.trusted(), protocols=("consul/rpc-single",))
        inside = await dial(port.address, FirstByte.CONSUL, ClientTls(authority.trusted(), ""))
        assert (await speak(inside).call("Status.Ping")).error == ""
        inside.close()


async def test_native_tls_says_who_may_speak_raft_too(authority: Authority) -> None:
    server = incoming(authority, verify_incoming=True, verify_server_hostname=True)
    async with rpc_site(tls=server) as port:
        stream = await encrypted(port, known(authority), protocols=("consul/raft",))
        assert await is_closed(stream)
        named = authority.trusted(authority.pair("peer", SERVER))
        stream = await encrypted(port, named, protocols=("consul/raft",))
        await stream.write(b"vote for me")
        assert await stream.read() == b"raft says hello"
        stream.close()


@pytest.mark.parametrize("byte", [2, 6, 8, 9, 0x15, 0x17, 99, 255])
async def test_with_tls_too_what_is_not_served_is_closed_without_a_word(
    authority: Authority, byte: int
) -> None:
    async with rpc_site(tls=incoming(authority)) as port:
        client = await port.connect(bytes([byte]) + b"hello there")
        assert await client.is_closed()


# ---------------------------------------------------------------- patience


HELLO = bytes.fromhex("1603010200010001fc0303")  # the beginning of a handshake


@pytest.mark.parametrize(
    "said", [b"", b"\x03", b"\x07", b"\x16", b"\x03" + HELLO, b"\x07" + HELLO, HELLO]
)
async def test_who_stops_on_the_way_is_closed_after_the_handshake_timeout(
    authority: Authority, said: bytes
) -> None:
    async with rpc_site(tls=incoming(authority)) as port:
        began_s = asyncio.get_running_loop().time()
        client = await port.connect(said)
        assert await client.is_closed()
        assert asyncio.get_running_loop().time() - began_s == pytest.approx(PATIENCE_S, abs=0.5)
        await asyncio.sleep(1)
        assert port.server.connection_count == 0


async def test_who_is_slow_at_each_step_has_the_same_time_for_all_of_them(
    authority: Authority,
) -> None:
    async with rpc_site(tls=incoming(authority)) as port:
        began_s = asyncio.get_running_loop().time()
        client = await port.connect()
        await asyncio.sleep(2)
        client.writer.write(b"\x03")
        await asyncio.sleep(2)
        client.writer.write(HELLO[:1])
        assert await client.is_closed()
        assert asyncio.get_running_loop().time() - began_s == pytest.approx(PATIENCE_S, abs=0.5)


async def test_who_says_nothing_inside_tls_is_closed_too(authority: Authority) -> None:
    async with rpc_site(tls=incoming(authority)) as port:
        began_s = asyncio.get_running_loop().time()
        stream = await encrypted(port, authority.trusted(), first=b"\x03")
        assert await is_closed(stream)
        assert asyncio.get_running_loop().time() - began_s == pytest.approx(PATIENCE_S, abs=0.5)


async def test_behind_the_handshake_silence_has_no_limit(authority: Authority) -> None:
    async with rpc_site(tls=incoming(authority)) as port:
        inside = await dial(port.address, FirstByte.CONSUL, ClientTls(authority.trusted(), ""))
        insecure = await encrypted(port, authority.trusted(), first=b"\x07")
        await asyncio.sleep(3600)
        assert (await speak(inside).call("Status.Ping")).error == ""
        assert "AllowTLS" in (await speak(insecure).call("AutoEncrypt.Sign")).error
        inside.close()
        insecure.close()


async def test_a_handshake_timeout_of_nothing_is_no_limit(authority: Authority) -> None:
    limits = RpcLimits(handshake_timeout_s=0.0, connections_per_client_max=100)
    async with rpc_site(tls=incoming(authority), limits=limits) as port:
        client = await port.connect()
        await asyncio.sleep(3600)
        client.writer.write(b"\x00")
        assert (await client.call("Status.Ping")).error == ""


async def test_a_handshake_that_fails_leaves_nothing_behind(authority: Authority) -> None:
    async with rpc_site(tls=incoming(authority)) as port:
        for said in (b"\x03GET / HTTP/1.1\r\n\r\n", b"\x07" + bytes(100), b"\x16" + bytes(100)):
            client = await port.connect(said)
            await client.reader.read()  # an alert, perhaps
            await asyncio.sleep(1)
            assert port.server.connection_count == 0
