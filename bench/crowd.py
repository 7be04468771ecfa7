"""Many blocking queries on one key, and when each of them is told of a write.

One thread and one epoll: while the clock runs, an answer is only received and its time noted;
whether it is whole and right is looked at afterwards.
"""

import select
import socket
import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self

from bench.failure import WrongAnswerError
from bench.fixtures import put
from bench.http1 import Wire, opened, parsed, request
from server_tests.differential.target import Answer, pause

ROUNDS = 9  # in which a crowd is told of a write
WAIT = "300s"
SENT_AT_ONCE = 50
OF_ONE_ADDRESS = 5000
SEND_PAUSE_S = 0.002  # so that the queries themselves are no burst
SETTLE_S = 1.0
TOLD_S_MAX = 60.0
_READ_BYTES = 1 << 18


@dataclass(frozen=True, slots=True)
class Told:
    """When, in seconds after the write was sent: its acknowledgement, and each answer."""

    acknowledged_s: float
    answers_s: tuple[float, ...]


class Crowd:
    """`size` connections to one server, all waiting for the same key."""

    def __init__(self, address: str, key: str, size: int) -> None:
        self._address = address
        self._path = f"/v1/kv/{key}"
        self._size = size
        self._sockets: dict[int, socket.socket] = {}
        self._poll = select.epoll()
        self._index = 0

    def __enter__(self) -> Self:
        try:
            for number in range(self._size):
                connection = opened(self._address, source=source(number))
                self._sockets[connection.fileno()] = connection
                self._poll.register(connection.fileno(), select.EPOLLIN)
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Hang up."""
        for connection in self._sockets.values():
            connection.close()
        self._sockets.clear()
        self._poll.close()

    def wait(self) -> None:
        """Ask for the next change on all of them. Raises WrongAnswerError: one is answered now."""
        with Wire(self._address) as wire:
            self._index = wire.ask("GET", self._path).index
        query = request("GET", f"{self._path}?index={self._index}&wait={WAIT}")
        for number, connection in enumerate(self._sockets.values(), 1):
            connection.sendall(query)
            if number % SENT_AT_ONCE == 0:
                pause(SEND_PAUSE_S)
        pause(SETTLE_S)
        early = len(self._poll.poll(0, self._size))
        if early:
            raise WrongAnswerError(f"{self._address}: {early} blocking queries came back unchanged")

    def tell(self, writer: str, content: bytes) -> Told:
        """Write the key by the server at `writer`, and collect every answer.

        Raises WrongAnswerError: one is missing, or tells something else.
        """
        connection = opened(writer)
        number = connection.fileno()
        self._poll.register(number, select.EPOLLIN)
        try:
            began_s = time.perf_counter()
            connection.sendall(request("PUT", self._path, content))
            times, texts = self._collected({**self._sockets, number: connection}, began_s)
        finally:
            self._poll.unregister(number)
            connection.close()
        acknowledged = texts.pop(number)
        if acknowledged.body.strip() != b"true":
            raise WrongAnswerError(f"{writer}: the write was answered {acknowledged}")
        self._judge(texts.values())
        return Told(times.pop(number) - began_s, tuple(at - began_s for at in times.values()))

    def _collected(
        self, sockets: dict[int, socket.socket], began_s: float
    ) -> tuple[dict[int, float], dict[int, Answer]]:
        data = {number: bytearray() for number in sockets}
        at_s: dict[int, float] = {}
        silent = set(sockets)
        answers: dict[int, Answer] = {}
        while silent:
            found = self._poll.poll(TOLD_S_MAX, len(sockets))
            if not found or time.perf_counter() - began_s > TOLD_S_MAX:
                raise WrongAnswerError(f"{self._address}: {len(silent)} watchers were never told")
            for number, _ in found:
                piece = sockets[number].recv(_READ_BYTES)
                at_s[number] = time.perf_counter()
                if not piece:
                    raise WrongAnswerError(f"{self._address} hung up on a watcher")
                data[number] += piece
                silent.discard(number)
            if not silent:
                answers.update(_whole(data, answers.keys() ^ data.keys()))
                silent = set(data.keys() - answers.keys())
        return at_s, answers

    def _judge(self, answers: Iterable[Answer]) -> None:
        bodies = {answer.body for answer in answers}
        for answer in answers:
            if answer.status != 200 or answer.index <= self._index or len(bodies) > 1:
                raise WrongAnswerError(
                    f"{self._address}: after {self._index} a watcher was told {answer}, "
                    f"and others {len(bodies) - 1} other things"
                )


def _whole(data: dict[int, bytearray], numbers: Iterable[int]) -> dict[int, Answer]:
    found = {}
    for number in numbers:
        answer = parsed(data[number])
        if answer is not None:
            found[number] = answer[0]
    return found


def source(number: int) -> str:
    """Where the connection of this number comes from: a server limits those of one address."""
    return f"127.0.0.{1 + number // OF_ONE_ADDRESS}"


def prepare_key(address: str, key: str) -> None:
    """Let it be there."""
    with Wire(address) as wire:
        put(wire, f"/v1/kv/{key}", b"first")
