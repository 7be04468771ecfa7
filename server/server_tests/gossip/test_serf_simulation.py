"""Pools whose members come, go, crash and are cut off at random; in the end all is as it is."""

import random

import pytest

from proconsul.gossip.effects import (
    Change,
    LeaveEnded,
    MemberChanged,
    MemberStatus,
    UserEventHeard,
)
from server_tests.gossip.serf_world import Host, SerfWorld, target

NAMES = [f"n{number}" for number in range(6)]
STEPS = 40


class Story:
    """One pool and what happens to it. Not all are gone at once: somebody must know the pool."""

    def __init__(self, seed: int) -> None:
        self.die = random.Random(seed)
        self.world = SerfWorld(seed)
        self.hosts: dict[str, Host] = {}
        self.lives: list[Host] = []
        self.fired: list[str] = []
        for name in NAMES:
            self.start(name)
            self.world.run(1.0)

    def up(self) -> list[Host]:
        return [host for host in self.hosts.values() if host.is_up and not host.serf.is_leaving]

    def start(self, name: str) -> None:
        old = self.hosts.get(name)
        seeds = [host for host in self.up() if host.name not in self.world.cut_off]
        host = self.world.restart(old) if old else self.world.start(name)
        self.hosts[name] = host
        self.lives.append(host)
        targets = [target(seed.address, seed.name) for seed in seeds]
        self.world.do(host, lambda serf, now_s: serf.join(targets, now_s))
        if self.die.random() < 0.5:
            self.world.do(host, lambda serf, now_s: serf.rejoin_kept(now_s))

    def step(self) -> None:
        name = self.die.choice(NAMES)
        host = self.hosts[name]
        others = [other for other in self.up() if other is not host]
        what = self.die.choice(["leave", "kill", "cut", "mend", "event", "event", "tags", "force"])
        if not host.is_up:
            self.start(name)
        elif host.serf.is_leaving or len(others) < 3:
            self.world.cut_off.clear()
        elif what == "leave":
            self.leave(host)
        elif what == "kill":
            self.world.kill(host)
        elif what == "cut":
            self.world.cut_off = {name}
        elif what == "mend":
            self.world.cut_off.clear()
        elif what == "event":
            self.fire(host)
        elif what == "tags":
            tags = {"role": "node", "run": str(self.die.randrange(1000))}
            self.world.do(host, lambda serf, now_s: serf.set_tags(tags, now_s))
        else:
            whom, prune = self.die.choice(NAMES), self.die.random() < 0.3
            self.world.do(
                host, lambda serf, now_s: serf.force_leave(whom, prune=prune, now_s=now_s)
            )
        self.world.run(self.die.choice([0.1, 1.0, 5.0, 20.0]))

    def leave(self, host: Host) -> None:
        self.world.do(host, lambda serf, now_s: serf.leave(now_s))
        self.world.run_until(lambda: bool(host.of(LeaveEnded)))
        self.world.kill(host)

    def fire(self, host: Host) -> None:
        name = f"event {len(self.fired)}"
        self.fired.append(name)
        self.world.do(
            host, lambda serf, now_s: serf.user_event(name, b"", coalesce=False, now_s=now_s)
        )

    def settle(self) -> None:
        self.world.cut_off.clear()
        names = [host.name for host in self.up()]
        self.world.run_until(
            lambda: all(self.world.knows(host, *names) for host in self.up()), 600.0
        )

    def judge(self) -> None:
        up = self.up()
        tags = {m.name: m.tags for h in up for m in h.serf.members() if m.name == h.name}
        for host in up:
            for member in host.serf.members():
                if member.status is MemberStatus.ALIVE:
                    assert member.tags == tags[member.name]
            gone = {m.name: m.status for m in host.serf.members() if m.name not in tags}
            assert MemberStatus.LEAVING not in gone.values()
            stats = host.serf.stats()
            assert stats["failed"] == str(list(gone.values()).count(MemberStatus.FAILED))
            assert stats["left"] == str(list(gone.values()).count(MemberStatus.LEFT))
        for life in self.lives:
            events = [event.name for event in life.of(UserEventHeard)]
            assert len(events) == len(set(events)), "an event was heard twice"
            self.judge_changes(life)

    def judge_changes(self, life: Host) -> None:
        """Each member came before it went, and went before it came back."""
        there: set[str] = set()
        for found in life.of(MemberChanged):
            name = found.member.name
            if found.change is Change.JOIN:
                assert name not in there
                there.add(name)
            elif found.change is Change.FAILED:
                assert name in there
                there.discard(name)
            elif found.change is Change.LEAVE:
                there.discard(name)
            elif found.change is Change.REAP:
                assert name not in there


@pytest.mark.parametrize("seed", range(2))
def test_whatever_happened_in_the_end_all_know_how_it_is(seed: int) -> None:
    tell(seed)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(100, 120))
def test_and_in_many_other_stories(seed: int) -> None:
    tell(seed)


def tell(seed: int) -> None:
    story = Story(seed)
    for _ in range(STEPS):
        story.step()
    story.settle()
    story.judge()
    # Gossip may miss somebody; a full exchange, which there is every half minute, does not.
    up = story.up()
    story.fire(up[0])
    story.world.run(120.0)
    assert all(story.fired[-1] in host.events() for host in up)
    story.leave(up[1])
    story.world.run(120.0)
    assert {host.status(up[1].name) for host in story.up()} == {MemberStatus.LEFT}
