"""py-ms-consulate, the maintained line of `consulate`: a dict of keys, locks, services, health."""

from collections.abc import Iterator
from typing import Any

import consulate  # type: ignore[import-untyped]
import pytest
from consulate.models.agent import Check  # type: ignore[import-untyped]

from server_tests.compat.clients import eventually, py_consulate_client
from server_tests.differential.target import NODE, Target

pytestmark = pytest.mark.real_clock


@pytest.fixture
def service(py_consulate: consulate.Consul, place: str) -> Iterator[str]:
    """The name and ID of a service with a TTL check, taken off again."""
    assert py_consulate.agent.service.register(
        place,
        service_id=place,
        address="10.9.8.7",
        port=8080,
        tags=["v1"],
        meta={"owner": "us"},
        check=Check(name="alive", ttl="60s"),
    )
    yield place
    py_consulate.agent.service.deregister(place)


def test_the_store_is_a_dictionary(py_consulate: consulate.Consul, place: str) -> None:
    kv = py_consulate.kv
    kv[f"{place}/name"] = "grüße, 世界"
    kv[f"{place}/number"] = 17
    assert kv[f"{place}/name"] == "grüße, 世界"
    assert kv[f"{place}/number"] == "17"
    assert f"{place}/name" in kv
    assert f"{place}/nothing" not in kv
    assert kv.find(place) == {f"{place}/name": "grüße, 世界", f"{place}/number": "17"}
    assert f"{place}/name" in kv.keys()  # noqa: SIM118 - the method is what is tried
    del kv[f"{place}/name"]
    with pytest.raises(KeyError):
        kv[f"{place}/name"]
    kv.delete(place, recurse=True)
    assert kv.find(place) == {}


def test_records_carry_flags_and_bytes(py_consulate: consulate.Consul, place: str) -> None:
    binary = bytes(range(128, 256))
    py_consulate.kv.set_record(place, flags=42, value=binary)
    record = py_consulate.kv.get_record(place)
    assert (record["Flags"], record["Value"]) == (42, binary)
    assert py_consulate.kv.records(place) == [(place, 42, binary)]
    assert py_consulate.kv.get(place, raw=True) == binary


def test_a_lock_is_held_by_one_client_at_a_time(
    server: Target, py_consulate: consulate.Consul, place: str
) -> None:
    with py_consulate_client(server.address) as other:
        with py_consulate.lock.acquire(place, value="mine"):
            assert py_consulate.kv[py_consulate.lock.key] == "mine"
            with pytest.raises(consulate.LockFailure), other.lock.acquire(place):
                raise AssertionError("two hold the lock")
        with other.lock.acquire(place):
            assert other.lock.key in other.kv


def test_a_session_lives_until_it_is_destroyed(py_consulate: consulate.Consul, place: str) -> None:
    session = py_consulate.session.create(place, behavior="delete", delay="0s", ttl="30s")
    info = py_consulate.session.info(session)
    assert (info["TTL"], info["Behavior"], info["Node"]) == ("30s", "delete", NODE)
    assert py_consulate.session.renew(session)["ID"] == session
    assert py_consulate.kv.acquire_lock(place, session, "held")
    assert py_consulate.kv.get_record(place)["Session"] == session
    assert py_consulate.session.destroy(session)
    assert place not in py_consulate.kv


def test_a_service_is_registered_and_its_health_told(
    py_consulate: consulate.Consul, service: str
) -> None:
    assert py_consulate.agent.services()[service]["Meta"] == {"owner": "us"}
    (row,) = py_consulate.catalog.service(service)
    assert (row["ServiceAddress"], row["ServicePort"], row["Node"]) == ("10.9.8.7", 8080, NODE)
    assert py_consulate.catalog.services()[0][service] == ["v1"]
    check_id = f"service:{service}"
    assert py_consulate.health.service(service, passing=True) == []
    assert py_consulate.agent.check.ttl_pass(check_id, "fine")
    (entry,) = py_consulate.health.service(service, tag="v1", passing=True)
    assert entry["Service"]["Port"] == 8080
    (check,) = py_consulate.health.checks(service)
    assert (check["Name"], check["Status"], check["Output"]) == ("alive", "passing", "fine")
    assert py_consulate.agent.check.ttl_fail(check_id)
    assert service in {each["ServiceID"] for each in _rows(py_consulate.health.state("critical"))}


def _rows(answer: Any) -> list[dict[str, Any]]:
    return answer if isinstance(answer, list) else [answer]


def test_maintenance_is_a_failing_check(py_consulate: consulate.Consul, service: str) -> None:
    assert py_consulate.agent.check.ttl_pass(f"service:{service}")
    assert py_consulate.agent.service.maintenance(service, True, "moving house")
    maintenance = f"_service_maintenance:{service}"
    assert py_consulate.agent.checks()[maintenance]["Notes"] == "moving house"
    assert py_consulate.health.service(service, passing=True) == []
    assert py_consulate.agent.service.maintenance(service, False)
    assert maintenance not in py_consulate.agent.checks()


def test_an_external_node_comes_and_goes(py_consulate: consulate.Consul, place: str) -> None:
    assert py_consulate.catalog.register(
        place,
        "192.0.2.10",
        service={"Service": f"{place}-db", "ID": "db1", "Port": 5432},
        check={"Name": "alive", "Status": "passing", "ServiceID": "db1"},
        node_meta={"rack": place},
    )
    (node,) = py_consulate.catalog.nodes(node_meta=f"rack:{place}")
    assert (node["Node"], node["Address"]) == (place, "192.0.2.10")
    assert py_consulate.catalog.node(place)["Services"]["db1"]["Port"] == 5432
    assert [check["Name"] for check in py_consulate.health.node(place)] == ["alive"]
    assert py_consulate.catalog.deregister(place)
    assert not py_consulate.catalog.service(f"{place}-db")


def test_the_agent_and_its_cluster(server: Target, py_consulate: consulate.Consul) -> None:
    assert py_consulate.status.leader() == f"{server.address}:8300"
    assert py_consulate.status.peers() == [f"{server.address}:8300"]
    assert py_consulate.agent.self()["Member"]["Name"] == NODE
    assert [member["Name"] for member in py_consulate.agent.members()] == [NODE]
    assert py_consulate.catalog.datacenters() == "dc1"  # it unpacks lists of one
    assert "Counters" in py_consulate.agent.metrics()
    py_consulate.agent.reload()


def test_an_event_is_fired_and_listed(py_consulate: consulate.Consul, place: str) -> None:
    fired = py_consulate.event.fire(place, "now")
    found = eventually(lambda: py_consulate.event.list(place))
    assert [event["ID"] for event in _rows(found)] == [fired]
