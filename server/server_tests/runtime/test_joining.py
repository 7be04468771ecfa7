"""Joining says in Consul's words why it did not work."""

import socket

import pytest

from proconsul.errors import RpcError
from proconsul.runtime.joining import Gate, join

OWN = "127.0.0.1"
GATE = Gate(8301, frozenset({OWN}))


@pytest.mark.real_clock
async def test_our_own_address_is_a_member_already() -> None:
    assert await join(OWN, GATE) == 1


@pytest.mark.real_clock
async def test_a_closed_port_is_told() -> None:
    with pytest.raises(RpcError) as refused:
        await join("127.0.0.1:1", GATE)
    assert str(refused.value) == (
        "1 error occurred:\n\t* Failed to join 127.0.0.1: "
        "dial tcp 127.0.0.1:1: connect: connection refused\n\n"
    )


@pytest.mark.real_clock
async def test_a_member_that_answers_is_told_that_there_is_no_pool() -> None:
    with (
        socket.create_server((OWN, 0)) as listener,
        pytest.raises(RpcError, match="no gossip pool yet"),
    ):
        await join(f"{OWN}:{listener.getsockname()[1]}", GATE)


@pytest.mark.real_clock
async def test_no_address_at_all_is_told() -> None:
    with pytest.raises(RpcError) as refused:
        await join("", GATE)
    assert str(refused.value) == (
        "1 error occurred:\n\t* Failed to resolve : lookup : no such host\n\n"
    )
