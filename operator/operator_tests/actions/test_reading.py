"""What a Job left behind: a result where a program of ours wrote it, else what it said."""

from typing import Any

from proconsul_operator.actions.reading import job_of
from proconsul_operator.plans.observe import Job


def pod(said: str, at: str = "2027-01-15T08:00:00Z") -> dict[str, Any]:
    """One whose container has ended with these words."""
    state = {"terminated": {"exitCode": 1, "message": said}}
    return {
        "metadata": {"creationTimestamp": at},
        "status": {"containerStatuses": [{"state": state}]},
    }


def job(*pods: dict[str, Any]) -> Job:
    """A Job that failed, as it is read."""
    failed = {
        "type": "Failed",
        "status": "True",
        "reason": "PodFailurePolicy",
        "message": "Container validate failed with exit code 1",
        "lastTransitionTime": "2027-01-15T08:00:05Z",
    }
    meta = {"name": "check", "uid": "u"}
    return job_of({"metadata": meta, "status": {"conditions": [failed]}}, pods)


def test_the_words_of_a_server_are_what_it_said() -> None:
    read = job(pod("Config validation failed: invalid config key x\n"))
    assert read.said == "Config validation failed: invalid config key x"
    assert (read.succeeded, read.result) == (False, None)
    assert read.message == "Container validate failed with exit code 1"


def test_a_result_of_our_own_is_no_speech() -> None:
    read = job(pod('{"error": {"reason": "NoBucket", "message": "no bucket"}}'))
    assert (read.said, read.message) == ("", "no bucket")


def test_the_newest_pod_has_the_word() -> None:
    read = job(pod("old"), pod("new", at="2027-01-15T08:00:03Z"))
    assert read.said == "new"


def test_a_pod_that_said_nothing_is_not_asked() -> None:
    assert job(pod("")).said == ""
    assert job().said == ""
