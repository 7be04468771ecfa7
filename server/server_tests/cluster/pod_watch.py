"""What agents say of a member that went and came back, and when."""

import http.client
import sys
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

from server_tests.cluster.loopback_cluster import LOOK_S, Member

ALIVE, FAILED = 1, 4
SOON_S = 20.0  # for what need not wait for gossip
NOT_NOW = (OSError, http.client.HTTPException, AssertionError, LookupError, ValueError)
"""What asking an agent may raise that has just been started, or killed."""


def seen(observer: Member, name: str) -> tuple[int, str]:
    """(status, address), as that member sees another."""
    found = {one["Name"]: one for one in observer.get("/v1/agent/members")}[name]
    return found["Status"], found["Addr"]


def listed(observer: Member, name: str) -> tuple[str, str, str]:
    """(serfHealth, address, ID) in the catalog; blanks for what is not there."""
    found = observer.get(f"/v1/health/node/{name}?stale")
    health = [check["Status"] for check in found if check["CheckID"] == "serfHealth"]
    row = observer.get(f"/v1/catalog/node/{name}?stale")
    node = row["Node"] if row else {"Address": "", "ID": ""}
    return (health[0] if health else ""), node["Address"], node["ID"]


def node_id_of(member: Member) -> str:
    """As its data say."""
    return (member.data / "node-id").read_text().strip()


def voters(observer: Member) -> list[str]:
    """The IDs of all voters."""
    return sorted(one["ID"] for one in observer.servers() if one["Voter"])


class Watch:
    """What one server says of a member from when it was killed."""

    def __init__(self, observer: Member, name: str, killed_s: float) -> None:
        self.members = Timeline(lambda: seen(observer, name), killed_s)
        self.catalog = Timeline(lambda: listed(observer, name), killed_s)
        self.voters = Timeline(lambda: voters(observer), killed_s)

    def close(self) -> None:
        """Look no more."""
        for each in (self.members, self.catalog, self.voters):
            each.close()

    def __str__(self) -> str:
        counts = "; ".join(f"{at_s:.1f} s: {len(ids)}" for at_s, ids in self.voters.changes)
        return f"  members: {self.members}\n  catalog: {self.catalog}\n  voters: {counts}"

    def tell(self, whose: str) -> tuple[float, float]:
        """Say it all; when it was failed and when alive again, in seconds since the kill."""
        sys.stdout.write(f"\n{whose}\n{self}\n")
        failed_s = self.members.first_s(lambda found: found[0] == FAILED)
        assert failed_s is not None, "who is not where it is said to be fails"
        later = (at_s for at_s, found in self.members.changes if found[0] == ALIVE)
        return failed_s, next(at_s for at_s in later if at_s > failed_s)


class Writer:
    """Writes numbered keys through whoever answers, and knows which were acknowledged."""

    def __init__(self, members: Sequence[Member]) -> None:
        self.acknowledged: list[str] = []
        self._members = members
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        number = 0
        while not self._done.wait(LOOK_S):
            number += 1
            key = f"written/{number}"
            try:
                answer = self._members[number % len(self._members)].ask("PUT", f"/v1/kv/{key}")
            except (OSError, http.client.HTTPException):
                continue
            if (answer.status, answer.body) == (200, b"true"):
                self.acknowledged.append(key)

    def close(self) -> None:
        """Write no more."""
        self._done.set()
        self._thread.join()


class Timeline:
    """What somebody says of something, each time that it changes, in seconds since a moment."""

    def __init__(self, look: Callable[[], Any], began_s: float) -> None:
        self.changes: list[tuple[float, Any]] = []
        self._look = look
        self._began_s = began_s
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        while not self._done.is_set():
            self._look_once()
            self._done.wait(LOOK_S)
        self._look_once()  # so that what somebody else has seen by now is seen here, too

    def _look_once(self) -> None:
        try:
            found = self._look()
        except NOT_NOW:
            return  # it does not answer: nothing is known
        if not self.changes or self.changes[-1][1] != found:
            self.changes.append((time.monotonic() - self._began_s, found))

    def close(self) -> None:
        """Look no more."""
        self._done.set()
        self._thread.join()

    def first_s(self, holds: Callable[[Any], bool]) -> float | None:
        """When it was so first; None for never."""
        return next((at_s for at_s, value in self.changes if holds(value)), None)

    def __str__(self) -> str:
        return "; ".join(f"{at_s:.1f} s: {value}" for at_s, value in self.changes)


def soon(holds: Callable[[], bool], what: str, limit_s: float = SOON_S) -> float:
    """Wait for it, and not long: how long it took."""
    began_s = time.monotonic()
    while True:
        try:
            if holds():
                return time.monotonic() - began_s
        except NOT_NOW:
            pass
        assert time.monotonic() - began_s < limit_s, f"not within {limit_s:.0f} s: {what}"
        time.sleep(LOOK_S)  # noqa: TID251 - other processes are waited for
