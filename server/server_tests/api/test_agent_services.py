"""Services and checks of the agent over HTTP: register, look, wait, take out, put back."""

import asyncio
from pathlib import Path

import pytest

from server_tests.api.agent_desk import desk

WEB = {"ID": "web1", "Name": "web", "Port": 80, "Check": {"TTL": "10s"}}


async def test_a_service_is_registered_read_and_deregistered(tmp_path: Path) -> None:
    async with desk(tmp_path) as at:
        assert await at.ask("PUT", "/v1/agent/service/register", WEB) == (200, "")
        services = await at.read("/v1/agent/services")
        assert services == {
            "web1": {
                "ID": "web1",
                "Service": "web",
                "Tags": [],
                "Meta": {},
                "Port": 80,
                "Address": "",
                "Weights": {"Passing": 1, "Warning": 1},
                "EnableTagOverride": False,
            }
        }
        assert list(await at.read("/v1/agent/checks")) == ["service:web1"]
        assert await at.ask("PUT", "/v1/agent/service/deregister/web1") == (200, "")
        assert await at.read("/v1/agent/services") == {}
        assert await at.read("/v1/agent/checks") == {}


async def test_what_a_newer_client_sends_is_taken_and_a_misspelt_field_is_not(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with desk(tmp_path) as at:
        body = {
            **WEB,
            "SocketPath": "/run/web",
            "Locality": {"Region": "r"},
            "Check": {"TTL": "10s", "FailuresBeforeWarning": 2, "TLSServerName": "x"},
        }
        assert await at.ask("PUT", "/v1/agent/service/register", body) == (200, "")
        for name in ("SocketPath", "Locality", "FailuresBeforeWarning", "TLSServerName"):
            assert name in caplog.text
        assert await at.ask("PUT", "/v1/agent/service/register", {"Nam": "web"}) == (
            400,
            'Request decode failed: json: unknown field "Nam"',
        )


async def test_a_service_that_stays_as_it_is_answers_when_the_wait_is_over(
    tmp_path: Path,
) -> None:
    async with desk(tmp_path) as at:
        await at.ask("PUT", "/v1/agent/service/register", WEB)
        known = (await at.read("/v1/agent/service/web1"))["ContentHash"]
        clock = asyncio.get_running_loop()
        began_s = clock.time()
        again = await at.read(f"/v1/agent/service/web1?hash={known}&wait=30s")
        assert again["ContentHash"] == known
        assert clock.time() - began_s == pytest.approx(30)


async def test_whoever_waits_with_a_hash_hears_of_a_change_at_once(tmp_path: Path) -> None:
    async with desk(tmp_path) as at:
        await at.ask("PUT", "/v1/agent/service/register", WEB)
        response = await at.response("GET", "/v1/agent/service/web1")
        known = dict(response.headers)["X-Consul-Contenthash"]
        waiting = asyncio.create_task(at.read(f"/v1/agent/service/web1?hash={known}"))
        await asyncio.sleep(1)
        assert not waiting.done()
        await at.ask("PUT", "/v1/agent/service/register", {**WEB, "Port": 81})
        changed = await asyncio.wait_for(waiting, 5)
        assert changed["Port"] == 81
        assert changed["ContentHash"] != known


async def test_who_waits_for_a_service_that_goes_is_told_so(tmp_path: Path) -> None:
    async with desk(tmp_path) as at:
        await at.ask("PUT", "/v1/agent/service/register", WEB)
        known = (await at.read("/v1/agent/service/web1"))["ContentHash"]
        waiting = asyncio.create_task(at.ask("GET", f"/v1/agent/service/web1?hash={known}"))
        await asyncio.sleep(1)
        await at.ask("PUT", "/v1/agent/service/deregister/web1")
        assert await asyncio.wait_for(waiting, 5) == (404, "unknown service ID: web1")


async def test_the_health_of_a_service_is_a_status_code(tmp_path: Path) -> None:
    async with desk(tmp_path) as at:
        await at.ask("PUT", "/v1/agent/service/register", WEB)
        path = "/v1/agent/health/service/id/web1?format=text"
        for verb, told in (
            ("pass", (200, "passing")),
            ("warn", (429, "warning")),
            ("fail", (503, "critical")),
        ):
            assert await at.ask("PUT", f"/v1/agent/check/{verb}/service:web1") == (200, "")
            assert await at.ask("GET", path) == told
        await at.ask("PUT", "/v1/agent/service/maintenance/web1?enable=true")
        assert await at.ask("GET", path) == (503, "maintenance")
        response = await at.response("GET", "/v1/agent/health/service/name/none")
        assert (response.status, response.body) == (404, b"[]")
        assert ("X-Consul-Reason", "ServiceName none Not Found") in response.headers


async def test_of_several_services_of_a_name_the_worst_counts(tmp_path: Path) -> None:
    async with desk(tmp_path) as at:
        for number, status in enumerate(("passing", "warning")):
            check = {"TTL": "10s", "Status": status}
            body = {"ID": f"w{number}", "Name": "w", "Check": check}
            await at.ask("PUT", "/v1/agent/service/register", body)
        for accept in ("text/plain", "text/plain, */*"):
            asked = await at.ask("GET", "/v1/agent/health/service/name/w", accept=accept)
            assert asked == (429, "warning")


async def test_a_report_that_nobody_waits_for_is_refused(tmp_path: Path) -> None:
    async with desk(tmp_path) as at:
        complaint = (500, 'CheckID "x" does not have associated TTL')
        assert await at.ask("PUT", "/v1/agent/check/pass/x") == complaint
        assert await at.ask("PUT", "/v1/agent/check/update/x", {"Status": "passing"}) == complaint
        assert await at.ask("PUT", "/v1/agent/check/update/x", {"Status": "fine"}) == (
            400,
            "Invalid check status: 'fine'",
        )


async def test_a_filter_of_checks_is_only_read_when_there_are_any(tmp_path: Path) -> None:
    async with desk(tmp_path) as at:
        assert await at.read("/v1/agent/checks?filter=Zork==x") == {}
        await at.ask("PUT", "/v1/agent/service/register", WEB)
        assert await at.ask("GET", "/v1/agent/checks?filter=Zork==x") == (
            500,
            'Selector "Zork" is not valid',
        )


@pytest.mark.parametrize(("value", "kept"), [("", ["b"]), ("=true", ["b"]), ("=1", ["a", "b"])])
async def test_checks_are_replaced_only_where_that_is_said(
    tmp_path: Path, value: str, kept: list[str]
) -> None:
    async with desk(tmp_path) as at:
        first = {"Name": "w", "Checks": [{"CheckID": "a", "TTL": "9s"}]}
        second = {"Name": "w", "Checks": [{"CheckID": "b", "TTL": "9s"}]}
        await at.ask("PUT", "/v1/agent/service/register", first)
        await at.ask("PUT", f"/v1/agent/service/register?replace-existing-checks{value}", second)
        assert list(await at.read("/v1/agent/checks")) == kept


@pytest.mark.parametrize(
    ("query", "told"),
    [
        ("", "Missing value for enable"),
        ("?enable", 'Invalid value for enable: ""'),
        ("?enable=yes", 'Invalid value for enable: "yes"'),
    ],
)
async def test_maintenance_wants_a_clear_word(tmp_path: Path, query: str, told: str) -> None:
    async with desk(tmp_path) as at:
        assert await at.ask("PUT", f"/v1/agent/maintenance{query}") == (400, told)
