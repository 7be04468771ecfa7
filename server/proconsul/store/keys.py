"""How the keys of rows are made.

A key is its parts, each followed by a NUL, the case-insensitive ones lower-cased: so iteration
is in the order of Consul's own indexes (wire/fsm.md section 3).
"""

from functools import lru_cache


def lower(text: str) -> str:
    """Lower case as Go's strings.ToLower: each character for itself, never more than one."""
    if text.isascii():
        return text.lower()
    return "".join(character.lower()[0] for character in text)


def folded(*parts: str) -> bytes:
    """A key of case-insensitive parts."""
    return b"".join([lower(part).encode("utf-8", "surrogateescape") + b"\0" for part in parts])


def exact(*parts: str) -> bytes:
    """A key of parts as they are."""
    return b"".join(part.encode("utf-8", "surrogateescape") + b"\0" for part in parts)


def text(key: str) -> bytes:
    """A KV key: its bytes, and nothing behind them."""
    return key.encode("utf-8", "surrogateescape")


@lru_cache(maxsize=1024)  # of the names of tables, services and nodes those written most
def index_key(name: str) -> bytes:
    """The key of an entry of the index table, whose names are spelled as the last writer did."""
    return text(lower(name))


def hex_digits(uuid: str) -> bytes:
    """A UUID without its hyphens, whose beginnings are what UUID prefixes match."""
    return text(uuid.replace("-", "").lower())


def hex_flaw(digits: str) -> str:
    """What Go's encoding/hex says against these digits; "" if all are fine."""
    for character in digits:
        if character not in "0123456789abcdefABCDEF":
            shown = f" '{character}'" if character.isprintable() else ""
            return f"encoding/hex: invalid byte: U+{ord(character):04X}{shown}"
    return ""
