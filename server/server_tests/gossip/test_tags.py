"""Tags in a member's meta data."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proconsul.gossip.failure import PacketError
from proconsul.gossip.tags import meta_to_tags, tags_to_meta


@given(tags=st.dictionaries(st.text(max_size=40), st.text(max_size=40), max_size=8))
def test_tags_come_back(tags: dict[str, str]) -> None:
    assert meta_to_tags(tags_to_meta(tags)) == tags


def test_one_set_of_tags_has_one_form() -> None:
    assert tags_to_meta({"a": "1", "b": "2"}) == tags_to_meta({"b": "2", "a": "1"})
    assert tags_to_meta({"b": "2", "a": "1"}) == b"\xff\x82\xa1a\xa11\xa1b\xa12"


def test_no_tags_are_an_empty_map() -> None:
    assert tags_to_meta({}) == b"\xff\x80"
    assert meta_to_tags(b"\xff\x80") == {}
    assert meta_to_tags(b"\xff\xc0") == {}


def test_meta_data_of_old_versions_are_a_role() -> None:
    assert meta_to_tags(b"web") == {"role": "web"}
    assert meta_to_tags(b"") == {"role": ""}


def test_long_values_and_both_kinds_of_strings_are_read() -> None:
    value = b"x" * 1200
    for head in (b"\xda\x04\xb0", b"\xc5\x04\xb0"):
        assert meta_to_tags(b"\xff\x81\xd9\x01a" + head + value) == {"a": value.decode()}


def test_bytes_that_are_no_utf_8_survive() -> None:
    meta = b"\xff\x81\xa1\xfe\xa2\x80a"
    assert tags_to_meta(meta_to_tags(meta)) == meta


@pytest.mark.parametrize(
    "meta", [b"\xff", b"\xff\x81", b"\xff\x93abc", b"\xff\x81\xa1a\x05", b"\xff\x81\x05\xa1a"]
)
def test_what_are_no_tags_is_refused(meta: bytes) -> None:
    with pytest.raises(PacketError):
        meta_to_tags(meta)
