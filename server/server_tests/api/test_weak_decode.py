"""Loose reading: what is taken for what."""

from typing import Any

import pytest

from proconsul.api.weak_decode import LooseDecoder, LooseError, LooseShape
from proconsul.wire.golang import Duration, Float32
from proconsul.wire.gostruct import GoStruct


class Inner(GoStruct, frozen=True, kw_only=True):
    text: str = ""
    count: int = 0


class Outer(GoStruct, frozen=True, kw_only=True):
    text: str = ""
    truth: bool = False
    count: int = 0
    small: int = 0
    weight: Float32 = Float32(0)
    time: Duration = Duration(0)
    inner: Inner = Inner()
    pointer: Inner | None = None
    texts: list[str] | None = None
    inners: list[Inner] | None = None
    meta: dict[str, str] | None = None
    by_name: dict[str, Inner] | None = None
    opaque: dict[str, Any] | None = None
    hidden: int = 7


SHAPES: dict[type[GoStruct], LooseShape] = {
    Outer: LooseShape(
        aliases=frozenset({"by_name"}),
        go_types={"small": "uint32"},
        hidden=frozenset({"hidden"}),
        embedded={"Base": Inner},
    )
}


def read(**value: Any) -> Outer:
    return LooseDecoder(SHAPES).decode(Outer, value)


def unused(**value: Any) -> list[str]:
    decoder = LooseDecoder(SHAPES)
    decoder.decode(Outer, value)
    return decoder.unused


def complaints(**value: Any) -> list[str]:
    with pytest.raises(LooseError) as caught:
        read(**value)
    first, *lines = str(caught.value).split("\n* ")
    assert first == f"{len(lines)} error(s) decoding:\n"
    return lines


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("a", "a"),
        (True, "1"),
        (False, "0"),
        (1.0, "1"),
        (-1.5, "-1.5"),
        (1e21, "1000000000000000000000"),
        (1e-7, "0.0000001"),
        (["a"], "a"),
        (None, ""),
    ],
)
def test_what_does_for_a_text(value: Any, text: str) -> None:
    assert read(Text=value).text == text


@pytest.mark.parametrize(
    ("value", "truth"),
    [
        ("t", True),
        ("TRUE", True),
        ("1", True),
        ("f", False),
        ("", False),
        (0.1, True),
        (0.0, False),
    ],
)
def test_what_does_for_a_truth(value: Any, truth: bool) -> None:
    assert read(Truth=value).truth is truth


@pytest.mark.parametrize(
    ("value", "number"),
    [
        (8.9, 8),
        (-8.9, -8),
        (True, 1),
        ("80", 80),
        ("-0x1F", -31),
        ("010", 8),
        ("0o10", 8),
        ("0b11", 3),
        ("1_000", 1000),
        (float(1 << 63), -(1 << 63)),
    ],
)
def test_what_does_for_a_number(value: Any, number: int) -> None:
    assert read(Count=value).count == number


@pytest.mark.parametrize("text", ["", "x", " 1", "1 ", "8.5", "1__", "_1", "0x", "+-1", "\u0661"])
def test_what_is_no_number(text: str) -> None:
    [complaint] = complaints(Count=text)
    assert complaint.startswith("cannot parse 'Count' as int: strconv.ParseInt: parsing ")
    assert complaint.endswith(": invalid syntax")


def test_numbers_have_a_range() -> None:
    assert read(Count=str((1 << 63) - 1), Small="4294967295").small == (1 << 32) - 1
    assert complaints(Count=str(1 << 63), Small="4294967296") == [
        "cannot parse 'Count' as int: strconv.ParseInt: parsing \"9223372036854775808\": "
        "value out of range",
        "cannot parse 'Small' as uint: strconv.ParseUint: parsing \"4294967296\": "
        "value out of range",
    ]
    assert read(Small=-1.0).small == (1 << 32) - 1
    assert complaints(Small="-1") == [
        "cannot parse 'Small' as uint: strconv.ParseUint: parsing \"-1\": invalid syntax"
    ]


def test_what_does_for_a_weight() -> None:
    assert read(Weight="33.3").weight == Float32.of(33.3)
    assert read(Weight=True).weight == 1.0
    assert read(Weight=1e300).weight == float("inf")
    for text in ("x", "1_0", " 1", "0x1"):
        assert complaints(Weight=text)[0].startswith("cannot parse 'Weight' as float: ")


def test_a_duration_is_a_text_or_nanoseconds() -> None:
    assert read(Time="1m30s").time == 90_000_000_000
    assert read(Time=5.0).time == 5
    assert complaints(Time="5") == ["error decoding 'Time': time: missing unit in duration \"5\""]


def test_one_thing_does_for_a_list_and_a_list_of_one_for_the_thing() -> None:
    assert read(Texts="a").texts == ["a"]
    assert read(Texts=[1.0, True, None]).texts == ["1", "1", ""]
    assert read(Texts=[]).texts == []
    assert read(Texts={}).texts == []
    assert read(Inners={"Text": "a"}).inners == [Inner(text="a")]
    assert read(Inners=[[{"Text": "a"}], None]).inners == [Inner(text="a"), Inner()]
    assert read(Inner=[{"Text": ["a"]}]).inner == Inner(text="a")
    assert read(Pointer=[{"Text": "a"}]).pointer == Inner(text="a")
    assert read(Pointer=None).pointer is None
    # Once for each thing that is decoded, and a pointer is one.
    assert read(Pointer=[[{"Text": "a"}]]).pointer == Inner(text="a")
    assert complaints(Inner=[[{"Text": "a"}]]) == ["'Inner' expected a map, got 'slice'"]
    assert complaints(Text=[["a"]], Inner=[{"Text": [["a"]]}]) == [
        "'Inner.Text' expected type 'string', got unconvertible type '[]interface {}'",
        "'Text' expected type 'string', got unconvertible type '[]interface {}'",
    ]


def test_maps_are_merged_from_a_list() -> None:
    assert read(Meta=[{"a": 1.0}, {"b": None}]).meta == {"a": "1", "b": ""}
    assert read(Meta=[]).meta == {}
    assert complaints(Meta=[{"a": {}, "b": {}}, {"c": {}}]) == [
        f"'Meta[0][{key}]' expected type 'string', got unconvertible type "
        "'map[string]interface {}'"
        for key in ("a", "b")
    ]
    assert complaints(Meta=["x", "y"]) == ["'Meta[0]' expected a map, got 'string'"]
    assert read(by_name={"a": None, "b": [{"Count": "1"}]}).by_name == {
        "a": Inner(),
        "b": Inner(count=1),
    }


def test_lists_of_one_are_opened_in_what_is_opaque() -> None:
    def opaque(value: Any) -> Any:
        return (read(Opaque={"a": value}).opaque or {})["a"]

    assert opaque([1.0]) == 1.0
    assert opaque([[1.0]]) == [1.0]
    assert opaque([1.0, [2.0]]) == [1.0, [2.0]]
    assert opaque([]) == []
    assert opaque({"b": [1.0]}) == {"b": [1.0]}
    # What is below one that was opened is opened, too.
    assert opaque([{"b": [{"c": [1.0]}], "d": [[2.0]], "e": [3.0, 4.0]}]) == {
        "b": {"c": 1.0},
        "d": [2.0],
        "e": [3.0, 4.0],
    }


def test_names_ignore_case_and_the_exact_one_wins() -> None:
    assert read(TEXT="a").text == "a"
    assert read(text="a", Text="b").text == "b"
    assert unused(text="a", Text="b") == ["text"]


def test_a_snake_case_name_is_another_for_the_field() -> None:
    assert read(By_Name={"a": {}}).by_name == {"a": Inner()}
    # As Go's, a plain name in lower case wins, and any other spelling is a second one.
    assert (read(byname={}, by_name={"a": {}}).by_name, unused(byname={}, by_name={})) == ({}, [])
    assert unused(ByName={}, by_name={}) == ["byname"]


def test_keys_that_name_nothing_are_told_with_their_place() -> None:
    assert unused(Zork=1, Hidden=2) == ["Zork", "Hidden"]
    assert unused(Inner={"Zork": 1}, Inners=[{}, {"Zork": 1}]) == ["Inner.Zork", "Inners[1].Zork"]
    assert unused(by_name={"a": {"Zork": 1}}) == ["ByName[a].Zork"]


def test_an_embedded_struct_has_a_key_of_its_own_and_is_left_aside() -> None:
    assert read(Base={"Count": "1"}) == Outer()
    assert unused(Base={"Zork": 1}) == ["Base.Zork"]
    assert complaints(Base=5.0) == ["'Base' expected a map, got 'float64'"]


def test_all_that_does_not_fit_is_told_at_once_and_in_order() -> None:
    assert complaints(
        Truth="x", Text={}, Count=[1.0, 2.0], Small=[], Time={}, Weight={}, Inner=True, Meta="x"
    ) == [
        "'Count' expected type 'int', got unconvertible type '[]interface {}'",
        "'Inner' expected a map, got 'bool'",
        "'Meta' expected a map, got 'string'",
        "'Small' expected type 'uint32', got unconvertible type '[]interface {}'",
        "'Text' expected type 'string', got unconvertible type 'map[string]interface {}'",
        "'Time' expected type 'time.Duration', got unconvertible type 'map[string]interface {}'",
        "'Weight' expected type 'float32', got unconvertible type 'map[string]interface {}'",
        "cannot parse 'Truth' as bool: strconv.ParseBool: parsing \"x\": invalid syntax",
    ]
