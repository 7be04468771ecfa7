"""Join addresses are tried until there is somebody, and the silent ones are told."""

import asyncio
from dataclasses import dataclass, field

import pytest

from proconsul.config.schema import Joining
from proconsul.runtime.join_rounds import JoinRounds
from proconsul.runtime.retry_join import JoinError
from server_tests.runtime.pool_town import joining

OWN = ("10.0.0.1", 8301)


@dataclass
class Network:
    """Who answers, what names mean, and whom anybody tried to join."""

    alive: set[tuple[str, int]] = field(default_factory=set)
    names: dict[str, list[str]] = field(default_factory=dict)
    tried: list[tuple[str, int]] = field(default_factory=list)

    async def resolve(self, host: str) -> list[str]:
        return self.names.get(host, [host])

    async def join_one(self, host: str, port: int) -> str:
        self.tried.append((host, port))
        return "" if (host, port) in self.alive else f"Failed to join {host}: refused"

    def rounds(self, joins: Joining) -> JoinRounds:
        return JoinRounds(joins, 8301, frozenset({OWN}), self.resolve, self.join_one)


async def test_a_round_joins_all_places_of_all_names_and_tells_the_silent_ones() -> None:
    network = Network(alive={("10.0.0.2", 8301), ("10.0.0.4", 99)})
    network.names = {"pool": ["10.0.0.1", "10.0.0.2", "10.0.0.3"], "nobody": []}
    rounds = network.rounds(joining(retry=["pool", "nobody", "10.0.0.4:99"]))
    assert await rounds.go(0.0) == ["nobody", "10.0.0.3:8301"]
    assert sorted(network.tried) == [("10.0.0.2", 8301), ("10.0.0.3", 8301), ("10.0.0.4", 99)]
    network.names["pool"] = ["10.0.0.9"]
    assert await rounds.go(1.0) == ["nobody", "10.0.0.9:8301"]


async def test_retry_join_goes_on_until_somebody_answers() -> None:
    network = Network()
    rounds = network.rounds(joining(retry=["10.0.0.2"], retry_interval_s=30))
    trying = asyncio.ensure_future(rounds.retry_forever())
    await asyncio.sleep(70)
    assert network.tried == [("10.0.0.2", 8301)] * 3
    network.alive.add(("10.0.0.2", 8301))
    await trying
    assert len(network.tried) == 4


async def test_retry_join_gives_up_after_its_last_attempt() -> None:
    rounds = Network().rounds(joining(retry=["10.0.0.2"], retry_max=2, retry_interval_s=3))
    with pytest.raises(JoinError, match="max join LAN retry exhausted"):
        await rounds.retry_forever()


async def test_a_start_that_can_join_nobody_is_refused() -> None:
    network = Network(alive={("127.0.0.9", 8301)})
    nowhere = network.rounds(joining(start=["127.0.0.8"]))
    with pytest.raises(JoinError, match=r"Failed to join 127\.0\.0\.8: refused"):
        await nowhere.join_at_start()
    await network.rounds(joining(start=["127.0.0.8", "127.0.0.9"])).join_at_start()
    await network.rounds(joining()).join_at_start()
