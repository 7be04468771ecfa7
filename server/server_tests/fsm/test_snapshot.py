"""Snapshots: the captured one, and what must not be read."""

from pathlib import Path
from typing import Any

import pytest

from proconsul.fsm import snapshot
from proconsul.fsm.archive import read_archive
from proconsul.fsm.commands import MessageType
from proconsul.fsm.snapshot import SnapshotError
from proconsul.model.acl import ACLAuthMethod, ACLToken
from proconsul.model.catalog import RegisterRequest
from proconsul.model.connect_ca import CAConfiguration
from proconsul.model.health import HealthCheck
from proconsul.model.session import Session
from proconsul.runtime.lmdb_engine import LmdbEngine
from proconsul.store import acl, sessions
from proconsul.store.schema import KVS
from proconsul.store.state import State
from proconsul.wire import msgpack
from proconsul.wire.gostruct import to_wire
from server_tests.fsm.states import empty_state, index_table, records, restored, run, saved

CAPTURED = Path(__file__).parent.parent / "golden" / "snapshot" / "consul-1.8.7.snap"


def captured_state() -> bytes:
    state = bytearray()
    read_archive([CAPTURED.read_bytes()], state.extend)
    return bytes(state)


def made(*values: tuple[int, Any], last_index: int = 50) -> bytes:
    pieces = [msgpack.pack({"LastIndex": last_index})]
    pieces += [bytes((number,)) + msgpack.pack(value) for number, value in values]
    return b"".join(pieces)


@pytest.mark.parametrize("piece_bytes", [1, 77, 1 << 20])
def test_the_captured_snapshot_comes_back_byte_for_byte(piece_bytes: int) -> None:
    data = captured_state()
    pieces = [data[at : at + piece_bytes] for at in range(0, len(data), piece_bytes)]
    assert saved(restored(pieces)) == data


def test_the_captured_snapshot_comes_back_from_the_disk_too(tmp_path: Path) -> None:
    engine, _ = LmdbEngine.open(tmp_path, map_bytes=1 << 26, reserve_bytes=1 << 20)
    try:
        state = State(engine)
        with state.replace(0) as txn:
            snapshot.restore(txn, [captured_state()])
        assert saved(state) == captured_state()
    finally:
        engine.close()


def test_a_snapshot_without_the_records_of_later_versions_is_fine() -> None:
    state = restored([made((MessageType.KVS, {"Key": "a", "Value": "b", "ModifyIndex": 7}))])
    row = state.read().row(KVS, b"a")
    assert row is not None
    assert row.value == b"b"
    assert index_table(state) == {"kvs": 7}


def test_an_unknown_record_stops_the_restore_and_the_old_state_stays() -> None:
    state = restored([made((MessageType.KVS, {"Key": "old", "ModifyIndex": 1}))])
    before = saved(state)
    fresh = made((MessageType.KVS, {"Key": "new", "ModifyIndex": 2}), (99, {}))
    with (
        pytest.raises(SnapshotError, match="Unrecognized msg type 99"),
        state.replace(0) as txn,
    ):
        snapshot.restore(txn, [fresh])
    assert saved(state) == before


@pytest.mark.parametrize("cut", [0, 1, 5, 500, -1, -9])
def test_a_snapshot_that_is_cut_short_is_refused(cut: int) -> None:
    with pytest.raises(SnapshotError):
        restored([captured_state()[:cut]])


@pytest.mark.parametrize(
    "bad",
    [
        b"\xc1",
        msgpack.pack([1]),
        msgpack.pack({"LastIndex": "5"}),
        msgpack.pack({}) + b"\x91" * 1000 + b"\x00",
        msgpack.pack({}) + msgpack.pack("no type") + msgpack.pack({}),
        made((MessageType.KVS, 5)),
        made((MessageType.CONFIG_ENTRY, "rubbish")),
        made((MessageType.COORDINATE_BATCH_UPDATE, 1)),
        made((MessageType.CHUNKING_STATE, {"ChunkMap": 1})),
        made((MessageType.ACL_POLICY_SET, {"ID": "no uuid", "Name": "p"})),
    ],
)
def test_what_is_no_snapshot_is_refused(bad: bytes) -> None:
    with pytest.raises(SnapshotError):
        restored([bad])


def test_index_records_have_the_last_word() -> None:
    key = (MessageType.KVS, {"Key": "a", "ModifyIndex": 30})
    index = (MessageType.INDEX, {"Key": "kvs", "Value": 20})
    assert index_table(restored([made(key, index)])) == {"kvs": 20}


def test_every_auth_method_is_written() -> None:
    methods = [ACLAuthMethod(name=name, type="jwt", modify_index=3) for name in ("a", "b", "c")]
    rows = [(int(MessageType.ACL_AUTH_METHOD_SET), to_wire(method)) for method in methods]
    written = records(saved(restored([made(*rows)])))[1]
    assert [record for record in written if record[0] == MessageType.ACL_AUTH_METHOD_SET] == rows


def test_a_token_without_a_hash_gets_one() -> None:
    token = ACLToken(accessor_id="", secret_id="s", description="d", modify_index=4)
    state = restored([made((MessageType.ACL_TOKEN_SET, to_wire(token)))])
    found = acl.token_by_secret(state.read(), "s")
    assert found is not None
    assert found.hash is not None
    assert len(found.hash) == 32


def test_the_records_of_the_old_acl_system_are_understood() -> None:
    old = {"ID": "secret", "Name": "n", "Type": "client", "Rules": "", "ModifyIndex": 9}
    state = restored(
        [made((MessageType.ACL, old), (MessageType.ACL_BOOTSTRAP, {"ModifyIndex": 5}))]
    )
    found = acl.token_by_secret(state.read(), "secret")
    assert found is not None
    assert (found.description, found.type) == ("n", "client")
    assert index_table(state) == {"acl-tokens": 9, "acl-token-bootstrap": 5}


def test_a_blank_ca_configuration_is_left_out() -> None:
    blank = (MessageType.CONNECT_CA_CONFIG, to_wire(CAConfiguration()))
    assert records(saved(restored([made(blank)])))[1] == [
        (MessageType.CHUNKING_STATE, {"ChunkMap": {}})
    ]


def test_a_restored_session_still_hangs_on_its_checks() -> None:
    node = {"Node": "n", "Address": "a", "CreateIndex": 1, "ModifyIndex": 1}
    check = {"Node": "n", "CheckID": "c", "Status": "passing", "ModifyIndex": 2}
    session = Session(
        id="40e4a748-2192-161a-0510-000000000001",
        node="n",
        behavior="release",
        node_checks=["c"],
    )
    state = restored(
        [
            made(
                (MessageType.REGISTER, node),
                (MessageType.REGISTER, node | {"Check": check}),
                (MessageType.SESSION, to_wire(session)),
            )
        ]
    )
    critical = HealthCheck(node="n", check_id="c", name="c", status="critical")
    request = RegisterRequest(node="n", address="a", check=critical)
    assert run(state, 60, MessageType.REGISTER, request) is None
    assert sessions.get(state.read(), None, session.id)[1] is None


def test_an_empty_state_is_a_header_and_no_chunks() -> None:
    assert records(saved(empty_state())) == (
        {"LastIndex": 0},
        [(MessageType.CHUNKING_STATE, {"ChunkMap": {}})],
    )
