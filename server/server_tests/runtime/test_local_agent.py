"""The agent's services and checks, with real files, real checks, and a catalog of its own."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from proconsul.config import definitions as config
from proconsul.errors import NoLeaderError, PermissionDeniedError
from proconsul.local.definitions import CheckDefinition
from proconsul.local.failure import BadDefinitionError, LocalError
from proconsul.local.state import Source
from proconsul.model.catalog import (
    NodeService,
    ServiceConnect,
    ServiceDefinition,
)
from proconsul.model.health import CheckType
from proconsul.runtime.local_agent import LocalAgent
from proconsul.wire.golang import SECOND, Duration
from server_tests.runtime.check_targets import IP, answering, http_answer, serving
from server_tests.runtime.local_world import TEN_S, World


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def web(*checks: CheckType, **changes: Any) -> ServiceDefinition:
    return ServiceDefinition(name="web", port=80, checks=list(checks) or None, **changes)


TTL = CheckType(ttl=TEN_S)


async def add(agent: LocalAgent, definition: ServiceDefinition, *, replace: bool = False) -> None:
    await agent.add_service(definition, "", source=Source.REMOTE, replace_checks=replace)


async def add_check(agent: LocalAgent, definition: CheckDefinition) -> None:
    check, how = agent.check_to_add(definition)
    await agent.add_check(check, how, "", source=Source.REMOTE)


def status_of(agent: LocalAgent, check_id: str) -> tuple[str, str]:
    check = agent.check(check_id)
    assert check is not None
    return check.status, check.output


# ---------------------------------------------------------------- registering


async def test_a_registered_service_is_in_the_catalog_with_its_checks(world: World) -> None:
    async with world.agent() as agent:
        await add(agent, web(TTL))
        await agent.sync_changes()
        assert world.catalog.services == agent.services()
        assert world.catalog.checks == agent.checks()
        assert list(agent.checks()) == ["service:web"]
        assert world.catalog.node is not None
        await agent.remove_service("web")
        await agent.sync_changes()
        assert not world.catalog.services
        assert not world.catalog.checks
    assert world.files() == []


async def test_who_leaves_is_not_put_into_the_catalog_again(world: World) -> None:
    async with world.agent() as agent:
        await agent.sync_changes()
        agent.end_sync()
        await add(agent, web(TTL))
        await agent.sync_changes()
        agent.request_full_sync()
        await asyncio.sleep(3600)
        assert not world.catalog.services
        assert len(world.catalog.full_syncs_s()) > 1, "what is found missing is not sent, either"


async def test_a_refused_registration_leaves_nothing_behind(world: World) -> None:
    async with world.agent() as agent:
        with pytest.raises(BadDefinitionError, match="Invalid check"):
            await add(agent, web(TTL, CheckType()))
        script = CheckType(script_args=["true"], interval=TEN_S)
        with pytest.raises(LocalError, match="Scripts are disabled"):
            await add(agent, web(TTL, script))
        assert not agent.services()
        assert not agent.checks()
    assert world.files() == []


async def test_a_disk_that_refuses_leaves_the_agent_as_it_was(world: World) -> None:
    async with world.agent() as agent:
        (world.folder / "services").write_text("in the way")
        with pytest.raises(OSError, match="exists"):
            await add(agent, web())
        assert not agent.services()


async def test_checks_stay_or_are_replaced_as_the_request_says(world: World) -> None:
    async with world.agent() as agent:
        await add(agent, web(TTL))
        named = CheckType(ttl=TEN_S, check_id="named")
        await add(agent, web(named))
        assert list(agent.checks()) == ["service:web", "named"]
        await add(agent, web(named), replace=True)
        assert list(agent.checks()) == ["named"]


async def test_registering_again_keeps_the_status(world: World) -> None:
    async with world.agent() as agent:
        await add(agent, web(TTL))
        await agent.update_ttl_check("service:web", "passing", "fine")
        await add(agent, web(TTL))
        assert status_of(agent, "service:web") == ("passing", "fine")


async def test_a_sidecar_comes_and_goes_with_its_service(world: World) -> None:
    sidecar = ServiceConnect(sidecar_service=ServiceDefinition())
    async with world.agent() as agent:
        await add(agent, web(connect=sidecar))
        assert list(agent.services()) == ["web", "web-sidecar-proxy"]
        aliasing = status_of(agent, "service:web-sidecar-proxy:2")
        assert aliasing == ("passing", "No checks found.")
        await agent.remove_service("web")
        assert not agent.services()


async def test_removing_what_is_not_there_is_no_error(world: World) -> None:
    async with world.agent() as agent:
        await agent.remove_service("nope")
        await agent.remove_check("nope")
        with pytest.raises(LocalError, match="ServiceID missing"):
            await agent.remove_service("")


async def test_a_check_needs_a_service_that_exists(world: World) -> None:
    async with world.agent() as agent:
        with pytest.raises(LocalError, match=r'^ServiceID "web" does not exist$'):
            await add_check(agent, CheckDefinition(name="c", service_id="web", ttl=TEN_S))
        with pytest.raises(BadDefinitionError, match=r"^Missing check name$"):
            agent.check_to_add(CheckDefinition())
        with pytest.raises(BadDefinitionError, match=r"^Bad check status$"):
            agent.check_to_add(CheckDefinition(name="c", status="fine"))
        with pytest.raises(BadDefinitionError, match=r"^Invalid check: TTL must be > 0"):
            agent.check_to_add(CheckDefinition(name="c"))


async def test_an_update_needs_a_ttl_check(world: World) -> None:
    async with world.agent() as agent:
        with pytest.raises(LocalError, match=r'^CheckID "c" does not have associated TTL$'):
            await agent.update_ttl_check("c", "passing", "")


# ---------------------------------------------------------------- health


async def test_an_http_check_decides_over_its_service(world: World) -> None:
    async with world.agent() as agent, serving(answering(http_answer("200 OK"))) as port:
        check = CheckType(http=f"http://{IP}:{port}/", interval=TEN_S)
        await add(agent, web(check))
        health = agent.health_of_service("web")
        assert health is not None
        assert health.status == "critical", "it has not run yet"
        await asyncio.sleep(10)
        assert [one.status for one in agent.health_of_named("web")] == ["passing"]
        assert world.catalog.checks["service:web"].status == "passing", "it went out by itself"
        assert agent.health_of_service("nope") is None
        assert agent.stats() == {"services": "1", "checks": "1"}


async def test_a_service_in_maintenance_says_so(world: World) -> None:
    async with world.agent() as agent:
        await add(agent, web(TTL))
        await agent.set_service_maintenance("web", True, "", "")
        await agent.set_service_maintenance("web", True, "other reason", "")
        check = agent.check("_service_maintenance:web")
        assert check is not None
        assert check.notes.startswith("Maintenance mode is enabled for this service, but no")
        health = agent.health_of_service("web")
        assert health is not None
        assert health.status == "maintenance"
        await agent.set_service_maintenance("web", False, "", "")
        assert list(agent.checks()) == ["service:web"]
        with pytest.raises(LocalError, match=r'^No service registered with ID "nope"$'):
            await agent.set_service_maintenance("nope", True, "", "")


async def test_maintenance_of_the_node_outlives_a_restart(world: World) -> None:
    async with world.agent() as agent:
        await agent.set_node_maintenance(True, "new disks", "")
    async with world.agent() as agent:
        check = agent.check("_node_maintenance")
        assert check is not None
        assert (check.status, check.notes, check.type) == ("critical", "new disks", "maintenance")
        await agent.set_node_maintenance(False, "", "")
        assert not agent.checks()


async def test_a_service_that_is_critical_for_too_long_is_deregistered(world: World) -> None:
    check = CheckType(ttl=TEN_S, deregister_critical_service_after=Duration(90 * SECOND))
    async with world.agent() as agent:
        await add(agent, web(check))
        await asyncio.sleep(95)
        assert agent.service("web") is not None
        await asyncio.sleep(30)
        assert agent.service("web") is None
        assert not world.catalog.services
    assert world.files() == []


# ---------------------------------------------------------------- blocking


async def test_a_waiter_wakes_when_its_service_changes(world: World) -> None:
    async with world.agent() as agent:
        await add(agent, web())
        version = agent.version_of("web")
        assert not await agent.wait_for_change("web", version, timeout_s=5)
        waiting = asyncio.create_task(agent.wait_for_change("web", version, timeout_s=500))
        await asyncio.sleep(1)
        await add(agent, ServiceDefinition(name="other"))
        await asyncio.sleep(1)
        assert not waiting.done()
        await add(agent, web(tags=["new"]))
        assert await waiting
        assert await agent.wait_for_change("web", version, timeout_s=500), "it is past that"


# ---------------------------------------------------------------- restart and reload


async def test_everything_is_there_after_a_restart(world: World) -> None:
    async with world.agent() as agent:
        await agent.add_service(web(TTL), "secret", source=Source.REMOTE, replace_checks=False)
        await add_check(agent, CheckDefinition(name="disk", ttl=TEN_S))
        await agent.update_ttl_check("service:web", "passing", "fine")
        before = agent.services()
    async with world.agent() as agent:
        assert agent.services() == before
        assert status_of(agent, "service:web") == ("passing", "fine")
        assert status_of(agent, "disk")[0] == "critical"
        await asyncio.sleep(11)
        assert status_of(agent, "service:web")[0] == "critical", "its time runs on"


async def test_a_ttl_state_that_has_expired_is_not_restored(world: World) -> None:
    async with world.agent() as agent:
        await add(agent, web(TTL))
        await agent.update_ttl_check("service:web", "passing", "fine")
    world.wall.ahead_s += 11
    async with world.agent() as agent:
        assert status_of(agent, "service:web") == ("critical", "")


async def test_a_file_wins_over_what_the_api_has_registered(world: World) -> None:
    async with world.agent() as agent:
        await add(agent, web())
    world.services = (config.ServiceDefinition(name="web", port=99),)
    async with world.agent() as agent:
        service = agent.service("web")
        assert service is not None
        assert service.port == 99
    assert world.files() == [], "what was kept is dropped"


async def test_a_damaged_file_does_not_keep_the_others_from_coming_back(world: World) -> None:
    async with world.agent() as agent:
        await add(agent, web())
    (world.folder / "services" / "broken").write_bytes(b"{")
    (world.folder / "services" / "half.tmp").write_bytes(b"")
    async with world.agent() as agent:
        assert list(agent.services()) == ["web"]


async def test_a_reload_takes_the_new_files_and_keeps_the_states(world: World) -> None:
    ttl = config.CheckDefinition(ttl_ns=10 * SECOND)
    world.services = (
        config.ServiceDefinition(name="old"),
        config.ServiceDefinition(name="web", checks=(ttl,)),
    )
    world.checks = (config.CheckDefinition(name="disk", ttl_ns=10 * SECOND),)
    async with world.agent() as agent:
        await add(agent, ServiceDefinition(name="api"))
        await agent.update_ttl_check("service:web", "passing", "fine")
        await agent.sync_changes()
        assert set(world.catalog.services) == {"old", "web", "api"}
        world.services = world.services[1:]
        await world.reload(agent)
        await agent.sync_changes()
        assert list(agent.services()) == ["web", "api"]
        assert set(world.catalog.services) == {"web", "api"}
        assert status_of(agent, "service:web") == ("passing", "fine")


async def test_a_waiter_does_not_see_its_service_gone_during_a_reload(world: World) -> None:
    world.services = (config.ServiceDefinition(name="web"),)
    async with world.agent() as agent:
        version = agent.version_of("web")
        waiting = asyncio.create_task(agent.wait_for_change("web", version, timeout_s=500))
        seen: list[bool] = []
        waiting.add_done_callback(lambda _: seen.append(agent.service("web") is not None))
        await asyncio.sleep(0)
        await world.reload(agent)
        await waiting
        assert seen == [True]


async def test_a_bad_definition_in_a_file_ends_the_start(world: World) -> None:
    world.checks = (config.CheckDefinition(name="bad"),)
    with pytest.raises(LocalError, match="Failed to register check 'bad': Check is not valid"):
        async with world.agent():
            pass


# ---------------------------------------------------------------- anti-entropy


async def test_what_others_did_to_the_catalog_is_mended_by_the_next_full_sync(
    world: World,
) -> None:
    async with world.agent() as agent:
        await add(agent, web())
        await agent.sync_changes()
        world.catalog.services = {
            "stray": NodeService(id="stray", service="stray"),
            "consul": NodeService(id="consul", service="consul"),
        }
        await asyncio.sleep(121)
        assert set(world.catalog.services) == {"web", "consul"}


async def test_full_syncs_come_every_minute_or_two(world: World) -> None:
    async with world.agent():
        await asyncio.sleep(600)
    times_s = world.catalog.full_syncs_s()
    assert times_s[0] < 1
    assert 6 <= len(times_s) <= 11


async def test_many_changes_at_once_go_out_together(world: World) -> None:
    async with world.agent() as agent:
        await asyncio.sleep(1)
        world.catalog.calls.clear()
        await add(agent, web(TTL, TTL, TTL))
        await asyncio.sleep(1)
        assert [method for _, method in world.catalog.calls] == ["Catalog.Register"]


async def test_a_failed_sync_is_tried_again_and_a_new_leader_hastens_it(world: World) -> None:
    world.catalog.failure = NoLeaderError()
    async with world.agent() as agent:
        await add(agent, web())
        await agent.sync_changes()
        await asyncio.sleep(14)
        assert len(world.catalog.full_syncs_s()) == 1
        await asyncio.sleep(17)
        assert len(world.catalog.full_syncs_s()) == 2
        world.catalog.failure = None
        agent.request_full_sync()
        await asyncio.sleep(3.5)
        assert list(world.catalog.services) == ["web"]


async def test_a_denied_registration_is_not_tried_on_every_change(world: World) -> None:
    async with world.agent() as agent:
        await asyncio.sleep(1)
        world.catalog.failure = PermissionDeniedError()
        await add(agent, web())
        await agent.sync_changes()
        tries = len(world.catalog.calls)
        await add_check(agent, CheckDefinition(name="disk", ttl=TEN_S))
        await agent.sync_changes()
        later = [method for _, method in world.catalog.calls[tries:]]
        assert later == ["Catalog.Register"], "the check alone"


async def test_a_cancelled_registration_waits_for_its_files(world: World) -> None:
    async with world.agent() as agent:
        registering = asyncio.create_task(add(agent, web()))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        registering.cancel()
        await asyncio.wait([registering])
        await agent.remove_service("web")
        await add(agent, ServiceDefinition(name="web", port=2))
    async with world.agent() as agent:
        service = agent.service("web")
        assert service is not None
        assert service.port == 2
