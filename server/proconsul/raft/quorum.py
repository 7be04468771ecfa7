"""What a majority of the voters says: an index, a round, an election."""

from collections.abc import Iterable, Set
from enum import Enum

from proconsul.raft.messages import ServerId


class VoteResult(Enum):
    """How an election stands."""

    OPEN = "open"
    WON = "won"
    LOST = "lost"


def majority(voters: int) -> int:
    """How many of that many voters are a majority."""
    return voters // 2 + 1


def agreed(values: Iterable[int]) -> int:
    """The highest value that a majority has reached; 0 when there are no voters.

    With match indexes it is the commit index, with acknowledged rounds the confirmed round.
    """
    ordered = sorted(values)
    if not ordered:
        return 0
    return ordered[len(ordered) - majority(len(ordered))]


def vote_result(
    voters: Set[ServerId], granted: Set[ServerId], refused: Set[ServerId]
) -> VoteResult:
    """Count; votes of those who are no voters count for nothing. No voters: nobody can win."""
    needed = majority(len(voters))
    if len(voters & granted) >= needed:
        return VoteResult.WON
    if len(voters) - len(voters & refused) < needed:
        return VoteResult.LOST
    return VoteResult.OPEN
