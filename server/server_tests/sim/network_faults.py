"""Links that are cut or slow, in all the ways in which a network splits."""

from collections.abc import Callable
from functools import partial

from proconsul.raft.membership import AddVoter
from proconsul.raft.messages import ServerAddress, ServerId
from proconsul.raft.node import Node
from server_tests.sim.network import Link
from server_tests.sim.stage import Faulty, Stage


class NetworkFaults(Faulty):
    """Of the network."""

    def __init__(self, stage: Stage) -> None:
        super().__init__(stage)
        self._partition = 0  # a newer one takes the place of the one before
        self.table: dict[str, Callable[[], bool]] = {
            "partition": self._halves,
            "one-way partition": self._one_way,
            "bridge": self._bridge,
            "isolated leader": self._isolated_leader,
            "deaf leader": self._deaf_leader,
            "leader that hears late": self._late_leader,
            "leader with strangers": self._leader_with_strangers,
            "connection reset": stage.network.reset_one,
            "heartbeats reset": self._heartbeats_reset,
            "slow link": self._slow_link,
        }

    def heal(self) -> None:
        """Every link is whole and fast."""
        self._stage.network.set_cut(set())
        self._stage.network.slow.clear()

    def _cut(self, links: set[Link], lasting_us: int | None = None) -> bool:
        if not links:
            return False
        network = self._stage.network
        network.set_cut(links)
        self._partition += 1
        number = self._partition

        def end() -> None:
            if self._partition == number and not self._stage.is_calm:
                network.set_cut(set())

        self._stage.agenda.after(lasting_us or self._some_time(), end)
        return True

    def _groups(self) -> tuple[list[ServerId], list[ServerId]]:
        names = list(self._stage.servers)
        self._die.shuffle(names)
        size = self._die.randrange(1, max(2, len(names)))
        return names[:size], names[size:]

    def _halves(self) -> bool:
        ones, others = self._groups()
        return self._cut({pair for a in ones for b in others for pair in ((a, b), (b, a))})

    def _one_way(self) -> bool:
        ones, others = self._groups()
        return self._cut({(a, b) for a in ones for b in others})

    def _bridge(self) -> bool:
        """Two groups that see each other only through one server between them."""
        names = list(self._stage.servers)
        if len(names) < 3:
            return False
        self._die.shuffle(names)
        size = self._die.randrange(1, len(names) - 1)
        ones, others = names[:size], names[size + 1 :]
        return self._cut({pair for a in ones for b in others for pair in ((a, b), (b, a))})

    def _isolated_leader(self) -> bool:
        leader = self._leader()
        if leader is None:
            return False
        return self._cut(self._cut_off(leader))

    def _heartbeats_reset(self) -> bool:
        """All who follow are told that the leader is gone. It lives; at times it is cut off, too,
        as soon as they know."""
        leader = self._leader()
        if leader is None or not self._stage.network.reset_heartbeats(leader):
            return False
        if self._die.random() < 0.5:

            def cut() -> None:
                if not self._stage.is_calm:
                    self._cut(self._cut_off(leader), 15 * self._stage.tick_us)

            self._stage.agenda.after(2 * self._stage.network.typical_us, cut)
        return True

    def _deaf_leader(self) -> bool:
        """It can be heard, and hears nobody."""
        leader = self._leader()
        if leader is None:
            return False
        return self._cut({(b, leader.id) for b in self._stage.servers if b != leader.id})

    def _leader_with_strangers(self) -> bool:
        """The leader is cut off together with those who are no members yet, and wants them all.

        With two changes at once it would have a majority of its own (thesis, 4.1).
        """
        leader = self._leader()
        if leader is None:
            return False
        members = {one.id for one in leader.node.configuration.servers} - {leader.id}
        ones = [name for name in self._stage.servers if name not in members]
        strangers = [AddVoter(one, ServerAddress(f"{one}:8300")) for one in ones]
        for change in strangers[1:] if self._die.random() < 0.5 else ():
            leader.ask(partial(_change, change))
        return self._cut({pair for a in ones for b in members for pair in ((a, b), (b, a))})

    def _late_leader(self) -> bool:
        """What others say takes long to reach the leader, and soon it is not heard either.

        So answers of old still come in when somebody else leads already.
        """
        leader = self._leader()
        if leader is None:
            return False
        network, me = self._stage.network, leader.id
        lasting_us = 40 * self._stage.tick_us
        others = [name for name in self._stage.servers if name != me]
        for name in others:
            network.slow[(name, me)] = 1 + 15 * self._stage.tick_us // network.typical_us

        def cut() -> None:
            if not self._stage.is_calm:
                self._cut({(me, name) for name in others}, lasting_us)

        self._stage.agenda.after(self._die.randrange(3 * self._stage.tick_us), cut)
        self._stage.agenda.after(lasting_us, network.slow.clear)
        return bool(others)

    def _slow_link(self) -> bool:
        ones, others = self._groups()
        slow = self._stage.network.slow
        if not others:
            return False
        for a in ones:
            for b in others:
                slow[(a, b)] = slow[(b, a)] = self._die.choice((5, 20))
        self._for_some_time(slow.clear)
        return True


def _change(change: AddVoter, node: Node) -> None:
    node.change(change)
