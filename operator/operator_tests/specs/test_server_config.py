"""server.json: what a person asks for on top of what a cluster needs."""

import dataclasses
import json

import pytest

from operator_tests.specs.clusters import WANTED, wanted
from proconsul.config.keys import ROOT
from proconsul_operator.specs.server_config import (
    DENIED_KEYS,
    RELOADED_KEYS,
    refused_keys,
    restart_hash,
    server_config,
    text_of,
)


def test_what_a_person_asks_for_is_laid_over_block_by_block() -> None:
    made = server_config(
        wanted(config={"telemetry": {"prefix_filter": ["+a"]}, "log_level": "debug"})
    )
    assert made["telemetry"] == {
        "prometheus_retention_time": "24h",
        "disable_hostname": True,
        "prefix_filter": ["+a"],
    }
    assert made["log_level"] == "debug"


@pytest.mark.parametrize("key", sorted(DENIED_KEYS))
def test_what_would_break_the_cluster_is_named_and_left_out(key: str) -> None:
    asked = {key: "mine", "log_level": "debug"}
    assert refused_keys(asked) == (key,)
    assert server_config(wanted(config=asked)).get(key) == server_config(wanted()).get(key)


def test_members_find_each_other_by_a_name_that_needs_nobody_ready() -> None:
    assert server_config(wanted())["retry_join"] == ["consul-headless.infra.svc"]


def test_a_member_that_is_stopped_stays_a_member() -> None:
    assert server_config(wanted())["leave_on_terminate"] is False


def test_ports_that_are_not_served_are_off() -> None:
    def ports(**spec: object) -> tuple[int, int]:
        made = server_config(wanted(**spec))["ports"]
        return made["http"], made["https"]

    assert ports() == (8500, -1)
    assert ports(tls={}) == (8500, 8501)
    assert ports(tls={"httpsOnly": True}) == (-1, 8501)


def test_with_tls_servers_verify_each_other_and_browsers_need_no_certificate() -> None:
    made = server_config(wanted(tls={}))
    assert made["verify_incoming_rpc"]
    assert made["verify_outgoing"]
    assert made["verify_server_hostname"]
    assert "verify_incoming" not in made
    assert "verify_incoming_https" not in made


@pytest.mark.parametrize("key", sorted(RELOADED_KEYS))
def test_what_a_reload_takes_restarts_nobody(key: str) -> None:
    assert restart_hash(wanted(config={key: {}})) == restart_hash(wanted())


def test_a_scaled_cluster_is_not_restarted() -> None:
    assert restart_hash(wanted(replicas=5)) == restart_hash(wanted(replicas=3))


@pytest.mark.parametrize(
    "spec",
    [
        {"config": {"performance": {"raft_multiplier": 2}}},
        {"ports": {"dns": 8601}},
        {"tls": {}},
    ],
    ids=lambda spec: next(iter(spec)),
)
def test_what_a_reload_does_not_take_restarts_all(spec: dict[str, object]) -> None:
    assert restart_hash(wanted(**spec)) != restart_hash(wanted())


def test_the_hash_does_not_hang_on_the_order_of_keys() -> None:
    one = wanted(config={"raft_protocol": 3, "acl": {"enabled": False, "down_policy": "allow"}})
    other = wanted(config={"acl": {"down_policy": "allow", "enabled": False}, "raft_protocol": 3})
    assert restart_hash(one) == restart_hash(other)
    assert text_of(server_config(one)) == text_of(server_config(other))


def test_two_clusters_of_one_spec_do_not_share_a_configuration() -> None:
    one = wanted()
    assert server_config(one) != server_config(dataclasses.replace(one, name="other"))


def test_the_text_is_what_it_says() -> None:
    made = server_config(wanted(config={"node_meta": {"town": "Zürich"}}))
    assert json.loads(text_of(made)) == made


OURS = {"kubernetes", "recovery_file", "drain_time"}


def test_every_key_is_one_that_a_server_knows() -> None:
    for cluster in WANTED.values():
        made = server_config(cluster)
        assert made.keys() >= OURS
        assert ROOT.fields.keys() >= made.keys() - OURS
    assert ROOT.fields.keys() >= RELOADED_KEYS
    assert ROOT.fields.keys() >= DENIED_KEYS - OURS
