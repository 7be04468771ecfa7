"""Probes: who is ready; and nobody is restarted for what a restart does not mend."""

import itertools
import json
from pathlib import Path

import pytest
from msgspec.structs import replace

from proconsul.api.http import Request
from proconsul.api.own_server import probe_port
from proconsul.api.probes import (
    LAG_ENTRIES_MAX,
    PROBES,
    STUCK_S,
    Health,
    Verdict,
    liveness,
    readiness,
    startup,
)
from proconsul.errors import RpcError
from proconsul.model.raft_local import RaftLocal
from proconsul.model.tls_local import TlsLocal
from server_tests.api.agent_desk import desk

FOLLOWER = Health(
    started=True,
    idle_reason="",
    idle_message="",
    draining=False,
    disk_busy_s=0.0,
    leads=False,
    has_quorum=False,
    votes=True,
    leader_known=True,
    contact_age_s=0.1,
    election_timeout_s=5.0,
    removal="",
    lag_entries=0,
)
LEADER = replace(FOLLOWER, leads=True, has_quorum=True, contact_age_s=0.0)


@pytest.mark.parametrize("health", [FOLLOWER, LEADER])
def test_who_knows_a_leader_and_keeps_up_is_ready(health: Health) -> None:
    assert readiness(health) == Verdict(True, "OK", "")


@pytest.mark.parametrize(
    ("health", "reason"),
    [
        (replace(FOLLOWER, started=False), "Starting"),
        (replace(FOLLOWER, leader_known=False), "NoLeader"),
        (replace(FOLLOWER, contact_age_s=None), "LostContact"),
        (replace(FOLLOWER, leader_known=False, removal="it is out"), "Removed"),
        (replace(FOLLOWER, contact_age_s=10.0, removal="it is out"), "Removed"),
        (replace(FOLLOWER, draining=True, removal="it is out"), "Draining"),
        (replace(FOLLOWER, contact_age_s=10.0), "LostContact"),
        (replace(FOLLOWER, votes=False), "NotVoter"),
        (replace(FOLLOWER, lag_entries=LAG_ENTRIES_MAX), "FarBehind"),
        (replace(FOLLOWER, draining=True), "Draining"),
        (replace(LEADER, draining=True), "Draining"),
        (replace(LEADER, has_quorum=False), "NoQuorum"),
        (replace(LEADER, lag_entries=LAG_ENTRIES_MAX), "FarBehind"),
        (replace(LEADER, idle_reason="Decommissioned", idle_message="left"), "Decommissioned"),
    ],
)
def test_who_is_not_ready_says_why_in_a_word_and_in_a_sentence(health: Health, reason: str) -> None:
    verdict = readiness(health)
    assert (verdict.ok, verdict.status, verdict.reason) == (False, 503, reason)
    assert verdict.message


def test_contact_and_lag_are_good_up_to_their_limits() -> None:
    assert readiness(replace(FOLLOWER, contact_age_s=9.99)).ok
    assert readiness(replace(FOLLOWER, lag_entries=LAG_ENTRIES_MAX - 1)).ok


def test_liveness_knows_neither_leader_nor_quorum_nor_lag() -> None:
    truths = itertools.product((False, True), repeat=4)
    for leads, has_quorum, leader_known, draining in truths:
        for contact_age_s in (None, 0.0, 1e6):
            health = replace(
                FOLLOWER,
                leads=leads,
                has_quorum=has_quorum,
                leader_known=leader_known,
                draining=draining,
                contact_age_s=contact_age_s,
                lag_entries=10**9,
                idle_reason="Decommissioned",
                removal="it is out",
            )
            assert liveness(health).ok
            assert startup(health).ok


def test_a_disk_that_is_stuck_ends_the_life_and_a_slow_one_does_not() -> None:
    assert liveness(replace(FOLLOWER, disk_busy_s=STUCK_S)).ok
    verdict = liveness(replace(FOLLOWER, disk_busy_s=STUCK_S + 1))
    assert (verdict.status, verdict.reason) == (503, "DiskStuck")


def test_nothing_has_started_before_the_log_is_read() -> None:
    assert startup(replace(FOLLOWER, started=False)).status == 503


class Dull:
    """A server that is always the same."""

    def __init__(self, verdict: Verdict) -> None:
        self._verdict = verdict
        self.asked: list[str] = []

    def probe(self, name: str) -> Verdict:
        self.asked.append(name)
        return self._verdict

    def raft_local(self) -> RaftLocal:
        raise AssertionError("that is no probe")

    def tls_local(self) -> TlsLocal:
        return TlsLocal(certificate="ab", authorities=["cd"])

    async def decommission(self) -> None:
        raise AssertionError("that is no probe")

    async def recommission(self) -> bool:
        raise AssertionError("that is no probe")


@pytest.mark.parametrize("name", PROBES)
def test_the_port_of_the_probes_answers_them_as_json(name: str) -> None:
    server = Dull(Verdict(False, "NoLeader", "no leader is known"))
    response = probe_port(server, Request("GET", f"/v1/proconsul/{name}"))
    assert response.status == 503
    assert isinstance(response.body, bytes)
    assert json.loads(response.body) == {
        "OK": False,
        "Reason": "NoLeader",
        "Message": "no leader is known",
    }
    assert server.asked == [name]


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/v1/proconsul/",
        "/v1/proconsul/raft/local",
        "/v1/proconsul/tls",
        "/v1/kv/?recurse",
        "/readyz",
        "/v1/agent/self",
    ],
)
def test_there_is_nothing_else_on_that_port(path: str) -> None:
    server = Dull(Verdict(True, "OK", ""))
    response = probe_port(server, Request("GET", path))
    assert (response.status, response.body, server.asked) == (404, b"", [])


def test_a_probe_is_only_asked_for() -> None:
    response = probe_port(Dull(Verdict(True, "OK", "")), Request("PUT", "/v1/proconsul/readyz"))
    assert response.status == 405


class Member(Dull):
    """A server that can be taken out, or not."""

    def __init__(self, refusal: str = "") -> None:
        super().__init__(Verdict(True, "OK", ""))
        self._refusal = refusal
        self.is_out = False

    async def decommission(self) -> None:
        if self._refusal:
            raise RpcError(self._refusal)
        self.is_out = True

    async def recommission(self) -> bool:
        was_out, self.is_out = self.is_out, False
        return was_out


async def test_a_server_is_taken_out_and_let_in_over_the_api(tmp_path: Path) -> None:
    path = "/v1/proconsul/decommission"
    async with desk(tmp_path) as at:
        at.api.own_server = Member()
        assert json.loads((await at.ask("PUT", path))[1]) == {"Decommissioned": True}
        for was_out in (True, False):
            status, body = await at.ask("DELETE", path)
            assert (status, json.loads(body)) == (200, {"Cleared": was_out})
        at.api.own_server = Member("there is no other voter")
        assert await at.ask("PUT", path) == (409, "there is no other voter")
        assert (await at.ask("GET", path))[0] == 405


async def test_a_client_agent_has_none_of_these(tmp_path: Path) -> None:
    async with desk(tmp_path) as at:
        for path in ("readyz", "raft/local", "tls"):
            answer = await at.ask("GET", f"/v1/proconsul/{path}")
            assert answer == (404, "this agent is no server")


async def test_the_certificate_in_use_is_told_by_its_fingerprint(tmp_path: Path) -> None:
    async with desk(tmp_path) as at:
        at.api.own_server = Dull(Verdict(True, "OK", ""))
        status, body = await at.ask("GET", "/v1/proconsul/tls")
        assert status == 200
        assert json.loads(body) == {"Certificate": "ab", "Authorities": ["cd"]}


async def test_the_api_answers_probes_with_their_status(tmp_path: Path) -> None:
    async with desk(tmp_path) as at:
        at.api.own_server = Dull(Verdict(False, "NoLeader", "no leader is known"))
        status, body = await at.ask("GET", "/v1/proconsul/readyz")
        assert (status, json.loads(body)["Reason"]) == (503, "NoLeader")
