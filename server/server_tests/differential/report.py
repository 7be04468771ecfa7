"""`python -m server_tests.differential.report [group or name...]`: run the cases, count them.

CONSUL_REAL names the real Consul; without it nothing can be compared, and the report says so and
ends with 2. It ends with 1 when something differs.
"""

import os
import sys
from collections import Counter

from server_tests.differential.catalogue import all_cases
from server_tests.differential.compare import differences
from server_tests.differential.normalise import normalised
from server_tests.differential.run import Case, play_on_both
from server_tests.differential.target import Target, our_command, real_command, running
from server_tests.loopback import address

REAL_HOST, OUR_HOST = 203, 204


def main(wanted: list[str]) -> int:
    """Run the cases whose group or name begins with one of `wanted`, or all; the exit status."""
    cases = [case for case in all_cases() if _is_wanted(case, wanted)]
    if not os.environ.get("CONSUL_REAL"):
        _say(f"{len(cases)} cases skipped: CONSUL_REAL names no Consul 1.8.7")
        return 2
    with (
        running(real_command(), address(REAL_HOST)) as real,
        running(our_command(), address(OUR_HOST)) as ours,
    ):
        differing = Counter(case.group for case in cases if _differs(case, real, ours))
    counts = Counter(case.group for case in cases)
    _say(f"{'endpoint':<14}{'run':>6}{'differing':>11}{'skipped':>9}")
    for group in sorted(counts):
        _say(f"{group:<14}{counts[group]:>6}{differing[group]:>11}{0:>9}")
    _say(f"{'all':<14}{len(cases):>6}{differing.total():>11}{0:>9}")
    return 1 if differing else 0


def _is_wanted(case: Case, wanted: list[str]) -> bool:
    return not wanted or any(f"{case.group}/{case.name}".startswith(one) for one in wanted)


def _differs(case: Case, real: Target, ours: Target) -> bool:
    there, here = play_on_both(case, real, ours)
    lines = list(differences(normalised(there), normalised(here)))
    if lines:
        _say(f"{case.group}/{case.name}")
        for line in lines:
            _say(f"    {line}")
    return bool(lines)


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
