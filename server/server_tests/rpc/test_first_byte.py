"""The first byte of a connection, in the clear and inside TLS, and ALPN's word for the same."""

import pytest

from proconsul.rpc.first_byte import (
    Service,
    TlsPolicy,
    service_for,
    service_for_protocol,
    service_inside_tls,
)

CLEAR = {
    0: Service.CALLS,
    1: Service.RAFT,
    4: Service.YAMUX,
    5: Service.SNAPSHOT,
}
ENCRYPTED = {3: Service.TLS, 7: Service.TLS_INSECURE}
NATIVE = {0x16: Service.TLS_NATIVE}


def served(
    *, has_certificate: bool = False, has_authority: bool = False, is_wanted: bool = False
) -> dict[int, Service]:
    """All bytes that are served, and as what."""
    policy = TlsPolicy(
        has_certificate=has_certificate, has_authority=has_authority, is_wanted=is_wanted
    )
    found = {byte: service_for(byte, policy) for byte in range(256)}
    return {byte: service for byte, service in found.items() if service is not None}


def test_a_server_without_a_certificate_serves_what_is_in_the_clear() -> None:
    assert served() == CLEAR
    assert served(has_authority=True) == CLEAR


def test_with_a_certificate_it_serves_tls_too() -> None:
    assert served(has_certificate=True) == CLEAR | ENCRYPTED


def test_with_a_ca_besides_it_takes_tls_without_a_byte_before() -> None:
    assert served(has_certificate=True, has_authority=True) == CLEAR | ENCRYPTED | NATIVE


def test_a_server_that_wants_tls_serves_nothing_else() -> None:
    assert served(is_wanted=True) == {}
    assert served(has_certificate=True, is_wanted=True) == ENCRYPTED
    everything = served(has_certificate=True, has_authority=True, is_wanted=True)
    assert everything == ENCRYPTED | NATIVE


def test_inside_tls_there_is_no_tls() -> None:
    found = {byte: service_inside_tls(byte) for byte in range(256)}
    assert {byte: one for byte, one in found.items() if one is not None} == CLEAR


@pytest.mark.parametrize(
    ("protocol", "service"),
    [
        ("consul/rpc-single", Service.CALLS),
        ("consul/raft", Service.RAFT),
        ("consul/rpc-multi", Service.YAMUX),
        ("consul/rpc-snapshot", Service.SNAPSHOT),
        ("consul/rpc-gossip", None),
        ("consul/wan-gossip/packet", None),
        ("consul/rpc-grpc", None),
        ("h2", None),
        ("", None),
        (None, None),
    ],
)
def test_alpn_says_the_same_in_words(protocol: str | None, service: Service | None) -> None:
    assert service_for_protocol(protocol) is service
