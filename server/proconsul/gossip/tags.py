"""A member's tags in the meta data that memberlist carries (wire/gossip/serf.md section 3).

Others compare meta data as bytes, and others of one incarnation count as a lie. So one set of
tags has always the same bytes.
"""

from collections.abc import Mapping

from proconsul.gossip import fields

META_BYTES_MAX = 512  # of our own; others may be longer
_MAGIC = 0xFF


def tags_to_meta(tags: Mapping[str, str]) -> bytes:
    """The bytes for these tags; the caller sees to `META_BYTES_MAX`."""
    return bytes([_MAGIC]) + fields.pack(dict(sorted(tags.items())))


def meta_to_tags(meta: bytes) -> dict[str, str]:
    """The tags in the bytes. Raises PacketError.

    Meta data of Serf before its protocol 3 are the value of one tag.
    """
    if not meta or meta[0] != _MAGIC:
        return {"role": fields.text(meta)}
    return fields.text_map(fields.unpack(memoryview(meta)[1:])[0])
