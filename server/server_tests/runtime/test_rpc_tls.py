"""The RPC port in TLS: byte 3, the handshake, and the byte inside; who may speak raft."""

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
from proconsul.runtime.rpc_client import ClientLimits, RpcClient, RpcTransportError, dial
from proconsul.runtime.tls import ClientTls, RpcTls, rpc_incoming, rpc_outgoing
from proconsul.wire.gostruct import encode
from server_tests.runtime.certificates import SERVER, Authority, tls_keys
from server_tests.runtime.rpc_site import Client, rpc_site

DC1 = DCSpecificRequest(datacenter="dc1")


@dataclass
class Certificates:
    """A CA, a server that wants certificates, contexts of clients with one and without."""

    authority: Authority
    server: RpcTls
    known: ssl.SSLContext
    unknown: ssl.SSLContext


def incoming(authority: Authority, **keys: object) -> RpcTls:
    pair = authority.pair("server", SERVER)
    tls = tls_keys(pair, authority.ca_file, **keys)
    return rpc_incoming(tls, datacenter="dc1", domain="consul.")


@pytest.fixture
def certificates(tmp_path: Path) -> Certificates:
    authority = Authority(tmp_path, "ca")
    return Certificates(
        authority,
        incoming(authority, verify_incoming=True),
        authority.trusted(authority.pair("client", "client.dc1.consul")),
        authority.trusted(),
    )


def client(context: ssl.SSLContext | None) -> RpcClient:
    return RpcClient(ClientLimits(), None if context is None else ClientTls(context, ""))


async def test_calls_go_over_yamux_in_tls(certificates: Certificates) -> None:
    async with rpc_site(tls=certificates.server) as port:
        ours = client(certificates.known)
        assert await ours.call(port.address, "Status.Leader", DC1, str) == "127.0.0.1:8300"
        await ours.close()


async def test_a_client_without_a_certificate_is_turned_away(certificates: Certificates) -> None:
    async with rpc_site(tls=certificates.server) as port:
        for context in (certificates.unknown, None):
            ours = client(context)
            with pytest.raises(RpcTransportError):
                await ours.call(port.address, "Status.Leader", DC1, str)
            await ours.close()


async def test_without_verify_incoming_the_clear_is_served_beside_tls(
    certificates: Certificates,
) -> None:
    async with rpc_site(tls=incoming(certificates.authority)) as port:
        for context in (certificates.known, None):
            ours = client(context)
            assert await ours.call(port.address, "Status.Leader", DC1, str) == "127.0.0.1:8300"
            await ours.close()


@pytest.mark.parametrize("byte", [FirstByte.TLS, FirstByte.TLS_INSECURE, FirstByte.GRPC])
async def test_inside_tls_what_is_not_served_is_closed(
    certificates: Certificates, byte: FirstByte
) -> None:
    async with rpc_site(tls=certificates.server) as port:
        stream = await dial(port.address, byte, ClientTls(certificates.known, ""))
        assert await stream.read() == b""
        stream.close()


async def test_calls_and_raft_are_served_inside_tls(certificates: Certificates) -> None:
    async with rpc_site(tls=certificates.server) as port:
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

    async with rpc_site(tls=certificates.server) as port:
        ours = client(certificates.known)
        save = SnapshotRequest(datacenter="dc1", op=SnapshotOp.SAVE)
        response, archive = await ours.save_snapshot(port.address, save)
        assert response.index == 42
        assert b"".join([piece async for piece in archive]) == port.snapshots.archive
        restore = SnapshotRequest(datacenter="dc1", op=SnapshotOp.RESTORE)
        await ours.restore_snapshot(port.address, restore, upload())
        assert [len(one) for one in port.snapshots.restored] == [500_000]


async def test_an_upload_without_a_proper_end_is_not_restored(certificates: Certificates) -> None:
    async with rpc_site(tls=certificates.server) as port:
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
    async with rpc_site(tls=certificates.server) as port:
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


async def test_a_new_certificate_is_shown_from_then_on(
    certificates: Certificates, tmp_path: Path
) -> None:
    async with rpc_site(tls=certificates.server) as port:
        ours = client(certificates.known)
        await ours.call(port.address, "Status.Ping", None, None)
        other = Authority(tmp_path, "other")
        port.server.reload_tls(incoming(other))
        await ours.call(port.address, "Status.Ping", None, None)  # it stays connected
        distrusting = client(certificates.known)
        with pytest.raises(RpcTransportError, match="CERTIFICATE_VERIFY_FAILED"):
            await distrusting.call(port.address, "Status.Ping", None, None)
        trusting_it = client(other.trusted())
        await trusting_it.call(port.address, "Status.Ping", None, None)
        for one in (ours, distrusting, trusting_it):
            await one.close()


def test_the_loop_of_the_real_server_speaks_tls(certificates: Certificates) -> None:
    async def story() -> None:
        async with rpc_site(tls=certificates.server) as port:
            ours = client(certificates.known)
            assert await ours.call(port.address, "Status.Leader", DC1, str) == "127.0.0.1:8300"
            save = SnapshotRequest(datacenter="dc1", op=SnapshotOp.SAVE)
            _, archive = await ours.save_snapshot(port.address, save)
            assert b"".join([piece async for piece in archive]) == port.snapshots.archive
            await ours.close()

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(story())


# ---------------------------------------------------------------- names


def outgoing(authority: Authority, **keys: object) -> RpcClient:
    pair = authority.pair("dialling", SERVER)
    tls = tls_keys(pair, authority.ca_file, verify_outgoing=True, **keys)
    return RpcClient(ClientLimits(), rpc_outgoing(tls, datacenter="dc1", domain="consul"))


async def test_a_client_that_verifies_names_calls_nobody_but_servers(tmp_path: Path) -> None:
    authority = Authority(tmp_path, "ca")
    impostor = authority.pair("impostor", "client.dc1.consul")
    tls = tls_keys(impostor, authority.ca_file, verify_incoming=True)
    async with rpc_site(tls=rpc_incoming(tls, datacenter="dc1", domain="consul")) as port:
        trustful, strict = outgoing(authority), outgoing(authority, verify_server_hostname=True)
        assert await trustful.call(port.address, "Status.Leader", DC1, str)
        with pytest.raises(RpcTransportError, match="Hostname mismatch") as refused:
            await strict.call(port.address, "Status.Leader", DC1, str)
        assert not refused.value.sent
        port.server.reload_tls(incoming(authority, verify_incoming=True))
        assert await strict.call(port.address, "Status.Leader", DC1, str)
        for one in (trustful, strict):
            await one.close()


async def test_a_client_takes_new_certificates_for_its_next_connection(tmp_path: Path) -> None:
    old, new = Authority(tmp_path, "old"), Authority(tmp_path, "new")
    async with rpc_site(tls=incoming(old, verify_incoming=True)) as port:
        ours = outgoing(old)
        await ours.call(port.address, "Status.Ping", None, None)
        port.server.reload_tls(incoming(new, verify_incoming=True))
        await ours.call(port.address, "Status.Ping", None, None)
        assert port.server.connection_count == 1
        ours.drop(port.address)
        with pytest.raises(RpcTransportError, match="CERTIFICATE_VERIFY_FAILED"):
            await ours.call(port.address, "Status.Ping", None, None)
        later = outgoing(new)
        ours.tls = later.tls
        await ours.call(port.address, "Status.Ping", None, None)
        await ours.close()


@pytest.mark.parametrize(
    ("name", "verify", "is_heard"),
    [
        (SERVER, True, True),
        ("*.dc1.consul", True, True),
        ("client.dc1.consul", True, False),
        ("server.dc2.consul", True, False),
        ("client.dc1.consul", False, True),
    ],
)
async def test_raft_is_for_servers_where_names_are_verified(
    tmp_path: Path, name: str, *, verify: bool, is_heard: bool
) -> None:
    authority = Authority(tmp_path, "ca")
    server = incoming(authority, verify_incoming=True, verify_server_hostname=verify)
    context = authority.trusted(authority.pair("peer", name))
    async with rpc_site(tls=server) as port:
        raft = await dial(port.address, FirstByte.RAFT, ClientTls(context, ""))
        await raft.write(b"vote for me")
        assert await raft.read() == (b"raft says hello" if is_heard else b"")
        raft.close()
        # Calls are for any agent.
        calls = await dial(port.address, FirstByte.CONSUL, ClientTls(context, ""))
        assert (await Client(calls.reader, calls.writer).call("Status.Ping")).error == ""
        calls.close()
        assert len(port.raft) == is_heard
