"""What metadata a node or a service may carry (Consul's structs.go, validateMetadata).

It is judged while the log is applied, so every server must come to the same verdict; the text
names the first bad pair in the order of keys (Go takes any).
"""

import re

from proconsul.errors import RpcError

PAIRS_MAX = 64
KEY_BYTES_MAX = 128
VALUE_BYTES_MAX = 512
RESERVED_PREFIX = "consul-"
MESH_GATEWAY = "mesh-gateway"
WAN_FEDERATION = "consul-wan-federation"

_KEY = re.compile(r"[a-zA-Z0-9_-]+")


def check_service_meta(kind: str, meta: dict[str, str] | None) -> None:
    """Raise RpcError for metadata that a service of this kind may not carry."""
    allowed = frozenset({WAN_FEDERATION}) if kind == MESH_GATEWAY else frozenset[str]()
    check_meta(meta, allowed)


def check_meta(meta: dict[str, str] | None, reserved_allowed: frozenset[str]) -> None:
    """Raise RpcError for bad metadata; of the reserved keys only these are fine."""
    if not meta:
        return
    if len(meta) > PAIRS_MAX:
        raise RpcError(f"Node metadata cannot contain more than {PAIRS_MAX} key/value pairs")
    for key, value in sorted(meta.items()):
        flaw = _flaw(key, value, reserved_allowed)
        if flaw:
            raise RpcError(f"Couldn't load metadata pair ('{key}', '{value}'): {flaw}")


def _flaw(key: str, value: str, reserved_allowed: frozenset[str]) -> str:
    if not key:
        return "Key cannot be blank"
    if not _KEY.fullmatch(key):
        return "Key contains invalid characters"
    if len(key) > KEY_BYTES_MAX:
        return f"Key is too long (limit: {KEY_BYTES_MAX} characters)"
    if key.startswith(RESERVED_PREFIX) and key not in reserved_allowed:
        return f"Key prefix '{RESERVED_PREFIX}' is reserved for internal use"
    if len(value.encode("utf-8", "surrogateescape")) > VALUE_BYTES_MAX:
        return f"Value is too long (limit: {VALUE_BYTES_MAX} characters)"
    return ""
