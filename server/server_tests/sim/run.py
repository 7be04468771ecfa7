"""Run many seeds of the simulator, over several processes, and add up what happened.

    python -m server_tests.sim.run --seeds 1..20000 --jobs 2 --out sim.json

`--seeds n` is 1..n. With `--out` the sums are kept in that file: seeds that are in it already are
not run again, so a run that was stopped goes on, and another range adds to it; begin a new file
when the code has changed. Seeds are run in blocks, and a block counts when it is whole. The first
seed that breaks a promise ends it all, with its trace; `--seed 123` runs that one again.
"""

import argparse
import json
import multiprocessing
import sys
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from server_tests.sim.faults import WEIGHTS
from server_tests.sim.world import ViolationError, run

BLOCK = 50
TRACE_LINES = 200
PROGRESS_EVERY_S = 10.0

Block = tuple[int, int]  # first and last seed


@dataclass(slots=True)
class Sums:
    """What all the seeds so far came to."""

    blocks: list[Block] = field(default_factory=list)
    steps: int = 0
    cpu_s: float = 0.0
    counts: Counter[str] = field(default_factory=Counter)

    @property
    def seeds(self) -> int:
        """How many were run."""
        return sum(last - first + 1 for first, last in self.blocks)

    def has(self, seed: int) -> bool:
        """Whether it was run already."""
        return any(first <= seed <= last for first, last in self.blocks)

    def add(self, other: "Sums") -> None:
        """Take over what a block came to."""
        self.steps += other.steps
        self.cpu_s += other.cpu_s
        self.counts.update(other.counts)
        merged: list[Block] = []
        for first, last in sorted([*self.blocks, *other.blocks]):
            if merged and first == merged[-1][1] + 1:
                merged[-1] = (merged[-1][0], last)
            else:
                merged.append((first, last))
        self.blocks = merged

    def report(self) -> str:
        """For people."""
        rates = f"{self.cpu_s / max(1, self.seeds):.3f} s a seed"
        lines = [f"{self.seeds} seeds without a violation, {self.steps} steps, {rates}"]
        lines += [f"  {self.counts[name]:>10}  {name}" for name in sorted(self.counts)]
        lines += [f"  {'NEVER':>10}  {name}" for name in WEIGHTS if not self.counts[name]]
        return "\n".join(lines)

    def save(self, path: Path) -> None:
        """Put it in a file, whole or not at all."""
        content = {
            "blocks": self.blocks,
            "seeds": self.seeds,
            "steps": self.steps,
            "cpu_s": round(self.cpu_s, 3),
            "counts": dict(sorted(self.counts.items())),
        }
        aside = path.with_suffix(".tmp")
        aside.write_text(json.dumps(content, indent=1) + "\n")
        aside.replace(path)

    @classmethod
    def load(cls, path: Path) -> "Sums":
        """What a file has, or nothing yet."""
        if not path.exists():
            return cls()
        content = json.loads(path.read_text())
        blocks = [(first, last) for first, last in content["blocks"]]
        return cls(blocks, content["steps"], content["cpu_s"], Counter(content["counts"]))


def run_block(block: Block) -> Sums | ViolationError:
    """Run its seeds, one after the other."""
    first, last = block
    began_s = time.process_time()
    sums = Sums([block])
    for seed in range(first, last + 1):
        try:
            result = run(seed)
        except ViolationError as broken:
            return broken
        sums.steps += result.steps
        sums.counts.update(result.counts)
    sums.cpu_s = time.process_time() - began_s
    return sums


def blocks_of(first: int, last: int, done: Sums) -> Iterator[Block]:
    """Those seeds that are still to be run, in blocks."""
    begin: int | None = None
    for seed in range(first, last + 2):
        if begin is not None and (seed > last or done.has(seed) or seed - begin == BLOCK):
            yield begin, seed - 1
            begin = None
        if begin is None and seed <= last and not done.has(seed):
            begin = seed


def say(text: str) -> None:
    """Print at once."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def run_all(first: int, last: int, jobs: int, out: Path | None) -> int:
    """Run the seeds from first to last; the exit code."""
    sums = Sums.load(out) if out is not None else Sums()
    blocks = list(blocks_of(first, last, sums))
    said_s = time.monotonic()
    with multiprocessing.Pool(jobs) as pool:
        for done in pool.imap_unordered(run_block, blocks):
            if isinstance(done, ViolationError):
                say("\n".join(done.trace[-TRACE_LINES:]))
                say(f"VIOLATION {done}\nafter {sums.seeds} seeds without one")
                return 1
            sums.add(done)
            if out is not None:
                sums.save(out)
            if time.monotonic() - said_s >= PROGRESS_EVERY_S:
                said_s = time.monotonic()
                say(f"{sums.seeds} seeds, {sums.steps} steps, no violation")
    say(sums.report())
    return 0


def seeds_of(text: str) -> tuple[int, int]:
    """`a..b`, or `n` for the first n."""
    first, _, last = text.rpartition("..")
    return int(first or 1), int(last)


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description="Run seeds of the raft simulator.")
    which = parser.add_mutually_exclusive_group(required=True)
    which.add_argument("--seeds", type=seeds_of, help="a..b, or n for 1..n")
    which.add_argument("--seed", type=int, help="this one alone")
    parser.add_argument("--jobs", type=int, default=1, help="processes")
    parser.add_argument("--out", type=Path, help="add up in this file, and go on from it")
    options = parser.parse_args()
    first, last = options.seeds or (options.seed, options.seed)
    return run_all(first, last, options.jobs, options.out)


if __name__ == "__main__":
    sys.exit(main())
