"""What msgspec reads by itself is what the ordinary way reads; what it refuses is read so, too."""

from typing import Any

import msgpack as library
import pytest
from hypothesis import given
from hypothesis import strategies as st

from proconsul.fsm.commands import REQUESTS
from proconsul.model.catalog import NodeService, RegisterRequest, ServiceNode
from proconsul.model.config_entry import ConfigEntryRequest
from proconsul.model.kv import DirEntry, KVSRequest
from proconsul.model.session import Session, SessionRequest
from proconsul.model.txn import TxnRequest
from proconsul.store import schema
from proconsul.wire import gostruct, msgpack, native
from proconsul.wire.gostruct import GoStruct, WireError
from proconsul.wire.msgpack import MsgpackError

TEXTS = st.one_of(st.text(max_size=40), st.binary(max_size=40).map(msgpack.bytes_text))
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(min_value=-(1 << 63), max_value=(1 << 64) - 1)
    | st.floats(allow_nan=False)
    | TEXTS
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=8,
)
TABLES = [table for table in vars(schema).values() if isinstance(table, schema.Table)]
TYPES = dict.fromkeys([*REQUESTS.values(), *(table.row for table in TABLES)])
MAPS = [one for one in TYPES if not gostruct.is_blob(one)]


def outcome(read: Any, struct_type: type[GoStruct], data: bytes) -> Any:
    try:
        return read(struct_type, data)
    except (MsgpackError, WireError) as failure:
        return type(failure), str(failure)


def assert_same(struct_type: type[GoStruct], data: bytes) -> None:
    mine = outcome(native.decode, struct_type, data)
    theirs = outcome(gostruct.decode, struct_type, data)
    assert mine == theirs
    assert repr(mine) == repr(theirs)  # 1 and 1.0 and True are equal


def fields_of(struct_type: type[GoStruct]) -> dict[str, Any]:
    made: dict[str, Any] = gostruct.to_wire(struct_type())
    return made


@pytest.mark.parametrize("struct_type", MAPS, ids=lambda one: one.__name__)
def test_an_empty_struct_is_read_alike(struct_type: type[GoStruct]) -> None:
    assert_same(struct_type, msgpack.pack({}))
    assert_same(struct_type, gostruct.encode(struct_type()))


@pytest.mark.parametrize("struct_type", [RegisterRequest, KVSRequest, SessionRequest, ServiceNode])
@given(data=st.data())
def test_any_value_in_any_field_is_read_or_refused_alike(
    struct_type: type[GoStruct], data: st.DataObject
) -> None:
    fields = fields_of(struct_type)
    name = data.draw(st.sampled_from(sorted(fields)))
    if isinstance(fields[name], dict) and data.draw(st.booleans()):
        inner = data.draw(st.sampled_from(sorted(fields[name])))
        fields[name] = {**fields[name], inner: data.draw(VALUES)}
    else:
        fields[name] = data.draw(VALUES)
    assert_same(struct_type, msgpack.pack(fields))


@given(settings=st.dictionaries(TEXTS, VALUES, max_size=4))
def test_free_form_settings_are_read_alike(settings: dict[str, Any]) -> None:
    service = {"ID": "web", "Proxy": {"Config": settings}}
    assert_same(RegisterRequest, msgpack.pack({"Node": "n", "Service": service}))


@pytest.mark.parametrize(
    "extension",
    [
        library.ExtType(5, b"abcd"),
        library.Timestamp(1, 0),
        library.Timestamp(1, 5),
        library.Timestamp(1 << 40, 5),
    ],
    ids=str,
)
def test_extensions_in_free_form_settings_are_read_alike(extension: Any) -> None:
    service = {"Proxy": {"Config": {"when": extension}}}
    assert_same(RegisterRequest, library.packb({"Service": service}))


def test_a_list_for_a_struct_is_read_alike() -> None:
    assert_same(KVSRequest, msgpack.pack(["token", "dc1", "set"]))
    assert_same(KVSRequest, msgpack.pack({"DirEnt": [1, "key", 0, "value"]}))


@pytest.mark.parametrize(
    ("struct_type", "data"),
    [
        (KVSRequest, b"\x82\xa2Op\xa1a\xa2Op\xa1b"),
        (KVSRequest, b"\x81\xa6DirEnt\x82\xa5Value\xa1a\xa5Value\xa1b"),
        (RegisterRequest, b"\x82\xa7Service\x81\xa2ID\xa1a\xa7Service\x81\xa4Port\x05"),
        (RegisterRequest, b"\x81\xa8NodeMeta\x82\xa1k\xa11\xa1k\xa12"),
    ],
    ids=["text", "bytes", "struct", "map"],
)
def test_of_a_field_that_comes_twice_the_last_counts_alike(
    struct_type: type[GoStruct], data: bytes
) -> None:
    assert_same(struct_type, data)


def test_bytes_that_are_cut_off_or_too_many_are_refused_alike() -> None:
    data = gostruct.encode(KVSRequest(op="set", dir_ent=DirEntry(key="k", value=b"v" * 40)))
    for broken in (b"", *(data[:at] for at in range(1, len(data))), data + b"\x00"):
        assert_same(KVSRequest, broken)


def test_busy_types_are_read_by_msgspec() -> None:
    for struct_type in (RegisterRequest, SessionRequest, Session, ServiceNode, NodeService):
        assert native.is_native(struct_type, set())
    assert not native.is_native(KVSRequest, set())
    assert native.double_of(KVSRequest, "row") is not None


def test_types_with_forms_of_their_own_are_not() -> None:
    for struct_type in (ConfigEntryRequest, TxnRequest):
        assert not native.is_native(struct_type, set())
        assert native.double_of(struct_type, "row") is None


def test_a_default_that_is_no_zero_is_not_read_by_msgspec() -> None:
    class Five(GoStruct, frozen=True, kw_only=True):
        number: int = 5

    assert not native.is_native(Five, set())
    assert native.decode(Five, msgpack.pack({})) == Five(number=0)
