"""Is there a quorum, and if not: is it away, or gone for good?

Away is when disks live: patience brings them back. Gone is when so many IDs of the last known
voters are proven lost that the rest is no majority; a person must decide then. A server that does
not answer us is neither: the way to it may be broken, not the server.
"""

from dataclasses import dataclass
from enum import StrEnum

from proconsul_operator.plans.observe import Configuration, Leader, Local, Observed


class Quorum(StrEnum):
    """The reasons of the condition Quorate."""

    LEADER_ANSWERED = "LeaderAnswered"
    NO_LEADER = "NoLeader"
    MAJORITY_UNREACHABLE = "MajorityUnreachable"
    MAJORITY_LOST = "MajorityLost"
    HIBERNATED = "Hibernated"
    CANNOT_REACH = "OperatorCannotReach"


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What holds, and a sentence for whoever must act."""

    quorum: Quorum
    message: str

    @property
    def quorate(self) -> bool:
        """A leader answered a linearizable read."""
        return self.quorum is Quorum.LEADER_ANSWERED


def majority(voters: int) -> int:
    """How many of `voters` decide."""
    return voters // 2 + 1


def last_known(observed: Observed) -> Configuration:
    """The newest configuration that anyone told."""
    if isinstance(observed.leader, Leader):
        return observed.leader.configuration
    held = [local.configuration for local in observed.locals()]
    return max(held, key=lambda each: each.index, default=Configuration())


def lost_count(observed: Observed) -> int:
    """How many voters' disks are proven to be gone.

    A server's own configuration names nobody who does not answer, so it is counted: a voter that is
    not among those that answer is on a disk whose pod does not answer or is not there, or nowhere.
    """
    voters = last_known(observed).voters
    answering = {local.id for local in observed.locals()}
    missing = sum(1 for server in voters if server.id not in answering)
    places = max(observed.size, observed.spec.replicas, len(voters))
    seen = sum(1 for pod in observed.pods if pod.ordinal < places and isinstance(pod.local, Local))
    return max(missing - (places - seen), 0)


def judge(observed: Observed) -> Verdict:
    """What holds of the quorum."""
    if isinstance(observed.leader, Leader):
        term = observed.leader.term
        return Verdict(
            quorum=Quorum.LEADER_ANSWERED, message=f"{observed.leader.name} leads in term {term}"
        )
    if observed.stateful_set is not None and observed.size == 0:
        return Verdict(quorum=Quorum.HIBERNATED, message="there are no servers: replicas is 0")
    locals_ = observed.locals()
    if not locals_ and any(pod.ready for pod in observed.pods):
        return Verdict(
            quorum=Quorum.CANNOT_REACH,
            message="no server answers the operator, though Kubernetes says that some are ready",
        )
    return _without_leader(observed, locals_)


def _without_leader(observed: Observed, locals_: tuple[Local, ...]) -> Verdict:
    known = last_known(observed)
    voters = known.voters
    if not voters:
        return _without_configuration(observed, locals_)
    needed = majority(len(voters))
    lost = lost_count(observed)
    ids = {server.id for server in voters}
    survivors = sorted(
        pod.name for pod in observed.pods if isinstance(pod.local, Local) and pod.id in ids
    )
    if len(voters) - lost < needed:
        return Verdict(
            quorum=Quorum.MAJORITY_LOST,
            message=f"{lost} of {len(voters)} voters lost their disks; left are "
            f"{', '.join(survivors) or 'none'}. Recover with a ProconsulRestore: RecoverQuorum "
            "keeps what a survivor has, InPlace puts a snapshot back",
        )
    if len(survivors) >= needed:
        return Verdict(
            quorum=Quorum.NO_LEADER,
            message=f"{len(survivors)} of {len(voters)} voters answer, and none leads",
        )
    return Verdict(
        quorum=Quorum.MAJORITY_UNREACHABLE,
        message=f"{len(survivors)} of {len(voters)} voters answer, {needed} must",
    )


def _without_configuration(observed: Observed, locals_: tuple[Local, ...]) -> Verdict:
    if observed.was_founded and len(locals_) >= majority(max(observed.size, 1)):
        return Verdict(
            quorum=Quorum.MAJORITY_LOST,
            message="the cluster was founded, and every server that answers is empty. Put a "
            "snapshot back with a ProconsulRestore (InPlace)",
        )
    if observed.was_founded:
        return Verdict(quorum=Quorum.MAJORITY_UNREACHABLE, message="no voter answers")
    return Verdict(quorum=Quorum.NO_LEADER, message="the cluster is not founded yet")
