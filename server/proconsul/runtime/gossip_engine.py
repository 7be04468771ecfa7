"""Serf in its world, on an event loop of its own: what comes in, what is to be done, the clock.

Everything here runs on one loop, in one thread (gossip_driver.py says which, and why). A turn of
it is short, whoever sends how much: datagrams are heard for a few milliseconds, then streams,
timers and calls have their turn. What has come is heard before the clock strikes, for it may be
the answer that somebody is about to be blamed for. The whole state of another is taken in by
slices (gossip/merging.py), one a turn. For 10 000 members that are all new the longest step takes
some 20 ms; to take them in at once took 0.7 s.

An exception while a message of others is taken in is a mistake of ours. It is logged and the
message dropped: the same message may be on its way to all servers, and must not end them all.
"""

import asyncio
import math
import traceback
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, Protocol, TypeVar

from proconsul.errors import ProconsulError
from proconsul.gossip.effects import (
    Count,
    Exchange,
    JoinEnded,
    KeyringEnded,
    KeysChanged,
    LeaveEnded,
    Level,
    Log,
    MemberChanged,
    PoolMember,
    QueryEnded,
    QueryHeard,
    Remember,
    SendPacket,
    UserEventHeard,
)
from proconsul.gossip.messages import Refusal, StreamMessage
from proconsul.gossip.serf import Serf
from proconsul.gossip.streams import StreamReader
from proconsul.runtime.gossip_files import GossipFiles
from proconsul.runtime.gossip_keeper import Keeper
from proconsul.runtime.gossip_reports import REPORT_S, Readers, Reports
from proconsul.runtime.gossip_sockets import Packets, PoolSockets
from proconsul.runtime.gossip_streams import Streams

TURN_S = 0.004  # of hearing datagrams: some dozens
PUBLISH_SHARE = 20  # publishing all members takes one part in so many of the time, at most

Ended = JoinEnded | QueryEnded | KeyringEnded
E = TypeVar("E", JoinEnded, QueryEnded, KeyringEnded)
Rare = Exchange | MemberChanged | UserEventHeard | QueryHeard | Ended | LeaveEnded | Remember
Heard = MemberChanged | UserEventHeard | QueryHeard
T = TypeVar("T")


class PoolEndedError(ProconsulError):
    """The gossip pool of this process has ended, or ends now."""

    def __init__(self) -> None:
        super().__init__("the gossip pool has been shut down")


class Outside(Readers, Protocol):
    """Who uses the pool. Called on the pool's loop; must not wait for anything."""

    def published(self, members: Sequence[PoolMember], stats: Mapping[str, str]) -> None:
        """All members as they are, by name; told before what is heard of them."""

    def heard(self, event: Heard) -> None:
        """Something happened, in order."""


class GossipEngine:
    """One pool. `run` is its whole life; all other methods are for the time of that."""

    def __init__(
        self,
        serf: Serf,
        sockets: PoolSockets,
        *,
        files: GossipFiles | None,
        outside: Outside,
        now: Callable[[], float],
        stream_patience_s: float,
    ) -> None:
        """Made on the loop that will run it. `now`: monotonic seconds. The sockets are ours."""
        self._serf = serf
        self._outside = outside
        self._now = now
        self._loop = asyncio.get_running_loop()
        self._reports = Reports(outside)
        say = self._reports.say
        self._packets = Packets(sockets.packets, self._hear, say)
        self._streams = Streams(sockets.listening, self, stream_patience_s, say)
        self._keeper = Keeper(files, serf, say) if files is not None else None
        self._asked: dict[tuple[type[Ended], int], asyncio.Future[Any]] = {}
        self._leaving: asyncio.Future[None] | None = None
        self._exchanging: set[asyncio.Task[None]] = set()
        self._to_tell: list[Callable[[], None]] = []
        self._has_changed = True
        self._publish_not_before_s = -math.inf
        self._publishing: asyncio.TimerHandle | None = None
        self._reporting: asyncio.TimerHandle | None = None
        self._clock: asyncio.TimerHandle | None = None
        self._clock_s = math.inf  # when it strikes
        self._strike_after: int | None = None  # it has struck: when so many datagrams were taken
        self._is_hearing = False
        self._is_merging = False
        self._end: asyncio.Future[None] = self._loop.create_future()

    async def run(self) -> None:
        """Until `stop`, or a failure, which is raised."""
        self._loop.set_exception_handler(self._not_caught)
        self._report()
        self._settle()
        try:
            await self._end
        finally:
            await self._close()

    def stop(self) -> None:
        """Let `run` end; what is under way is abandoned, what is to be kept is written."""
        if not self._end.done():
            self._end.set_result(None)

    def _fail(self, failure: BaseException) -> None:
        if not self._end.done():
            self._end.set_exception(failure)

    def _not_caught(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        # A pool whose clock stands would be taken for dead, and nobody here would know.
        self._fail(context.get("exception") or RuntimeError(context["message"]))

    async def _close(self) -> None:
        for timer in (self._clock, self._publishing, self._reporting):
            if timer is not None:
                timer.cancel()
        self._packets.close()
        for task in self._exchanging:
            task.cancel()
        await self._streams.stop()
        for future in (*self._asked.values(), *([self._leaving] if self._leaving else ())):
            if not future.done():
                future.set_exception(PoolEndedError())
        if self._keeper is not None:
            await self._keeper.stop()
        self._reports.report()

    # ---------------------------------------------------------------- what we say

    async def call(self, action: Callable[[Serf, float], T]) -> T:
        """Have Serf do something that is done at once; `action` gets it and the time."""
        try:
            return action(self._serf, self._now())
        finally:
            self._settle()

    async def ask(self, kind: type[E], action: Callable[[Serf, float], int]) -> E:
        """Have Serf begin what gives a token, until it ends. Raises PoolEndedError."""
        token = action(self._serf, self._now())
        asked: asyncio.Future[E] = self._loop.create_future()
        self._asked[kind, token] = asked
        self._settle()
        return await asked

    async def leave(self) -> None:
        """Until the others know that we go, as far as that can be had."""
        if self._leaving is None:
            self._leaving = self._loop.create_future()
            self._serf.leave(self._now())
            self._settle()
        await asyncio.shield(self._leaving)

    # ---------------------------------------------------------------- what others say

    def _hear(self) -> None:
        """Datagrams have come."""
        if not self._is_hearing:
            self._hear_some()

    def _hear_some(self) -> None:
        """Hear what waits for as long as a turn may take, then go on in the next."""
        until_s = self._now() + TURN_S
        while True:
            self._strike_if_due()
            datagram = self._packets.take()
            if datagram is None:
                self._is_hearing = False
                break
            now_s = self._now()
            self._take_in(partial(self._serf.receive, datagram.data, datagram.source, now_s))
            self._do_effects()
            if now_s >= until_s:
                self._is_hearing = True
                self._loop.call_soon(self._hear_some)
                break
        self._settle()

    def _take_in(self, take: Callable[[], T]) -> T | None:
        """Have Serf take in what others sent."""
        try:
            return take()
        except Exception:
            self._reports.count("serf.mistakes")
            self._reports.say(
                Level.ERROR,
                "serf: a message was dropped, for taking it in went wrong; please report this: "
                + traceback.format_exc(),
            )
            return None

    def stream_reader(self, *, is_answer: bool) -> StreamReader:
        """For the streams."""
        return self._serf.framing.stream_reader(is_answer=is_answer)

    def refusal(self, text: str) -> bytes:
        """For the streams."""
        return self._serf.framing.seal_stream(Refusal(text), is_answer=True)

    def answer(self, message: StreamMessage) -> bytes | None:
        """For the streams."""
        answer = self._take_in(partial(self._serf.answer, message, self._now()))
        self._settle()
        return answer

    def absorb(self, message: StreamMessage) -> None:
        """For the streams."""
        self._take_in(partial(self._serf.absorb, message, self._now()))
        self._settle()

    def _go_on_merging(self) -> None:
        """One slice; then all else has its turn."""
        self._is_merging = False
        if not self._end.done():
            self._take_in(partial(self._serf.go_on, self._now()))
            self._settle()

    # ---------------------------------------------------------------- the clock

    def _set_clock(self) -> None:
        due_s = self._serf.next_tick_s()
        if due_s == self._clock_s or self._strike_after is not None:
            return
        if self._clock is not None:
            self._clock.cancel()
        self._clock_s = due_s
        self._clock = self._loop.call_later(max(due_s - self._now(), 0), self._strike)

    def _strike(self) -> None:
        """Time is over for something; but first what has come by now is heard."""
        self._clock_s = math.inf
        self._packets.read_all()
        self._strike_after = self._packets.read_count
        self._hear()

    def _strike_if_due(self) -> None:
        if self._strike_after is None or self._packets.taken_count < self._strike_after:
            return
        self._strike_after = None
        self._serf.tick(self._now())
        self._do_effects()

    # ---------------------------------------------------------------- what is to be done

    def _settle(self) -> None:
        """Do what Serf wants, tell what happened, and wait for the next thing."""
        self._do_effects()
        self._hand_over()
        self._set_clock()
        if self._serf.is_merging and not self._is_merging:
            self._is_merging = True
            self._loop.call_soon(self._go_on_merging)

    def _do_effects(self) -> None:
        while effects := self._serf.take_effects():
            held: list[SendPacket] | None = None
            for effect in effects:
                match effect:
                    case SendPacket() if held is not None:
                        held.append(effect)
                    case SendPacket(to=to, data=data):
                        self._packets.send(data, to)
                    case Count(name=name, by=by):
                        self._reports.count(name, by)
                    case Log(level=level, text=text):
                        self._reports.say(level, text)
                    case KeysChanged(keys=keys):
                        held = self._keep_keys(keys)
                    case _:
                        self._do(effect)

    def _do(self, effect: Rare) -> None:
        match effect:
            case MemberChanged():
                self._has_changed = True
                self._to_tell.append(partial(self._outside.heard, effect))
            case UserEventHeard() | QueryHeard():
                self._to_tell.append(partial(self._outside.heard, effect))
            case Exchange():
                if not self._end.done():  # the loop ends before what begins now
                    task = self._loop.create_task(self._exchange(effect))
                    self._exchanging.add(task)
                    task.add_done_callback(self._exchanging.discard)
            case JoinEnded() | QueryEnded() | KeyringEnded():
                self._to_tell.append(partial(self._ended, effect))
            case LeaveEnded():
                self._to_tell.append(self._left)
            case Remember(line=line):
                if self._keeper is not None:
                    self._keeper.remember(line)

    def _ended(self, effect: Ended) -> None:
        asked = self._asked.pop((type(effect), effect.token), None)
        if asked is not None and not asked.done():
            asked.set_result(effect)

    def _left(self) -> None:
        if self._leaving is not None and not self._leaving.done():
            self._leaving.set_result(None)

    def _keep_keys(self, keys: tuple[str, ...]) -> list[SendPacket] | None:
        """Where the packets go that say that we have these keys, until they are on the disk."""
        if self._keeper is None:
            return None
        held: list[SendPacket] = []

        def kept() -> None:
            for packet in held:
                self._packets.send(packet.data, packet.to)
            held.clear()

        self._keeper.keep_keys(keys, kept)
        return held

    async def _exchange(self, wanted: Exchange) -> None:
        message, failure = await self._streams.exchange(wanted)
        now_s = self._now()
        self._take_in(partial(self._serf.exchange_done, wanted.token, message, failure, now_s))
        self._settle()

    # ---------------------------------------------------------------- what is told

    def _hand_over(self) -> None:
        """Tell what happened, once all can see the members as they are then."""
        now_s = self._now()
        if self._has_changed:
            if now_s < self._publish_not_before_s:
                if self._publishing is None:
                    delay_s = self._publish_not_before_s - now_s
                    self._publishing = self._loop.call_later(delay_s, self._hand_over_late)
                return
            self._outside.published(self._serf.members(), self._serf.stats())
            self._has_changed = False
            published_s = self._now()
            self._publish_not_before_s = published_s + PUBLISH_SHARE * (published_s - now_s)
        to_tell, self._to_tell = self._to_tell, []
        for tell in to_tell:
            tell()

    def _report(self) -> None:
        self._reporting = self._loop.call_later(REPORT_S, self._report)
        self._reports.report()
        self._has_changed = True  # from alive to leaving and back there is no event
        self._hand_over()

    def _hand_over_late(self) -> None:
        self._publishing = None
        self._hand_over()
