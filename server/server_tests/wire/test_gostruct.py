"""Structs on the wire and in JSON."""

from typing import Any, ClassVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proconsul.wire import msgpack
from proconsul.wire.golang import ZERO_TIME, Duration, Float32, Time
from proconsul.wire.gostruct import (
    ConsulWordsError,
    GoStruct,
    WireError,
    decode,
    encode,
    from_wire,
    list_to_json,
    stands_as_blob,
    to_json,
)


class Inner(GoStruct, frozen=True, kw_only=True):
    name: str = ""


class Outer(GoStruct, frozen=True, kw_only=True):
    json_omit_empty: ClassVar[frozenset[str]] = frozenset({"tags", "inner", "pointer"})
    json_skip: ClassVar[frozenset[str]] = frozenset({"hidden"})

    zebra: str = ""
    node_id: str = ""
    count: int = 0
    ratio: float = 0.0
    weight: Float32 = Float32(0)
    flag: bool = False
    data: bytes | None = None
    tags: list[str] | None = None
    meta: dict[str, str] | None = None
    inner: Inner = Inner()
    pointer: Inner | None = None
    inners: list[Inner] | None = None
    by_name: dict[str, Inner] | None = None
    time: Time = ZERO_TIME
    maybe: Time | None = None
    wait: Duration = Duration(0)
    anything: Any = None
    hidden: str = ""


FULL = Outer(
    zebra="z",
    node_id="\udcff",
    count=(1 << 64) - 1,
    ratio=1.5,
    weight=Float32(0.5),
    flag=True,
    data=b"\x00\xff",
    tags=[],
    meta={},
    inner=Inner(name="i"),
    pointer=Inner(name="p"),
    inners=[Inner(name="a")],
    by_name={"k": Inner(name="v")},
    maybe=ZERO_TIME,
    wait=Duration(5),
    anything={"l": [1, 1.0, None, "x"]},
    hidden="h",
)


@pytest.mark.parametrize("value", [FULL, Outer()])
def test_a_struct_comes_back_with_nil_and_empty_apart(value: Outer) -> None:
    again = decode(Outer, encode(value))
    assert again == value
    assert (again.tags is None) == (value.tags is None)
    assert (again.meta is None) == (value.meta is None)


def test_every_field_stands_on_the_wire_in_the_order_of_gos_names() -> None:
    keys = list(msgpack.unpack(encode(Outer())))
    assert keys == sorted(keys)
    assert len(keys) == 18
    assert "NodeID" in keys


def test_missing_fields_are_zero_and_unknown_ones_are_skipped() -> None:
    assert decode(Outer, msgpack.pack({"Zebra": "z", "Later": 1})) == Outer(zebra="z")


def test_a_list_stands_for_the_fields_in_their_declared_order() -> None:
    assert decode(Inner, msgpack.pack(["first"])) == Inner(name="first")


def test_an_empty_byte_string_is_read_as_nil() -> None:
    assert decode(Outer, msgpack.pack({"Data": ""})).data is None


@pytest.mark.parametrize(
    "fields",
    [
        {"Zebra": 5},
        {"Count": "5"},
        {"Count": 1.5},
        {"Ratio": "x"},
        {"Weight": "x"},
        {"Flag": "yes"},
        {"Tags": "x"},
        {"Tags": [1]},
        {"Meta": []},
        {"Inner": "x"},
        {"Inners": {"a": 1}},
        {"ByName": [1]},
        {"Meta": {1: "x"}},
        {"Data": 5},
        {"Data": [1, 2]},
        {"Time": "short"},
        {"Time": [1]},
        {"Time": msgpack.bytes_text(b"\x02" + bytes(14))},
        {"Maybe": msgpack.bytes_text(b"\x01" + bytes(15))},
        {"ByName": {1.5: {}}},
    ],
)
def test_a_value_of_the_wrong_kind_is_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(WireError):
        decode(Outer, msgpack.pack(fields))


def _number(value: Any) -> int:
    if value is None:
        return 0
    if not isinstance(value, int):
        raise WireError
    return int(value)


def _text(value: Any) -> str:
    if value is None:
        return ""
    if not isinstance(value, str | bytes):
        raise WireError
    return value if isinstance(value, str) else msgpack.bytes_text(value)


ANY_KIND = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(), st.binary(), st.just([])
)


@given(ANY_KIND, ANY_KIND)
def test_numbers_and_texts_are_taken_from_whatever_stands_for_them(one: Any, two: Any) -> None:
    wire = {"Count": one, "Wait": one, "Zebra": two, "NodeID": two}
    try:
        number, words = _number(one), _text(two)
    except WireError:
        with pytest.raises(WireError):
            from_wire(Outer, wire)
        return
    read = from_wire(Outer, wire)
    assert (read.count, read.wait, read.zebra, read.node_id) == (number, number, words, words)
    assert (type(read.count), type(read.zebra)) == (int, str)


@pytest.mark.parametrize("value", [None, 5, "x"])
def test_what_is_no_map_is_refused(value: Any) -> None:
    with pytest.raises(WireError):
        decode(Outer, msgpack.pack(value))


def test_json_keeps_gos_order_and_leaves_out_what_go_leaves_out() -> None:
    shown = to_json(Outer())
    assert list(shown)[:2] == ["Zebra", "NodeID"]
    assert shown["Inner"] == {"Name": ""}, "omitempty does not drop a struct"
    assert not {"Tags", "Pointer", "Hidden"} & set(shown)
    assert shown["Time"] == "0001-01-01T00:00:00Z"
    assert shown["Maybe"] is None
    assert to_json(FULL)["ByName"] == {"k": {"Name": "v"}}
    assert to_json(Outer(weight=Float32.of(33.3)))["Weight"] == 33.3


def test_a_nil_list_is_null_in_json() -> None:
    assert list_to_json(None) is None
    assert list_to_json([Inner(name="n")]) == [{"Name": "n"}]


def test_a_blob_is_one_string_inside_its_owner() -> None:
    class Blob(GoStruct, frozen=True, kw_only=True):
        text: str = ""

    class Owner(GoStruct, frozen=True, kw_only=True):
        blob: Blob = Blob()

    stands_as_blob(Blob, lambda blob: blob.text.encode(), lambda data: Blob(text=data.decode()))
    packed = encode(Owner(blob=Blob(text="b")))
    assert msgpack.unpack(packed) == {"Blob": "b"}


def test_what_consul_has_words_for_is_refused_in_just_these() -> None:
    class Kinded(GoStruct, frozen=True, kw_only=True):
        kind: str = ""

    class Holder(GoStruct, frozen=True, kw_only=True):
        held: list[Kinded] | None = None

    def read(data: bytes) -> Kinded:
        if data == b"zork":
            raise ConsulWordsError("invalid kind: zork")
        raise WireError("no kind")

    stands_as_blob(Kinded, lambda value: value.kind.encode(), read)
    with pytest.raises(WireError, match=r"^invalid kind: zork$"):
        decode(Holder, encode(Holder(held=[Kinded(kind="zork")])))
    with pytest.raises(WireError, match=r"^Holder: Kinded: no kind$"):
        decode(Holder, encode(Holder(held=[Kinded(kind="other")])))
