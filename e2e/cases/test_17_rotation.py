"""Case 17, where all of it is the operator's: a new CA and a new gossip key, under load.

A member is down at the start, and at every step the operator dies and a member is restarted, which
must join again. All the time it is looked whether anybody is shown a certificate that it does not
trust.
"""

import base64
import json
from dataclasses import dataclass, field
from typing import Final

import pytest

from e2e.authority import certificates_in, fingerprint
from e2e.cases.story import RELEASE, Story
from e2e.cases.trust import Trust
from e2e.kubectl import AnswerError, run
from e2e.operator import KILLED
from e2e.waits import limit, until
from proconsul_operator.plans.steps import STEPS, Operation

OWN: Final = f"{RELEASE}-tls"
KEYRING: Final = "/v1/operator/keyring"
RUNS: Final = ("ca", "gossip")


@pytest.mark.case(minutes=12)
@pytest.mark.parametrize("what", RUNS)
def test_what_the_operator_keeps_changes_wherever_it_dies(story: Story, what: str) -> None:
    story.install_operated(tls={"enabled": True})
    trust = Trust(story, OWN)
    ca, keys = story.kubectl.get("secrets", f"{RELEASE}-ca")["data"]["tls.crt"], _keys(story)
    ids = story.servers.ids()
    operation = Operation.AUTHORITY_ROTATION if what == "ca" else Operation.GOSSIP_ROTATION
    acts = [step for step, row in STEPS.items() if row.acts and row.operation is operation]
    steps = [f"after-{step}" for step in acts]
    story.operator.halt_at(*steps)
    story.operator.await_rollout()
    with story.watched() as watcher, story.load():
        watcher.seen.floor = 2
        _ask_with_one_away(story, f"proconsul.io/rotate-{what}")
        deaths = Deaths(story, set(steps))
        until(lambda: _unfinished(deaths, trust, what, ca, keys), "it changes", limit("rotated"))
        story.servers.wait_until_well("back_as_voter")
    story.figures["the operator died"] = deaths.count
    story.figures["restarted meanwhile"] = deaths.restarted
    assert deaths.steps == set(), "it did not die at each of them"
    assert trust.complaints == []
    assert story.servers.ids() == ids
    if what == "ca":
        (held,) = certificates_in(base64.b64decode(_authority(story)["tls.crt"]).decode())
        assert trust.wanted()[1] == [fingerprint(held)]
        assert "previous.key" not in _authority(story)
    else:
        _is_refused(story, keys[0])


def _authority(story: Story) -> dict[str, str]:
    data: dict[str, str] = story.kubectl.get("secrets", f"{RELEASE}-ca")["data"]
    return data


def _keys(story: Story) -> list[str]:
    data = story.kubectl.get("secrets", f"{RELEASE}-gossip")["data"]
    return base64.b64decode(data["keys"]).decode().split()


@dataclass(slots=True)
class Deaths:
    """Of the operator: each time another pod is made, and a follower is restarted meanwhile.

    That one does not die at the same step: the follower may have undone it, as one that starts
    before the old key is out of the Secret brings it back.
    """

    story: Story
    steps: set[str]  # where it is yet to die
    count: int = 0
    restarted: int = 0
    seen: set[str] = field(default_factory=set)

    def look(self) -> str:
        """What there is to wait for; "" for nothing."""
        dead = [name for name in self.story.operator.pods() if self._has_died(name)]
        if not dead:
            return ""
        self.count += 1
        self.seen.update(dead)
        fired = {name for pod in dead for name in self.story.operator.fired(pod)}
        self.story.note(f"the operator has died, {self.count} times: {sorted(fired)}")
        self.steps -= fired
        self.story.operator.halt_at(*sorted(self.steps))
        if not self.story.servers.not_well():
            follower = self._follower()
            self.story.note(f"{follower} is killed")
            self.story.servers.kill(follower)
            self.restarted += 1
        return f"death {self.count}"

    def _has_died(self, name: str) -> bool:
        if name in self.seen:
            return False
        pod = self.story.operator.pods().get(name)
        states = [
            status.get(when, {}).get("terminated", {}).get("exitCode")
            for status in (pod or {}).get("status", {}).get("containerStatuses", ())
            for when in ("lastState", "state")
        ]
        return KILLED in states

    def _follower(self) -> str:
        leader = self.story.servers.leader()
        others = [name for name in self.story.servers.names if name != leader]
        return others[self.count % len(others)]


def _ask_with_one_away(story: Story, annotation: str) -> None:
    """A follower is down, and its node takes no pod; nothing begins until it is back."""
    servers = story.servers
    follower = next(name for name in servers.names if name != servers.leader())
    node = servers.pods()[follower]["spec"]["nodeName"]
    run("kubectl", "cordon", node)
    try:
        story.note(f"{follower} is away, and {annotation} is asked for")
        servers.kill(follower)
        story.kubectl("annotate", "proconsulcluster", RELEASE, f"{annotation}=1")
        story.cluster.wait_for("AllMembersReady", "False", limit_name="noticed")
        before = _versions(story)
        story.cluster.wait_for("Ready", "False", "MembersNotReady", limit_name="noticed")
        until(lambda: _same_step(story, "AwaitMember"), "it waits for the member", limit("noticed"))
        assert _versions(story) == before, "it has begun while a member is away"
    finally:
        run("kubectl", "uncordon", node)
    servers.wait_until_well("back_as_voter")


def _same_step(story: Story, step: str) -> str:
    held = story.cluster.status().get("operation") or {}
    conditions = story.cluster.condition("Progressing")
    return "" if held.get("step", step) == step else f"{held}, {conditions}"


def _versions(story: Story) -> list[str]:
    return [
        story.kubectl.get("secrets", f"{RELEASE}-{name}")["metadata"]["resourceVersion"]
        for name in ("ca", "tls", "gossip")
    ]


def _unfinished(deaths: Deaths, trust: Trust, what: str, ca: str, keys: list[str]) -> str:
    story = trust.story
    died = deaths.look()
    trust.look()
    if died:
        return died
    return (_ca_is_old if what == "ca" else _key_is_old)(story, trust, ca, keys)


def _ca_is_old(story: Story, trust: Trust, ca: str, keys: list[str]) -> str:
    held = _authority(story)
    if held["tls.crt"] == ca or "previous.crt" in held:
        return f"the CA has not changed: {story.cluster.status().get('operation')}"
    return trust.not_taken() or story.cluster.is_not("TLSReady", "True")


def _key_is_old(story: Story, trust: Trust, ca: str, keys: list[str]) -> str:
    held = _keys(story)
    if len(held) > 1 or held == keys:
        return f"the key has not changed: {story.cluster.status().get('operation')}"
    return story.cluster.is_not("GossipKeyConsistent", "True", "SameKey")


def _is_refused(story: Story, old: str) -> None:
    """Nobody has the old key, and nobody takes it as the one to use."""
    servers = story.servers
    (held,) = _keys(story)
    pools = servers.ask(servers.leader(), KEYRING)
    for pool in pools:
        if not pool["WAN"]:
            assert pool["Keys"] == {held: pool["NumNodes"]}
    body = json.dumps({"Key": old}).encode()
    with pytest.raises(AnswerError) as refused:
        story.kubectl.ask(servers.leader(), servers.port, KEYRING, "PUT", body)
    assert refused.value.status >= 500
