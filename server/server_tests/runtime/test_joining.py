"""Joining says in Consul's words why it did not work."""

import socket

import pytest

from proconsul.errors import RpcError
from proconsul.runtime.joining import complaint_of_dial, join, reach

PORT = 8301


async def pool(host: str, port: int) -> str:
    """Members are at odd ports of 127.0.0.1."""
    if host == "127.0.0.1" and port % 2:
        return ""
    return f"Failed to join {host}: dial tcp {host}:{port}: connect: connection refused"


@pytest.mark.real_clock
async def test_no_port_is_that_of_the_pool() -> None:
    assert await join("127.0.0.1", PORT, pool) == 1
    assert await join("127.0.0.1:8303", PORT, pool) == 1


@pytest.mark.real_clock
async def test_a_closed_port_is_told() -> None:
    with pytest.raises(RpcError) as refused:
        await join("127.0.0.1:8302", PORT, pool)
    assert str(refused.value) == (
        "1 error occurred:\n\t* Failed to join 127.0.0.1: "
        "dial tcp 127.0.0.1:8302: connect: connection refused\n\n"
    )
    assert (await reach("127.0.0.1:8302", PORT, pool))[0] == 0


@pytest.mark.real_clock
async def test_no_address_at_all_is_told() -> None:
    with pytest.raises(RpcError) as refused:
        await join("", PORT, pool)
    assert str(refused.value) == (
        "1 error occurred:\n\t* Failed to resolve : lookup : no such host\n\n"
    )


@pytest.mark.real_clock
async def test_a_dial_is_told_as_go_tells_it() -> None:
    assert await complaint_of_dial("127.0.0.1", 1) == (
        "dial tcp 127.0.0.1:1: connect: connection refused"
    )
    with socket.create_server(("127.0.0.1", 0)) as listener:
        assert await complaint_of_dial("127.0.0.1", listener.getsockname()[1]) == ""
