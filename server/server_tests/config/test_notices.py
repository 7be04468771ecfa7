"""Keys that do nothing here are told, once; the list names keys that exist."""

from proconsul.config.keys import ROOT, Group, Kind
from proconsul.config.notices import ENTERPRISE, IDLE, warnings_about

PORTS = {"dns": 8600, "grpc": -1}


def paths(kind: Kind, above: str = "") -> set[str]:
    if not isinstance(kind, Group):
        return set()
    found = set()
    for key, inner in kind.fields.items():
        found |= {above + key} | paths(inner, f"{above}{key}.")
    return found


def test_the_lists_name_known_keys_and_no_key_twice() -> None:
    known = paths(ROOT)
    assert known >= IDLE
    assert known >= ENTERPRISE
    assert not IDLE & ENTERPRISE


def test_a_key_is_told_once_however_often_it_was_set() -> None:
    assert warnings_about(["alt_domain", "datacenter", "alt_domain"], PORTS) == [
        'config key "alt_domain" does nothing yet'
    ]
    assert warnings_about(["telemetry.circonus_api_token"], PORTS)


def test_who_turns_a_listener_off_gets_just_that() -> None:
    assert warnings_about(["ports", "ports.dns", "ports.grpc"], PORTS) == [
        'config key "ports.dns" does nothing yet'
    ]


def test_what_works_is_not_said_to_do_nothing() -> None:
    working = [
        *("encrypt", "encrypt_verify_incoming", "encrypt_verify_outgoing", "gossip_lan"),
        *("verify_incoming", "verify_outgoing", "verify_server_hostname"),
        *("limits.rpc_rate", "limits.rpc_max_burst", "disable_remote_exec"),
        *("acl.tokens.agent", "acl.tokens.default", "retry_join", "reconnect_timeout"),
    ]
    assert set(working) <= paths(ROOT)
    assert warnings_about(working, PORTS) == []


def test_what_does_not_work_is_said_to_do_nothing() -> None:
    idle = ["ports.dns", "enable_debug", "retry_join_wan", "disable_host_node_id", "ae_interval"]
    assert len(warnings_about(idle, PORTS)) == len(idle)
