"""The keys of a pool, and what is sealed with them."""

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from proconsul.gossip.failure import KeyringError, PacketError
from proconsul.gossip.keyring import KEYS_MAX, NONCE_BYTES, SEAL_BYTES, Keyring

OLD, NEW, OTHER = (bytes([value]) * 32 for value in (1, 2, 3))
NONCE = bytes(range(NONCE_BYTES))


def test_the_first_key_is_the_primary_one() -> None:
    ring = Keyring([OLD, NEW])
    assert ring.primary == OLD
    assert ring.keys() == (OLD, NEW)
    assert NEW in ring
    assert OTHER not in ring


def test_a_ring_without_keys_is_refused() -> None:
    with pytest.raises(KeyringError, match=r"^Empty primary key not allowed$"):
        Keyring([])


@pytest.mark.parametrize("size", [16, 24, 32])
def test_the_sizes_of_aes_are_taken(size: int) -> None:
    ring = Keyring([bytes(size)])
    assert ring.open(ring.seal(b"hello", nonce=NONCE, bound=b""), bound=b"") == b"hello"


@pytest.mark.parametrize("size", [0, 15, 17, 33])
def test_other_sizes_are_refused(size: int) -> None:
    with pytest.raises(KeyringError, match=r"^key size must be 16, 24 or 32 bytes$"):
        Keyring([OLD]).add(bytes(size))


def test_a_key_is_changed_while_both_are_in_use() -> None:
    ours, theirs = Keyring([OLD]), Keyring([OLD])

    def hears(listener: Keyring, speaker: Keyring) -> bool:
        sealed = speaker.seal(b"hello", nonce=NONCE, bound=b"")
        return listener.open(sealed, bound=b"") == b"hello"

    ours.add(NEW)
    theirs.add(NEW)
    ours.use(NEW)
    assert ours.keys() == (NEW, OLD)
    assert hears(theirs, ours)
    assert hears(ours, theirs)
    theirs.use(NEW)
    ours.remove(OLD)
    assert hears(ours, theirs)
    assert hears(theirs, ours)


def test_adding_a_key_again_changes_nothing() -> None:
    ring = Keyring([OLD, NEW])
    ring.add(OLD)
    ring.add(NEW)
    assert ring.keys() == (OLD, NEW)


def test_a_key_that_is_not_there_cannot_be_used() -> None:
    with pytest.raises(KeyringError, match=r"^requested key is not in the keyring$"):
        Keyring([OLD]).use(NEW)


def test_the_primary_key_cannot_be_removed_and_an_unknown_one_need_not_be() -> None:
    ring = Keyring([OLD, NEW])
    with pytest.raises(KeyringError, match=r"^removing the primary key is not allowed$"):
        ring.remove(OLD)
    ring.remove(OTHER)
    assert ring.keys() == (OLD, NEW)


def test_a_full_ring_takes_no_more_keys() -> None:
    ring = Keyring([index.to_bytes(16, "big") for index in range(KEYS_MAX)])
    ring.add(bytes(16))  # is there
    with pytest.raises(KeyringError, match="remove some first"):
        ring.add(OLD)
    ring.remove((5).to_bytes(16, "big"))
    ring.add(OLD)


def test_sealing_adds_what_it_says_and_no_padding() -> None:
    sealed = Keyring([OLD]).seal(b"hello", nonce=NONCE, bound=b"")
    assert len(sealed) == SEAL_BYTES + 5
    assert sealed[0] == 1


def test_what_is_bound_to_something_else_does_not_open() -> None:
    ring = Keyring([OLD])
    sealed = ring.seal(b"hello", nonce=NONCE, bound=b"pool")
    assert ring.open(sealed, bound=b"pool") == b"hello"
    with pytest.raises(PacketError, match="No installed keys could decrypt the message"):
        ring.open(sealed, bound=b"")


def version_0(plain: bytes) -> bytes:
    """Sealed as it stands, without padding."""
    return b"\0" + NONCE + AESGCM(OLD).encrypt(NONCE, plain, None)


@pytest.mark.parametrize("padding", [1, 7, 16])
def test_the_padding_of_version_0_is_taken_off(padding: int) -> None:
    plain = bytes(32 - padding)
    sealed = version_0(plain + bytes([padding]) * padding)
    assert Keyring([OLD]).open(sealed, bound=b"") == plain


@pytest.mark.parametrize("last", [0, 17, 255])
def test_padding_of_no_possible_size_is_refused(last: int) -> None:
    with pytest.raises(PacketError, match="padding"):
        Keyring([OLD]).open(version_0(bytes(31) + bytes([last])), bound=b"")


def test_what_cannot_be_sealed_is_refused_in_the_peers_words() -> None:
    ring = Keyring([OLD])
    for sealed, words in (
        (b"", "Cannot decrypt empty payload"),
        (b"\x02" + bytes(60), "Unsupported encryption version 2"),
        (b"\x01" + bytes(27), "Payload is too small to decrypt: 28"),
        (b"\x00" + bytes(43), "Payload is too small to decrypt: 44"),
        (b"\x01" + bytes(28), "No installed keys could decrypt the message"),
        (b"\x00" + bytes(44), "No installed keys could decrypt the message"),
    ):
        with pytest.raises(PacketError) as caught:
            ring.open(sealed, bound=b"")
        assert str(caught.value) == words
