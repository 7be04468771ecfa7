"""What the log tells of a request, and what it keeps to itself."""

import pytest

from proconsul.runtime.request_log import without_token


@pytest.mark.parametrize(
    ("target", "shown"),
    [
        ("/v1/kv/a", "/v1/kv/a"),
        ("/v1/kv/a?token=s3&raw", "/v1/kv/a?token=<hidden>&raw"),
        ("/v1/kv/a?raw&token=s%203", "/v1/kv/a?raw&token=<hidden>"),
        ("/v1/kv/token=a?dc=x", "/v1/kv/token=a?dc=x"),
        ("/v1/acl/info/s3?pretty", "/v1/acl/info/<hidden>?pretty"),
    ],
)
def test_a_token_is_never_shown(target: str, shown: str) -> None:
    assert without_token(target) == shown
