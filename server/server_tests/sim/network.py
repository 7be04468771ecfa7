"""The network as the raft transport makes it: pipelined connections, one outcome a request.

From each server to each other there is a connection for each `Path`. A connection keeps its
order in both directions, others overtake it. A request ends with its reply or with `Lost`, never
with both, never with neither. When a connection breaks, all that waits on it is lost to the one
who asked, although the other side may have done it, or does it later: what was under way may
still arrive (`late`), after newer requests on the connection that took its place.

Whoever had a leader's heartbeats on a connection that breaks is told so.

A cut link holds back what travels over it, as TCP does: when it heals in time all arrives, else
the one who asked gives up.
"""

import random
from collections import deque
from collections.abc import Callable
from enum import Enum
from typing import Protocol

import msgspec

from proconsul.raft.messages import (
    AppendEntries,
    Input,
    InstallSnapshot,
    LeaderGone,
    Lost,
    Peer,
    Reply,
    Request,
    ServerId,
    Token,
)
from server_tests.sim.agenda import Agenda
from server_tests.sim.kv import Body

Link = tuple[ServerId, ServerId]  # from, to

replace = msgspec.structs.replace


class Path(Enum):
    """What a connection is for."""

    HEARTBEATS = "heartbeats"
    ENTRIES = "entries"
    VOTES = "votes"
    SNAPSHOTS = "snapshots"


def path_of(request: Request) -> Path:
    """The connection that a request goes by."""
    match request:
        case AppendEntries():
            return Path.HEARTBEATS if request.is_heartbeat else Path.ENTRIES
        case InstallSnapshot():
            return Path.SNAPSHOTS
        case _:
            return Path.VOTES


class Endpoint(Protocol):
    """A server, as the network sees it."""

    id: ServerId
    is_up: bool
    life: int

    def hear(self, message: Input, body: Body | None = None) -> None:
        """Something came in; `body` is what travelled with an InstallSnapshot."""


class Connection:
    """One pipelined connection; see the module."""

    def __init__(self, asker: Endpoint, answerer: Endpoint) -> None:
        self.asker = asker
        self.answerer = answerer
        self.asker_life = asker.life
        self.answerer_life = answerer.life
        self.is_open = True
        self.lingers = False  # broken, and what was under way still arrives
        self.waiting: dict[Token, int] = {}  # requests without an outcome, with their deadlines
        self.is_watched = False
        self.order: deque[Token] = deque()  # the answerer's tokens, in the order of the requests
        self.answers: dict[Token, tuple[Token, Reply]] = {}
        self.there = Direction()
        self.back = Direction()


class Direction:
    """What travels one way over a connection."""

    def __init__(self) -> None:
        self.last_us = 0
        self.held: deque[Callable[[], None]] = deque()


class Network:
    """All the connections and links."""

    def __init__(self, agenda: Agenda, die: random.Random, typical_us: int, patience_us: int):
        self.agenda = agenda
        self.die = die
        self.typical_us = typical_us
        self.patience_us = patience_us
        self.endpoints: dict[ServerId, Endpoint] = {}
        self.cut: set[Link] = set()
        self.slow: dict[Link, int] = {}  # times the typical delay
        self.counts = {"late request": 0, "lost request": 0, "held message": 0}
        self._connections: dict[tuple[ServerId, ServerId, Path], Connection] = {}
        self._broken_with_held: list[Connection] = []
        self._led: dict[ServerId, tuple[Connection, Peer]] = {}  # where the newest heartbeat came
        self._questions: dict[Token, tuple[Connection, Token]] = {}
        self._last_token = 0

    # ---------------------------------------------------------------- what servers do

    def ask(self, asker: Endpoint, target: ServerId, request: Request, body: Body | None) -> None:
        """Send a request; its outcome comes to `asker.hear`."""
        answerer = self.endpoints.get(target)
        if answerer is None:
            self._refuse(asker, request.token)
            return
        key = (asker.id, target, path_of(request))
        connection = self._connections.get(key)
        if connection is None or not connection.is_open:
            if not answerer.is_up and not self._is_cut(asker.id, target):
                self._refuse(asker, request.token)
                return
            connection = self._connections[key] = Connection(asker, answerer)
        connection.waiting[request.token] = self.agenda.now_us + self.patience_us
        self._watch(connection)
        self._travel(
            connection,
            connection.there,
            (asker.id, target),
            lambda: self._arrive(connection, request, body),
        )

    def answer(self, reply: Reply) -> None:
        """Send a reply; its token is the one that came with the request."""
        question = self._questions.pop(reply.token, None)
        if question is None:
            return
        connection, asked = question
        if not connection.is_open:
            return
        connection.answers[reply.token] = (asked, reply)
        link = (connection.answerer.id, connection.asker.id)
        while connection.order and connection.order[0] in connection.answers:
            token, ready = connection.answers.pop(connection.order.popleft())
            self._travel(
                connection, connection.back, link, self._arrival_of(connection, token, ready)
            )

    # ---------------------------------------------------------------- what the world does

    def gone(self, server: Endpoint, *, silently: bool) -> None:
        """A server's process ended: its connections break. Nobody says so if its machine did."""
        for connection in list(self._connections.values()):
            if server in (connection.asker, connection.answerer):
                self.break_off(connection, silently=silently)

    def reset_one(self) -> bool:
        """Break some connection on which somebody waits; False if there is none."""
        busy = [one for one in self._connections.values() if one.is_open and one.waiting]
        if busy:
            self.break_off(self.die.choice(busy))
        return bool(busy)

    def reset_heartbeats(self, leader: Endpoint) -> bool:
        """Break the connections for the heartbeats of one who lives; False if it has none."""
        mine = [
            connection
            for (asker, _, path), connection in self._connections.items()
            if asker == leader.id and path is Path.HEARTBEATS and connection.is_open
        ]
        for connection in mine:
            self.break_off(connection)
        return bool(mine)

    def set_cut(self, links: set[Link]) -> None:
        """Have exactly these links cut; what the others held arrives."""
        self.cut = links
        self._broken_with_held = [one for one in self._broken_with_held if one.there.held]
        for connection in [*self._connections.values(), *self._broken_with_held]:
            asker, answerer = connection.asker.id, connection.answerer.id
            for direction, link in (
                (connection.there, (asker, answerer)),
                (connection.back, (answerer, asker)),
            ):
                if link not in links:
                    while direction.held:  # in front of all that is on its way
                        direction.held.popleft()()

    def break_off(self, connection: Connection, *, silently: bool = False) -> None:
        """Whoever waits on it hears that no reply will come, the other side that it ended."""
        if not connection.is_open:
            return
        connection.is_open = False
        if not silently:
            self._tell_led(connection)
        connection.lingers = self.die.random() < 0.5
        connection.back.held.clear()
        if not connection.lingers:
            connection.there.held.clear()
        elif connection.there.held:
            self._broken_with_held.append(connection)
        waiting, connection.waiting = connection.waiting, {}
        asker = connection.asker
        if asker.is_up and asker.life == connection.asker_life:
            for token in waiting:
                self.counts["lost request"] += 1
                asker.hear(Lost(token=token))

    # ---------------------------------------------------------------- within

    def _tell_led(self, connection: Connection) -> None:
        """Tell a follower that the connection with its leader's heartbeats has ended."""
        led, leader = self._led.get(connection.answerer.id, (None, None))
        if led is not connection or leader is None:
            return
        link = (connection.asker.id, connection.answerer.id)

        def come() -> None:
            answerer = connection.answerer
            lives = answerer.is_up and answerer.life == connection.answerer_life
            if lives and link not in self.cut and self._led[answerer.id][0] is connection:
                answerer.hear(LeaderGone(leader=leader))

        self.agenda.after(self.delay_us(link), come)

    def delay_us(self, link: Link) -> int:
        """How long something takes over a link: mostly about the same, at times far longer."""
        chance = self.die.random()
        delay_us = int(self.typical_us * (0.3 + chance))
        if chance > 0.97:
            delay_us *= 12
        return delay_us * self.slow.get(link, 1)

    def _is_cut(self, one: ServerId, other: ServerId) -> bool:
        return (one, other) in self.cut or (other, one) in self.cut

    def _refuse(self, asker: Endpoint, token: Token) -> None:
        life = asker.life

        def tell() -> None:
            if asker.is_up and asker.life == life:
                asker.hear(Lost(token=token))

        self.agenda.after(self.typical_us, tell)

    def _watch(self, connection: Connection) -> None:
        if connection.is_watched:
            return
        connection.is_watched = True

        def look() -> None:
            connection.is_watched = False
            if not connection.is_open or not connection.waiting:
                return
            if next(iter(connection.waiting.values())) <= self.agenda.now_us:
                self.break_off(connection)
            else:
                self._watch(connection)

        self.agenda.at(next(iter(connection.waiting.values())), look)

    def _travel(
        self, connection: Connection, direction: Direction, link: Link, arrive: Callable[[], None]
    ) -> None:
        def come() -> None:
            if link in self.cut:
                self.counts["held message"] += 1
                if connection.is_open or connection.lingers:
                    direction.held.append(arrive)
                    if not connection.is_open:
                        self._broken_with_held.append(connection)
                return
            arrive()

        direction.last_us = max(direction.last_us, self.agenda.now_us + self.delay_us(link))
        self.agenda.at(direction.last_us, come)

    def _arrive(self, connection: Connection, request: Request, body: Body | None) -> None:
        answerer = connection.answerer
        if not connection.is_open:
            if not connection.lingers:
                return
            self.counts["late request"] += 1
        if not answerer.is_up or answerer.life != connection.answerer_life:
            self.break_off(connection)
            return
        self._last_token += 1
        token = Token(self._last_token)
        if connection.is_open:
            if isinstance(request, AppendEntries) and request.is_heartbeat:
                self._led[answerer.id] = (connection, request.leader)
            self._questions[token] = (connection, request.token)
            connection.order.append(token)
        answerer.hear(replace(request, token=token), body)

    def _arrival_of(self, connection: Connection, token: Token, reply: Reply) -> Callable[[], None]:
        def arrive() -> None:
            if connection.is_open and connection.waiting.pop(token, None) is not None:
                connection.asker.hear(replace(reply, token=token))

        return arrive
