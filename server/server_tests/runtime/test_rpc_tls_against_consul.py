"""TLS with a real Consul 1.8.7: our client there, its agent here, the same bytes to both."""

import asyncio
import os
import socket
import ssl
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from proconsul.model.kv import DirEntry, IndexedDirEntries, KeyRequest, KVSRequest
from proconsul.model.query import DCSpecificRequest
from proconsul.rpc.msgpack_rpc import Call, encode_call, encode_value
from proconsul.rpc.snapshot_stream import SnapshotOp, SnapshotRequest
from proconsul.runtime.rpc_client import ClientLimits, RpcClient, RpcTransportError
from proconsul.runtime.rpc_streams import SocketStream, open_on
from proconsul.runtime.tls import rpc_incoming, rpc_outgoing
from server_tests.fsm.real_server import (
    MASTER_TOKEN,
    RealServer,
    free_address,
    real_server,
    requires_real_consul,
)
from server_tests.runtime.certificates import SERVER, Authority, Pair, tls_keys
from server_tests.runtime.rpc_site import Client, rpc_site

pytestmark = [requires_real_consul, pytest.mark.real_clock]

DC1 = DCSpecificRequest(datacenter="dc1", token=MASTER_TOKEN)
STRICT = """
verify_incoming = true
verify_outgoing = true
verify_server_hostname = true
"""


def keys_in_hcl(authority: Authority, pair: Pair) -> str:
    return f"""
ca_file = "{authority.ca_file}"
cert_file = "{pair.cert_file}"
key_file = "{pair.key_file}"
"""


@dataclass
class Scene:
    """A real server, the CA that its certificates are of, and its port."""

    authority: Authority
    consul: RealServer

    @property
    def port(self) -> str:
        return f"{self.consul.address}:8300"

    def client(self, pair: Pair | None, **keys: Any) -> RpcClient:
        """One of ours, which verifies names unless it is told otherwise."""
        wanted = {"verify_outgoing": True, "verify_server_hostname": True, **keys}
        tls = tls_keys(pair, self.authority.ca_file, **wanted)
        return RpcClient(ClientLimits(), rpc_outgoing(tls, datacenter="dc1", domain="consul."))


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    authority = Authority(tmp_path_factory.mktemp("tls"), "ca")
    pair = authority.pair("server", SERVER, "localhost")
    with real_server(free_address(144), STRICT + keys_in_hcl(authority, pair)) as consul:
        yield Scene(authority, consul)


async def test_our_client_calls_it_in_tls(scene: Scene) -> None:
    ours = scene.client(scene.authority.pair("client", "client.dc1.consul"))
    assert await ours.call(scene.port, "Status.Leader", DC1, str) == scene.port
    entry = DirEntry(key="large", value=b"x" * 400_000)
    request = KVSRequest(datacenter="dc1", op="set", dir_ent=entry, token=MASTER_TOKEN)
    await ours.call(scene.port, "KVS.Apply", request, bool)
    wanted = KeyRequest(datacenter="dc1", key="large", token=MASTER_TOKEN)
    asked = (ours.call(scene.port, "KVS.Get", wanted, IndexedDirEntries) for _ in range(20))
    for found in await asyncio.gather(*asked):
        assert found.entries[0].value == b"x" * 400_000
    await ours.close()


async def test_a_snapshot_goes_both_ways_in_tls(scene: Scene) -> None:
    ours = scene.client(scene.authority.pair("client", "client.dc1.consul"))
    save = SnapshotRequest(datacenter="dc1", token=MASTER_TOKEN, op=SnapshotOp.SAVE)
    _, pieces = await ours.save_snapshot(scene.port, save)
    archive = b"".join([piece async for piece in pieces])
    assert archive[:2] == b"\x1f\x8b"

    async def upload() -> AsyncIterator[bytes]:
        yield archive

    restore = SnapshotRequest(datacenter="dc1", token=MASTER_TOKEN, op=SnapshotOp.RESTORE)
    await ours.restore_snapshot(scene.port, restore, upload())
    await ours.close()


async def test_without_a_good_certificate_neither_lets_the_other_in(
    scene: Scene, tmp_path: Path
) -> None:
    stranger = Authority(tmp_path, "stranger").pair("intruder", SERVER)
    tls = rpc_incoming(
        tls_keys(
            scene.authority.pair("ours", SERVER), scene.authority.ca_file, verify_incoming=True
        ),
        datacenter="dc1",
        domain="consul.",
    )
    async with rpc_site(tls=tls) as port:
        for address in (scene.port, port.address):
            for pair in (None, stranger):
                refused = scene.client(pair)
                with pytest.raises(RpcTransportError):
                    await refused.call(address, "Status.Leader", DC1, str)
                await refused.close()


async def test_a_real_server_with_another_name_is_not_believed(tmp_path: Path) -> None:
    authority = Authority(tmp_path, "ca")
    pair = authority.pair("impostor", "client.dc1.consul")
    keys = "verify_incoming = true\n" + keys_in_hcl(authority, pair)
    with real_server(free_address(145), keys) as consul:
        impostor = Scene(authority, consul)
        strict = impostor.client(pair)
        with pytest.raises(RpcTransportError, match="Hostname mismatch"):
            await strict.call(impostor.port, "Status.Leader", DC1, str)
        trustful = impostor.client(pair, verify_server_hostname=False)
        assert await trustful.call(impostor.port, "Status.Leader", DC1, str)
        for one in (strict, trustful):
            await one.close()


# ---------------------------------------------------------------- the same bytes to both


PING = encode_call(Call(1, "Status.Ping", b"\x80"))
SIGN = "AutoEncrypt.Sign"
CONFIGURE = "AutoConfig.InitialConfiguration"


@dataclass(frozen=True)
class Approach:
    """How a connection begins, and what is said in it."""

    first: bytes
    protocols: tuple[str, ...] = ()
    with_certificate: bool = True
    inside: bytes = b""


def asks(*calls: tuple[str, bytes]) -> bytes:
    return b"".join(
        encode_call(Call(seq, method, body)) for seq, (method, body) in enumerate(calls, 1)
    )


APPROACHES = [
    *(Approach(b"\x03", inside=bytes([byte])) for byte in (2, 3, 6, 7, 8, 99)),
    Approach(b"\x03", inside=b"\x00" + PING + asks(("Nope.Nope", b"\x80"))),
    Approach(b"\x03", with_certificate=False, inside=b"\x00" + PING),
    Approach(b"\x03", protocols=("consul/raft",), inside=b"\x00" + asks(("nodot", b"\x80"))),
    *(
        Approach(b"\x07", with_certificate=False, inside=asks((method, b"\x80")))
        for method in ("Status.Ping", "AutoEncrypt.Nope", "nodot")
    ),
    Approach(
        b"\x07",
        with_certificate=False,
        inside=asks(
            (SIGN, b"\x80"),
            (SIGN, encode_value({b"Datacenter": b"mars", b"CSR": b"x"})),
            (CONFIGURE, b"\xa5\x0a\x03dc1"),
            (CONFIGURE, b"\xa6\x0a\x04mars"),
            (CONFIGURE, b"\xb0\x0a\x03dc1\x12\x04node\x2a\x03jwt"),
            ("Status.Ping", b"\x80"),
        ),
    ),
    Approach(b"", protocols=("consul/rpc-single",), inside=PING + asks(("nodot", b"\x80"))),
    Approach(b"", protocols=("h2", "consul/rpc-single"), inside=asks(("nodot", b"\x80"))),
    Approach(b"", protocols=("consul/rpc-single",), with_certificate=False, inside=PING),
    Approach(b"", protocols=("consul/rpc-grpc",), inside=PING),
    Approach(b"", protocols=("h2", "http/1.1"), inside=PING),
    Approach(b"", inside=PING),
]


async def answers_to(address: tuple[str, int], context: ssl.SSLContext, how: Approach) -> Any:
    """(chosen protocol, all that is said); whether TLS has a last word of its own is all one."""
    loop = asyncio.get_running_loop()
    connected = socket.socket()
    connected.setblocking(False)
    await loop.sock_connect(connected, address)
    await loop.sock_sendall(connected, how.first)
    if how.protocols:
        context.set_alpn_protocols(list(how.protocols))
    stream = await open_on(connected, tls=context, is_server=False)
    try:
        stream.writer.write(how.inside)
        async with asyncio.timeout(10):
            return stream.alpn_protocol, await all_of(stream)
    finally:
        stream.close()


async def all_of(stream: SocketStream) -> bytes:
    data = b""
    with suppress(ConnectionError):
        while piece := await stream.read():
            data += piece
    return data


@pytest.mark.parametrize("how", APPROACHES, ids=repr)
async def test_both_ports_answer_alike_in_tls(scene: Scene, how: Approach) -> None:
    authority = scene.authority
    tls = rpc_incoming(
        tls_keys(authority.pair("ours", SERVER), authority.ca_file, verify_incoming=True),
        datacenter="dc1",
        domain="consul.",
    )

    def context() -> ssl.SSLContext:
        return authority.trusted(authority.pair("client") if how.with_certificate else None)

    wanted = await answers_to((scene.consul.address, 8300), context(), how)
    async with rpc_site(tls=tls) as port:
        host, _, number = port.address.partition(":")
        assert await answers_to((host, int(number)), context(), how) == wanted


@pytest.mark.parametrize("data", [b"\x08", b"\x63" * 20, b"\x00", b"\x01", b"\x04", b"\x05"])
async def test_both_ports_close_without_a_word_in_the_clear(scene: Scene, data: bytes) -> None:
    authority = scene.authority
    tls = rpc_incoming(
        tls_keys(authority.pair("ours", SERVER), authority.ca_file, verify_incoming=True),
        datacenter="dc1",
        domain="consul.",
    )
    reader, writer = await asyncio.open_connection(scene.consul.address, 8300)
    theirs = Client(reader, writer)
    writer.write(data)
    async with rpc_site(tls=tls) as port, asyncio.timeout(10):
        assert await theirs.is_closed()
        assert await (await port.connect(data)).is_closed()
    theirs.close()


# ---------------------------------------------------------------- a real agent at our port


@pytest.mark.parametrize(
    ("wish", "complaint"),
    [
        (
            'auto_encrypt { tls = true } retry_join = ["ADDRESS"]',
            "AutoEncrypt.AllowTLS must be enabled in order to use this endpoint",
        ),
        (
            'auto_config { enabled = true intro_token = "a.b.c" server_addresses = ["ADDRESS"] }',
            "Auto Config is disabled",
        ),
    ],
)
async def test_a_real_agent_without_a_certificate_tells_what_our_server_says(
    tmp_path: Path, wish: str, complaint: str
) -> None:
    authority = Authority(tmp_path, "ca")
    ours, theirs = free_address(146), free_address(147)
    tls = rpc_incoming(
        tls_keys(authority.pair("ours", SERVER), authority.ca_file, verify_incoming=True),
        datacenter="dc1",
        domain="consul.",
    )
    text = f"""
ca_file = "{authority.ca_file}"
verify_outgoing = true
verify_server_hostname = true
{wish.replace("ADDRESS", ours)}
"""
    (tmp_path / "agent.hcl").write_text(text)
    async with rpc_site(tls=tls, at=(ours, 8300)):
        agent = await asyncio.create_subprocess_exec(
            *(os.environ["CONSUL_REAL"], "agent", "-node=c1", f"-data-dir={tmp_path / 'data'}"),
            *(f"-config-file={tmp_path / 'agent.hcl'}", f"-bind={theirs}", f"-client={theirs}"),
            "-dns-port=-1",
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        try:
            assert agent.stdout is not None
            async with asyncio.timeout(30):
                async for line in agent.stdout:
                    if complaint in line.decode():
                        return
            raise AssertionError("it ended, and has not said so")
        finally:
            agent.kill()
            await agent.wait()
