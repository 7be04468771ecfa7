"""Every decoder that is fuzzed keeps its promises: for what is known, and some of what is not."""

import json
import subprocess
import sys

import pytest

from server_tests.fuzz import kept
from server_tests.fuzz.engine import Entry, Fuzzer, for_executions
from server_tests.fuzz.marks import Ways
from server_tests.fuzz.run import ENVIRONMENT, LINES_PERCENT_MIN
from server_tests.fuzz.targets import DECODERS, load

NEW_INPUTS = 200


class NoTrail:
    """The modules are imported already, without marks: nothing is new."""

    words: tuple[bytes, ...] = ()

    def clear(self) -> None:
        """A call begins."""

    def ways(self) -> Ways:
        """None are seen."""
        return frozenset()


@pytest.mark.interpreted
@pytest.mark.parametrize("name", DECODERS)
def test_known_inputs_and_changed_ones_break_no_promise(name: str) -> None:
    target = load(name)
    fuzzer = Fuzzer(target, NoTrail(), seed=7)
    known = [*target.seeds(), *kept.read(name)]
    assert len(known) > 10
    fuzzer.begin(known)
    fuzzer.corpus = [Entry(data[: target.size_bytes_max], frozenset()) for data in known]
    fuzzer.run(goes_on=for_executions(NEW_INPUTS))
    assert fuzzer.executions == len(known) + NEW_INPUTS
    assert not fuzzer.findings, "\n".join(one.text for one in fuzzer.findings)


@pytest.mark.slow
@pytest.mark.parametrize("name", DECODERS)
def test_kept_inputs_reach_nearly_all_of_a_decoder(name: str) -> None:
    command = [sys.executable, "-m", "server_tests.fuzz.coverage_of", name]
    told = subprocess.run(command, env=ENVIRONMENT, check=True, capture_output=True).stdout
    counts = json.loads(told)["counts"].values()
    total, missed, _ = map(sum, zip(*counts, strict=True))
    assert 100 * (1 - missed / total) >= LINES_PERCENT_MIN
