"""Case 17, where the Secret is kept by somebody else, with a CA of the tests' own.

A new certificate, then a new CA, in the three moves that its keeper makes: all servers take each,
under load, and none restarts for it.
"""

from typing import Final

import pytest

from e2e.authority import Authority, secret
from e2e.cases.story import Story
from e2e.cases.trust import Trust
from e2e.load.ledger import Ledger
from e2e.waits import limit, until

GIVEN: Final = "given-tls"
NAMES: Final = ("server.dc1.consul",)


@pytest.mark.case(minutes=9)
def test_certificates_that_somebody_else_keeps(story: Story) -> None:
    first, second = Authority("first"), Authority("second")
    story.kubectl.apply(secret(GIVEN, first.leaf(*NAMES), first))
    story.install_operated(tls={"enabled": True, "secretName": GIVEN})
    trust = Trust(story, GIVEN)
    trust.wanted()  # who issued the first one
    pods = _lives(story)
    took: dict[str, float] = {}
    began_s = 0.0
    by_second = second.leaf(*NAMES)
    with story.watched() as watcher, story.load() as load:
        watcher.seen.floor = 3
        old = first.leaf(*NAMES)
        for what, made in (
            ("a new certificate", secret(GIVEN, old, first)),
            ("both CAs", secret(GIVEN, old, first, second)),
            ("a certificate of the new CA", secret(GIVEN, by_second, first, second)),
            ("the new CA alone", secret(GIVEN, by_second, second)),
        ):
            at_s = story.note(what)
            began_s = began_s or at_s
            story.kubectl.apply(made)
            took[what] = round(until(trust.not_taken, what, limit("certificates_taken")), 1)
            story.cluster.wait_for("TLSReady", "True", limit_name="noticed")
    story.figures["taken after s"] = took
    assert load.ledger is not None
    assert _not_acknowledged(load.ledger, began_s) == []
    assert trust.complaints == []
    assert _lives(story) == pods, "nobody was restarted"
    assert len(watcher.seen.leaders) == 1


def _lives(story: Story) -> dict[str, tuple[str, int]]:
    """By pod: its UID, and how often it was restarted."""
    return {
        name: (
            pod["metadata"]["uid"],
            sum(each["restartCount"] for each in pod["status"]["containerStatuses"]),
        )
        for name, pod in story.servers.pods().items()
    }


def _not_acknowledged(ledger: Ledger, from_s: float) -> list[str]:
    later = [one for one in ledger.operations if one.invoked_ns >= ledger.at_ns(from_s)]
    failed = [one for one in later if not (one.is_acked or one.is_outrun)]
    return [f"{one.kind} {one.target}: {one.why}" for one in failed]
