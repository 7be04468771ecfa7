"""Where calls are served."""

from dataclasses import replace
from typing import Any, get_type_hints

import pytest

from proconsul.endpoints.forward import (
    Decision,
    Here,
    NotYet,
    Refused,
    Standing,
    There,
    decide,
    reply_type_of,
)
from proconsul.endpoints.methods import Feature
from proconsul.endpoints.table import METHODS
from proconsul.model.config_entry import ConfigEntryRequest, ServiceConfigEntry
from proconsul.model.federation_state import FederationStateQuery
from proconsul.model.kv import IndexedDirEntries, KeyRequest, KVSRequest
from proconsul.model.query import DCSpecificRequest
from proconsul.rpc.msgpack_rpc import decode_reply, encode_value
from proconsul.wire.gostruct import GoStruct

LEADER = Standing(datacenter="dc1", leads=True, leader_address="", has_heard_of_a_leader=True)
FOLLOWER = Standing(
    datacenter="dc1", leads=False, leader_address="10.0.0.1:8300", has_heard_of_a_leader=True
)
ALONE = Standing(datacenter="dc1", leads=False, leader_address="", has_heard_of_a_leader=True)
NEWBORN = Standing(datacenter="dc1", leads=False, leader_address="", has_heard_of_a_leader=False)
LEAVING = Standing(
    datacenter="dc1", leads=False, leader_address="x:1", has_heard_of_a_leader=True, leaves=True
)
Sample = tuple[str, Any]

WRITE: Sample = ("KVS.Apply", KVSRequest(datacenter="dc1"))
READ: Sample = ("KVS.Get", KeyRequest(datacenter="dc1"))
STALE: Sample = ("KVS.Get", KeyRequest(datacenter="dc1", allow_stale=True))
LOCAL: Sample = ("Status.Leader", DCSpecificRequest(datacenter="dc1"))
AT_THE_LEADER = There("10.0.0.1:8300")


@pytest.mark.parametrize(
    ("standing", "write", "read", "stale"),
    [
        (LEADER, Here(), Here(), Here()),
        (FOLLOWER, AT_THE_LEADER, AT_THE_LEADER, Here()),
        (ALONE, NotYet(), NotYet(), Here()),
        (NEWBORN, NotYet(), NotYet(), NotYet()),
    ],
)
def test_who_serves_what(
    standing: Standing, write: Decision, read: Decision, stale: Decision
) -> None:
    wanted = {WRITE: write, READ: read, STALE: stale, LOCAL: Here()}
    for (name, request), decision in wanted.items():
        assert decide(METHODS.find(name), request, standing) == decision


def test_a_write_cannot_be_stale() -> None:
    class StaleWrite(KVSRequest, frozen=True, kw_only=True):
        allow_stale: bool = True

    request = StaleWrite(datacenter="dc1")
    assert decide(METHODS.find("KVS.Apply"), request, FOLLOWER) == AT_THE_LEADER


def test_a_server_that_leaves_forwards_nothing() -> None:
    for name, request in (WRITE, READ):
        decision = decide(METHODS.find(name), request, LEAVING)
        assert isinstance(decision, Refused)
        assert str(decision.failure) == "No cluster leader"
    for name, request in (STALE, LOCAL):
        assert decide(METHODS.find(name), request, LEAVING) == Here()


@pytest.mark.parametrize("standing", [LEADER, FOLLOWER, NEWBORN, LEAVING])
@pytest.mark.parametrize("name", ["KVS.Get", "KVS.Apply", "Coordinate.Update", "ACL.List"])
@pytest.mark.parametrize("datacenter", ["mars", ""])
def test_another_datacenter_is_out_of_reach(standing: Standing, name: str, datacenter: str) -> None:
    decision = decide(METHODS.find(name), KeyRequest(datacenter=datacenter), standing)
    assert isinstance(decision, Refused)
    assert str(decision.failure) == "No path to datacenter"


def of_a_datacenter() -> list[str]:
    """The methods that look at the datacenter of their request, and do that first."""
    rows = {name: METHODS.find(name) for name in METHODS.names()}
    return [
        name
        for name, row in rows.items()
        if row.request is not None
        and "datacenter" in row.request.__struct_fields__
        and not (row.primary or row.needs or row.own_by_default)
    ]


@pytest.mark.parametrize("name", of_a_datacenter())
def test_a_request_without_a_datacenter_has_no_path_to_one(name: str) -> None:
    method = METHODS.find(name)
    request: Any = method.request
    decision = decide(method, request(), FOLLOWER)
    assert isinstance(decision, Refused)
    assert str(decision.failure) == "No path to datacenter"


@pytest.mark.parametrize("name", ["Status.Leader", "Status.Peers"])
def test_who_asks_after_the_servers_need_not_name_the_datacenter(name: str) -> None:
    assert decide(METHODS.find(name), DCSpecificRequest(), FOLLOWER) == Here()
    elsewhere = decide(METHODS.find(name), DCSpecificRequest(datacenter="mars"), FOLLOWER)
    assert isinstance(elsewhere, Refused)


def test_some_writes_go_to_the_primary_datacenter_whatever_they_say() -> None:
    method = METHODS.find("ConfigEntry.Apply")
    request = ConfigEntryRequest(datacenter="mars", entry=ServiceConfigEntry(name="web"))
    assert decide(method, request, FOLLOWER) == AT_THE_LEADER
    assert decide(method, request, LEADER) == Here()
    secondary = replace(LEADER, primary_datacenter="dc0")
    assert isinstance(decide(method, request, secondary), Refused)


def test_one_datacenter_may_be_asked_about_another() -> None:
    method = METHODS.find("FederationState.Get")
    about_mars = FederationStateQuery(datacenter="mars", target_datacenter="dc1")
    assert decide(method, about_mars, FOLLOWER) == AT_THE_LEADER
    of_mars = FederationStateQuery(datacenter="dc1", target_datacenter="mars")
    assert isinstance(decide(method, of_mars, FOLLOWER), Refused)


def test_what_is_switched_off_here_is_refused_here() -> None:
    for name in ("ACL.TokenRead", "DiscoveryChain.Get"):
        method = METHODS.find(name)
        without = replace(FOLLOWER, missing=frozenset(Feature))
        assert decide(method, DCSpecificRequest(datacenter="mars"), without) == Here()
        assert decide(method, DCSpecificRequest(datacenter="dc1"), without) == Here()
        with_all = replace(FOLLOWER, missing=frozenset())
        assert decide(method, DCSpecificRequest(datacenter="dc1"), with_all) == AT_THE_LEADER


def test_methods_without_a_datacenter_are_served_anywhere() -> None:
    for name in ("Status.Ping", "Status.RaftStats", "Catalog.ListDatacenters"):
        assert decide(METHODS.find(name), None, FOLLOWER) == Here()


@pytest.mark.parametrize("name", METHODS.names())
def test_each_handler_declares_a_reply_that_can_be_read(name: str) -> None:
    form: Any = reply_type_of(METHODS.find(name))
    if isinstance(form, type) and issubclass(form, GoStruct):
        assert isinstance(decode_reply(form, encode_value(form())), form)
    else:
        decode_reply(form, b"\xc0")


def test_the_reply_of_a_method_is_what_its_handler_declares() -> None:
    assert reply_type_of(METHODS.find("KVS.Get")) is IndexedDirEntries
    assert reply_type_of(METHODS.find("KVS.Apply")) is bool


@pytest.mark.interpreted
def test_what_the_table_says_that_a_method_answers_with_is_what_its_handler_says() -> None:
    said = {name: METHODS.find(name).answers for name in METHODS.names()}
    declared = {name: form for name, form in said.items() if form is not None}
    assert "KVS.Apply" in declared
    for name, form in declared.items():
        assert get_type_hints(METHODS.find(name).handler)["return"] is form, name
