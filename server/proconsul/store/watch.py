"""What a query has read, so that it is woken by changes of just that.

A query notes prefixes of keys in a WatchSet while it runs; a transaction collects the keys that
it changed. `Watchers` matches the two: a waiter fires when a changed key starts with a prefix
that it noted. A whole row is noted as its full key (keys of rows end with a NUL, so one row's
key is no prefix of another's; KV keys are noted with `exact`).
"""

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field
from typing import Protocol

Changed = set[tuple[str, bytes]]

# A query that reads more than this waits for whole tables instead (Consul's watchLimit): it is
# woken too often then, but waiting stays cheap.
NOTED_MAX = 8192


@dataclass(slots=True)
class WatchSet:
    """The prefixes and keys that one run of a query has read."""

    prefixes: set[tuple[str, bytes]] = field(default_factory=set)
    keys: set[tuple[str, bytes]] = field(default_factory=set)

    def prefix(self, table: str, prefix: bytes = b"") -> None:
        """Wake when any key that starts with `prefix` changes."""
        if len(self.keys) + len(self.prefixes) >= NOTED_MAX:
            prefix = b""
        self.prefixes.add((table, prefix))

    def exact(self, table: str, key: bytes) -> None:
        """Wake when this very key changes."""
        if len(self.keys) + len(self.prefixes) >= NOTED_MAX:
            self.prefixes.add((table, b""))
        else:
            self.keys.add((table, key))


class Noted(Protocol):
    """What a WatchSet names, in whatever form."""

    @property
    def prefixes(self) -> Collection[tuple[str, bytes]]:
        """Tables, and prefixes of keys in them."""

    @property
    def keys(self) -> Collection[tuple[str, bytes]]:
        """Tables, and keys in them."""


class Concerned(Protocol):
    """Who is told of a change, once."""

    @property
    def watch(self) -> Noted:
        """Of what; it stays the same."""

    @property
    def fire(self) -> Callable[[], None]:
        """Tells."""


@dataclass(slots=True, eq=False)
class Waiter:
    """One waiting query; `fire` is called once, with no argument."""

    watch: WatchSet
    fire: Callable[[], None]


class Watchers:
    """All who wait for changes, by what they wait for."""

    def __init__(self) -> None:
        self._by_key: dict[tuple[str, bytes], set[Concerned]] = {}
        self._by_prefix: dict[tuple[str, bytes], set[Concerned]] = {}
        self._lengths: dict[str, dict[int, int]] = {}  # table: length of prefix: how many
        self._all: set[Concerned] = set()

    def __len__(self) -> int:
        return len(self._all)

    def add(self, waiter: Concerned) -> None:
        """Wait for what `waiter.watch` names."""
        self._all.add(waiter)
        for noted in waiter.watch.keys:
            self._by_key.setdefault(noted, set()).add(waiter)
        for noted in waiter.watch.prefixes:
            waiters = self._by_prefix.get(noted)
            if waiters is None:
                waiters = self._by_prefix[noted] = set()
                lengths = self._lengths.setdefault(noted[0], {})
                lengths[len(noted[1])] = lengths.get(len(noted[1]), 0) + 1
            waiters.add(waiter)

    def remove(self, waiter: Concerned) -> None:
        """Forget a waiter; harmless if it fired already."""
        if waiter not in self._all:
            return
        self._all.discard(waiter)
        for noted in waiter.watch.keys:
            waiters = self._by_key[noted]
            waiters.discard(waiter)
            if not waiters:
                del self._by_key[noted]
        for noted in waiter.watch.prefixes:
            waiters = self._by_prefix[noted]
            waiters.discard(waiter)
            if not waiters:
                del self._by_prefix[noted]
                lengths = self._lengths[noted[0]]
                lengths[len(noted[1])] -= 1
                if not lengths[len(noted[1])]:
                    del lengths[len(noted[1])]

    def fire(self, changed: Iterable[tuple[str, bytes]]) -> None:
        """Wake all that read one of these keys."""
        if not self._all:
            return
        woken: set[Concerned] = set()
        for name in changed:
            waiters = self._by_key.get(name)
            if waiters is not None:
                woken |= waiters
            table, key = name
            for length in self._lengths.get(table, ()):
                if length <= len(key):
                    waiters = self._by_prefix.get((table, key[:length]))
                    if waiters is not None:
                        woken |= waiters
        for waiter in woken:
            self.remove(waiter)
            waiter.fire()

    def abandon(self) -> None:
        """Wake everybody: the state was replaced."""
        for waiter in list(self._all):
            self.remove(waiter)
            waiter.fire()
