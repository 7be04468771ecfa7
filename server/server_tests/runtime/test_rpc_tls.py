"""The RPC port in TLS: byte 3, the handshake, and the byte inside."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import uvloop

from proconsul.model.kv import DirEntry, IndexedDirEntries, KeyRequest, KVSRequest
from proconsul.model.query import DCSpecificRequest
from proconsul.rpc.first_byte import FirstByte
from proconsul.rpc.snapshot_stream import SnapshotOp, SnapshotRequest
from proconsul.runtime.rpc_client import (
    ClientLimits,
    ClientTls,
    RpcClient,
    RpcTransportError,
    dial,
)
from proconsul.runtime.rpc_server import RpcLimits, RpcTls
from proconsul.runtime.tls import TlsSettings, server_context
from proconsul.wire.gostruct import encode
from server_tests.runtime.rpc_site import Client, rpc_site, trusting
from server_tests.runtime.test_tls import Authority

DC1 = DCSpecificRequest(datacenter="dc1")


@dataclass
class Certificates:
    """A CA, a server's context, a client's with a certificate and one without."""

    authority: Authority
    server: ssl.SSLContext
    known: ssl.SSLContext
    unknown: ssl.SSLContext


@pytest.fixture
def certificates(tmp_path: Path) -> Certificates:
    authority = Authority(tmp_path, "ca")
    ours, theirs = authority.pair("server"), authority.pair("client")
    known = trusting(authority.ca_file)
    known.load_cert_chain(theirs.cert_file, theirs.key_file)
    return Certificates(
        authority,
        server_context(
            TlsSettings(
                cert_file=ours.cert_file,
                key_file=ours.key_file,
                ca_file=authority.ca_file,
                verify_incoming=True,
            )
        ),
        known,
        trusting(authority.ca_file),
    )


def client(context: ssl.SSLContext | None) -> RpcClient:
    return RpcClient(ClientLimits(), None if context is None else ClientTls(context, ""))


async def test_calls_go_over_yamux_in_tls(certificates: Certificates) -> None:
    async with rpc_site(tls=RpcTls(certificates.server, verify_incoming=True)) as port:
        ours = client(certificates.known)
        assert await ours.call(port.address, "Status.Leader", DC1, str) == "127.0.0.1:8300"
        await ours.close()


async def test_a_client_without_a_certificate_is_turned_away(certificates: Certificates) -> None:
    async with rpc_site(tls=RpcTls(certificates.server, verify_incoming=True)) as port:
        for context in (certificates.unknown, None):
            ours = client(context)
            with pytest.raises(RpcTransportError):
                await ours.call(port.address, "Status.Leader", DC1, str)
            await ours.close()


async def test_without_verify_incoming_the_clear_is_served_beside_tls(
    certificates: Certificates,
) -> None:
    async with rpc_site(tls=RpcTls(certificates.server, verify_incoming=False)) as port:
        for context in (certificates.known, None):
            ours = client(context)
            assert await ours.call(port.address, "Status.Leader", DC1, str) == "127.0.0.1:8300"
            await ours.close()


@pytest.mark.parametrize("byte", [FirstByte.TLS, FirstByte.TLS_INSECURE, FirstByte.GRPC])
async def test_inside_tls_what_is_not_served_is_closed(
    certificates: Certificates, byte: FirstByte
) -> None:
    async with rpc_site(tls=RpcTls(certificates.server, verify_incoming=True)) as port:
        stream = await dial(port.address, byte, ClientTls(certificates.known, ""))
        assert await stream.read() == b""
        stream.close()


async def test_calls_and_raft_are_served_inside_tls(certificates: Certificates) -> None:
    async with rpc_site(tls=RpcTls(certificates.server, verify_incoming=True)) as port:
        tls = ClientTls(certificates.known, "")
        stream = await dial(port.address, FirstByte.CONSUL, tls)
        assert (await Client(stream.reader, stream.writer).call("Status.Ping")).error == ""
        stream.close()
        raft = await dial(port.address, FirstByte.RAFT, tls)
        await raft.write(b"vote for me")
        assert await raft.read() == b"raft says hello"
        raft.close()
        assert port.raft == [b"vote for me"]


async def test_snapshots_go_both_ways_in_tls(certificates: Certificates) -> None:
    async def upload() -> AsyncIterator[bytes]:
        for number in range(50):
            yield bytes([number]) * 10_000

    async with rpc_site(tls=RpcTls(certificates.server, verify_incoming=True)) as port:
        ours = client(certificates.known)
        save = SnapshotRequest(datacenter="dc1", op=SnapshotOp.SAVE)
        response, archive = await ours.save_snapshot(port.address, save)
        assert response.index == 42
        assert b"".join([piece async for piece in archive]) == port.snapshots.archive
        restore = SnapshotRequest(datacenter="dc1", op=SnapshotOp.RESTORE)
        await ours.restore_snapshot(port.address, restore, upload())
        assert [len(one) for one in port.snapshots.restored] == [500_000]


async def test_an_upload_without_a_proper_end_is_not_restored(certificates: Certificates) -> None:
    async with rpc_site(tls=RpcTls(certificates.server, verify_incoming=True)) as port:
        tls = ClientTls(certificates.known, "")
        stream = await dial(port.address, FirstByte.SNAPSHOT, tls)
        restore = SnapshotRequest(datacenter="dc1", op=SnapshotOp.RESTORE)
        await stream.write(encode(restore) + b"the first half")
        await asyncio.sleep(1)
        stream.abort()  # the connection ends, and TLS has not said so
        await asyncio.sleep(1)
        assert port.snapshots.restored == []
        assert port.server.connection_count == 0


async def test_much_goes_through_tls_both_ways(certificates: Certificates) -> None:
    async with rpc_site(tls=RpcTls(certificates.server, verify_incoming=True)) as port:
        ours = client(certificates.known)
        entry = DirEntry(key="a", value=b"x" * (3 << 20))
        request = KVSRequest(datacenter="dc1", op="set", dir_ent=entry)
        await ours.call(port.address, "KVS.Apply", request, bool)
        asked = (
            ours.call(
                port.address, "KVS.Get", KeyRequest(datacenter="dc1", key="a"), IndexedDirEntries
            )
            for _ in range(4)
        )
        for found in await asyncio.gather(*asked):
            assert found.entries[0].value == b"x" * (3 << 20)
        await ours.close()


async def test_who_does_not_go_on_with_the_handshake_is_closed(certificates: Certificates) -> None:
    limits = RpcLimits(handshake_timeout_s=5, connections_per_client_max=100)
    tls = RpcTls(certificates.server, verify_incoming=True)
    async with rpc_site(tls=tls, limits=limits) as port:
        began_s = asyncio.get_running_loop().time()
        silent = await port.connect(b"\x03\x16")
        assert await silent.is_closed()
        assert asyncio.get_running_loop().time() - began_s == pytest.approx(5, abs=0.5)
        speaks_http = await port.connect(b"\x03GET / HTTP/1.1\r\n\r\n")
        await speaks_http.reader.read()
        await asyncio.sleep(1)
        assert port.server.connection_count == 0


async def test_a_new_certificate_is_shown_from_then_on(
    certificates: Certificates, tmp_path: Path
) -> None:
    async with rpc_site(tls=RpcTls(certificates.server, verify_incoming=True)) as port:
        ours = client(certificates.known)
        await ours.call(port.address, "Status.Ping", None, None)
        other = Authority(tmp_path, "other")
        pair = other.pair("server")
        context = server_context(TlsSettings(cert_file=pair.cert_file, key_file=pair.key_file))
        port.server.reload_tls(RpcTls(context, verify_incoming=False))
        await ours.call(port.address, "Status.Ping", None, None)  # it stays connected
        distrusting = client(certificates.known)
        with pytest.raises(RpcTransportError, match="CERTIFICATE_VERIFY_FAILED"):
            await distrusting.call(port.address, "Status.Ping", None, None)
        trusting_it = client(trusting(other.ca_file))
        await trusting_it.call(port.address, "Status.Ping", None, None)
        for one in (ours, distrusting, trusting_it):
            await one.close()


def test_the_loop_of_the_real_server_speaks_tls(certificates: Certificates) -> None:
    async def story() -> None:
        async with rpc_site(tls=RpcTls(certificates.server, verify_incoming=True)) as port:
            ours = client(certificates.known)
            assert await ours.call(port.address, "Status.Leader", DC1, str) == "127.0.0.1:8300"
            save = SnapshotRequest(datacenter="dc1", op=SnapshotOp.SAVE)
            _, archive = await ours.save_snapshot(port.address, save)
            assert b"".join([piece async for piece in archive]) == port.snapshots.archive
            await ours.close()

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(story())
