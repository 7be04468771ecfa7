"""Configuration entries as they travel."""

from typing import Any

import pytest

from proconsul.model.config_entry import (
    KINDS,
    ConfigEntryRequest,
    ProxyConfigEntry,
    ServiceSplit,
    ServiceSplitterConfigEntry,
    kind_of,
    refuse_poison,
)
from proconsul.wire import msgpack
from proconsul.wire.golang import Float32
from proconsul.wire.gostruct import WireError, decode, encode


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_an_entry_of_each_kind_comes_back_behind_its_kind(kind: str) -> None:
    entry = KINDS[kind](kind=kind, name="n", modify_index=3)
    assert kind_of(entry) == kind
    request = ConfigEntryRequest(op="upsert", datacenter="dc1", token="t", entry=entry)
    assert decode(ConfigEntryRequest, encode(request)) == request


def test_a_proxy_entry_is_a_blob_inside_the_blob() -> None:
    entry = ProxyConfigEntry(kind="proxy-defaults", name="global", config={"n": 5.0})
    blob = msgpack.text_bytes(msgpack.unpack(encode(ConfigEntryRequest(entry=entry))))
    kind, fields = msgpack.unpack_all(blob, 2)
    assert kind == "proxy-defaults"
    assert msgpack.unpack(msgpack.text_bytes(fields["Entry"]))["Config"] == {"n": 5.0}


def test_a_split_keeps_its_four_byte_weight() -> None:
    splits = [ServiceSplit(weight=Float32.of(33.3))]
    request = ConfigEntryRequest(entry=ServiceSplitterConfigEntry(name="n", splits=splits))
    assert b"\xa6Weight\xca" in encode(request)
    assert decode(ConfigEntryRequest, encode(request)) == request


@pytest.mark.parametrize(
    "config",
    [
        {"a": None},
        {"a": {"b": None}},
        {"a": [None]},
        {"a": {"b": [1, [None]]}},
        {"a": [{"b": None}]},
    ],
)
def test_a_null_is_poison_wherever_it_stands(config: dict[str, Any]) -> None:
    with pytest.raises(WireError, match="Config holds a null"):
        refuse_poison(config)


@pytest.mark.parametrize("config", [None, {}, {"a": [], "b": {"c": [0, "", False, {}]}}])
def test_what_is_only_empty_is_none(config: dict[str, Any] | None) -> None:
    refuse_poison(config)


def test_poison_is_looked_for_however_deep_a_config_is() -> None:
    config: Any = None
    for _ in range(100_000):
        config = {"a": [config]}
    with pytest.raises(WireError):
        refuse_poison(config)


@pytest.mark.parametrize(
    "blob", [b"", msgpack.pack("service-defaults"), msgpack.pack("x") + msgpack.pack({})]
)
def test_a_blob_that_is_none_is_refused(blob: bytes) -> None:
    with pytest.raises((WireError, msgpack.MsgpackError)):
        decode(ConfigEntryRequest, msgpack.pack(msgpack.bytes_text(blob)))
