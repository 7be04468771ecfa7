"""Clusters over real sockets whose connections break, and what a broken peer cannot do."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from proconsul.raft.codec import encode_request
from proconsul.raft.messages import (
    AppendEntries,
    AppendReply,
    LeaderGone,
    Reply,
    Term,
    TimeoutNow,
    Token,
)
from proconsul.rpc.first_byte import FirstByte
from server_tests.runtime.raft_desk import HOST, ME, RaftDesk, raft_desk
from server_tests.runtime.raft_town import Member, town


def numbered(first: int, count: int) -> list[bytes]:
    """Commands that can be told apart."""
    return [b"command %d" % number for number in range(first, first + count)]


async def test_three_servers_elect_a_leader_and_agree_on_what_it_takes() -> None:
    async with town("s1", "s2", "s3") as servers:
        leader = await servers.leader()
        commands = numbered(0, 500)
        servers.propose(leader, *commands)
        await servers.agree_on(*commands)


async def test_two_servers_agree_although_replies_are_late_and_ready_in_any_order() -> None:
    async with town("s1", "s2") as servers:
        leader = await servers.leader()
        commands: list[bytes] = []
        late = [0.05, 0.0, 0.03, 0.2, 0.01]

        def delay(reply: Reply) -> float:
            return late[reply.token % len(late)]

        for member in servers.members.values():
            member.reply_delay = delay
        for begin in range(0, 300, 10):
            piece = numbered(begin, 10)
            commands += piece
            servers.propose(leader, *piece)
            await asyncio.sleep(0.05)
        await servers.agree_on(*commands)


async def test_a_cut_in_the_middle_of_pipelines_loses_no_entry_and_makes_none_twice() -> None:
    async with town("s1", "s2", "s3") as servers:
        leader = await servers.leader()
        term = leader.machine.node.term
        commands: list[bytes] = []
        lost: list[int] = []
        servers.on_cut = lambda: lost.append(_under_way(leader))
        for member in servers.members.values():
            # Entries wait for their reply while the next ones leave: the cut finds a full pipe.
            member.reply_delay = lambda reply: 0.01 if isinstance(reply, AppendReply) else 0.0
        for round_ in range(6):
            for member in servers.members.values():
                member.entries_until_cut = 12 + round_  # what came before it is answered
            piece = numbered(20 * round_, 20)
            commands += piece
            for command in piece:
                servers.propose(leader, command)
                await asyncio.sleep(0.002)
            await servers.agree_on(*commands)
        assert max(lost) > 1, lost
        assert leader.machine.node.term == term


def _under_way(leader: Member) -> int:
    leadership = leader.machine.node.leadership
    assert leadership is not None
    return max(one.entries_under_way for one in leadership.followers.values())


async def test_the_others_elect_a_leader_when_theirs_falls_silent() -> None:
    async with town("s1", "s2", "s3") as servers:
        first = await servers.leader()
        servers.propose(first, b"before")
        await servers.agree_on(b"before")
        await first.stop()
        others = [one for one in servers.members.values() if one is not first]
        await servers.until(lambda: any(one.machine.node.is_leader for one in others))
        second = next(one for one in others if one.machine.node.is_leader)
        servers.propose(second, b"after")
        await servers.until(
            lambda: all(one.machine.state == (b"before", b"after") for one in others)
        )


async def test_a_server_that_lacks_too_much_gets_the_snapshot_in_pieces() -> None:
    async with town("s1", "s2", "s3") as servers:
        leader = await servers.leader()
        late = next(one for one in servers.members.values() if one is not leader)
        await late.stop()
        present = [one for one in servers.members.values() if one is not late]
        commands = numbered(0, 400)
        servers.propose(leader, *commands)
        await servers.until(lambda: all(len(one.machine.state) == 400 for one in present))
        for one in present:
            one.machine.compact(0)

        await late.restart()
        await servers.agree_on(*commands)
        assert late.snapshots_taken == 1
        assert late.bodies == {}


async def test_the_end_of_the_connection_with_the_heartbeats_is_told_and_no_other() -> None:
    async with raft_desk() as desk, connection(desk) as beats:
        beats.write(encode_request(AppendEntries(token=Token(1), term=Term(2), leader=ME)))
        await desk.inbox.get()
        async with connection(desk) as votes:
            votes.write(encode_request(TimeoutNow(token=Token(2))))
            await desk.inbox.get()
        await asyncio.sleep(0.2)
        assert desk.gone == []
        beats.close()
        async with asyncio.timeout(10):
            while not desk.gone:  # noqa: ASYNC110 - the desk tells nobody
                await asyncio.sleep(0.01)
        assert desk.gone == [LeaderGone(leader=ME)]


async def test_an_older_connection_of_the_leader_may_end() -> None:
    beat = encode_request(AppendEntries(token=Token(1), term=Term(2), leader=ME))
    async with raft_desk() as desk, connection(desk) as older, connection(desk) as newer:
        for writer in (older, newer):
            writer.write(beat)
            await desk.inbox.get()
        older.close()
        await asyncio.sleep(0.2)
        assert desk.gone == []


@asynccontextmanager
async def connection(desk: RaftDesk) -> AsyncIterator[asyncio.StreamWriter]:
    """A leader's, behind its first byte."""
    _, writer = await asyncio.open_connection(HOST, desk.port)
    writer.write(bytes([FirstByte.RAFT]))
    try:
        yield writer
    finally:
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()
