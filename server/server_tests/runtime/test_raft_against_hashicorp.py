"""Messages to and from a server of HashiCorp's own raft library. Runs where RAFT_PEER names one."""

import asyncio
import json
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest

from proconsul.raft.effects import Send
from proconsul.raft.entry import Entry
from proconsul.raft.messages import (
    AppendEntries,
    AppendReply,
    Configuration,
    EntryKind,
    Index,
    InstallReply,
    InstallSnapshot,
    Message,
    PreVote,
    PreVoteReply,
    Request,
    RequestVote,
    Server,
    ServerAddress,
    ServerId,
    SnapshotMeta,
    Term,
    TimeoutNow,
    TimeoutNowReply,
    Token,
    VoteReply,
)
from server_tests.loopback import address
from server_tests.runtime.raft_desk import HOST, ME, RaftDesk, raft_desk

RAFT_PEER = os.environ.get("RAFT_PEER", "")
PEER_HOST = address(120)
THEM = Server(ServerId("them"), ServerAddress(f"{PEER_HOST}:8300"))

pytestmark = [
    pytest.mark.skipif(not RAFT_PEER, reason="RAFT_PEER names no server of hashicorp/raft"),
    pytest.mark.real_clock,
]


@asynccontextmanager
async def hashicorp(folder: Path, *options: str) -> AsyncIterator[None]:
    """A server with ours as the other voter."""
    process = await asyncio.create_subprocess_exec(
        *(RAFT_PEER, "-id=them", f"-bind={THEM.address}", f"-http={PEER_HOST}:8500"),
        *(f"-dir={folder}", f"-bootstrap=them={THEM.address},me={ME.address}", *options),
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        async with asyncio.timeout(10):
            while await steer("/stats") is None:  # noqa: ASYNC110 - another process
                await asyncio.sleep(0.02)
        yield
    finally:
        process.kill()
        await process.wait()


async def steer(path: str, body: bytes = b"") -> Any:
    """Its answer; None while it is not there."""
    try:
        reader, writer = await asyncio.open_connection(PEER_HOST, 8500)
    except ConnectionRefusedError:
        return None
    head = f"POST {path} HTTP/1.0\r\nContent-Length: {len(body)}\r\n\r\n"
    writer.write(head.encode() + body)
    answer = await reader.read()
    writer.close()
    head_, _, text = answer.partition(b"\r\n\r\n")
    assert b" 200 " in head_.splitlines()[0], answer
    return json.loads(text)


async def ask(desk: RaftDesk, *requests: Request) -> list[Message]:
    """The outcomes, past whatever the peer asks meanwhile."""
    for request in requests:
        desk.transport.send(Send(THEM, request))
    outcomes: list[Message] = []
    async with asyncio.timeout(10):
        while len(outcomes) < len(requests):
            message = await desk.inbox.get()
            if not isinstance(message, Request):
                outcomes.append(message)
    return outcomes


async def test_it_answers_what_a_leader_of_ours_asks(tmp_path: Path) -> None:
    async with hashicorp(tmp_path, "-multiplier=10"), raft_desk() as desk:
        pre_vote = PreVote(
            token=Token(1), term=Term(2), candidate=ME, last_index=Index(1), last_term=Term(1)
        )
        vote = RequestVote(
            token=Token(2), term=Term(2), candidate=ME, last_index=Index(1), last_term=Term(1)
        )
        assert await ask(desk, pre_vote) == [
            PreVoteReply(token=Token(1), term=Term(2), granted=True)
        ]
        assert await ask(desk, vote) == [VoteReply(token=Token(2), term=Term(2), granted=True)]
        assert await ask(desk, AppendEntries(token=Token(3), term=Term(2), leader=ME)) == [
            AppendReply(token=Token(3), term=Term(2), accepted=True, last_index=Index(1))
        ]
        await _replicate(desk)
        await _install(desk)
        assert await ask(desk, TimeoutNow(token=Token(99))) == [TimeoutNowReply(token=Token(99))]


async def _replicate(desk: RaftDesk) -> None:
    """Three hundred entries, each in a message of its own, all under way at once."""
    requests = [
        AppendEntries(
            token=Token(index),
            term=Term(2),
            leader=ME,
            previous_index=Index(index - 1),
            previous_term=Term(1 if index == 2 else 2),
            entries=(Entry(Index(index), Term(2), EntryKind.COMMAND, b"%d" % index),),
            commit_index=Index(index - 1),
        )
        for index in range(2, 302)
    ]
    outcomes = await ask(desk, *requests)
    assert [one.token for one in outcomes] == list(range(2, 302))
    assert all(isinstance(one, AppendReply) and one.accepted for one in outcomes)
    ahead = msgspec.structs.replace(requests[-1], previous_index=Index(900), entries=())
    (refused,) = await ask(desk, ahead)
    assert isinstance(refused, AppendReply)
    assert (refused.accepted, refused.last_index) == (False, 301)
    assert (await steer("/log"))["Count"] == 299  # all but the last are committed


async def _install(desk: RaftDesk) -> None:
    desk.snapshots.body = json.dumps({"Chain": "x" * 3_000_000, "Count": 7}).encode()
    meta = SnapshotMeta(
        index=Index(1000),
        term=Term(2),
        configuration=Configuration((THEM, Server(ME.id, ME.address))),
        configuration_index=Index(1),
    )
    request = InstallSnapshot(token=Token(5), term=Term(2), leader=ME, snapshot=meta)
    assert await ask(desk, request) == [InstallReply(token=Token(5), term=Term(2), accepted=True)]
    assert (await steer("/log"))["Count"] == 7


async def test_what_it_asks_as_candidate_and_leader_is_understood(tmp_path: Path) -> None:
    heard: set[str] = set()
    async with raft_desk(host=HOST, port=8300) as desk, hashicorp(tmp_path, "-multiplier=1"):
        proposing: asyncio.Task[Any] | None = None
        last_index, entries = 1, 0
        async with asyncio.timeout(15):
            while entries < 2 or "heartbeat" not in heard:
                request = await desk.inbox.get()
                heard.add(type(request).__name__)
                match request:
                    case PreVote(token=token, term=term, candidate=candidate):
                        assert candidate.id == "them"
                        desk.transport.reply(PreVoteReply(token=token, term=term, granted=True))
                    case RequestVote(token=token, term=term, candidate=candidate):
                        assert candidate.address == THEM.address
                        desk.transport.reply(VoteReply(token=token, term=term, granted=True))
                    case AppendEntries(token=token, term=term):
                        if request.is_heartbeat:
                            heard.add("heartbeat")
                        last_index = max([last_index, *(one.index for one in request.entries)])
                        entries += sum(one.data == b"hello" for one in request.entries)
                        if request.entries and proposing is None:
                            proposing = asyncio.create_task(_apply_two())
                        desk.transport.reply(
                            AppendReply(
                                token=token, term=term, accepted=True, last_index=Index(last_index)
                            )
                        )
                    case _:
                        raise AssertionError(request)
            while proposing is not None and not proposing.done():
                request = await desk.inbox.get()
                assert isinstance(request, AppendEntries)
                desk.transport.reply(
                    AppendReply(token=request.token, term=request.term, accepted=True)
                )
    assert heard == {"PreVote", "RequestVote", "AppendEntries", "heartbeat"}


async def _apply_two() -> None:
    for _ in range(2):
        await steer("/apply", b"hello")
