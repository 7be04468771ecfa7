"""Which check definitions are legal, and what outcomes mean."""

import pytest

from proconsul.local.checks import (
    CheckKind,
    CheckRules,
    Threshold,
    admit,
    aggregated_status,
    alias_outcome,
    complaint_about,
    deregister_after_s,
    kind_of,
    output_size_bytes_max,
    script_output,
    ttl_expired_output,
    ttl_output,
)
from proconsul.local.failure import LocalError
from proconsul.local.state import Source
from proconsul.model.health import CheckType, HealthCheck
from proconsul.wire.golang import MILLISECOND, SECOND, Duration

RULES = CheckRules(
    enable_local_scripts=False,
    enable_remote_scripts=False,
    output_size_bytes_max=4096,
    deregister_after_min_s=60,
)
TEN_S = Duration(10 * SECOND)


@pytest.mark.parametrize(
    ("check", "complaint"),
    [
        (CheckType(), "TTL must be > 0 for TTL checks"),
        (CheckType(http="http://x"), "Interval must be > 0 for Script, HTTP, or TCP checks"),
        (CheckType(script_args=["x"]), "Interval must be > 0 for Script, HTTP, or TCP checks"),
        (CheckType(ttl=TEN_S, interval=TEN_S), "Interval and TTL cannot both be specified"),
        (
            CheckType(tcp="x:1", interval=TEN_S, alias_service="a"),
            "Interval cannot be set for Alias checks",
        ),
        (CheckType(alias_node="n", ttl=TEN_S), "TTL must be not be set for Alias checks"),
        (CheckType(ttl=TEN_S, output_max_size=-1), "MaxOutputMaxSize must be positive"),
        (CheckType(ttl=TEN_S), None),
        (CheckType(alias_service="a"), None),
        (CheckType(grpc="x:1", interval=TEN_S), None),
    ],
)
def test_a_definition_that_contradicts_itself_is_named(
    check: CheckType, complaint: str | None
) -> None:
    assert complaint_about(check) == complaint


def test_the_kind_of_a_check_follows_from_what_is_set() -> None:
    assert kind_of(CheckType(http="u", tcp="t", interval=TEN_S)) is CheckKind.HTTP
    assert kind_of(CheckType(script_args=["x"], interval=TEN_S)) is CheckKind.SCRIPT
    docker = CheckType(script_args=["x"], docker_container_id="c", interval=TEN_S)
    assert kind_of(docker) is CheckKind.DOCKER
    assert kind_of(CheckType(alias_node="n")) is CheckKind.ALIAS


def test_scripts_run_only_where_the_configuration_lets_them() -> None:
    script = CheckType(script_args=["true"], interval=TEN_S)
    with pytest.raises(LocalError, match=r"^Scripts are disabled on this agent; to enable"):
        admit(script, Source.LOCAL, RULES)
    with pytest.raises(LocalError, match="disabled on this agent from remote calls"):
        admit(script, Source.REMOTE, RULES)


def test_docker_checks_are_refused_with_a_reason() -> None:
    docker = CheckType(script_args=["x"], docker_container_id="c", interval=TEN_S)
    allowed = CheckRules(
        enable_local_scripts=True,
        enable_remote_scripts=True,
        output_size_bytes_max=0,
        deregister_after_min_s=60,
    )
    with pytest.raises(LocalError, match="Docker checks are not supported"):
        admit(docker, Source.REMOTE, allowed)


def test_no_check_runs_more_often_than_once_a_second() -> None:
    hasty = CheckType(tcp="x:1", interval=Duration(MILLISECOND))
    assert admit(hasty, Source.REMOTE, RULES).interval == SECOND


def test_the_smaller_limit_on_output_counts() -> None:
    assert output_size_bytes_max(CheckType(output_max_size=100), RULES) == 100
    assert output_size_bytes_max(CheckType(output_max_size=9000), RULES) == 4096
    assert output_size_bytes_max(CheckType(), RULES) == 4096


def test_a_service_is_deregistered_after_a_minute_at_the_earliest() -> None:
    assert deregister_after_s(CheckType(), RULES) is None
    soon = CheckType(deregister_critical_service_after=TEN_S)
    assert deregister_after_s(soon, RULES) == 60


def test_thresholds_count_in_a_row_but_the_first_outcome_always_counts() -> None:
    threshold = Threshold(success_before_passing=2, failures_before_critical=3)
    assert threshold.lets_through("passing")
    assert [threshold.lets_through("critical") for _ in range(3)] == [False, False, True]
    assert [threshold.lets_through("passing") for _ in range(2)] == [False, True]
    assert not threshold.lets_through("critical")
    assert not threshold.lets_through("warning"), "the failure began the count anew"


def test_a_long_ttl_output_is_cut_and_says_so() -> None:
    assert ttl_output("short", 5) == "short"
    assert ttl_output("longer", 5) == "longe ... (captured 5 of 6 bytes)"
    assert ttl_expired_output("") == "TTL expired"
    assert ttl_expired_output("up") == "TTL expired (last output before timeout follows): up"


def test_a_long_script_output_keeps_its_end() -> None:
    assert script_output(b"all", 3) == "all"
    assert script_output(b"end", 10) == "Captured 3 of 10 bytes\n...\nend"


def check(check_id: str, status: str, service_id: str = "web") -> HealthCheck:
    return HealthCheck(
        check_id=check_id, name=check_id, status=status, service_id=service_id, node="n1"
    )


ALIAS = CheckType(alias_service="web")


def test_an_alias_follows_the_worst_check_of_its_service_and_its_node() -> None:
    passing, warning = check("a", "passing"), check("b", "warning")
    other = check("c", "critical", "db")
    assert alias_outcome(ALIAS, "x", [passing, other], True) == ("passing", "All checks passing.")
    assert alias_outcome(ALIAS, "x", [passing, warning], True) == (
        "warning",
        'Aliased check "b" failing: ',
    )
    node = check("n", "critical", "")
    assert alias_outcome(ALIAS, "x", [warning, node], True)[0] == "critical"


def test_an_alias_of_a_service_without_checks_passes_if_the_service_is_there() -> None:
    assert alias_outcome(ALIAS, "x", [], True) == ("passing", "No checks found.")
    assert alias_outcome(ALIAS, "x", [], False) == (
        "critical",
        "Service web could not be found on node ",
    )


def test_an_alias_on_the_node_does_not_follow_itself() -> None:
    itself = check("x", "critical", "")
    assert alias_outcome(ALIAS, "x", [itself], True) == ("passing", "No checks found.")


def test_maintenance_is_the_worst_state_of_a_service() -> None:
    assert aggregated_status([]) == "passing"
    assert aggregated_status([check("a", "warning"), check("b", "critical")]) == "critical"
    maintained = [check("a", "critical"), check("_service_maintenance:web", "critical")]
    assert aggregated_status(maintained) == "maintenance"
