"""Keys of rows that are named by a UUID."""

import pytest

from proconsul.errors import RpcError
from proconsul.store.unique import uuid_key


def test_a_uuid_is_the_same_key_in_any_case() -> None:
    uuid = "40e4a748-2192-161a-0510-0000000000ab"
    assert uuid_key(uuid, "x") == uuid_key(uuid.upper(), "x") == uuid.encode() + b"\0"


@pytest.mark.parametrize(
    ("uuid", "words"),
    [
        ("", "UUID must be 36 characters"),
        ("xyz", "UUID must be 36 characters"),
        (
            "zzzzzzzz-2192-161a-0510-000000000001",
            "Invalid UUID: encoding/hex: invalid byte: U+007A 'z'",
        ),
        (
            "40e4a748-2192-161a-0510-00000000000-",
            'UUID should have maximum of 4 "-"; got 5',
        ),
        ("40e4a7482192-161a-0510-0000000000010", "Input (without hyphens) must be even length"),
    ],
)
def test_what_is_no_uuid_is_refused_in_memdbs_words(uuid: str, words: str) -> None:
    with pytest.raises(RpcError) as caught:
        uuid_key(uuid, "failed lookup: index error")
    assert str(caught.value) == f"failed lookup: index error: {words}"
