"""Each group of cases, on a real Consul 1.8.7 and on this server: nothing may differ."""

import os
from collections.abc import Iterator

import pytest

from server_tests.differential.catalogue import all_cases
from server_tests.differential.compare import differences
from server_tests.differential.normalise import normalised
from server_tests.differential.run import Case, play_on_both
from server_tests.differential.target import Target, our_command, real_command, running
from server_tests.loopback import address

REAL_HOST, OUR_HOST = 201, 202

pytestmark = [
    pytest.mark.skipif(
        not os.environ.get("CONSUL_REAL"), reason="CONSUL_REAL names no Consul 1.8.7"
    ),
    pytest.mark.slow,
    pytest.mark.real_clock,
    pytest.mark.timeout(300),
]


@pytest.fixture(scope="module")
def servers() -> Iterator[tuple[Target, Target]]:
    """The real one and ours, both fresh."""
    with (
        running(real_command(), address(REAL_HOST)) as real,
        running(our_command(), address(OUR_HOST)) as ours,
    ):
        yield real, ours


def _groups() -> dict[str, list[Case]]:
    groups: dict[str, list[Case]] = {}
    for case in all_cases():
        groups.setdefault(case.group, []).append(case)
    return groups


@pytest.mark.parametrize("group", _groups())
def test_the_real_consul_and_ours_answer_alike(group: str, servers: tuple[Target, Target]) -> None:
    real, ours = servers
    differing: list[str] = []
    for case in _groups()[group]:
        there, here = play_on_both(case, real, ours)
        lines = list(differences(normalised(there), normalised(here)))
        differing.extend(f"{case.name}: {line}" for line in lines)
    assert not differing, "\n" + "\n".join(differing)
