"""Raft in TLS: three servers that believe nobody without a server's certificate."""

import ssl
from pathlib import Path

import pytest

from proconsul.runtime.raft_transport import raft_dial
from proconsul.runtime.tls import ClientTls, RpcTls, rpc_incoming, rpc_outgoing
from server_tests.runtime.certificates import SERVER, Authority, Pair, tls_keys
from server_tests.runtime.raft_town import town
from server_tests.runtime.rpc_site import rpc_site

STRICT = {"verify_incoming": True, "verify_outgoing": True, "verify_server_hostname": True}


def both_ways(authority: Authority, pair: Pair) -> tuple[RpcTls, ClientTls]:
    """What a server makes of its configuration."""
    tls = tls_keys(pair, authority.ca_file, **STRICT)
    outgoing = rpc_outgoing(tls, datacenter="dc1", domain="consul")
    assert outgoing is not None
    return rpc_incoming(tls, datacenter="dc1", domain="consul"), outgoing


def numbered(first: int, count: int) -> list[bytes]:
    return [f"command {number}".encode() for number in range(first, first + count)]


async def test_servers_elect_replicate_and_catch_up_in_tls(tmp_path: Path) -> None:
    authority = Authority(tmp_path, "ca")
    incoming, outgoing = both_ways(authority, authority.pair("server", SERVER))
    async with town("s1", "s2", "s3", incoming=incoming, outgoing=outgoing) as servers:
        leader = await servers.leader()
        late = next(one for one in servers.members.values() if one is not leader)
        servers.propose(leader, *numbered(0, 10))
        await servers.agree_on(*numbered(0, 10))
        await late.stop()
        present = [one for one in servers.members.values() if one is not late]
        servers.propose(leader, *numbered(10, 400))
        await servers.until(lambda: all(len(one.machine.state) == 410 for one in present))
        for one in present:
            one.machine.compact(0)
        await late.restart()  # a snapshot comes in TLS, too
        await servers.agree_on(*numbered(0, 410))
        assert late.snapshots_taken == 1


async def test_new_certificates_are_for_new_connections_and_old_ones_live_on(
    tmp_path: Path,
) -> None:
    old, new = Authority(tmp_path, "old"), Authority(tmp_path, "new")
    first = both_ways(old, old.pair("server", SERVER))
    async with town("s1", "s2", incoming=first[0], outgoing=first[1]) as servers:
        leader = await servers.leader()
        servers.incoming, servers.outgoing = both_ways(new, new.pair("server", SERVER))
        servers.propose(leader, b"on what is open")
        await servers.agree_on(b"on what is open")
        for one in servers.members.values():
            one.cut()
        leader = await servers.leader()
        servers.propose(leader, b"on new connections")
        await servers.agree_on(b"on what is open", b"on new connections")


@pytest.mark.parametrize(
    ("dialling", "listening"),
    [("client.dc1.consul", SERVER), (SERVER, "client.dc1.consul"), (SERVER, "server.dc2.consul")],
)
async def test_nobody_is_elected_among_servers_whose_certificates_are_of_others(
    tmp_path: Path, dialling: str, listening: str
) -> None:
    authority = Authority(tmp_path, "ca")
    incoming, _ = both_ways(authority, authority.pair("listening", listening))
    _, outgoing = both_ways(authority, authority.pair("dialling", dialling))
    async with town("s1", "s2", incoming=incoming, outgoing=outgoing) as servers:
        with pytest.raises(TimeoutError):
            await servers.until(
                lambda: any(one.machine.node.is_leader for one in servers.members.values()), 30.0
            )


async def test_a_certificate_that_is_not_believed_is_told_once_for_each_reason(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    authority = Authority(tmp_path, "ca")
    wrong, _ = both_ways(authority, authority.pair("listening", "client.dc1.consul"))
    right, outgoing = both_ways(authority, authority.pair("server", SERVER))
    dial = raft_dial(lambda: outgoing)

    def told() -> int:
        return sum("Hostname mismatch" in record.getMessage() for record in caplog.records)

    async with rpc_site(tls=wrong) as port:
        for _ in range(3):
            with pytest.raises(ssl.SSLCertVerificationError):
                await dial(port.address)
        assert told() == 1
        port.server.reload_tls(right)
        (await dial(port.address)).close()
        port.server.reload_tls(wrong)
        with pytest.raises(ssl.SSLCertVerificationError):
            await dial(port.address)
        assert told() == 2
