"""The paper's five properties (figure 3) as checks, for tests and the simulator.

A `Watch` is shown all the nodes after every step, and every batch that one of them applies. It
remembers what was ever promised, so a promise that is broken much later is found, too.
"""

from collections.abc import Iterable, Sequence
from itertools import combinations

from proconsul.raft.entry import Entry
from proconsul.raft.messages import Index, ServerId, Term
from proconsul.raft.state import State


class BrokenInvariantError(AssertionError):
    """What Raft promises does not hold."""


def require(holds: bool, what: str) -> None:
    """Raise BrokenInvariantError with `what` unless it holds."""
    if not holds:
        raise BrokenInvariantError(what)


class Watch:
    """Looks on, and speaks up."""

    def __init__(self) -> None:
        self._leaders: dict[Term, ServerId] = {}
        self._ends: dict[tuple[ServerId, Term], Index] = {}
        self._terms: dict[ServerId, Term] = {}
        self._applied: dict[Index, Entry] = {}
        self._applied_index: dict[ServerId, Index] = {}

    def look(self, nodes: Sequence[State]) -> None:
        """Check all that can be seen now."""
        for node in nodes:
            self._look_at_term(node)
            if node.is_leader:
                self._look_at_leader(node)
        for one, other in combinations(nodes, 2):
            logs_match(one, other)

    def _look_at_term(self, node: State) -> None:
        before = self._terms.get(node.me.id, node.term)
        require(node.term >= before, f"{node.me.id} went back from term {before} to {node.term}")
        self._terms[node.me.id] = node.term

    def _look_at_leader(self, node: State) -> None:
        leader = self._leaders.setdefault(node.term, node.me.id)
        require(
            leader == node.me.id,
            f"election safety: {leader} and {node.me.id} lead in term {node.term}",
        )
        end = self._ends.get((node.me.id, node.term))
        if end is None:  # as it was elected: terms of what it holds never change from here on
            for index, entry in self._applied.items():
                term = node.log.term_at(index)
                there = index < node.log.first_index or term == entry.term
                require(there, f"leader completeness: {leader} lacks {index} of term {entry.term}")
        require(node.last_index >= (end or 0), f"leader append-only: {leader} dropped entries")
        self._ends[(node.me.id, node.term)] = node.last_index

    def applied(self, server: ServerId, entries: Iterable[Entry]) -> None:
        """A server applies these."""
        for entry in entries:
            before = self._applied_index.get(server, Index(entry.index - 1))
            require(entry.index == before + 1, f"{server} applied {entry.index} after {before}")
            self._applied_index[server] = entry.index
            same = self._applied.setdefault(entry.index, entry)
            require(same == entry, f"state machine safety: {server} applied another {entry.index}")

    def restarted(self, server: ServerId, applied: Index) -> None:
        """A server begins again, or has a snapshot, with the state of this index.

        What it had not synced is forgotten, a term that it never told anybody included.
        """
        self._applied_index[server] = applied
        self._terms.pop(server, None)


def logs_match(one: State, other: State) -> None:
    """Log matching: where two logs agree on a term, they agree on all that is in front of it."""
    first = max(one.log.first_index, other.log.first_index)
    agreed = False
    for index in range(min(one.last_index, other.last_index), first - 1, -1):
        same = one.log.term_at(Index(index)) == other.log.term_at(Index(index))
        require(
            same or not agreed,
            f"log matching: {one.me.id} and {other.me.id} differ at {index} but not behind it",
        )
        agreed = agreed or same
