"""py-consul: an agent's services and their health, external nodes, maintenance."""

import http.server
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import consul
import pytest
from consul import Check

from server_tests.compat.clients import eventually, py_consul_client
from server_tests.differential.target import Target

pytestmark = pytest.mark.real_clock


@pytest.fixture
def service(py_consul: consul.Consul, place: str) -> Iterator[str]:
    """The name and ID of a service with a TTL check, taken off again."""
    assert py_consul.agent.service.register(
        place,
        address="10.9.8.7",
        port=8080,
        tags=["v1", "main"],
        meta={"owner": "us"},
        weights={"Passing": 7, "Warning": 2},
        tagged_addresses={"wan": {"address": "198.51.100.7", "port": 80}},
        check=Check.ttl("60s"),
        extra_checks=[],
        enable_tag_override=True,
    )
    yield place
    py_consul.agent.service.deregister(place)


def _statuses(checks: list[dict[str, Any]]) -> set[str]:
    return {check["Status"] for check in checks}


def test_a_registered_service_is_found_everywhere(py_consul: consul.Consul, service: str) -> None:
    assert py_consul.agent.services()[service]["Port"] == 8080
    definition = py_consul.agent.service_definition(service)
    assert definition["Weights"] == {"Passing": 7, "Warning": 2}
    assert definition["TaggedAddresses"]["wan"] == {"Address": "198.51.100.7", "Port": 80}
    assert sorted(py_consul.catalog.services()[1][service]) == ["main", "v1"]  # Go picks an order
    _, (row,) = py_consul.catalog.service(service, tag="main")
    assert (row["ServiceAddress"], row["ServicePort"]) == ("10.9.8.7", 8080)
    assert row["ServiceMeta"] == {"owner": "us"}
    assert row["ServiceEnableTagOverride"] is True
    assert service in py_consul.catalog.node(row["Node"])[1]["Services"]
    _, (entry,) = py_consul.health.service(service)
    assert (entry["Service"]["ID"], entry["Node"]["Node"]) == (service, row["Node"])
    assert {check["CheckID"] for check in entry["Checks"]} == {"serfHealth", f"service:{service}"}


def test_a_service_passes_and_fails_as_its_owner_says(
    py_consul: consul.Consul, service: str
) -> None:
    check_id = f"service:{service}"
    assert py_consul.health.service(service, passing=True)[1] == []
    for mark, status in (
        (py_consul.agent.check.ttl_pass, "passing"),
        (py_consul.agent.check.ttl_warn, "warning"),
        (py_consul.agent.check.ttl_fail, "critical"),
    ):
        assert mark(check_id, notes=f"now {status}")
        _, (check,) = py_consul.health.checks(service)
        assert (check["Status"], check["Output"]) == (status, f"now {status}")
        assert service in {each["ServiceID"] for each in py_consul.health.state(status)[1]}
        passing = py_consul.health.service(service, passing=True)[1]
        assert bool(passing) == (status == "passing")


def test_a_health_watch_wakes_when_an_instance_starts_to_pass(
    server: Target, py_consul: consul.Consul, service: str
) -> None:
    index, entries = py_consul.health.service(service, passing=True)
    assert entries == []
    with py_consul_client(server.address) as watcher, ThreadPoolExecutor(1) as pool:
        woken = pool.submit(watcher.health.service, service, passing=True, index=index, wait="20s")
        py_consul.agent.check.ttl_pass(f"service:{service}")
        now, entries = woken.result()
    assert int(now) > int(index)
    assert [entry["Service"]["ID"] for entry in entries] == [service]


def test_a_ttl_that_runs_out_is_critical(py_consul: consul.Consul, place: str) -> None:
    py_consul.agent.check.register(place, check=Check.ttl("500ms"), notes="soon late")
    py_consul.agent.check.ttl_pass(place)

    def late() -> bool:
        check = py_consul.agent.checks()[place]
        return check["Status"] == "critical" and "TTL expired" in check["Output"]

    assert eventually(late)
    py_consul.agent.check.deregister(place)
    assert place not in py_consul.agent.checks()


@contextmanager
def _web_server(address: str) -> Iterator[int]:
    """The port of a web server that says 204 to the right header, 429 otherwise."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(204 if self.headers.get_all("x-mood") == ["a", "b"] else 429)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with http.server.ThreadingHTTPServer((address, 0), Handler) as web:
        threading.Thread(target=web.serve_forever, args=(0.01,), daemon=True).start()
        yield web.server_port
        web.shutdown()


def test_http_and_tcp_checks_are_run(server: Target, py_consul: consul.Consul, place: str) -> None:
    with _web_server(server.address) as port:
        url = f"http://{server.address}:{port}/"
        checks = {
            "good": Check.http(url, "200ms", timeout="1s", header={"x-mood": ["a", "b"]}),
            "busy": Check.http(url, "200ms", timeout="1s"),
            "open": Check.tcp(server.address, port, "200ms", timeout="1s"),
            "shut": Check.tcp(server.address, 9, "200ms", timeout="1s"),
        }
        py_consul.agent.service.register(place, port=port)
        for name, check in checks.items():
            py_consul.agent.check.register(
                name, check=check, check_id=f"{place}-{name}", service_id=place
            )
        want = {"good": "passing", "busy": "warning", "open": "passing", "shut": "critical"}

        def as_wanted() -> bool:
            found = py_consul.agent.checks()
            mine = [found[f"{place}-{name}"] for name in checks]
            ran = all(check["Output"] for check in mine)
            return ran and {check["Name"]: check["Status"] for check in mine} == want

        def is_told() -> bool:
            _, told = py_consul.health.checks(place)
            return {check["Name"]: check["Status"] for check in told} == want

        assert eventually(as_wanted)
        assert eventually(is_told)
        py_consul.agent.service.deregister(place)
    assert py_consul.health.checks(place)[1] == []


def test_the_session_of_a_service_ends_with_its_health(
    py_consul: consul.Consul, service: str
) -> None:
    check_id = f"service:{service}"
    py_consul.agent.check.ttl_pass(check_id)
    session = py_consul.session.create(service, checks=["serfHealth", check_id], lock_delay=0)
    assert py_consul.kv.put(f"{service}/lead", "me", acquire=session)
    py_consul.agent.check.ttl_fail(check_id)
    assert py_consul.session.info(session)[1] is None
    assert "Session" not in py_consul.kv.get(f"{service}/lead")[1]


def test_maintenance_takes_a_service_out_of_the_healthy(
    py_consul: consul.Consul, service: str
) -> None:
    py_consul.agent.check.ttl_pass(f"service:{service}")
    assert py_consul.agent.service.maintenance(service, True, "moving house")
    _, checks = py_consul.health.checks(service)
    notes = {check["Notes"] for check in checks if check["Status"] == "critical"}
    assert notes == {"moving house"}
    assert py_consul.health.service(service, passing=True)[1] == []
    assert py_consul.agent.service.maintenance(service, False)
    assert len(py_consul.health.service(service, passing=True)[1]) == 1


def test_maintenance_of_the_node_takes_all_its_services_out(
    py_consul: consul.Consul, service: str
) -> None:
    py_consul.agent.check.ttl_pass(f"service:{service}")
    assert py_consul.agent.maintenance(True, "the whole street")
    assert py_consul.health.service(service, passing=True)[1] == []
    assert py_consul.agent.checks()["_node_maintenance"]["Notes"] == "the whole street"
    assert py_consul.agent.maintenance(False)
    assert len(py_consul.health.service(service, passing=True)[1]) == 1


def test_an_external_node_is_registered_queried_and_removed(
    py_consul: consul.Consul, place: str
) -> None:
    assert py_consul.catalog.register(
        place,
        "192.0.2.10",
        service={"Service": f"{place}-db", "ID": "db1", "Tags": ["primary"], "Port": 5432},
        check={"Name": "alive", "CheckID": "alive", "Status": "passing", "ServiceID": "db1"},
    )
    assert {"Node": place, "Address": "192.0.2.10"}.items() <= {
        key: value
        for node in py_consul.catalog.nodes()[1]
        if node["Node"] == place
        for key, value in node.items()
    }.items()
    _, (entry,) = py_consul.health.service(f"{place}-db", passing=True, tag="primary")
    assert entry["Node"]["Address"] == "192.0.2.10"
    assert _statuses(py_consul.health.node(place)[1]) == {"passing"}
    assert py_consul.catalog.deregister(place, check_id="alive")
    assert py_consul.health.node(place)[1] == []
    assert py_consul.catalog.deregister(place)
    assert py_consul.catalog.node(place)[1] is None
    assert py_consul.catalog.service(f"{place}-db")[1] == []


def test_filters_choose_rows(py_consul: consul.Consul, service: str) -> None:
    _, rows = py_consul.catalog.service(service, filter_expr='"v1" in ServiceTags')
    assert [row["ServiceID"] for row in rows] == [service]
    assert py_consul.catalog.service(service, filter_expr="ServicePort == 1")[1] == []
    _, entries = py_consul.health.service(service, filter_expr="Service.Meta.owner == us")
    assert [entry["Service"]["ID"] for entry in entries] == [service]
    assert set(py_consul.agent.services(filter_expr=f'Service == "{service}"')) == {service}
    with pytest.raises(consul.ConsulException, match="Failed to create boolean expression"):
        py_consul.agent.services(filter_expr="this is no filter")


def test_unknown_things_are_refused_in_consuls_way(py_consul: consul.Consul, place: str) -> None:
    with pytest.raises(consul.ConsulException, match="does not have associated TTL"):
        py_consul.agent.check.ttl_pass(place)
    with pytest.raises(consul.exceptions.BadRequest, match="Missing service name"):
        py_consul.agent.service.register("")
    assert py_consul.agent.service_definition(place) is None
    assert py_consul.agent.service.deregister(place)


def test_what_only_newer_servers_know_is_accepted_and_what_none_knows_is_not(
    our_server: Target, place: str
) -> None:
    """Not tried on the real one: 1.8.7 refuses `Locality` as it refuses a misspelt name."""
    with py_consul_client(our_server.address) as client:
        assert client.agent.service.register(
            place, port=80, socket_path="/run/web.sock", locality={"region": "eu", "zone": "a"}
        )
        assert client.agent.services()[place]["Port"] == 80
        assert client.agent.service.deregister(place)
        with pytest.raises(consul.exceptions.BadRequest, match="unknown field"):
            client.agent.check.register(place, check={"ttl": "10s", "intervall": "1s"})
