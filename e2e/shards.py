"""Which cases belong to SHARD=n/m: the longest first, each to the shard that has least.

By the minutes that a case says it takes, and by nothing else, so that every machine agrees.
"""

import re
from collections.abc import Mapping

SHARD = re.compile(r"([0-9]{1,2})/([0-9]{1,2})")


def of(minutes: Mapping[str, float], shard: str) -> set[str]:
    """The names of that shard; all for "". Raises ValueError."""
    if not shard:
        return set(minutes)
    found = SHARD.fullmatch(shard)
    if found is None or not 1 <= int(found[1]) <= int(found[2]):
        raise ValueError(f"SHARD is n/m with 1 <= n <= m, as 2/6: not {shard!r}")
    loads: list[tuple[float, set[str]]] = [(0.0, set()) for _ in range(int(found[2]))]
    for name in sorted(minutes, key=lambda name: (-minutes[name], name)):
        least = min(range(len(loads)), key=lambda place: loads[place][0])
        total, names = loads[least]
        loads[least] = (total + minutes[name], names | {name})
    return loads[int(found[1]) - 1][1]
