"""What members of a pool do and suffer, until all agree on what became of them; keys that rotate.

After each step every living member, whatever its kind, must list the same members at the same
places in the same state. Each story ends with all of them alive: a member that has just started is
not told of those that left before it came, so lists would differ rightly.
"""

import base64
import json
import signal
import time
from collections.abc import Callable, Sequence

from proconsul.gossip.effects import MemberStatus
from server_tests.gossip_pool.pool_member import (
    PORT,
    Agent,
    OurServer,
    PoolMember,
    Seen,
    UnansweredError,
    wait_s,
)
from server_tests.gossip_pool.pool_watch import Watch

# A frozen or cut off member comes back when somebody who lost it tries it again: each 30 s with
# one that failed, chosen by chance.
AGREE_S_MAX = 240.0
HEARD_S_MAX = 180.0  # an event that gossip missed comes with the next exchange of all
LOOK_S = 0.5
AGREE_LOOKS = 4  # so many in a row
EVENT_EVERY_S = 0.25
EVENTS_AROUND = 12  # before and after each step of a rotation
TRIES_MAX = 6  # of a step: a query of Serf's may miss a member, and the operator asks again

Tell = Callable[[str], None]


class DisagreeError(AssertionError):
    """Lists that should be the same are not, for too long."""


class Pool:
    """The members and what became of them, which all of them should see."""

    def __init__(self, members: Sequence[PoolMember], watch: Watch, tell: Tell) -> None:
        self.members = members
        self.watch = watch
        self.tell = tell
        self.status = {one.name: MemberStatus.ALIVE for one in members}

    def start(self) -> None:
        """The first one, then the others, which join it."""
        first = self.members[0]
        for member in self.members:
            member.start([] if member is first else [first.host])
        self.until_all_agree("all have joined")

    def others(self, member: PoolMember) -> list[str]:
        """Where one may join."""
        return [
            one.host
            for one in self.members
            if one is not member and self.status[one.name] is MemberStatus.ALIVE
        ]

    def until_all_agree(self, what: str) -> None:
        """Several times in a row. Raises DisagreeError with who sees what."""
        began_s = agree_s = time.monotonic()
        agreed = 0
        while agreed < AGREE_LOOKS:
            wrong = self._wrong()
            if wrong:
                agreed = 0
                agree_s = time.monotonic()
            else:
                agreed += 1
            if wrong and agree_s - began_s > AGREE_S_MAX:
                lines = "\n  ".join(wrong)
                raise DisagreeError(f"{what}, and after {AGREE_S_MAX:.0f} s:\n  {lines}")
            wait_s(LOOK_S)
        living = sum(status is MemberStatus.ALIVE for status in self.status.values())
        self.tell(f"{what}: {living} lists agree after {agree_s - began_s:.1f} s")

    def _wrong(self) -> list[str]:
        expected = {one.name: Seen(one.host, PORT, self.status[one.name]) for one in self.members}
        wrong = []
        for member in self.members:
            if self.status[member.name] is not MemberStatus.ALIVE:
                continue
            try:
                found = member.members()
            except UnansweredError as failure:
                wrong.append(str(failure))
                continue
            wrong += [
                f"{member.name} sees {name}: {found.get(name)}, and not: {expected.get(name)}"
                for name in sorted(expected.keys() | found.keys())
                if found.get(name) != expected.get(name)
            ]
        return wrong


class Faults:
    """Of some members at a time."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    def _all_are(self, struck: Sequence[PoolMember], status: MemberStatus, what: str) -> None:
        for one in struck:
            self._pool.status[one.name] = status
        self._pool.until_all_agree(f"{', '.join(one.name for one in struck)} {what}")

    def _start(self, struck: Sequence[PoolMember]) -> None:
        for one in struck:
            one.start(self._pool.others(one))

    def kill(self, struck: Sequence[PoolMember]) -> None:
        """Killed for long enough to be missed; then started again."""
        with self._pool.watch.striking(struck):
            for one in struck:
                one.kill()
            self._all_are(struck, MemberStatus.FAILED, "killed")
            self._start(struck)
            self._all_are(struck, MemberStatus.ALIVE, "started again")

    def freeze(self, struck: Sequence[PoolMember]) -> None:
        """Frozen until they are given up; then thawed."""
        with self._pool.watch.striking(struck):
            for one in struck:
                one.send(signal.SIGSTOP)
            try:
                self._all_are(struck, MemberStatus.FAILED, "frozen")
            finally:
                for one in struck:
                    one.send(signal.SIGCONT)
            self._all_are(struck, MemberStatus.ALIVE, "thawed")

    def restart(self, struck: Sequence[PoolMember]) -> None:
        """Stopped and started at once, which others need not notice."""
        with self._pool.watch.striking(struck):
            for one in struck:
                one.stop()
                one.start(self._pool.others(one))
            self._all_are(struck, MemberStatus.ALIVE, "restarted")

    def leave_and_move(self, struck: Sequence[PoolMember], hosts: Sequence[str]) -> None:
        """Gone in order; then back under the same name at another address."""
        with self._pool.watch.striking(struck):
            for one in struck:
                one.leave()
            self._all_are(struck, MemberStatus.LEFT, "left")
            for one, host in zip(struck, hosts, strict=True):
                one.host = host
            self._start(struck)
            self._all_are(struck, MemberStatus.ALIVE, "back at another address")


class Rotation:
    """Another key for all, through one of our agents, while user events are fired everywhere."""

    def __init__(self, pool: Pool, through: Agent) -> None:
        self._pool = pool
        self._through = through
        self.fired: list[str] = []

    def run(self, old: bytes, new: bytes) -> None:
        """Install, use, remove; no event is lost, nobody fails. Raises AssertionError."""
        texts = [base64.b64encode(key).decode() for key in (old, new)]
        self._fire_some()
        for what, method, key, left in (
            ("installed", "POST", texts[1], texts),
            ("used", "PUT", texts[1], texts),
            ("removed the old one", "DELETE", texts[0], texts[1:]),
        ):
            tries = self._do(method, key)
            self._until_all_have(left)
            self._pool.tell(f"key {what} (asked {tries} times)")
            self._fire_some()
        self._pool.until_all_agree("the key is rotated")
        self._until_all_heard()

    def _do(self, method: str, key: str) -> int:
        body = json.dumps({"Key": key}).encode()
        failure = None
        for number in range(1, TRIES_MAX + 1):
            try:
                self._through.call(method, "/v1/operator/keyring", body)
            except UnansweredError as raised:
                failure = raised
            else:
                return number
        raise AssertionError(f"the keyring, asked {TRIES_MAX} times: {failure}")

    def _until_all_have(self, keys: Sequence[str]) -> None:
        expected = {key: len(self._pool.members) for key in keys}
        found: dict[str, int] | UnansweredError = {}
        for _ in range(TRIES_MAX):
            try:
                listed = self._through.call("GET", "/v1/operator/keyring")
            except UnansweredError as failure:
                found = failure
                continue
            found = next(one["Keys"] for one in listed if not one["WAN"])
            if found == expected:
                return
        raise AssertionError(f"keys and how many have them: {found}, and not: {expected}")

    def _fire_some(self) -> None:
        for _ in range(EVENTS_AROUND):
            number = len(self.fired)
            name = f"rotation-{number}"
            self._pool.members[number % len(self._pool.members)].fire(name)
            self.fired.append(name)
            wait_s(EVENT_EVERY_S)

    def _until_all_heard(self) -> None:
        until_s = time.monotonic() + HEARD_S_MAX
        while missing := self._missing():
            if time.monotonic() > until_s:
                raise AssertionError("user events were lost: " + "; ".join(missing))
            wait_s(LOOK_S)
        count = len(self._pool.members)
        self._pool.tell(f"user events: {len(self.fired)} fired, all heard by all {count} members")

    def _missing(self) -> list[str]:
        lost = {
            member.name: sorted(set(self.fired) - self._pool.watch.heard[member.name])
            for member in self._pool.members
        }
        return [f"{name}: {', '.join(events)}" for name, events in lost.items() if events]


def all_faults(pool: Pool, free_hosts: Sequence[str]) -> None:
    """Everything that can be done to each kind, some kinds at a time. Raises AssertionError."""
    faults = Faults(pool)
    hosts = iter(free_hosts)
    for struck in groups(pool.members):
        faults.kill(struck)
        faults.freeze(struck)
        faults.restart(struck)
        faults.leave_and_move(struck, [next(hosts) for _ in struck])


def groups(members: Sequence[PoolMember]) -> list[list[PoolMember]]:
    """One of each kind, two at a time, so that most of the pool stays; the server alone."""
    all_kinds = one_of_each_kind(members)
    servers: list[PoolMember] = [one for one in all_kinds if isinstance(one, OurServer)]
    rest = [one for one in all_kinds if one not in servers]
    return [*(rest[at : at + 2] for at in range(0, len(rest), 2)), servers]


def one_of_each_kind(members: Sequence[PoolMember]) -> list[PoolMember]:
    """The last of them."""
    return list({one.kind: one for one in members}.values())
