"""A server of ours with a chain for its state, as a process: raft, disk and port as the agent's.

    python -m server_tests.mixed.chain_server -id=ID -bind=IP:PORT -http=IP:PORT -dir=DIR
        [-bootstrap=ID=IP:PORT,...] [-trailing=64] [-threshold=8192]

Flags and HTTP paths are those of RAFT_PEER, so that a test steers both kinds alike.
"""

import argparse
import asyncio
import json
import os
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import parse_qs, urlsplit

from proconsul.endpoints.methods import Methods
from proconsul.errors import ProconsulError, RpcError
from proconsul.raft.effects import RefusedError, Role
from proconsul.raft.membership import AddNonvoter, AddVoter, RemoveServer
from proconsul.raft.messages import Configuration, Peer, Server, ServerAddress, ServerId
from proconsul.raft.node import Settings
from proconsul.rpc.snapshot_stream import (
    NamedSnapshotResponse,
    SnapshotRequest,
    SnapshotResponse,
)
from proconsul.runtime import logs, snapshot_archive
from proconsul.runtime.agent_settings import HEARTBEAT_S
from proconsul.runtime.data_dir import DataDir
from proconsul.runtime.disk import RealDisk
from proconsul.runtime.raft_driver import TICK_S, RaftDriver
from proconsul.runtime.raft_ports import Hooks
from proconsul.runtime.raft_snapshots import RaftSnapshots, SnapshotPolicy
from proconsul.runtime.raft_transport import LIMITS, RaftTransport, raft_dial
from proconsul.runtime.rpc_server import Calls, RpcLimits, RpcServer
from proconsul.runtime.rpc_snapshots import Archive
from proconsul.runtime.server_lookup import StoredAddresses
from proconsul.runtime.snapshot_archive import Spool
from proconsul.runtime.snapshot_exchange import SnapshotExchange
from proconsul.runtime.storage import open_storage
from proconsul.runtime.tls import NO_TLS
from proconsul.telemetry import Telemetry
from server_tests.mixed.chain import CHAIN, head, links

ELECTION_S, LEASE_S = 1.0, 0.5  # Consul's with raft_multiplier 1
SNAPSHOT_INTERVAL_S = 2.0
BODY_BYTES_MAX = 64 * 1024 * 1024

log = logs.logger("raft")


class NoSnapshots:
    """The port's snapshot byte is not what is tested."""

    async def save(self, request: SnapshotRequest) -> tuple[SnapshotResponse, Archive]:
        """Refuse."""
        raise RpcError("no snapshots here")

    async def restore(self, request: SnapshotRequest, archive: Archive) -> NamedSnapshotResponse:
        """Refuse."""
        raise RpcError("no snapshots here")


async def no_calls(method: str, request: Any) -> Any:
    """Refuse."""
    raise RpcError(f"rpc: can't find method {method}")


class ChainServer:
    """Everything of one server."""

    def __init__(self, options: argparse.Namespace) -> None:
        self._options = options
        data = DataDir(options.dir)
        data.prepare()
        self._kept = kept = open_storage(data, RealDisk(), machine=CHAIN)
        me = Peer(ServerId(options.id), ServerAddress(options.bind))
        self._driver = RaftDriver(
            me,
            Settings(
                heartbeat_ticks=round(HEARTBEAT_S / TICK_S),
                election_ticks=round(ELECTION_S / TICK_S),
                lease_ticks=round(LEASE_S / TICK_S),
            ),
            kept.wal,
            data.log,
            kept.replicated,
            kept.snapshot,
            Hooks(
                leadership=lambda _: None,
                events=lambda _: None,
                log=lambda level, line: log.log(logs.LEVELS[level], line),
                fatal=_end,
            ),
        )
        self._snapshots = RaftSnapshots(
            kept.snapshot_files,
            kept.replicated,
            self._driver,
            SnapshotPolicy(
                interval_s=SNAPSHOT_INTERVAL_S,
                threshold=options.threshold,
                trailing=options.trailing,
            ),
            lambda _: None,
        )
        exchange = SnapshotExchange(
            kept.snapshot_files,
            kept.replicated,
            self._driver,
            self._snapshots.one_at_a_time,
            lambda _: None,
        )
        transport = RaftTransport(
            me=me,
            lookup=StoredAddresses(),
            dial=raft_dial(lambda: None),
            deliver=self._driver.deliver,
            source=exchange,
            sink=exchange,
            limits=LIMITS,
        )
        self._driver.connect(transport, exchange)
        self._port = RpcServer(
            calls=Calls(Methods({}), no_calls),
            insecure_calls=Calls(Methods({}), no_calls),
            snapshots=NoSnapshots(),
            raft_handoff=transport.handoff,
            limits=RpcLimits(handshake_timeout_s=5.0, connections_per_client_max=0),
            tls=NO_TLS,
            telemetry=Telemetry(),
        )

    async def run(self) -> None:
        """Serve until the process is killed."""
        await self._port.listen(*_host_port(self._options.bind))
        self._driver.start()
        node = self._driver.node
        if self._options.bootstrap and not node.configuration.servers and not node.last_index:
            self._driver.bootstrap(_members(self._options.bootstrap))
        await asyncio.start_server(
            self._answer, *_host_port(self._options.http), limit=BODY_BYTES_MAX
        )
        await self._snapshots.run()

    # ------------------------------------------------------------ HTTP

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One request, then the connection ends."""
        try:
            head_ = (await reader.readuntil(b"\r\n\r\n")).decode().splitlines()
            url = urlsplit(head_[0].split()[1])
            fields = dict(line.lower().split(": ", 1) for line in head_[1:] if line)
            body = await reader.readexactly(int(fields.get("content-length", 0)))
            query = {name: values[0] for name, values in parse_qs(url.query).items()}
            try:
                value = await self._handlers()[url.path](query, body)
                status, text = "200 OK", json.dumps(value)
            except (ProconsulError, RefusedError) as failure:
                status, text = "500 Internal Server Error", str(failure)
            writer.write(f"HTTP/1.0 {status}\r\nContent-Length: {len(text)}\r\n\r\n{text}".encode())
            await writer.drain()
        except (OSError, asyncio.IncompleteReadError) as failure:
            log.debug("steering: %s", failure)
        finally:
            writer.close()

    def _handlers(self) -> dict[str, Callable[[dict[str, str], bytes], Awaitable[Any]]]:
        return {
            "/stats": self._stats,
            "/config": self._config,
            "/log": self._log,
            "/apply": self._apply,
            "/verify": self._verify,
            "/snapshot": self._snapshot,
            "/restore": self._restore,
            "/transfer": self._transfer,
            "/addvoter": self._add_voter,
            "/addnonvoter": self._add_nonvoter,
            "/remove": self._remove,
        }

    async def _stats(self, query: dict[str, str], body: bytes) -> dict[str, str]:
        node = self._driver.node
        stats = {
            "state": "Leader" if node.role is Role.LEADER else node.role.value,
            "term": node.term,
            "last_log_index": node.last_index,
            "applied_index": node.applied_index,
            "last_snapshot_index": node.snapshot.index,
        }
        return {name: str(value) for name, value in stats.items()}

    async def _config(self, query: dict[str, str], body: bytes) -> dict[str, Any]:
        servers = [
            {"Suffrage": int(one.suffrage), "ID": one.id, "Address": one.address}
            for one in self._driver.servers()
        ]
        return {"Servers": servers}

    async def _log(self, query: dict[str, str], body: bytes) -> dict[str, Any]:
        state = self._kept.replicated.state.read()
        at = head(state)
        return {"Chain": at.chain, "Count": at.count, "Applied": links(state)}

    async def _apply(self, query: dict[str, str], body: bytes) -> Any:
        return await self._driver.propose(body)

    async def _verify(self, query: dict[str, str], body: bytes) -> str:
        await self._driver.confirm_leadership()
        return "ok"

    async def _snapshot(self, query: dict[str, str], body: bytes) -> str:
        await self._snapshots.take()
        return "ok"

    async def _restore(self, query: dict[str, str], body: bytes) -> str:
        state = Spool()
        state.write(body)
        node = self._driver.node
        meta = node.snapshot_meta(node.applied_index)
        await self._snapshots.restore(snapshot_archive.pieces(meta, len(body), state))
        return "ok"

    async def _transfer(self, query: dict[str, str], body: bytes) -> str:
        await self._driver.transfer(ServerId(query["id"]) if "id" in query else None)
        return "ok"

    async def _add_voter(self, query: dict[str, str], body: bytes) -> str:
        await self._driver.change(AddVoter(ServerId(query["id"]), ServerAddress(query["addr"])))
        return "ok"

    async def _add_nonvoter(self, query: dict[str, str], body: bytes) -> str:
        await self._driver.change(AddNonvoter(ServerId(query["id"]), ServerAddress(query["addr"])))
        return "ok"

    async def _remove(self, query: dict[str, str], body: bytes) -> str:
        await self._driver.change(RemoveServer(ServerId(query["id"])))
        return "ok"


def _end(failure: BaseException) -> None:
    log.error("the server ends: %r", failure)
    os._exit(1)


def _host_port(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    return host, int(port)


def _members(text: str) -> Configuration:
    pairs = (pair.split("=", 1) for pair in text.split(","))
    return Configuration(
        tuple(Server(ServerId(name), ServerAddress(address)) for name, address in pairs)
    )


def main() -> None:
    """Parse the flags and serve."""
    parser = argparse.ArgumentParser(prefix_chars="-", allow_abbrev=False)
    for flag in ("-id", "-bind", "-http", "-dir"):
        parser.add_argument(flag, required=True)
    parser.add_argument("-bootstrap", default="")
    parser.add_argument("-trailing", type=int, default=64)
    parser.add_argument("-threshold", type=int, default=8192)
    options = parser.parse_args()

    async def serve() -> None:
        await ChainServer(options).run()

    logs.start("DEBUG", as_json=False)
    asyncio.run(serve())


if __name__ == "__main__":
    main()
