"""Sending a snapshot to a server that cannot take it."""

import asyncio
import logging
from collections.abc import AsyncGenerator

import pytest

from proconsul.errors import RpcError
from proconsul.raft.messages import (
    Configuration,
    Index,
    InstallSnapshot,
    Lost,
    Message,
    Peer,
    Server,
    ServerAddress,
    ServerId,
    SnapshotMeta,
    Term,
    Token,
)
from proconsul.runtime.raft_snapshot_sending import SnapshotBody, SnapshotSender
from proconsul.runtime.rpc_streams import SocketStream

AWAY = Server(ServerId("away"), ServerAddress("127.0.0.1:1"))
ME = Peer(ServerId("me"), ServerAddress("127.0.0.1:2"))


class Source:
    """Has every snapshot, or tells why not."""

    refusal = ""

    async def open(self, snapshot: SnapshotMeta) -> SnapshotBody:
        if self.refusal:
            raise RpcError(self.refusal)
        return SnapshotBody(0, self._nothing())

    async def _nothing(self) -> AsyncGenerator[bytes, None]:
        for _ in ():
            yield b""


async def nobody_there(_: Server) -> SocketStream:
    raise ConnectionRefusedError("connection refused")


def request(token: int) -> InstallSnapshot:
    meta = SnapshotMeta(
        index=Index(9),
        term=Term(1),
        configuration=Configuration((AWAY,)),
        configuration_index=Index(1),
    )
    return InstallSnapshot(token=Token(token), term=Term(1), leader=ME, snapshot=meta)


async def test_who_is_away_for_long_is_a_line_in_the_log_and_not_one_for_each_try(
    caplog: pytest.LogCaptureFixture,
) -> None:
    outcomes: asyncio.Queue[Message] = asyncio.Queue()
    source = Source()
    sender = SnapshotSender(AWAY, nobody_there, outcomes.put_nowait, source, 1.0)
    with caplog.at_level(logging.INFO):
        for token in range(20):
            sender.send(request(token))
            assert await outcomes.get() == Lost(token=Token(token))
        assert [line.message for line in caplog.records] == [
            "cannot send a snapshot to away, will retry: connection refused"
        ]
        caplog.clear()
        source.refusal = "there is no snapshot any more"
        sender.send(request(20))
        await outcomes.get()
        assert "no snapshot any more" in caplog.text  # something else is news
    await sender.stop()
