"""Answers about configuration entries, in their blobs."""

from typing import Any

import pytest

from proconsul.model.config_entry import ProxyConfigEntry, ServiceConfigEntry
from proconsul.model.config_entry_replies import (
    ConfigEntryResponse,
    IndexedConfigEntries,
    IndexedGenericConfigEntries,
    ServiceConfigResponse,
    ServiceID,
    UpstreamConfig,
)
from proconsul.wire import msgpack
from proconsul.wire.gostruct import GoStruct, WireError, decode, encode

WEB = ServiceConfigEntry(kind="service-defaults", name="web", protocol="http", modify_index=7)
PROXY = ProxyConfigEntry(kind="proxy-defaults", name="global", config={"n": 1.5})
REPLIES: list[GoStruct] = [
    ConfigEntryResponse(index=3, known_leader=True),
    ConfigEntryResponse(index=3, entry=WEB),
    ConfigEntryResponse(index=3, entry=PROXY),
    IndexedConfigEntries(index=3, kind="service-defaults", entries=[WEB, WEB]),
    IndexedConfigEntries(index=3, kind="proxy-defaults", entries=[PROXY]),
    IndexedConfigEntries(index=3, entries=[PROXY, WEB]),
    IndexedConfigEntries(index=3, entries=[]),
    IndexedGenericConfigEntries(index=3, entries=[PROXY, WEB]),
    IndexedGenericConfigEntries(index=3, entries=[]),
    ServiceConfigResponse(index=3),
    ServiceConfigResponse(
        proxy_config={"protocol": "http"},
        upstream_configs={"a": {"protocol": "tcp"}},
        upstream_id_configs=[UpstreamConfig(upstream=ServiceID(id="a"), config={"n": 1.0})],
    ),
]


def values_in(reply: GoStruct) -> list[Any]:
    blob = msgpack.text_bytes(msgpack.unpack(encode(reply)))
    return list(msgpack.unpack_chunks([blob]))


@pytest.mark.parametrize("reply", REPLIES)
def test_a_reply_comes_back_out_of_its_blob(reply: GoStruct) -> None:
    assert decode(type(reply), encode(reply)) == reply


def test_an_entry_stands_behind_its_kind_and_none_behind_an_empty_one() -> None:
    meta = {"ConsistencyLevel": "", "Index": 3, "KnownLeader": False, "LastContact": 0}
    assert values_in(ConfigEntryResponse(index=3)) == ["", meta]
    kind, entry, after = values_in(ConfigEntryResponse(index=3, entry=WEB))
    assert (kind, entry["Protocol"], after) == ("service-defaults", "http", meta)


def test_a_list_says_how_long_it_is_and_of_which_kind() -> None:
    count, kind, fields = values_in(IndexedConfigEntries(kind="service-defaults", entries=[WEB]))
    assert (count, kind, fields["Kind"]) == (1, "service-defaults", "service-defaults")
    assert [entry["Name"] for entry in fields["Entries"]] == ["web"]
    count, _, fields = values_in(IndexedConfigEntries())
    assert (count, fields["Entries"]) == (0, [])


def test_a_list_of_all_kinds_names_each() -> None:
    count, first, _, second, _, meta = values_in(IndexedGenericConfigEntries(entries=[PROXY, WEB]))
    assert (count, first, second) == (2, "proxy-defaults", "service-defaults")
    assert "Entries" not in meta


@pytest.mark.parametrize(
    ("reply", "values"),
    [
        (ConfigEntryResponse, [""]),
        (ConfigEntryResponse, ["service-defaults", {}]),
        (ConfigEntryResponse, ["zork", {}, {}]),
        (ConfigEntryResponse, [7, {}]),
        (IndexedConfigEntries, [1, "service-defaults"]),
        (IndexedConfigEntries, [1, "zork", {"Entries": [{}]}]),
        (IndexedConfigEntries, [1, "", {"Entries": [{"Kind": "zork"}]}]),
        (IndexedGenericConfigEntries, []),
        (IndexedGenericConfigEntries, [2, "service-defaults", {}, {}]),
        (ServiceConfigResponse, [7]),
    ],
)
def test_a_blob_of_other_values_is_refused(reply: type[GoStruct], values: list[Any]) -> None:
    blob = b"".join(msgpack.pack(value) for value in values)
    with pytest.raises(WireError):
        decode(reply, msgpack.pack(msgpack.bytes_text(blob)))
