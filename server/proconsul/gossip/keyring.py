"""The keys of a pool, and what is sealed with them (wire/gossip/gossip.md section 3.6).

Sealed is AES-GCM: a version byte, a nonce of 12 bytes, the ciphertext, a tag of 16. Version 0
pads to 16 bytes before; it is read and never written. All keys open, only the primary one seals,
so that a key can be changed while the pool lives.

The ring is shared by who seals and who changes it (the queries `_serf_install-key` and so on).
A change makes a new map: large streams are opened in threads, which go through the old one.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from proconsul.gossip.failure import KeyringError, PacketError

if TYPE_CHECKING:  # else only where there is a key: it is a tenth of a server's memory
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

NONCE_BYTES = 12
TAG_BYTES = 16
SEAL_BYTES = 1 + NONCE_BYTES + TAG_BYTES  # what sealing adds
KEYS_MAX = 128  # every packet that we cannot open is tried with each of them
KEY_SIZES = (16, 24, 32)

_PADDED = 0  # versions
_PLAIN = 1
_BLOCK_BYTES = 16


class Keyring:
    """One to `KEYS_MAX` keys, the first is the primary one. Changes raise KeyringError."""

    def __init__(self, keys: Sequence[bytes]) -> None:
        if not keys:
            raise KeyringError("Empty primary key not allowed")
        self._ciphers: dict[bytes, AESGCM] = {}
        for key in keys:
            self.add(key)

    @property
    def primary(self) -> bytes:
        """The key that seals."""
        return next(iter(self._ciphers))

    def keys(self) -> tuple[bytes, ...]:
        """All keys, the primary one first."""
        return tuple(self._ciphers)

    def __contains__(self, key: bytes) -> bool:
        return key in self._ciphers

    def add(self, key: bytes) -> None:
        """Let a key open; nothing if it does already."""
        if len(key) not in KEY_SIZES:
            raise KeyringError("key size must be 16, 24 or 32 bytes")
        if key in self._ciphers:
            return
        if len(self._ciphers) == KEYS_MAX:
            raise KeyringError(f"the keyring holds {KEYS_MAX} keys; remove some first")
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        self._ciphers = self._ciphers | {key: AESGCM(key)}

    def use(self, key: bytes) -> None:
        """Make a key of the ring the primary one."""
        if key not in self._ciphers:
            raise KeyringError("requested key is not in the keyring")
        self._ciphers = {key: self._ciphers[key]} | self._ciphers

    def remove(self, key: bytes) -> None:
        """Forget a key; nothing if it is not there."""
        if key == self.primary:
            raise KeyringError("removing the primary key is not allowed")
        self._ciphers = {one: cipher for one, cipher in self._ciphers.items() if one != key}

    def seal(self, plain: bytes, *, nonce: bytes, bound: bytes) -> bytes:
        """Seal with the primary key; `bound` is what must stand outside when it is opened."""
        assert len(nonce) == NONCE_BYTES, "another size is another algorithm"
        cipher = next(iter(self._ciphers.values()))
        return bytes([_PLAIN]) + nonce + cipher.encrypt(nonce, plain, bound or None)

    def open(self, sealed: bytes, *, bound: bytes) -> bytes:
        """What is inside, whichever key of the ring it was sealed with. Raises PacketError."""
        from cryptography.exceptions import InvalidTag

        if not sealed:
            raise PacketError("Cannot decrypt empty payload")
        version = sealed[0]
        if version > _PLAIN:
            raise PacketError(f"Unsupported encryption version {version}")
        shortest = SEAL_BYTES + (_BLOCK_BYTES if version == _PADDED else 0)
        if len(sealed) < shortest:
            raise PacketError(f"Payload is too small to decrypt: {len(sealed)}")
        nonce, ciphertext = sealed[1 : 1 + NONCE_BYTES], sealed[1 + NONCE_BYTES :]
        for cipher in self._ciphers.values():
            try:
                plain = cipher.decrypt(nonce, ciphertext, bound or None)
            except InvalidTag:
                continue
            return _unpad(plain) if version == _PADDED else plain
        raise PacketError("No installed keys could decrypt the message")


def _unpad(plain: bytes) -> bytes:
    size = plain[-1] if plain else 0
    if not 0 < size <= min(_BLOCK_BYTES, len(plain)):
        raise PacketError("The padding of the decrypted message is wrong")
    return plain[:-size]
