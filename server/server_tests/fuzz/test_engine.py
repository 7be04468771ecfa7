"""The fuzzer finds what was put there to be found, and the same with the same seed."""

import importlib
import sys
from collections.abc import Iterator
from dataclasses import replace

import pytest

from server_tests.fuzz.engine import (
    Entry,
    Fuzzer,
    for_executions,
    for_seconds,
    name_of,
    watch_hangs,
)
from server_tests.fuzz.marks import Trail
from server_tests.fuzz.target import Target, promise

PLANTED = "server_tests.fuzz.planted"


@pytest.fixture
def trail() -> Iterator[Trail]:
    """Of the planted decoder, which is compiled for this test alone."""
    before = list(sys.meta_path)
    sys.modules.pop(PLANTED, None)
    yield Trail([PLANTED])
    sys.meta_path[:] = before
    sys.modules.pop(PLANTED, None)


def target(function: str) -> Target:
    decode = getattr(importlib.import_module(PLANTED), function)
    return Target(name="planted", check=decode, seeds=lambda: [b"1234"])


def fuzzer_of(function: str, trail: Trail, seed: int = 1, work_s_max: float = 0.0) -> Fuzzer:
    planted = target(function)
    fuzzer = Fuzzer(planted, trail, seed=seed, work_s_max=work_s_max)
    fuzzer.begin(planted.seeds())
    return fuzzer


def test_a_mistake_behind_a_word_is_found(trail: Trail) -> None:
    fuzzer = fuzzer_of("decode", trail)
    fuzzer.run(goes_on=for_executions(20_000))
    (finding,) = fuzzer.findings
    assert finding.kind == "IndexError"
    assert finding.data.startswith(b"SALT")
    assert finding.data[4] > 250
    assert "planted.py" in finding.text
    assert finding.name == f"IndexError-{name_of(finding.data)}"


def test_a_seed_gives_the_same_inputs_again(trail: Trail) -> None:
    runs = []
    for seed in (5, 5, 6):
        tried: list[bytes] = []
        fuzzer = fuzzer_of("decode", trail, seed)
        fuzzer.running = tried.append
        fuzzer.run(goes_on=for_executions(300))
        runs.append(tried)
    assert len(runs[0]) == 300
    assert runs[0] == runs[1]
    assert runs[0] != runs[2]


def test_what_never_ends_is_found(trail: Trail) -> None:
    watch_hangs()
    fuzzer = fuzzer_of("hang", trail, work_s_max=0.05)
    assert [one.kind for one in fuzzer.findings] == ["HangError"]


def test_what_takes_too_much_memory_is_found(trail: Trail) -> None:
    swell = replace(target("swell"), memory_bytes_max=4 << 20)
    fuzzer = Fuzzer(swell, trail)
    fuzzer.begin([b"abc"])
    assert not fuzzer.findings
    fuzzer = Fuzzer(swell, trail)
    fuzzer.begin([b"abcde"])
    assert [one.kind for one in fuzzer.findings] == ["MemoryError"]


def test_a_broken_promise_counts_once_wherever_it_is_broken(trail: Trail) -> None:
    def check(data: bytes) -> None:
        promise(len(data) < 3, "short")

    fuzzer = Fuzzer(replace(target("decode"), check=check), trail)
    fuzzer.begin([b"abc", b"abcd", b"ab"])
    assert [one.data for one in fuzzer.findings] == [b"abc"]


def test_the_smallest_inputs_go_all_steps(trail: Trail) -> None:
    fuzzer = fuzzer_of("decode", trail)
    fuzzer.begin([b"SALT", b"SALT and more", b"SA", b"SALT\1"])
    smallest = fuzzer.smallest()
    assert len(smallest) < len(fuzzer.corpus)
    again = Fuzzer(fuzzer.target, trail)
    again.begin(smallest)
    assert {way >> 5 for way in again.seen} == {way >> 5 for way in fuzzer.seen}


def test_an_input_is_never_longer_than_the_target_takes(trail: Trail) -> None:
    fuzzer = Fuzzer(replace(target("decode"), size_bytes_max=10), trail)
    fuzzer.corpus = [Entry(b"0123456789", frozenset()), Entry(b"", frozenset())]
    assert max(len(fuzzer.next_input()) for _ in range(500)) == 10


def test_no_time_is_over_at_once() -> None:
    assert not for_seconds(0.0)()
