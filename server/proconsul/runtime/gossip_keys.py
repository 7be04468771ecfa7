"""The keys with which a start encrypts gossip: of the keyring's file, else of `encrypt`.

As in Consul the file wins: keys are rotated while the pool lives, and the configuration still
names the first one. Where somebody else keeps the keys of all members (`encrypt_keys_file`, one key
a line, the primary one first), theirs win over both: a member that was away while the key changed,
or that begins without a disk in the middle of it, then understands the others. A file that is not
there, or has no key in it, is none.
"""

import base64
import binascii
import re
from collections.abc import Sequence
from pathlib import Path

from proconsul.config.failure import ConfigError
from proconsul.gossip.failure import GossipError
from proconsul.gossip.keyring import Keyring
from proconsul.runtime.gossip_files import KEYRING_BYTES_MAX, GossipFiles
from proconsul.runtime.logs import logger

_ALPHABET = re.compile(rb"[A-Za-z0-9+/]*", re.ASCII)

log = logger("")


def key_bytes(text: str) -> bytes:
    """A key from its base64. Raises ValueError in Go's words."""
    data = text.encode("utf-8", "surrogateescape")
    try:
        return base64.b64decode(data, validate=True)
    except (binascii.Error, ValueError):
        good = _ALPHABET.match(data)
        assert good is not None
        at = good.end() if good.end() < len(data) else len(data) // 4 * 4
        raise ValueError(f"illegal base64 data at input byte {at}") from None


class KeysInMemory(GossipFiles):
    """For `disable_keyring_file`: each start has the key of `encrypt`, and no other."""

    def load_keyring(self) -> Keyring | None:
        """None is kept."""
        return None

    def keep_keyring(self, keys: Sequence[str]) -> None:
        """Forget them."""


def load_ring(files: GossipFiles, encrypt: str, keys_file: str = "") -> Keyring | None:
    """The keys of this start; None: gossip is in the clear.

    Raises ConfigError for a key that is none, GossipFileError or OSError for a damaged file.
    """
    wanted = _configured(encrypt)
    listed = _listed(keys_file)
    if listed:
        found = [key for key in (_configured(each, keys_file) for each in listed) if key]
        files.keep_keyring(listed)
        return Keyring(found)
    ring = files.load_keyring()
    if ring is None:
        if wanted is None:
            return None
        files.keep_keyring((encrypt,))
        return Keyring([wanted])
    if wanted is not None and wanted not in ring:
        log.warning(
            "the key of encrypt is not in the keyring, which is used: keyring=%s", files.keyring
        )
    return ring


def _listed(keys_file: str) -> list[str]:
    if not keys_file:
        return []
    try:
        with Path(keys_file).open(encoding="ascii") as file:
            return file.read(KEYRING_BYTES_MAX).split()
    except FileNotFoundError:
        return []
    except UnicodeDecodeError as failure:
        raise ConfigError(f"{keys_file} is no list of keys, one a line in base64") from failure


def _configured(encrypt: str, source: str = "encrypt") -> bytes | None:
    if not encrypt:
        return None
    try:
        key = key_bytes(encrypt)
        Keyring([key])
    except (ValueError, GossipError) as failure:
        raise ConfigError(
            f"{source} has invalid key: {failure}. A key is 16, 24 or 32 bytes in base64, as "
            "`consul keygen` prints one"
        ) from failure
    return key
