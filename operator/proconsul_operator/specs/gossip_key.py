"""The Secret with the gossip keys, the primary one first.

`keys` holds all of them, one a line, while they are rotated, and is what a server starts with that
finds it; `key` is the primary one, for who knows one key only (a Secret that others made may have
no more than that).
The Secret outlives the cluster, as the volumes do: what is in a volume is read with these keys.
"""

from collections.abc import Sequence
from typing import Final

from proconsul_operator.specs.labels import kept_metadata
from proconsul_operator.specs.wanted import Manifest, Wanted

PRIMARY: Final = "key"
ALL: Final = "keys"


def gossip_secret(wanted: Wanted, keys: Sequence[str]) -> Manifest:
    """Keys in base64, the primary one first."""
    assert keys, "a cluster that encrypts has a key"
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": kept_metadata(wanted, wanted.gossip_secret),
        "type": "Opaque",
        "stringData": {PRIMARY: keys[0], ALL: "\n".join(keys) + "\n"},
    }
