"""The first ACL token, on a real Consul 1.8.7 (CONSUL_REAL) and on our server.

Consul 1.8.7 does not take the secret that it is given. Ours keeps ACLs and enforces none, and says
that it does not serve the calls: then the operator must say so, not wait, and not pretend.
"""

import asyncio
import json
import os
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from operator_tests.plans.operator import Operator
from operator_tests.plans.world import World
from proconsul_operator.actions.consul import Access, RefusedError, Servers, session
from proconsul_operator.actions.observing import NOT_IMPLEMENTED
from proconsul_operator.api.conditions import ClusterCondition, condition_of
from server_tests.loopback import address
from server_tests.process import ServerProcess, die_with_the_tests

CONSUL_REAL = os.environ.get("CONSUL_REAL", "")
TOKEN = "11111111-2222-3333-4444-555555555555"
START_S = 120.0
ACL = 'acl {\n enabled = true\n default_policy = "deny"\n}\n'


def asked(host: str, path: str, token: str = TOKEN) -> tuple[int, Any]:
    """A GET: status, and the document."""
    request = urllib.request.Request(f"http://{host}:8500{path}", headers={"X-Consul-Token": token})
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.status, json.loads(answer.read())
    except urllib.error.HTTPError as error:
        return error.code, None


def bootstrap(host: str) -> None:
    """As the operator does it."""

    async def act() -> None:
        async with session() as connections:
            await Servers(connections, Access(port=8500)).bootstrap_acl(host, TOKEN)

    asyncio.run(act())


@pytest.fixture
def consul(tmp_path: Path) -> Iterator[str]:
    """The address of a real one whose access control waits for its first token."""
    if not CONSUL_REAL:
        pytest.skip("CONSUL_REAL names no Consul 1.8.7")
    host = address(240)
    (tmp_path / "acl.hcl").write_text(ACL)
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen(
            [
                CONSUL_REAL, "agent", "-server", "-bootstrap-expect=1", "-node=real",
                f"-bind={host}", f"-client={host}", f"-data-dir={tmp_path / 'data'}",
                f"-config-file={tmp_path / 'acl.hcl'}", "-dns-port=-1",
            ],
            stdout=log, stderr=log,
            preexec_fn=die_with_the_tests,  # noqa: PLW1509 - one system call, no lock
        )  # fmt: skip
    try:
        deadline_s = time.monotonic() + START_S
        while not _waits(host):
            assert time.monotonic() < deadline_s, (tmp_path / "log").read_text()[-2000:]
            time.sleep(0.1)  # noqa: TID251 - another process is waited for
        yield host
    finally:
        process.kill()
        process.wait()


def _waits(host: str) -> bool:
    """It leads, and knows no token."""
    try:
        return bool(asked(host, "/v1/status/leader", "")[1]) and (
            asked(host, "/v1/acl/token/self")[0] == 403
        )
    except OSError:
        return False


@pytest.mark.slow
def test_on_a_real_consul_the_stored_token_may_do_everything_and_no_other_is_left(
    consul: str,
) -> None:
    _first(consul)
    status, own = asked(consul, "/v1/acl/token/self")
    assert status == 200
    assert [each["Name"] for each in own["Policies"]] == ["global-management"]
    _, tokens = asked(consul, "/v1/acl/tokens")
    descriptions = {each["Description"] for each in tokens}
    assert descriptions == {"Bootstrap Token of the operator", "Anonymous Token"}

    with pytest.raises(RefusedError) as refused:
        bootstrap(consul)
    assert refused.value.status == 403
    assert asked(consul, "/v1/acl/token/self")[0] == 200, "once is as good as often"


def _first(host: str) -> None:
    """ACLs of a new leader begin in an old mode for some seconds; the next cycle tries again."""
    deadline_s = time.monotonic() + START_S
    while True:
        try:
            bootstrap(host)
        except RefusedError as error:
            if "legacy" not in str(error).lower() or time.monotonic() > deadline_s:
                raise
            time.sleep(0.2)  # noqa: TID251 - another process is waited for
        else:
            return


def test_our_server_says_that_it_does_not_serve_it(tmp_path: Path) -> None:
    with ServerProcess(address(241), tmp_path / "server", "-hcl=acl { enabled = true }") as server:
        assert asked(server.address, "/v1/acl/token/self")[0] == NOT_IMPLEMENTED
        with pytest.raises(RefusedError) as refused:
            bootstrap(server.address)
        assert refused.value.status == NOT_IMPLEMENTED


def test_a_cluster_that_asks_for_it_hears_that_it_is_not_there_and_is_made_all_the_same() -> None:
    world = World(acl={"enabled": True})
    world.acl = None
    operator = Operator(world)
    operator.settle()
    degraded = condition_of(world.cluster.status.conditions, ClusterCondition.DEGRADED)
    assert degraded is not None
    assert (degraded.status, degraded.reason) == ("True", "ACLNotEnforced")
    assert [each.reason for each in operator.events].count("ACLNotEnforced") == 1
