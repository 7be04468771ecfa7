"""Before all others: checker and watcher find real faults that are planted here.

An old snapshot is put back under load, which takes back acknowledged writes; then two of three
servers are killed at once, of which the watcher was not told. Each must fail what it is in. What
else they find is planted in e2e/e2e_tests, by ledgers and samples written by hand.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

import pytest

from e2e.cases.story import Story
from e2e.waits import limit, until
from e2e.watcher import is_ready

AFTER_S = 3.0  # of writes that the snapshot has not


@pytest.mark.case(minutes=3)
def test_a_real_loss_and_a_real_outage_are_found(story: Story) -> None:
    servers = story.servers
    story.install()
    with _fails_with(r"\(a\) [^;]* is lost") as complaints, story.load():
        snapshot, _ = story.kubectl.ask(servers.leader(), servers.port, "/v1/snapshot")
        story.rest_until(story.note("an old state is kept") + AFTER_S)
        story.note("it is put back")
        path = "/v1/snapshot"
        story.kubectl.ask(servers.leader(), servers.port, path, "PUT", snapshot)
    story.figures["found in the ledger"] = complaints

    follower, other = servers.names[0], servers.names[1]
    with _fails_with("1 pods are ready|0 pods are ready") as complaints, story.watched():
        story.note(f"{follower} and {other} are killed")
        servers.kill(follower, other)
        until(partial(_enough, story), "two are away", limit("pod_gone"))
        servers.wait_until_well("back_as_voter")
    story.figures["found by the watcher"] = complaints


@contextmanager
def _fails_with(pattern: str) -> Iterator[list[str]]:
    """What is in the `with` must fail with such words; they are the list's, after it."""
    told: list[str] = []
    with pytest.raises(AssertionError, match=pattern) as failure:
        yield told
    told += re.findall(pattern, f"{failure.value}")[:3]


def _enough(story: Story) -> str:
    """What is missing until the outage can be seen."""
    ready = [name for name, pod in story.servers.pods().items() if is_ready(pod)]
    return "" if len(ready) < 2 else f"{ready} are ready"
