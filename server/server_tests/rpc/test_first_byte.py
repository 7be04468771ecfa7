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


@pytest.mark.parametrize("byte", range(256))
def test_a_server_with_a_certificate_serves_five_of_them(byte: int) -> None:
    assert service_for(byte, inside_tls=False, has_tls=True, wants_tls=False) is SERVED.get(byte)


@pytest.mark.parametrize("byte", range(256))
def test_a_server_without_one_closes_on_tls(byte: int) -> None:
    wanted = None if byte == FirstByte.TLS else SERVED.get(byte)
    assert service_for(byte, inside_tls=False, has_tls=False, wants_tls=False) is wanted


@pytest.mark.parametrize("byte", range(256))
def test_a_server_that_wants_tls_serves_nothing_else_in_the_clear(byte: int) -> None:
    wanted = Service.TLS if byte == FirstByte.TLS else None
    assert service_for(byte, inside_tls=False, has_tls=True, wants_tls=True) is wanted


@pytest.mark.parametrize("wants_tls", [True, False])
@pytest.mark.parametrize("byte", range(256))
def test_inside_tls_there_is_no_tls(byte: int, *, wants_tls: bool) -> None:
    wanted = None if byte == FirstByte.TLS else SERVED.get(byte)
    assert service_for(byte, inside_tls=True, has_tls=True, wants_tls=wants_tls) is wanted
