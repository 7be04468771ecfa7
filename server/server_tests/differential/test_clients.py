"""Each group of cases, asked of a real client agent and of ours, both before real servers."""

import os
from collections.abc import Iterator
from typing import Any

import pytest

from server_tests.differential.catalogue import all_cases
from server_tests.differential.clients import client_of_a_real_server, without_server
from server_tests.differential.compare import differences
from server_tests.differential.normalise import normalised
from server_tests.differential.run import Case, play_on_both
from server_tests.differential.target import Target, our_command, real_command
from server_tests.loopback import address

REAL_SERVER, REAL_CLIENT = address(203), address(204)
OUR_SERVER, OUR_CLIENT = address(205), address(206)

LEFT_TO_CHANCE = {
    ("agent", "members"),  # a real client tells members in any order
    ("agent", "members of a segment"),
    ("agent", "members of the wan"),
    ("agent", "members, ignored"),
    ("event", "fired"),  # events that travel in one packet arrive in any order
    ("snapshot", "elsewhere"),  # it may see the end of a connection before the reason
}

OF_SERVERS_ONLY = {("config", "routers")}  # a real client cannot list entries of all kinds

pytestmark = [
    pytest.mark.skipif(
        not os.environ.get("CONSUL_REAL"), reason="CONSUL_REAL names no Consul 1.8.7"
    ),
    pytest.mark.slow,
    pytest.mark.real_clock,
    pytest.mark.timeout(300),
]


@pytest.fixture(scope="module")
def clients() -> Iterator[tuple[Target, Target]]:
    """The real one and ours, both fresh."""
    with (
        client_of_a_real_server(real_command(), REAL_SERVER, REAL_CLIENT) as real,
        client_of_a_real_server(our_command(), OUR_SERVER, OUR_CLIENT) as ours,
    ):
        yield real, ours


def _groups() -> dict[str, list[Case]]:
    groups: dict[str, list[Case]] = {}
    for case in all_cases():
        if (case.group, case.name) not in LEFT_TO_CHANCE | OF_SERVERS_ONLY:
            groups.setdefault(case.group, []).append(case)
    return groups


@pytest.mark.parametrize("group", _groups())
def test_a_real_client_and_ours_answer_alike(group: str, clients: tuple[Target, Target]) -> None:
    real, ours = clients
    differing: list[str] = []
    for case in _groups()[group]:
        there, here = play_on_both(case, real, ours)
        lines = differences(
            without_server(normalised(there), REAL_SERVER),
            without_server(normalised(here), OUR_SERVER),
        )
        differing.extend(f"{case.name}: {line}" for line in lines)
    assert not differing, "\n" + "\n".join(differing)


def members(client: Target, server: str) -> list[dict[str, Any]]:
    """What it tells of the members, by name, but for addresses."""
    found = sorted(client.ask("GET", "/v1/agent/members").json(), key=lambda each: each["Name"])
    return [{**each, "Addr": each["Addr"] == server} for each in found]


def test_a_real_client_and_ours_know_the_same_members(clients: tuple[Target, Target]) -> None:
    real, ours = clients
    assert members(real, REAL_SERVER) == members(ours, OUR_SERVER)
    nobody = [client.ask("GET", "/v1/agent/members?wan=1") for client in clients]
    assert [answer.body for answer in nobody] == [b"null", b"null"]
