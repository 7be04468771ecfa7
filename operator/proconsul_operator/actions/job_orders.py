"""What a Job is told and what it tells: an order in its environment, a result of few bytes.

The order is one JSON text, so `kubectl describe` shows all of it; secrets are not in it. The result
is what the kubelet reads from the termination message, and it is the same for good and bad ends.
"""

import json
from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import Meta

from proconsul_operator.api.places import Destination, Location
from proconsul_operator.api.schedule import Retention
from proconsul_operator.api.snapshot import Consistency, Verify
from proconsul_operator.api.values import Natural, Part, Word

Moment = Annotated[str, Meta(pattern=r"^[0-9]{4}(-[0-9]{2}){2}T([0-9]{2}:){2}[0-9]{2}Z$")]
ORDER: Final = "PROCONSUL_ORDER"
RUN: Final = "PROCONSUL_RUN"
TOKEN: Final = "CONSUL_HTTP_TOKEN"
SERVER_CA: Final = "/proconsul/server-ca/ca.crt"
TERMINATION_LOG: Final = "/dev/termination-log"
RESULT_BYTES_MAX: Final = 4096  # the kubelet reads no more
MESSAGE_MAX: Final = 2000

THROW_AWAY_PORT: Final = 8500
THROW_AWAY: Final = f"http://127.0.0.1:{THROW_AWAY_PORT}"


class SnapshotOrder(Part, frozen=True, kw_only=True):
    """Take one. `record` is the object that asked for it, `schedule` the one that asks for many."""

    cluster: str
    namespace: str
    url: str
    destination: Destination
    consistency: Consistency = "Leader"
    verify: Verify = "Archive"
    retention: Retention | None = None
    record: str = ""
    schedule: str = ""


class RestoreOrder(Part, frozen=True, kw_only=True):
    """Check an archive, see whether it is as it was, put it into a cluster, or take it away.

    `sha256` and `size_bytes` are what its record tells of it; "" where it tells nothing.
    """

    act: Literal["Validate", "Verify", "Restore", "Delete"]
    location: Location
    url: str = ""
    restore_uid: str = ""
    sha256: str = ""
    size_bytes: int = 0


class JobError(Exception):
    """The Job did not do it: one word for programs, a sentence for people."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class ResultError(Part, frozen=True, kw_only=True):
    """Why there is no result."""

    reason: Word = ""
    message: str = ""


class Result(Part, frozen=True, kw_only=True):
    """What a result may hold. It goes into a status, and people can write one into a record."""

    index: Natural = 0
    term: Natural = 0
    cluster_id: Word = ""
    version: Word = ""
    size_bytes: Natural = 0
    sha256: Word = ""
    location: Annotated[str, Meta(max_length=4096)] = ""
    verified: bool = False
    keys_checked: Natural = 0
    started_at: Moment | None = None
    completed_at: Moment | None = None
    error: ResultError | None = None


def failure(error: JobError) -> dict[str, Any]:
    """The result of a Job that failed."""
    return {"error": {"reason": error.reason, "message": str(error)[:MESSAGE_MAX]}}


def result_text(result: Mapping[str, Any]) -> str:
    """As it stands in the termination message. What does not fit is our mistake."""
    text = json.dumps(result, sort_keys=True, ensure_ascii=True, separators=(",", ":"))
    if len(text) <= RESULT_BYTES_MAX:
        return text
    error = result.get("error")
    assert error, "a result is a few numbers and a URL"
    return result_text({"error": {**error, "message": error["message"][: MESSAGE_MAX // 8]}})


def result_of(message: str) -> dict[str, Any] | None:
    """What a termination message says; None if a program of ours did not write it."""
    try:
        found = msgspec.json.decode(message.encode())
    except msgspec.DecodeError:
        return None
    if not isinstance(found, dict):
        return None
    try:
        msgspec.convert(found, Result)
    except msgspec.ValidationError as error:
        return failure(JobError("ResultBroken", str(error)))
    return found
