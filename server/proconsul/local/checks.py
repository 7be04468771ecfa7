"""Health checks by rule: which definitions are legal, and what an outcome means.

Facts: structs/check_type.go and agent/checks/{check,alias}.go. The runs themselves are in
runtime/check_runners.py.
"""

from collections.abc import Iterable
from enum import StrEnum

from msgspec import Struct
from msgspec.structs import replace

from proconsul.local.failure import LocalError
from proconsul.local.state import Source, Status
from proconsul.model.health import CheckType, HealthCheck
from proconsul.wire.golang import SECOND, Duration, quote

INTERVAL_MIN = Duration(SECOND)
OUTPUT_SIZE_BYTES_DEFAULT = 4096


class CheckKind(StrEnum):
    """What a check does; the words stand in the `Type` of a check."""

    GRPC = "grpc"
    HTTP = "http"
    TTL = "ttl"
    TCP = "tcp"
    ALIAS = "alias"
    DOCKER = "docker"
    SCRIPT = "script"
    NONE = ""


class CheckRules(Struct, frozen=True, kw_only=True):
    """What this agent lets checks do; times in seconds."""

    enable_local_scripts: bool
    enable_remote_scripts: bool
    output_size_bytes_max: int
    deregister_after_min_s: float


def kind_of(check: CheckType) -> CheckKind:
    """Which of the kinds a definition is, in Consul's order of precedence."""
    timed = check.interval > 0
    found = (
        (bool(check.grpc) and timed, CheckKind.GRPC),
        (bool(check.http) and timed, CheckKind.HTTP),
        (check.ttl > 0, CheckKind.TTL),
        (bool(check.tcp) and timed, CheckKind.TCP),
        (_is_alias(check), CheckKind.ALIAS),
        (_is_script(check) and bool(check.docker_container_id) and timed, CheckKind.DOCKER),
        (_is_script(check), CheckKind.SCRIPT),
    )
    return next((kind for matches, kind in found if matches), CheckKind.NONE)


def _is_alias(check: CheckType) -> bool:
    return bool(check.alias_node or check.alias_service)


def _is_script(check: CheckType) -> bool:
    return bool(check.script_args)


def complaint_about(check: CheckType) -> str | None:
    """What is wrong with a definition by itself; None if nothing is."""
    needs_interval = bool(_is_script(check) or check.http or check.tcp or check.grpc)
    alias = _is_alias(check)
    rules = (
        (check.interval > 0 and check.ttl > 0, "Interval and TTL cannot both be specified"),
        (
            needs_interval and check.interval <= 0,
            "Interval must be > 0 for Script, HTTP, or TCP checks",
        ),
        (needs_interval and alias, "Interval cannot be set for Alias checks"),
        (alias and check.ttl > 0, "TTL must be not be set for Alias checks"),
        (not needs_interval and not alias and check.ttl <= 0, "TTL must be > 0 for TTL checks"),
        (check.output_max_size < 0, "MaxOutputMaxSize must be positive"),
    )
    return next((text for broken, text in rules if broken), None)


def admit(check: CheckType, source: Source, rules: CheckRules) -> CheckType:
    """The definition as it will run here: its interval is at least `INTERVAL_MIN`.

    Raises LocalError if it is illegal, or this agent does not run such checks.
    """
    complaint = complaint_about(check)
    if complaint is not None:
        raise LocalError(f"Check is not valid: {complaint}")
    if _is_script(check):
        _admit_script(source, rules)
    kind = kind_of(check)
    if kind is CheckKind.NONE:
        raise LocalError("Check type is not valid")
    if kind is CheckKind.DOCKER:
        raise LocalError(
            "Docker checks are not supported by this agent; "
            "use a script check that calls the container runtime"
        )
    if kind not in (CheckKind.TTL, CheckKind.ALIAS) and check.interval < INTERVAL_MIN:
        return replace(check, interval=INTERVAL_MIN)
    return check


def _admit_script(source: Source, rules: CheckRules) -> None:
    if source is Source.LOCAL and not rules.enable_local_scripts:
        raise LocalError(
            "Scripts are disabled on this agent; to enable, configure 'enable_script_checks' or "
            "'enable_local_script_checks' to true"
        )
    if source is Source.REMOTE and not rules.enable_remote_scripts:
        raise LocalError(
            "Scripts are disabled on this agent from remote calls; to enable, configure "
            "'enable_script_checks' to true"
        )


def output_size_bytes_max(check: CheckType, rules: CheckRules) -> int:
    """How much of its output is kept: the smaller of the agent's and the check's limit."""
    limit = rules.output_size_bytes_max or OUTPUT_SIZE_BYTES_DEFAULT
    return min(limit, check.output_max_size) if check.output_max_size > 0 else limit


def deregister_after_s(check: CheckType, rules: CheckRules) -> float | None:
    """How long a check may be critical before its service goes; None is for ever."""
    if check.deregister_critical_service_after <= 0:
        return None
    return max(check.deregister_critical_service_after / SECOND, rules.deregister_after_min_s)


class Threshold:
    """Lets an outcome through once enough of the same sort came in a row (StatusHandler).

    Both counters start full: the first outcome always counts, whatever it is.
    """

    def __init__(self, success_before_passing: int, failures_before_critical: int) -> None:
        self._needed = {True: success_before_passing, False: failures_before_critical}
        self._seen = dict(self._needed)

    def lets_through(self, status: str) -> bool:
        """Count an outcome; whether the check takes that status now."""
        good = status in (Status.PASSING, Status.WARNING)
        self._seen[good] += 1
        self._seen[not good] = 0
        return self._seen[good] >= self._needed[good]


# ---------------------------------------------------------------- outputs


def ttl_output(output: str, size_bytes_max: int) -> str:
    """What is kept of a text that came with a TTL update."""
    raw = output.encode("utf-8", "surrogateescape")
    if len(raw) <= size_bytes_max:
        return raw.decode("utf-8", "replace")
    kept = raw[:size_bytes_max].decode("utf-8", "replace")
    return f"{kept} ... (captured {size_bytes_max} of {len(raw)} bytes)"


def ttl_expired_output(last_output: str) -> str:
    """What a TTL check says when nobody has updated it in time."""
    if not last_output:
        return "TTL expired"
    return f"TTL expired (last output before timeout follows): {last_output}"


def script_output(tail: bytes, total_size_bytes: int) -> str:
    """What is kept of what a program wrote: its end, as `tail` has it."""
    text = tail.decode("utf-8", "replace")
    if total_size_bytes <= len(tail):
        return text
    return f"Captured {len(tail)} of {total_size_bytes} bytes\n...\n{text}"


def script_status(exit_code: int) -> str:
    """What an exit code means: 0 passes, 1 warns, all else is critical."""
    return {0: Status.PASSING, 1: Status.WARNING}.get(exit_code, Status.CRITICAL)


def http_status(code: int) -> str:
    """What the status of an HTTP answer means."""
    if 200 <= code <= 299:
        return Status.PASSING
    return Status.WARNING if code == 429 else Status.CRITICAL


# ---------------------------------------------------------------- alias


def alias_outcome(
    alias: CheckType, alias_check_id: str, checks: Iterable[HealthCheck], service_exists: bool
) -> tuple[str, str]:
    """The status and output of an alias check, from the checks of its node.

    An alias that stands on the node itself leaves itself out (Consul's takes itself in, and
    then can never pass). A service without checks passes if it exists.
    """
    status, output = Status.PASSING, "No checks found."
    found = service_exists
    for check in checks:
        itself = not alias.alias_node and check.check_id == alias_check_id
        if itself or alias.alias_node not in ("", check.node):
            continue
        ours = check.service_id == alias.alias_service
        if check.service_id and not ours:
            continue
        found = found or ours
        if check.status in (Status.CRITICAL, Status.WARNING):
            status = check.status
            output = f"Aliased check {quote(check.name)} failing: {check.output}"
            if status == Status.CRITICAL:
                break
        elif status == Status.PASSING:
            output = "All checks passing."
    if not found:
        return Status.CRITICAL, (
            f"Service {alias.alias_service} could not be found on node {alias.alias_node}"
        )
    return status, output


# ---------------------------------------------------------------- aggregate


def aggregated_status(checks: Iterable[HealthCheck]) -> str:
    """The worst of the checks' states; "maintenance" is worse than all."""
    seen = set()
    for check in checks:
        if check.check_id == "_node_maintenance" or check.check_id.startswith(
            "_service_maintenance:"
        ):
            return "maintenance"
        seen.add(check.status)
    return next((one for one in (Status.CRITICAL, Status.WARNING) if one in seen), Status.PASSING)
