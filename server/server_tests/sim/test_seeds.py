"""The first 200 seeds of the simulator; `make sim` runs as many as one likes.

A failure names its seed: `python -m server_tests.sim.run --seed N` shows how it came about.
"""

import os
import subprocess
import sys
from collections import Counter

import pytest

from server_tests.sim.faults import WEIGHTS
from server_tests.sim.world import run

BLOCK = 50

# Beside the faults: what they must have led to.
CONSEQUENCES = (
    "disk lost",
    "elected",
    "held message",
    "late request",
    "lost request",
    "operation done",
    "operation unknown",
    "read by lease",
    "read without a lease",
    "seeds on the real log",
    "snapshot installed",
    "sync failed",
    "told that the leader is gone",
    "torn write",
    "write found no room",
)


@pytest.mark.parametrize("first", range(1, 201, BLOCK))
def test_what_was_promised_holds_whatever_happens(first: int) -> None:
    counts: Counter[str] = Counter()
    for seed in range(first, first + BLOCK):
        counts.update(run(seed).counts)
    never = [what for what in (*WEIGHTS, *CONSEQUENCES) if not counts[what]]
    assert not never, "what never happens tests nothing"
    assert not counts["history too long to judge"]
    assert counts["came to rest"] > BLOCK * 0.9


def test_a_seed_replays_its_run_in_another_process_too() -> None:
    code = "from server_tests.sim.world import run; print([run(s).digest for s in (1, 8, 9)])"
    digests = {
        subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, "PYTHONHASHSEED": hash_seed},
            capture_output=True,
            check=True,
            text=True,
        ).stdout
        for hash_seed in ("1", "2")
    }
    assert digests == {f"{[run(seed).digest for seed in (1, 8, 9)]}\n"}
