"""Looks at every member of a pool once a second: whom does it take for failed, and rightly?

A failure is false unless its member was `struck`, which is said before a member is killed or
frozen, until all agree that it is alive again. Failures are taken from the members lists and from
the members' logs, where one that was over within a second is found, too.

The pings are memberlist's own, sent to a few members by somebody who is no member: how late an
answer is shows whether the pinged gossips in time, or, where all are late, that the machine does
not.
"""

import secrets
import socket
import threading
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager

from proconsul.gossip.address import address_of
from proconsul.gossip.effects import MemberStatus
from proconsul.gossip.framing import Framing
from proconsul.gossip.keyring import Keyring
from proconsul.gossip.messages import Ack, Ping
from proconsul.gossip.packets import encode
from proconsul.gossip.settings import GossipSettings
from server_tests.gossip_pool.pool_member import PORT, PoolMember, UnansweredError

LOOK_EVERY_S = 1.0
PING_EVERY_S = 0.1
PING_S_MAX = 10.0  # it counts as lost behind this
DATAGRAM_BYTES_MAX = 65_536


class Watch:
    """Of some members; what it `found` are false failures, a sentence each."""

    def __init__(self, members: Sequence[PoolMember]) -> None:
        self._members = members
        self._struck: frozenset[str] = frozenset()
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._threads: list[threading.Thread] = []
        self._told: set[tuple[str, str]] = set()
        self._began_s = 0.0
        self.found: list[str] = []
        self.looks: Counter[str] = Counter()
        self.unanswered: Counter[str] = Counter()
        self.longest_answer_s: dict[str, float] = {}
        self.heard: dict[str, set[str]] = {one.name: set() for one in members}

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Look, all the while."""
        for member in self._members:
            member.failures_said()  # those before are not of interest
        self._began_s = time.monotonic()
        self._threads = [
            threading.Thread(target=self._look_on, args=(one,), daemon=True)
            for one in self._members
        ]
        for thread in self._threads:
            thread.start()
        try:
            yield
        finally:
            self._stop.set()
            for thread in self._threads:
                thread.join()
            self._read_logs()

    @contextmanager
    def striking(self, members: Iterable[PoolMember]) -> Iterator[None]:
        """Their failures are right in here."""
        self._read_logs()
        self._struck |= {one.name for one in members}
        try:
            yield
        finally:
            self._read_logs()
            self._struck = frozenset()

    def _read_logs(self) -> None:
        for member in self._members:
            self._read_log(member)

    def _read_log(self, member: PoolMember) -> None:
        struck = self._struck
        for name in member.failures_said():
            if name not in struck:
                self._tell(member, name, f"{member.name} said in its log that {name} failed")

    def _look_on(self, member: PoolMember) -> None:
        while not self._stop.is_set():
            began_s = time.monotonic()
            struck = self._struck
            if member.name not in struck:
                self._look_at(member, struck)
            self._read_log(member)
            self._stop.wait(max(LOOK_EVERY_S - (time.monotonic() - began_s), 0))

    def _look_at(self, member: PoolMember, struck: frozenset[str]) -> None:
        began_s = time.monotonic()
        self.looks[member.name] += 1
        try:
            seen = member.members()
            heard = member.events()
        except UnansweredError as failure:
            if member.name not in self._struck:
                self.unanswered[member.name] += 1
                self._note(f"no answer: {failure}")
            return
        took_s = time.monotonic() - began_s
        self.longest_answer_s[member.name] = max(self.longest_answer_s.get(member.name, 0), took_s)
        self.heard[member.name] |= heard
        excused = struck | self._struck
        for one in self._members:
            status = seen[one.name].status if one.name in seen else None
            if status is not MemberStatus.ALIVE and one.name not in excused:
                word = "no member" if status is None else status.name.lower()
                self._tell(member, one.name, f"{member.name} listed {one.name} as {word}")

    def _tell(self, member: PoolMember, failed: str, text: str) -> None:
        with self._lock:
            self._told.add((member.name, failed))
        self._note(text)

    def _note(self, text: str) -> None:
        with self._lock:
            at_s = time.monotonic() - self._began_s
            self.found.append(f"{time.strftime('%H:%M:%S')} ({at_s:.0f} s): {text}")

    @property
    def false_failures(self) -> list[tuple[str, str]]:
        """Who took whom for failed without a reason, each pair once."""
        return sorted(self._told)


class Pinger:
    """Pings one member ten times a second, and keeps how long the answers took."""

    def __init__(self, member: PoolMember) -> None:
        self._member = member
        ring = Keyring([member.key]) if member.key else None
        self._framing = Framing(ring, GossipSettings(), secrets.token_bytes)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self.took_s: list[float] = []
        self.lost = 0

    @contextmanager
    def pinging(self) -> Iterator[None]:
        """All the while."""
        self._thread.start()
        try:
            yield
        finally:
            self._stop.set()
            self._thread.join()

    def _run(self) -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as packets:
            packets.bind((self._member.host, 0))
            packets.connect((self._member.host, PORT))
            packets.settimeout(PING_S_MAX)
            own = address_of(*packets.getsockname())
            number = 0
            while not self._stop.wait(PING_EVERY_S):
                number += 1
                ping = Ping(seq_no=number, node=self._member.name, source=own)
                began_s = time.monotonic()
                packets.send(self._framing.seal([encode(ping)], checksum=False))
                if self._is_answered(packets, number):
                    self.took_s.append(time.monotonic() - began_s)
                else:
                    self.lost += 1

    def _is_answered(self, packets: socket.socket, number: int) -> bool:
        until_s = time.monotonic() + PING_S_MAX
        while time.monotonic() < until_s:
            try:
                found = self._framing.open(packets.recv(DATAGRAM_BYTES_MAX))
            except TimeoutError:
                return False
            if any(isinstance(one, Ack) and one.seq_no == number for one in found.messages):
                return True
        return False

    def told(self) -> str:
        """In words, milliseconds."""
        took_ms = sorted(one * 1000 for one in self.took_s)
        if not took_ms:
            return f"{self._member.name}: none answered"
        parts = (took_ms[len(took_ms) // 2], took_ms[len(took_ms) * 99 // 100], took_ms[-1])
        text = " / ".join(f"{one:.1f}" for one in parts)
        return f"{self._member.name}: {text} ms of {len(took_ms)}, lost {self.lost}"
