"""What a join address means, and where its name leads."""

import asyncio

import pytest

from proconsul.config.failure import ConfigError
from proconsul.runtime.join_addresses import (
    ADDRESSES_MAX,
    JoinAddresses,
    Resolved,
    host_and_port,
)

PORT = 8311  # this agent's own


class Names:
    """A name server that takes its time over the name `slow`."""

    def __init__(self) -> None:
        self.known: dict[str, list[str]] = {}
        self.asked: list[str] = []

    async def resolve(self, host: str) -> list[str]:
        self.asked.append(host)
        if host == "nowhere":
            raise OSError("no such host")
        if host == "slow":
            await asyncio.sleep(1.5)
        return self.known[host]


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("10.0.0.2", ("10.0.0.2", 8311)),
        ("10.0.0.2:8301", ("10.0.0.2", 8301)),
        ("server-1.example", ("server-1.example", 8311)),
        ("server-1.example:8399", ("server-1.example", 8399)),
        ("fd00::2", ("fd00::2", 8311)),
        ("[fd00::2]", ("fd00::2", 8311)),
        ("[fd00::2]:8301", ("fd00::2", 8301)),
    ],
)
def test_where_no_port_is_said_it_is_our_own(text: str, place: tuple[str, int]) -> None:
    assert host_and_port(text, PORT) == place


async def test_a_name_is_resolved_anew_each_time() -> None:
    names = Names()
    joins = JoinAddresses(["servers", "10.0.0.9", "servers"], PORT, names.resolve)
    names.known["servers"] = ["10.0.0.1", "fd00::2"]
    assert await joins.resolved() == [
        Resolved("servers", (("10.0.0.1", 8311), ("fd00::2", 8311))),
        Resolved("10.0.0.9", (("10.0.0.9", 8311),)),
    ]
    names.known["servers"] = [f"10.0.1.{number}" for number in range(ADDRESSES_MAX + 9)]
    first, _ = await joins.resolved()
    assert first.addresses[0] == ("10.0.1.0", 8311)
    assert len(first.addresses) == ADDRESSES_MAX


async def test_a_name_that_leads_nowhere_is_told() -> None:
    names = Names()
    names.known["empty"] = []
    joins = JoinAddresses(["nowhere", "empty:1"], PORT, names.resolve)
    assert await joins.resolved() == [
        Resolved("nowhere", complaint="lookup nowhere: no such host"),
        Resolved("empty:1", complaint="lookup empty: no such host"),
    ]


async def test_a_slow_name_server_is_asked_one_question_at_a_time_and_heard_later() -> None:
    names = Names()
    names.known["slow"] = ["10.0.0.1"]
    joins = JoinAddresses(["slow"], PORT, names.resolve)
    assert await joins.resolved() == [Resolved("slow", complaint="lookup slow: i/o timeout")]
    assert await joins.resolved() == [Resolved("slow", (("10.0.0.1", 8311),))]
    assert names.asked == ["slow"]
    await joins.resolved()
    joins.stop()
    assert names.asked == ["slow", "slow"]


def test_cloud_auto_join_is_refused() -> None:
    with pytest.raises(ConfigError, match="cloud auto-join is not there"):
        JoinAddresses(["provider=aws tag_key=x"], PORT, Names().resolve)
