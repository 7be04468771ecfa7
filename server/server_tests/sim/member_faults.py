"""Members that come and go while all else goes wrong, and leaders that hand over."""

from collections.abc import Callable

from proconsul.raft.membership import AddNonvoter, AddVoter, Change, RemoveServer
from proconsul.raft.messages import Configuration, ServerAddress, Suffrage
from server_tests.sim.servers import SimServer
from server_tests.sim.stage import Faulty, Stage


class MemberFaults(Faulty):
    """Of the membership. No faults, but what an operator does at the worst time."""

    def __init__(self, stage: Stage) -> None:
        super().__init__(stage)
        self.table: dict[str, Callable[[], bool]] = {
            "member added": lambda: self._change(self._addition),
            "member promoted": lambda: self._change(self._promotion),
            "member removed": lambda: self._change(self._removal),
            "transfer": self._transfer,
            "transfer unheard": self._transfer_unheard,
            "transfer heard late": self._transfer_heard_late,
        }

    def _change(self, choose: Callable[[Configuration], Change | None]) -> bool:
        leader = self._leader()
        if leader is None:
            return False
        change = choose(leader.node.configuration)
        return change is not None and leader.ask(lambda node: node.change(change))

    def _addition(self, now: Configuration) -> Change | None:
        members = {one.id for one in now.servers}
        others = [one for one in self._running() if one.id not in members]
        if not others:
            return None
        new = self._die.choice(others)
        address = ServerAddress(f"{new.id}:8300")
        if self._die.random() < 0.4:
            return AddVoter(new.id, address)
        return AddNonvoter(new.id, address)

    def _promotion(self, now: Configuration) -> Change | None:
        waiting = [one for one in now.servers if one.suffrage is not Suffrage.VOTER]
        waiting = [one for one in waiting if not self._stage.servers[one.id].is_lost]
        if not waiting:
            return None
        one = self._die.choice(waiting)
        return AddVoter(one.id, one.address)

    def _removal(self, now: Configuration) -> Change | None:
        lost = [one for one in now.servers if self._stage.servers[one.id].is_lost]
        voters = [one for one in now.servers if one.suffrage is Suffrage.VOTER]
        if not lost and len(voters) <= 1:
            return None
        return RemoveServer(self._die.choice(lost or list(now.servers)).id)

    def _transfer(self) -> bool:
        leader = self._leader()
        if leader is None:
            return False
        return self._hand_over(leader)

    def _transfer_unheard(self) -> bool:
        """Nobody is heard by the leader once it has told the other one to stand."""
        leader = self._leader()
        if leader is None or not self._hand_over(leader):
            return False
        network = self._stage.network
        links = {(one, leader.id) for one in self._stage.servers if one != leader.id}

        def cut() -> None:
            if not self._stage.is_calm and leader.is_up and leader.node.is_leader:
                network.set_cut(links)
                self._for_some_time(end)

        def end() -> None:
            if network.cut is links:
                network.set_cut(set())

        self._stage.agenda.after(self._die.randrange(1, 2 * self._stage.round_us), cut)
        return True

    def _transfer_heard_late(self) -> bool:
        """What the leader tells its successor is held up until another one leads, which is not
        told of it."""
        leader = self._leader()
        if leader is None or not self._hand_over(leader):
            return False
        network, term, links = self._stage.network, leader.node.term, self._cut_off(leader)

        def cut() -> None:
            if not self._stage.is_calm:
                network.set_cut(links)
                self._once(look, arrive)

        def look() -> bool:
            newer = self._leader()
            return newer is not None and newer.node.term > term and newer.node.may_hold_a_lease

        def arrive() -> None:
            newer = self._leader()
            if newer is not None and network.cut is links:
                network.set_cut({(one, newer.id) for one in self._stage.servers if one != newer.id})
                self._for_some_time(lambda: network.set_cut(set()))

        self._stage.agenda.after(self._die.randrange(1, 2 * self._stage.round_us), cut)
        return True

    def _hand_over(self, leader: SimServer) -> bool:
        others = [one.id for one in leader.node.configuration.servers if one.id != leader.id]
        target = self._die.choice(others) if others and self._die.random() < 0.5 else None
        return leader.ask(lambda node: node.transfer(target))
