"""The RPC port as a configuration wants it, and what a reload of it changes."""

import asyncio
import ipaddress
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from proconsul.config.flags import parse_agent_flags
from proconsul.config.networks import Host, InterfaceAddress
from proconsul.config.parse import Source, parse
from proconsul.config.schema import Config
from proconsul.endpoints.table import METHODS
from proconsul.errors import RpcError
from proconsul.model.kv import DirEntry, KVSRequest
from proconsul.rpc.first_byte import FirstByte
from proconsul.rpc.msgpack_rpc import Call, encode_call, encode_value
from proconsul.runtime.rpc_client import ClientLimits, RpcClient, dial
from proconsul.runtime.rpc_port import REQUEST_BYTES_MIN, RpcPort
from proconsul.runtime.rpc_streams import SocketStream
from proconsul.runtime.tls import ClientTls, TlsError
from server_tests.endpoints.site import open_site
from server_tests.loopback import address
from server_tests.runtime.certificates import SERVER, Authority
from server_tests.runtime.rpc_site import Client

HOST = address(144)
PORT = 8300
LOOPBACK = InterfaceAddress("lo", ipaddress.ip_address("127.0.0.1"), 8, frozenset({"up"}))
MACHINE = Host(name="n1", interfaces=(LOOPBACK,), default_interface="lo", open_files_max=1024)


class NoArchives:
    """Nobody saves or restores here."""

    async def save(self) -> tuple[int, AsyncIterator[bytes]]:
        raise RpcError("not here")

    async def restore(self, archive: AsyncIterator[bytes], restore_uid: str = "") -> bool:
        raise RpcError("not here")


def config(text: str) -> Config:
    flags = parse_agent_flags(["-server", "-data-dir=/data", f"-bind={HOST}"])
    return parse(flags, [Source("a.hcl", text, "hcl")], MACHINE).config


def files(authority: Authority, name: str) -> str:
    pair = authority.pair(name, SERVER)
    return (
        f'ca_file = "{authority.ca_file}" cert_file = "{pair.cert_file}"'
        f' key_file = "{pair.key_file}" '
    )


@asynccontextmanager
async def listening(text: str) -> AsyncIterator[RpcPort]:
    async def no_raft(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"no raft here")

    site = open_site()
    client = RpcClient(ClientLimits(), None)
    port = RpcPort(
        config(text),
        site.context,
        NoArchives(),
        METHODS,
        site.call,
        client,
        no_raft,
        site.context.telemetry,
    )
    await port.listen(config(text))
    try:
        yield port
    finally:
        await port.stop(0)
        await client.close()


async def encrypted(context: ssl.SSLContext) -> SocketStream:
    return await dial(f"{HOST}:{PORT}", FirstByte.CONSUL, ClientTls(context, ""))


async def ping(stream: SocketStream) -> str:
    return (await Client(stream.reader, stream.writer).call("Status.Ping")).error


def serial_of(stream: SocketStream) -> Any:
    assert stream.peer_certificate is not None
    return stream.peer_certificate["serialNumber"]


async def clear() -> Client:
    return Client(*await asyncio.open_connection(HOST, PORT))


async def test_a_reload_reads_the_files_again_for_new_connections(tmp_path: Path) -> None:
    authority = Authority(tmp_path, "ca")
    text = files(authority, "server")
    async with listening(text) as port:
        old = await encrypted(authority.trusted())
        files(authority, "server")  # others under the same names
        port.reload(config(text))
        new = await encrypted(authority.trusted())
        assert serial_of(old) != serial_of(new)
        for stream in (old, new):
            assert await ping(stream) == ""
            stream.close()


@pytest.mark.parametrize("broken", ["server.crt", "server.key", "ca.pem"])
async def test_a_file_that_is_broken_is_told_and_what_was_there_before_goes_on(
    tmp_path: Path, broken: str
) -> None:
    authority = Authority(tmp_path, "ca")
    text = files(authority, "server")
    trusted = authority.trusted()
    async with listening(text) as port:
        old = await encrypted(trusted)
        (tmp_path / broken).write_text("half a fil")
        with pytest.raises(TlsError, match=broken):
            port.reload(config(text + "limits { rpc_max_conns_per_client = 1 }"))
        new = await encrypted(trusted)  # the limit is as it was, too
        assert serial_of(old) == serial_of(new)
        for stream in (old, new):
            assert await ping(stream) == ""
            stream.close()


async def test_a_reload_may_turn_certificates_on_and_off(tmp_path: Path) -> None:
    authority = Authority(tmp_path, "ca")
    strict = f"{files(authority, 'server')} verify_incoming = true"
    async with listening("") as port:
        with pytest.raises(ConnectionError):
            await encrypted(authority.trusted())
        before = await clear()
        before.writer.write(b"\x00")
        assert (await before.call("Status.Ping")).error == ""
        port.reload(config(strict))
        behind = await clear()
        behind.writer.write(b"\x00")
        assert await behind.is_closed()
        stream = await encrypted(authority.trusted(authority.pair("client")))
        assert await ping(stream) == ""
        assert (await before.call("Status.Ping")).error == ""  # it was there before
        port.reload(config(""))
        again = await clear()
        again.writer.write(b"\x00")
        assert (await again.call("Status.Ping")).error == ""
        for one in (before, behind, again):
            one.close()
        stream.close()


async def test_the_limits_are_those_of_the_configuration() -> None:
    async with listening(
        'limits { rpc_max_conns_per_client = 3 rpc_handshake_timeout = "2s" }'
    ) as port:
        clients = [await clear() for _ in range(3)]
        for one in clients:
            one.writer.write(b"\x00")
            assert (await one.call("Status.Ping")).error == ""
        fourth = await clear()
        assert await fourth.is_closed()

        port.reload(config('limits { rpc_max_conns_per_client = 4 rpc_handshake_timeout = "7s" }'))
        began_s = asyncio.get_running_loop().time()
        silent = await clear()
        assert await silent.is_closed()
        assert asyncio.get_running_loop().time() - began_s == pytest.approx(7, abs=0.5)

        port.reload(config("limits { rpc_max_conns_per_client = 0 }"))
        clients += [await clear() for _ in range(200)]
        for one in clients[3:]:
            one.writer.write(b"\x00")
        assert (await clients[-1].call("Status.Ping")).error == ""
        for one in (*clients, fourth, silent):
            one.close()


async def test_by_default_an_address_has_a_hundred_connections() -> None:
    async with listening(""):
        clients = [await clear() for _ in range(100)]
        for one in clients:
            one.writer.write(b"\x00")
            assert (await one.call("Status.Ping")).error == ""
        more = await clear()
        assert await more.is_closed()
        for one in (*clients, more):
            one.close()


async def test_larger_values_make_larger_requests() -> None:
    def setting(size_bytes: int) -> bytes:
        entry = DirEntry(key="a", value=b"x" * size_bytes)
        request = KVSRequest(datacenter="dc1", op="set", dir_ent=entry)
        return b"\x00" + encode_call(Call(1, "KVS.Apply", encode_value(request)))

    async with listening("") as port:
        too_large = await clear()
        too_large.writer.write(setting(REQUEST_BYTES_MIN))
        assert await too_large.is_closed()
        port.reload(config("limits { kv_max_value_size = 9000000 }"))
        large = await clear()
        large.writer.write(setting(REQUEST_BYTES_MIN))
        # Refused by who knows the limit of a value, or taken: it has arrived.
        assert (await large.reply()).method == "KVS.Apply"
        for one in (too_large, large):
            one.close()
