"""What wrk says, and when it is not believed."""

import json

import pytest

from bench.failure import BenchError, WrongAnswerError
from bench.wrk import command, counted


def said(**changes: int) -> str:
    values = {
        **dict.fromkeys(("refused", "wrong", "broken", "late"), 0),
        **{"requests": 3000, "took_us": 1_500_000, "p50_us": 9, "p99_us": 90, "max_us": 900},
        **changes,
    }
    return f"Running 1s test\n  ...\nRESULT {json.dumps(values)}\n"


def test_requests_a_second_are_of_its_own_clock() -> None:
    assert counted(said(), 0.5).per_s == 2000
    assert counted(said(), 0.5).load_s == 0.5


@pytest.mark.parametrize("what", ["refused", "wrong", "broken", "late"])
def test_one_request_that_went_wrong_is_too_many(what: str) -> None:
    with pytest.raises(WrongAnswerError, match="1 "):
        counted(said(**{what: 1}), 0.0)


def test_what_was_never_answered_is_no_result() -> None:
    with pytest.raises(WrongAnswerError):
        counted(said(requests=0), 0.0)
    with pytest.raises(BenchError, match="unable to connect"):
        counted("unable to connect", 0.0)


def test_the_load_is_behind_the_address() -> None:
    words = command("127.0.0.9", ["get", "/a", "1"], connections=4, threads=2, seconds=3, seed=7)
    assert words[-6:] == ["http://127.0.0.9:8500", "--", "7", "get", "/a", "1"]
