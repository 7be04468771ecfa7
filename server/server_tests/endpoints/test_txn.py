"""Transactions: the leader's own checks, then all or nothing."""

from proconsul.fsm.commands import MessageType
from proconsul.model.catalog import Node, NodeService
from proconsul.model.health import HealthCheck
from proconsul.model.kv import DirEntry, KVSRequest
from proconsul.model.session import Session, SessionRequest
from proconsul.model.txn import (
    TxnCheckOp,
    TxnKVOp,
    TxnNodeOp,
    TxnOp,
    TxnReadRequest,
    TxnReadResponse,
    TxnRequest,
    TxnResponse,
    TxnServiceOp,
)
from proconsul.wire.golang import SECOND, Duration
from server_tests.endpoints.site import Site, open_site


def key(verb: str, name: str, **more: object) -> TxnOp:
    return TxnOp(kv=TxnKVOp(verb=verb, dir_ent=DirEntry(key=name, **more)))  # type: ignore[arg-type]


async def apply(site: Site, *ops: TxnOp) -> TxnResponse:
    answer: TxnResponse = await site.call("Txn.Apply", TxnRequest(datacenter="dc1", ops=[*ops]))
    return answer


async def read(site: Site, *ops: TxnOp) -> TxnReadResponse:
    request = TxnReadRequest(datacenter="dc1", ops=[*ops])
    answer: TxnReadResponse = await site.call("Txn.Read", request)
    return answer


def said(answer: TxnResponse | TxnReadResponse) -> list[tuple[int, str]]:
    return [(error.op_index, error.what) for error in answer.errors or ()]


async def test_what_the_leader_can_refuse_never_reaches_the_log() -> None:
    site = open_site()
    answer = await apply(
        site,
        key("set", ""),
        key("set", "a", value=b"v"),
        TxnOp(node=TxnNodeOp(verb="set", node=Node(node="n", id="x"))),
        TxnOp(service=TxnServiceOp(verb="set", node="n", service=NodeService(id="x"))),
    )
    assert said(answer) == [
        (0, "Must provide key"),
        (2, "Bad node ID: uuid string is wrong length"),
        (3, "Must provide service name with ID"),
    ]
    assert site.log.proposed == []


async def test_names_stand_in_for_ids() -> None:
    site = open_site()
    answer = await apply(
        site,
        TxnOp(node=TxnNodeOp(verb="set", node=Node(node="n", address="10.0.0.1"))),
        TxnOp(service=TxnServiceOp(verb="set", node="n", service=NodeService(service="web"))),
        TxnOp(check=TxnCheckOp(verb="set", check=HealthCheck(node="n", name="alive"))),
    )
    assert said(answer) == []
    assert answer.results is not None
    _, service, check = answer.results
    assert service.service is not None
    assert service.service.id == "web"
    assert check.check is not None
    assert check.check.check_id == "alive"


async def test_one_failure_undoes_all_and_each_failure_is_told() -> None:
    site = open_site()
    answer = await apply(site, key("set", "a", value=b"v"), key("get", "b"), key("get", "c"))
    assert said(answer) == [(1, 'key "b" doesn\'t exist'), (2, 'key "c" doesn\'t exist')]
    assert answer.results is None
    assert said(await read(site, key("get", "a"))) == [(0, 'key "a" doesn\'t exist')]


async def test_reading_needs_no_log() -> None:
    site = open_site()
    await apply(site, key("set", "a", value=b"v"))
    proposed = len(site.log.proposed)
    answer = await read(site, key("get", "a"), key("get-tree", "a"))
    assert [result.kv and result.kv.value for result in answer.results or ()] == [b"v", b"v"]
    assert answer.known_leader
    assert len(site.log.proposed) == proposed


async def test_a_lock_waits_for_the_lock_delay() -> None:
    site = open_site()
    session = "11111111-0000-4000-8000-00000000000a"
    await apply(site, TxnOp(node=TxnNodeOp(verb="set", node=Node(node="n", address="x"))))
    await site.log.propose(
        MessageType.SESSION,
        SessionRequest(
            op="create",
            session=Session(id=session, node="n", lock_delay=Duration(15 * SECOND)),
        ),
    )
    lock = DirEntry(key="a", session=session)
    assert await site.call("KVS.Apply", KVSRequest(datacenter="dc1", op="lock", dir_ent=lock))
    await site.log.propose(
        MessageType.SESSION, SessionRequest(op="destroy", session=Session(id=session))
    )
    answer = await apply(site, key("lock", "a", session=session))
    assert said(answer) == [(0, 'failed to lock key "a" due to lock delay')]


async def test_a_check_and_set_that_cannot_be_is_passed_over_in_silence() -> None:
    # Consul loses this error; a log that holds the command must come to the same here.
    site = open_site()
    cas = TxnCheckOp(verb="cas", check=HealthCheck(node="none", check_id="c"))
    answer = await apply(site, TxnOp(check=cas), key("set", "a", value=b"v"))
    assert said(answer) == []
    assert [result.kv and result.kv.key for result in answer.results or ()] == ["a"]
