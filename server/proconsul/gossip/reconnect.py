"""When to try a member that failed again.

It may be back without knowing of us: after a long partition both sides take each other for
failed, and neither probes the other. Everybody tries now and then, but all together as often as
each failed member needs: so one that is alone with many alive ones tries seldom
(wire/gossip/serf.md section 9).
"""

from collections.abc import Callable, Sequence

from proconsul.gossip.effects import PoolMember

DICE_SIDES = 1 << 24


def to_reconnect(
    failed: Sequence[PoolMember], present: int, dice: Callable[[int], int]
) -> PoolMember | None:
    """One of those that failed, or None; `present`: members that neither failed nor left."""
    if not failed or dice(DICE_SIDES) * max(present, 1) > len(failed) * DICE_SIDES:
        return None
    return failed[dice(len(failed))]
