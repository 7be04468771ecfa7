"""What of a type can be selected."""

from typing import Annotated, Any, ClassVar, Literal

import msgspec
import pytest

from proconsul.filters.fields import Field, Kind, field_spec
from server_tests.filters.rows import NodeRow, ServiceRow


class Odd(msgspec.Struct, rename="pascal"):
    """Annotations that a row may have."""

    number: Annotated[int, msgspec.Meta(ge=0)] = 0
    choice: Literal["a", "b"] = "a"
    later: str | msgspec.UnsetType = msgspec.UNSET
    either: int | str = 0
    anything: Any = None
    raw: bytes = b""
    pair: tuple[str, ...] = ()
    by_number: dict[int, str] = {}
    table: dict[str, Any] = {}


class Loop(msgspec.Struct):
    """A type that Go could have through a pointer."""

    inner: "Loop | None" = None


class Misspelt(msgspec.Struct):
    """Says to skip what it has not."""

    filter_skip: ClassVar[frozenset[str]] = frozenset({"nothing"})


def test_fields_go_by_consuls_names_and_skipped_ones_are_missing() -> None:
    fields = field_spec(NodeRow)
    assert list(fields) == ["ID", "Node", "Address", "Datacenter", "TaggedAddresses", "Meta"]
    assert fields["Node"] == Field(Kind.STRING, "node")
    assert fields["Meta"] == Field(Kind.MAP, "meta", element=Field(Kind.STRING))


def test_structs_and_lists_of_structs_are_entered() -> None:
    fields = field_spec(ServiceRow)
    assert fields["Weights"].fields["Passing"] == Field(Kind.INT, "passing")
    upstreams = fields["Proxy"].fields["Upstreams"]
    assert upstreams.kind is Kind.LIST
    assert upstreams.element is not None
    assert "DestinationName" in upstreams.element.fields
    addresses = fields["TaggedAddresses"]
    assert addresses.element is not None
    assert addresses.element.fields["Port"].kind is Kind.INT


def test_every_kind_of_annotation_has_its_kind() -> None:
    kinds = {name: field.kind for name, field in field_spec(Odd).items()}
    assert kinds == {
        "Number": Kind.INT,
        "Choice": Kind.STRING,
        "Later": Kind.STRING,
        "Either": Kind.OPAQUE,
        "Anything": Kind.OPAQUE,
        "Raw": Kind.LIST,
        "Pair": Kind.LIST,
        "ByNumber": Kind.MAP,
        "Table": Kind.MAP,
    }
    assert not field_spec(Odd)["ByNumber"].key_is_string


def test_a_type_within_itself_and_a_misspelt_skip_are_our_mistakes() -> None:
    with pytest.raises(TypeError, match="contains itself"):
        field_spec(Loop)
    with pytest.raises(TypeError, match="nothing"):
        field_spec(Misspelt)
