"""Where calls are served."""

from typing import Any

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
from proconsul.endpoints.table import METHODS
from proconsul.model.kv import IndexedDirEntries, KeyRequest, KVSRequest
from proconsul.model.query import DCSpecificRequest
from proconsul.rpc.msgpack_rpc import decode_reply
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
@pytest.mark.parametrize("datacenter", ["mars", ""])
def test_another_datacenter_is_out_of_reach(standing: Standing, datacenter: str) -> None:
    for name in ("KVS.Get", "Status.Leader"):
        decision = decide(METHODS.find(name), KeyRequest(datacenter=datacenter), standing)
        assert isinstance(decision, Refused)
        assert str(decision.failure) == "No path to datacenter"


def test_methods_without_a_datacenter_are_served_anywhere() -> None:
    for name in ("Status.Ping", "Status.RaftStats", "Catalog.ListDatacenters"):
        assert decide(METHODS.find(name), None, FOLLOWER) == Here()


@pytest.mark.parametrize("name", METHODS.names())
def test_each_handler_declares_a_reply_that_can_be_read(name: str) -> None:
    form: Any = reply_type_of(METHODS.find(name).handler)
    if isinstance(form, type) and issubclass(form, GoStruct):
        assert isinstance(decode_reply(form, b"\x80"), form)
    else:
        decode_reply(form, b"\xc0")


def test_the_reply_of_a_method_is_what_its_handler_declares() -> None:
    assert reply_type_of(METHODS.find("KVS.Get").handler) is IndexedDirEntries
    assert reply_type_of(METHODS.find("KVS.Apply").handler) is bool
