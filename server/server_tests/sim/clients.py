"""Clients: each asks one thing at a time, of whom it takes for the leader, and notes what it saw.

All that a client knows is in its history: when it asked, when it heard, what. An answer that does
not come in time is an unknown outcome, and is never asked again.
"""

import random

from proconsul.raft.messages import ServerId
from server_tests.sim.agenda import Agenda
from server_tests.sim.history import Kind, Operation, Outcome
from server_tests.sim.kv import NOTHING
from server_tests.sim.servers import SimServer

KEYS = ("a", "b", "c")
KINDS = (Kind.PUT, Kind.PUT, Kind.CAS, Kind.GET)


class Client:
    """One of them."""

    def __init__(
        self,
        number: int,
        servers: dict[ServerId, SimServer],
        agenda: Agenda,
        die: random.Random,
        *,
        think_us: int,
        typical_us: int,
        patience_us: int,
        reads_only: bool,
        loyalty: float,
        lease_reads: float,
        history: list[Operation],
    ) -> None:
        self.is_done = False
        self._number = number
        self._servers = servers
        self._agenda = agenda
        self._die = die
        self._think_us = think_us
        self._typical_us = typical_us
        self._patience_us = patience_us
        self._kinds = (Kind.GET,) if reads_only else KINDS
        self._loyalty = loyalty
        self._lease_reads = lease_reads
        self._history = history
        self._asked = 0
        self._leader: ServerId | None = None
        self._seen = dict.fromkeys(KEYS, NOTHING)
        self._open: Operation | None = None

    def start(self) -> None:
        """Begin to ask, and go on until `is_done`.

        `loyalty` is how likely it asks the one again that answered the last time, `lease_reads`
        how likely it reads in the default mode.
        """
        self._agenda.after(self._die.randrange(self._think_us), self._ask)

    def _ask(self) -> None:
        if self.is_done:
            return
        die = self._die
        server = self._choose_server()
        key = die.choice(KEYS)
        kind = die.choice(self._kinds)
        self._asked += 1
        operation = self._open = Operation(
            self._number,
            kind,
            key,
            f"{self._number}.{self._asked}",
            self._seen[key],
            self._agenda.steps,
            in_default_mode=kind is Kind.GET and die.random() < self._lease_reads,
        )
        self._history.append(operation)
        self._agenda.after(self._delay_us(), lambda: self._arrive(server, operation))
        self._agenda.after(
            self._patience_us, lambda: self._hear(None, operation, Outcome.UNKNOWN, NOTHING)
        )

    def _choose_server(self) -> SimServer:
        known = self._servers.get(self._leader) if self._leader is not None else None
        if known is not None and self._die.random() < self._loyalty:
            return known
        running = [one for one in self._servers.values() if one.is_up]
        leading = [one for one in running if one.node.is_leader]
        # Somebody told it of a leader, which may be one that was.
        if leading and self._die.random() < 0.8:
            return max(leading, key=lambda one: one.node.term)
        return self._die.choice(leading or running or list(self._servers.values()))

    def _delay_us(self) -> int:
        return int(self._typical_us * (0.3 + self._die.random()))

    def _arrive(self, server: SimServer, operation: Operation) -> None:
        def tell(outcome: Outcome, met: str) -> None:
            self._agenda.after(
                self._delay_us(), lambda: self._hear(server, operation, outcome, met)
            )

        if server.is_up:
            server.hear_call(lambda: server.serve(operation, tell))
        else:
            tell(Outcome.REFUSED, NOTHING)

    def _hear(
        self, server: SimServer | None, operation: Operation, outcome: Outcome, met: str
    ) -> None:
        """Of a server, or of nobody when it has waited long enough."""
        if self._open is not operation:
            return  # too late: it has given up
        self._open = None
        self._leader = server.id if server is not None and outcome is Outcome.DONE else None
        operation.outcome = outcome
        if outcome is Outcome.DONE:
            operation.returned = self._agenda.steps
            operation.met = met
            done = operation.kind is Kind.PUT or (
                operation.kind is Kind.CAS and met == operation.expected
            )
            self._seen[operation.key] = operation.value if done else met
        self._agenda.after(self._die.randrange(self._think_us), self._ask)
