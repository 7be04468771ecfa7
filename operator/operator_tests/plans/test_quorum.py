"""Away is not gone, and not reached is neither."""

from typing import Any

import pytest

from proconsul_operator.api.cluster import ClusterSpec, ProconsulCluster
from proconsul_operator.api.values import Metadata, read
from proconsul_operator.plans.observe import (
    Configuration,
    Fresh,
    Guard,
    Leader,
    Local,
    Observed,
    Pod,
    RaftServer,
    StatefulSet,
    Unknown,
)
from proconsul_operator.plans.quorum import Quorum, judge, majority
from proconsul_operator.plans.recovery import best, quorum_present, survivors

KNOWN = Configuration(
    index=7,
    servers=tuple(RaftServer(id=f"id-{n}", name=f"consul-{n}", voter=True) for n in range(3)),
)
SILENT = Unknown(why="no answer", since_s=0.0)


def pod(ordinal: int, local: Local | Unknown, **fields: Any) -> Pod:
    """A pod of consul."""
    name = f"consul-{ordinal}"
    return Pod(
        name=name,
        uid=name,
        resource_version="1",
        ordinal=ordinal,
        revision="r",
        local=local,
        **fields,
    )


def member(ordinal: int, **fields: Any) -> Pod:
    """One that has its disk and answers."""
    local = Local(id=f"id-{ordinal}", configuration=KNOWN, **fields)
    return pod(ordinal, local)


def observed(*pods: Pod, leader: Leader | None = None, size: int = 3) -> Observed:
    """A founded cluster of these pods."""
    return Observed(
        now_s=100.0,
        cluster=ProconsulCluster(metadata=Metadata(name="consul"), spec=read(ClusterSpec, {})),
        operator_version="1.0.0",
        fresh=Fresh(cluster_id="", gossip_key="", token=""),
        leader=leader or Unknown(why="no leader", since_s=0.0),
        stateful_set=StatefulSet(uid="s", resource_version="1", replicas=size, update_revision="r"),
        pods=pods,
        guard=Guard(cluster_id="c", bootstrapped=True),
    )


LEADER = Leader(id="id-0", name="consul-0", term=3, configuration=KNOWN, healths=())
EMPTY = Local(id="new-1")


@pytest.mark.parametrize(
    ("seen", "quorum"),
    [
        (observed(member(0), leader=LEADER), Quorum.LEADER_ANSWERED),
        (observed(member(0), member(1), pod(2, SILENT)), Quorum.NO_LEADER),
        (observed(member(0), pod(1, SILENT), pod(2, SILENT)), Quorum.MAJORITY_UNREACHABLE),
        (observed(member(0), pod(1, EMPTY), pod(2, SILENT)), Quorum.MAJORITY_UNREACHABLE),
        (observed(member(0), pod(1, EMPTY), pod(2, Local(id="new-2"))), Quorum.MAJORITY_LOST),
        (observed(pod(0, EMPTY), pod(1, Local(id="new-2"))), Quorum.MAJORITY_LOST),
        (observed(pod(0, EMPTY), pod(1, SILENT)), Quorum.MAJORITY_UNREACHABLE),
        (observed(*(pod(n, SILENT, ready=True) for n in range(3))), Quorum.CANNOT_REACH),
        (observed(*(pod(n, SILENT) for n in range(3))), Quorum.MAJORITY_UNREACHABLE),
        (observed(size=0), Quorum.HIBERNATED),
    ],
)
def test_what_holds_of_the_quorum(seen: Observed, quorum: Quorum) -> None:
    assert judge(seen).quorum is quorum


def test_lost_disks_are_proven_without_the_names_of_members_that_are_gone() -> None:
    """A server's own configuration has none: they are known of those that answer only."""
    bare = Configuration(
        index=7,
        servers=tuple(RaftServer(id=f"id-{n}", name="", voter=True) for n in range(3)),
    )
    left = pod(0, Local(id="id-0", configuration=bare))
    empty = pod(1, EMPTY), pod(2, Local(id="new-2"))
    verdict = judge(observed(left, *empty))
    assert verdict.quorum is Quorum.MAJORITY_LOST
    assert "2 of 3" in verdict.message
    assert "left are consul-0." in verdict.message
    assert judge(observed(left, empty[0])).quorum is Quorum.MAJORITY_UNREACHABLE


def test_a_member_beyond_the_sets_size_may_come_back() -> None:
    """While the set shrinks, or a person made it smaller: its disk is there, and no pod of it."""
    empty = pod(1, EMPTY), pod(2, Local(id="new-2"))
    wide = Configuration(
        index=8,
        servers=(*KNOWN.servers, *(RaftServer(id=f"id-{n}", name="", voter=True) for n in (3, 4))),
    )
    seen = observed(pod(0, Local(id="id-0", configuration=wide)), *empty)
    assert judge(seen).quorum is Quorum.MAJORITY_UNREACHABLE


def test_a_majority_is_more_than_half() -> None:
    assert [majority(n) for n in (1, 2, 3, 4, 5, 7)] == [1, 2, 2, 3, 3, 4]


def test_there_is_no_surgery_while_a_majority_answers_or_a_leader_is_known() -> None:
    assert "2 of 3" in quorum_present(observed(member(0), member(1)))
    assert "knows a leader" in quorum_present(observed(member(0, leader_id="id-2")))
    assert quorum_present(observed(member(0), pod(1, SILENT))) == ""


def test_the_best_survivor_has_the_latest_term_and_then_the_longest_log() -> None:
    found = survivors(
        observed(
            member(0, last_term=2, last_index=900),
            member(1, last_term=3, last_index=10),
            member(2, last_term=3, last_index=20),
            pod(3, EMPTY),
        )
    )
    assert len(found) == 3, "an empty server is no survivor"
    assert best(found).id == "id-2"
