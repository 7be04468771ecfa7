"""The process that fuzzes one target: within limits, and so that its end leaves the input.

What kills a process outright, and what hangs outside of Python, is seen by `run`, from the notes
that this process keeps in a file.
"""

import argparse
import gc
import json
import logging
import mmap
import resource
import sys
import time
from pathlib import Path

from server_tests.fuzz import kept
from server_tests.fuzz.engine import Finding, Fuzzer, for_seconds, name_of, watch_hangs
from server_tests.fuzz.marks import Trail
from server_tests.fuzz.targets import DECODERS, MARKED_TOO, load

ADDRESS_SPACE_BYTES = 1 << 30  # beyond what the process has when it begins
WORK_S_MAX = 10.0  # processor time of one input; a usual one takes milliseconds
NOTES_BYTES = 1 << 20
_HEAD_BYTES = 12


class Notes:
    """The number of inputs so far, and the one that runs."""

    def __init__(self, path: Path) -> None:
        if not path.exists():
            path.write_bytes(bytes(NOTES_BYTES))
        with path.open("r+b") as file:
            self._map = mmap.mmap(file.fileno(), NOTES_BYTES)
        self._count = 0

    def begin(self, data: bytes) -> None:
        """It runs."""
        self._count += 1
        head = self._count.to_bytes(8, "big") + len(data).to_bytes(4, "big")
        self._map[: _HEAD_BYTES + len(data)] = head + data

    def read(self) -> tuple[int, bytes]:
        """(how many inputs began, the last of them)."""
        size = int.from_bytes(self._map[8:_HEAD_BYTES], "big")
        return int.from_bytes(self._map[:8], "big"), self._map[_HEAD_BYTES : _HEAD_BYTES + size]


def limit_memory() -> None:
    """Let what asks for far too much raise MemoryError."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
    allowed = pages * resource.getpagesize() + ADDRESS_SPACE_BYTES
    resource.setrlimit(resource.RLIMIT_AS, (allowed, allowed))


def write_finding(folder: Path, finding: Finding) -> None:
    """The input, and what it does."""
    findings = folder / "findings"
    findings.mkdir(exist_ok=True)
    (findings / finding.name).write_bytes(finding.data)
    (findings / f"{finding.name}.txt").write_text(finding.text, encoding="utf-8")


def known_inputs(folder: Path) -> list[bytes]:
    """The corpus of earlier runs, the smallest first."""
    inputs = [path.read_bytes() for path in sorted((folder / "corpus").iterdir())]
    return sorted(inputs, key=len)


def main(arguments: list[str]) -> int:
    """Fuzz; the sums are in `report.json` then."""
    parser = argparse.ArgumentParser()
    parser.add_argument("name", choices=DECODERS)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seconds", type=float, required=True)
    parser.add_argument("--seed", type=int, required=True)
    asked = parser.parse_args(arguments)
    corpus = asked.folder / "corpus"
    corpus.mkdir(parents=True, exist_ok=True)
    logging.getLogger().addHandler(logging.NullHandler())  # decoders may warn of each input
    trail = Trail([*DECODERS[asked.name], *MARKED_TOO.get(asked.name, ())])
    target = load(asked.name)
    notes = Notes(asked.folder / "notes")
    fuzzer = Fuzzer(target, trail, seed=asked.seed, work_s_max=WORK_S_MAX, running=notes.begin)
    watch_hangs()
    limit_memory()
    gc.freeze()
    began_s = time.monotonic()
    fuzzer.begin([*target.seeds(), *kept.read(asked.name), *known_inputs(asked.folder)])
    fuzzer.run(goes_on=for_seconds(asked.seconds))
    took_s = time.monotonic() - began_s
    for entry in fuzzer.corpus:
        (corpus / name_of(entry.data)).write_bytes(entry.data)
    for finding in fuzzer.findings:
        write_finding(asked.folder, finding)
    report = {
        "seed": asked.seed,
        "seconds": round(took_s, 1),
        "executions": fuzzer.executions,
        "executions_per_s": round(fuzzer.executions / took_s),
        "corpus": len(fuzzer.corpus),
        "ways": len(fuzzer.seen),
        "findings": [one.name for one in fuzzer.findings],
    }
    (asked.folder / "report.json").write_text(json.dumps(report) + "\n", encoding="ascii")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
