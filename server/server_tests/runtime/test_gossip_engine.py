"""Serf in its world: what is heard first, what is told first, what waits for what."""

import asyncio
import random
import secrets
import socket
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import pytest

from proconsul.gossip import packets
from proconsul.gossip.address import Address, address_of
from proconsul.gossip.admission import Everybody
from proconsul.gossip.effects import Level, MemberChanged, PoolMember
from proconsul.gossip.framing import Framing
from proconsul.gossip.joining import JoinTarget
from proconsul.gossip.key_rotation import KeyOperation
from proconsul.gossip.keyring import Keyring
from proconsul.gossip.merging import SLICE_ROWS
from proconsul.gossip.messages import Alive, NodeState, PushedNode, PushPull
from proconsul.gossip.serf import Serf
from proconsul.gossip.settings import GossipSettings, SerfSettings
from proconsul.gossip.snapshot import Kept
from proconsul.runtime.disk import RealDisk
from proconsul.runtime.gossip_engine import TURN_S, GossipEngine, Heard
from proconsul.runtime.gossip_files import GossipFiles
from proconsul.runtime.gossip_sockets import open_sockets
from server_tests.runtime.gossip_node import PoolNode, place, pool, until

HOST, OTHER = place(21), place(22)
PORT = 8301
KEY, NEW_KEY = b"k" * 16, b"n" * 32

pytestmark = pytest.mark.real_clock


COST_S = {b"slow": TURN_S / 4, b"brisk": TURN_S / 40}  # what hearing them takes


class NotingSerf(Serf):
    """Notes what it was called for, and takes its time with datagrams."""

    notes: list[str]
    fails_at = 0  # the slice at which it makes a mistake

    def receive(self, datagram: bytes, source: Address, now_s: float) -> None:
        self.notes.append("heard")
        if datagram in COST_S:
            hold(COST_S[datagram])
        else:
            super().receive(datagram, source, now_s)

    def go_on(self, now_s: float) -> None:
        self.notes.append("slice")
        say(b"brisk")
        if self.fails_at == self.notes.count("slice"):
            raise KeyError("a mistake of ours")
        super().go_on(now_s)

    def tick(self, now_s: float) -> None:
        self.notes.append("tick")
        super().tick(now_s)


def hold(seconds: float) -> None:
    """Keep the thread busy."""
    until_s = time.monotonic() + seconds
    while time.monotonic() < until_s:
        pass


class World:
    """An engine on the test's own loop, and all that it tells."""

    def __init__(self, *, files: GossipFiles | None = None, keys: Sequence[bytes] = ()) -> None:
        self.serf = NotingSerf(
            name="a",
            address=address_of(HOST, PORT),
            tags={},
            gossip=GossipSettings(),
            settings=SerfSettings(),
            ring=Keyring(keys) if keys else None,
            admission=Everybody(),
            dice=random.Random(1).randrange,
            nonce=secrets.token_bytes,
            now_s=time.monotonic(),
            kept=Kept(),
        )
        self.serf.notes = []
        self.members: Sequence[PoolMember] = ()
        self.known: list[tuple[Heard, bool]] = []  # and whether all could see the member then
        self.lines: list[str] = []
        self._files = files

    def wants(self, level: Level) -> bool:
        return True

    def said(self, level: Level, text: str) -> None:
        self.lines.append(text)

    def counted(self, counts: Mapping[str, int]) -> None:
        pass

    def published(self, members: Sequence[PoolMember], stats: Mapping[str, str]) -> None:
        self.members = members

    def heard(self, event: Heard) -> None:
        is_seen = isinstance(event, MemberChanged) and event.member in self.members
        self.known.append((event, is_seen))

    async def __aenter__(self) -> "World":
        self.engine = GossipEngine(
            self.serf,
            open_sockets(HOST, PORT),
            files=self._files,
            outside=self,
            now=time.monotonic,
            stream_patience_s=10.0,
        )
        self.running = asyncio.ensure_future(self.engine.run())
        await asyncio.sleep(0)
        return self

    async def __aexit__(self, *failure: object) -> None:
        self.engine.stop()
        await self.running
        asyncio.get_running_loop().set_exception_handler(None)


def say(*datagrams: bytes) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
        stranger.connect((HOST, PORT))
        for datagram in datagrams:
            stranger.send(datagram)


def alive(name: str) -> bytes:
    message = Alive(
        incarnation=1,
        node=name,
        address=address_of(HOST, 1),
        meta=b"\xff\x80",
        vsn=bytes([1, 5, 2, 2, 5, 4]),
    )
    return Framing(None, GossipSettings(), bytes).seal([packets.encode(message)], checksum=True)


async def push(count: int) -> None:
    """Somebody exchanges states with it, and knows so many."""
    rows = tuple(
        PushedNode(
            name=f"n{number}",
            address=address_of(OTHER, number + 1),
            meta=b"\xff\x80",
            incarnation=1,
            state=NodeState.LEFT if number else NodeState.ALIVE,
            vsn=bytes([1, 5, 2, 2, 5, 4]),
        )
        for number in range(count)
    )
    message = PushPull(join=True, nodes=rows, user_state=b"")
    reader, writer = await asyncio.open_connection(HOST, PORT)
    writer.write(Framing(None, GossipSettings(), bytes).seal_stream(message, is_answer=False))
    await reader.read()
    writer.close()


async def test_while_a_large_state_is_taken_in_whatever_comes_is_heard() -> None:
    async with World() as world:
        await push(10 * SLICE_ROWS)
        await until(lambda: "slice" in world.serf.notes and not world.serf.is_merging)
        notes = "".join(note[0] for note in world.serf.notes if note != "tick")
        assert notes.count("s") > 10
        assert "sss" not in notes, "at most the next slice comes before what was sent meanwhile"
        assert world.serf.alive_count() == 2


async def test_a_mistake_in_a_slice_does_not_end_the_pool() -> None:
    async with World() as world:
        world.serf.fails_at = 3
        await push(5 * SLICE_ROWS)
        await until(lambda: any("a mistake of ours" in line for line in world.lines))
        await until(lambda: world.serf.alive_count() == 2 and not world.serf.is_merging)


async def test_what_has_come_is_heard_before_the_clock_strikes() -> None:
    async with World() as world:
        say(alive("b"))  # with somebody there is something to do, several times a second
        await until(lambda: world.serf.alive_count() == 2)
        await until(lambda: "tick" in world.serf.notes)
        world.serf.notes.clear()
        count = 300
        say(*[b"slow"] * count)
        hold(max(world.serf.next_tick_s() - time.monotonic(), 0) + 0.05)
        await until(lambda: world.serf.notes.count("tick") > 0)
        assert world.serf.notes.index("tick") == count


async def test_the_clock_strikes_however_much_goes_on_coming() -> None:
    async with World() as world:
        say(alive("b"))
        await until(lambda: world.serf.alive_count() == 2)
        world.serf.notes.clear()
        is_over = threading.Event()

        def flood() -> None:
            while not is_over.is_set():
                with suppress(OSError):
                    say(*[b"brisk"] * 100)

        thread = threading.Thread(target=flood)
        thread.start()
        try:
            await until(lambda: world.serf.notes.count("tick") >= 3)
        finally:
            is_over.set()
            thread.join()


async def test_a_turn_of_the_loop_is_short_however_much_has_come() -> None:
    async with World() as world:
        await until(lambda: world.members != ())
        say(*[b"slow"] * 200)
        turns = []
        async with asyncio.timeout(60):
            while len(world.serf.notes) < 200:
                before = len(world.serf.notes)
                await asyncio.sleep(0)
                turns.append(len(world.serf.notes) - before)
        # A datagram here takes a quarter of a turn's time; a slow machine makes it fewer.
        assert max(turns) <= 6


async def test_who_hears_of_a_member_can_see_it() -> None:
    async with World() as world:
        for first in range(0, 500, 25):
            say(*(alive(f"n{number}") for number in range(first, first + 25)))
            await asyncio.sleep(0.002)
        await until(lambda: len(world.known) == 501)
        assert all(is_seen for _, is_seen in world.known)
        assert len(world.members) == 501


class PatientFiles(GossipFiles):
    """They write keys when the test says so."""

    def __init__(self, folder: Path) -> None:
        super().__init__(str(folder), RealDisk())
        self.is_asked = threading.Event()
        self.goes_on = threading.Event()

    def keep_keyring(self, keys: Sequence[str]) -> None:
        self.is_asked.set()
        self.goes_on.wait(60)
        super().keep_keyring(keys)


async def test_an_answer_about_a_new_key_leaves_when_the_key_is_on_the_disk(tmp_path: Path) -> None:
    files = PatientFiles(tmp_path)
    asker = PoolNode("b", OTHER, keys=[KEY])
    async with World(files=files, keys=[KEY]), pool(asker):
        await asker.join(HOST)
        asking = asyncio.ensure_future(asker.driver.keyring(KeyOperation.INSTALL, NEW_KEY))
        await asyncio.to_thread(files.is_asked.wait, 60)
        await asker.join(HOST)  # there and back, so that an answer would have come
        await asker.driver.query("load", b"", timeout_s=0.1)
        assert not asking.done()
        files.goes_on.set()
        ended = await asking
        assert (ended.failure, ended.responses) == ("", 2)
        ring = files.load_keyring()
        assert ring is not None
        assert NEW_KEY in ring


async def test_who_has_ended_begins_to_talk_to_nobody() -> None:
    async with World() as world:
        pass
    other = JoinTarget(address_of(OTHER, PORT), "", OTHER)
    await world.engine.call(lambda serf, now_s: serf.join([other], now_s))
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_whatever_nobody_catches_ends_the_pool() -> None:
    world = await World().__aenter__()
    asyncio.get_running_loop().call_soon(lambda: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        await world.running
    asyncio.get_running_loop().set_exception_handler(None)
