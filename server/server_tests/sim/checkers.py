"""The paper's five properties (figure 3) and the lease's, looked at after every server's step.

Each check costs the same however long the logs are. Log matching is kept by induction: every
entry that any server ever held is remembered by index and term with the term before it, so two
logs that agree on an entry agree on all in front of it. What was promised is remembered for ever,
so a promise that is broken much later is found, too.
"""

from collections.abc import Sequence

from proconsul.raft.entry import Entry
from proconsul.raft.invariants import BrokenInvariantError, require
from proconsul.raft.messages import EntryKind, Index, ServerId, SnapshotMeta, Term
from proconsul.raft.node import Node

__all__ = ["BrokenInvariantError", "Watch"]


class Watch:
    """Looks on, and raises BrokenInvariantError."""

    def __init__(self) -> None:
        self.leaders: dict[Term, ServerId] = {}
        self._ends: dict[ServerId, tuple[Term, Index]] = {}
        self._entries: dict[tuple[Index, Term], tuple[Term, Entry]] = {}
        self._committed: list[Term] = [Term(0)]  # the term of every committed entry, by index
        self._commits: dict[Term, Index] = {}  # how far it went in each term
        self._commit_seen: dict[ServerId, Index] = {}
        self._votes: dict[tuple[ServerId, Term], ServerId] = {}
        self._spoken: dict[ServerId, Term] = {}  # the highest term that it used towards others
        self._chains: dict[Index, int] = {}

    @property
    def commit_index(self) -> Index:
        """How far anybody knows it to be committed."""
        return Index(len(self._committed) - 1)

    # ---------------------------------------------------------------- after each step

    def look(self, node: Node) -> None:
        """A server has had its turn."""
        me = node.me.id
        if node.is_leader:
            self._look_at_leader(node)
        commit = node.commit_index
        if commit != self._commit_seen.get(me):
            self._look_at_commit(node, commit)
            self._commit_seen[me] = commit
        self._look_at_members(node)

    def _look_at_members(self, node: Node) -> None:
        """The members in force are those of the last entry that has any (paper, 6)."""
        index = node.configuration_index
        if index <= node.snapshot.index:
            return
        term = node.log.term_at(index)
        known = self._entries.get((index, term)) if term is not None else None
        holds = known is not None and known[1].kind is EntryKind.CONFIGURATION
        require(holds, f"{node.me.id} goes by members of entry {index}, which it does not have")

    def _look_at_leader(self, node: Node) -> None:
        me, term = node.me.id, node.term
        leader = self.leaders.setdefault(term, me)
        require(leader == me, f"election safety: {leader} and {me} lead in term {term}")
        end_term, end = self._ends.get(me, (Term(0), Index(0)))
        fell = end_term == term and node.last_index < end
        require(not fell, f"leader append-only: {me} dropped entries behind {node.last_index}")
        self._ends[me] = (term, node.last_index)

    def _look_at_commit(self, node: Node, commit: Index) -> None:
        me, committed = node.me.id, self._committed
        for index in range(len(committed), commit + 1):
            term = node.log.term_at(Index(index))
            require(term is not None, f"{me} says that {index} is committed and does not have it")
            assert term is not None
            committed.append(term)
        held = node.log.term_at(commit)
        require(
            held == committed[commit],
            f"state machine safety: {commit} is committed with term {committed[commit]}, and "
            f"{me} says with {held}",
        )
        self._commits[node.term] = max(commit, self._commits.get(node.term, Index(0)))

    # ---------------------------------------------------------------- as it happens

    def elected(self, node: Node, term: Term) -> None:
        """Leader completeness: it holds all that was committed in earlier terms."""
        me = node.me.id
        leader = self.leaders.setdefault(term, me)
        require(leader == me, f"election safety: {leader} and {me} lead in term {term}")
        earlier = [index for when, index in self._commits.items() if when < term]
        index = max(earlier, default=Index(0))
        held = node.log.term_at(index)
        holds = held == self._committed[index] or index < node.snapshot.index
        require(
            holds,
            f"leader completeness: {me} leads in term {term} without {index} "
            f"of term {self._committed[index]}",
        )

    def sole(self, node: Node, term: Term, reading: Sequence[tuple[Term, ServerId]]) -> None:
        """What a lease says (raft/lease.py): nobody else is elected while it holds."""
        for earlier, other in reading:
            require(
                earlier >= term or other == node.me.id,
                f"lease: {node.me.id} is elected in term {term}, and {other} still reads by its "
                f"lease of term {earlier}",
            )

    def appended(self, node: Node, entries: Sequence[Entry]) -> None:
        """These are in a server's log now."""
        if not entries:
            return
        before = node.log.term_at(Index(entries[0].index - 1))
        assert before is not None, "the entry in front of a new one is known"
        self._remember(node.me.id, before, entries)

    def _remember(self, me: ServerId, before: Term, entries: Sequence[Entry]) -> None:
        for entry in entries:
            known = self._entries.setdefault((entry.index, entry.term), (before, entry))
            require(
                known[0] == before and known[1] == entry,
                f"log matching: {me} has another entry {entry.index} of term {entry.term}",
            )
            before = entry.term

    def started(self, node: Node, entries: Sequence[Entry]) -> None:
        """A server comes back with these on its disk."""
        me = node.me.id
        spoken = self._spoken.get(me, Term(0))
        require(node.term >= spoken, f"{me} came back with term {node.term} after {spoken}")
        if entries:
            known = self._entries.get((entries[0].index, entries[0].term))
            require(known is not None, f"{me} found an entry that nobody wrote")
            assert known is not None
            self._remember(me, known[0], entries)

    def voted(self, voter: ServerId, term: Term, candidate: ServerId) -> None:
        """A vote left its server."""
        given = self._votes.setdefault((voter, term), candidate)
        require(given == candidate, f"{voter} votes for {given} and for {candidate} in term {term}")
        self._spoken[voter] = max(term, self._spoken.get(voter, Term(0)))

    def applied(self, me: ServerId, entry: Entry, chain: int) -> None:
        """A server applied an entry, and its chain is this now."""
        known = self._chains.setdefault(entry.index, chain)
        require(known == chain, f"state machine safety: {me} applied another {entry.index}")

    def installed(self, snapshot: SnapshotMeta, chain: int) -> None:
        """A server took a snapshot for its state."""
        known = self._chains.get(snapshot.index)
        require(known == chain, f"state machine safety: another state at {snapshot.index}")
