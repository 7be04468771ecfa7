"""The first byte of a connection, in the clear and inside TLS."""

import pytest

from proconsul.rpc.first_byte import FirstByte, Service, service_for

SERVED = {
    0: Service.CALLS,
    1: Service.RAFT,
    3: Service.TLS,
    4: Service.YAMUX,
    5: Service.SNAPSHOT,
}
WITHOUT_TLS = {byte: service for byte, service in SERVED.items() if byte != FirstByte.TLS}


def served(*, inside_tls: bool, has_tls: bool, wants_tls: bool) -> dict[int, Service]:
    """All bytes that are served, and as what."""
    found = {
        byte: service_for(byte, inside_tls=inside_tls, has_tls=has_tls, wants_tls=wants_tls)
        for byte in range(256)
    }
    return {byte: service for byte, service in found.items() if service is not None}


def test_a_server_with_a_certificate_serves_five_of_them() -> None:
    assert served(inside_tls=False, has_tls=True, wants_tls=False) == SERVED


def test_a_server_without_one_closes_on_tls() -> None:
    assert served(inside_tls=False, has_tls=False, wants_tls=False) == WITHOUT_TLS


def test_a_server_that_wants_tls_serves_nothing_else_in_the_clear() -> None:
    wanted = {FirstByte.TLS: Service.TLS}
    assert served(inside_tls=False, has_tls=True, wants_tls=True) == wanted
    assert served(inside_tls=False, has_tls=False, wants_tls=True) == {}


@pytest.mark.parametrize("wants_tls", [True, False])
def test_inside_tls_there_is_no_tls(*, wants_tls: bool) -> None:
    assert served(inside_tls=True, has_tls=True, wants_tls=wants_tls) == WITHOUT_TLS
