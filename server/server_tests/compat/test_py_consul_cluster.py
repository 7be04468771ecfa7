"""py-consul: what it asks of the server as a whole: status, operator, events, snapshots."""

import gzip
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import consul
import pytest

from server_tests.compat.clients import eventually, py_consul_client
from server_tests.differential.target import NODE, Target

pytestmark = pytest.mark.real_clock


def test_the_leader_is_the_only_peer(server: Target, py_consul: consul.Consul) -> None:
    assert py_consul.status.leader() == f"{server.address}:8300"
    assert py_consul.status.peers() == [f"{server.address}:8300"]
    (voter,) = py_consul.operator.raft_config()["Servers"]
    assert (voter["Node"], voter["Leader"], voter["Voter"]) == (NODE, True, True)
    assert py_consul.catalog.datacenters() == ["dc1"]


def test_the_agent_describes_itself(server: Target, py_consul: consul.Consul) -> None:
    agent = py_consul.agent.self()
    assert (agent["Config"]["NodeName"], agent["Config"]["Datacenter"]) == (NODE, "dc1")
    assert agent["Config"]["Server"] is True
    assert agent["Member"]["Tags"]["role"] == "consul"
    (member,) = py_consul.agent.members()
    assert (member["Name"], member["Addr"], member["Status"]) == (NODE, server.address, 1)
    assert {"Timestamp", "Gauges", "Counters", "Samples"} <= set(py_consul.agent.metrics())
    assert py_consul.agent.reload()


def test_autopilot_is_healthy_and_keeps_its_settings(py_consul: consul.Consul) -> None:
    assert eventually(lambda: py_consul.operator.autopilot_health()["Healthy"])
    before = py_consul.operator.autopilot_configuration()
    settings = {
        "cleanup_dead_servers": before["CleanupDeadServers"],
        "last_contact_threshold": before["LastContactThreshold"],
        "max_trailing_logs": before["MaxTrailingLogs"],
        "server_stabilization_time": before["ServerStabilizationTime"],
    }
    update = py_consul.operator.update_autopilot_configuration
    assert update(**settings | {"max_trailing_logs": 300})
    now = py_consul.operator.autopilot_configuration()
    assert now["MaxTrailingLogs"] == 300
    assert now["CreateIndex"] == before["CreateIndex"]
    assert update(**settings, cas=now["ModifyIndex"])
    assert not update(**settings, cas=now["ModifyIndex"])


def test_a_fired_event_is_listed_and_wakes_its_listeners(
    server: Target, py_consul: consul.Consul, place: str
) -> None:
    index, _ = py_consul.event.list(place)
    with py_consul_client(server.address) as listener, ThreadPoolExecutor(1) as pool:
        woken = pool.submit(listener.event.list, place, index=index, wait="20s")
        fired = py_consul.event.fire(place, "grüße".encode())
        _, (event,) = woken.result()
    assert event["ID"] == fired["ID"]
    assert event["Payload"].decode() == "grüße"


@pytest.mark.slow
def test_coordinates_are_stored_and_told(py_consul: consul.Consul, place: str) -> None:
    py_consul.catalog.register(place, "192.0.2.20")
    coordinate = {
        "Vec": [0.1, 0.2, 0.3, 0.0, 0.0, 0.0, 0.0, 0.0],
        "Error": 1.5,
        "Adjustment": 0.0,
        "Height": 0.001,
    }
    assert py_consul.coordinate.update(place, coordinate)

    def stored() -> list[dict[str, Any]]:  # it is written in batches, every few seconds
        _, rows = py_consul.coordinate.nodes()
        return [row for row in rows if row["Node"] == place]

    assert eventually(stored) == [{"Node": place, "Segment": "", "Coord": coordinate}]
    assert py_consul.coordinate.node(place)[1] == stored()
    assert py_consul.coordinate.datacenters()[0]["Datacenter"] == "dc1"
    py_consul.catalog.deregister(place)


def test_a_snapshot_brings_back_what_was_there(py_consul: consul.Consul, place: str) -> None:
    py_consul.kv.put(place, "kept")
    archive = py_consul.snapshot.save()
    assert gzip.decompress(archive)
    py_consul.kv.put(place, "changed")
    py_consul.kv.put(f"{place}/later", "new")
    assert py_consul.snapshot.restore(archive)
    assert py_consul.kv.get(place)[1]["Value"] == b"kept"
    assert py_consul.kv.get(f"{place}/later")[1] is None


def test_a_broken_snapshot_changes_nothing(py_consul: consul.Consul, place: str) -> None:
    py_consul.kv.put(place, "kept")
    with pytest.raises(consul.ConsulException, match="500"):
        py_consul.snapshot.restore(b"this is no archive")
    assert py_consul.kv.get(place)[1]["Value"] == b"kept"
