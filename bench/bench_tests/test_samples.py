"""Samplers, and what they must not let pass."""

import base64
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from bench import fixtures, workloads
from bench.failure import WrongAnswerError
from bench.fixtures import Stock
from bench.http1 import Wire
from bench.samples import Lanes
from bench.servers import Server, Side
from server_tests.differential.target import Answer

Reply = Callable[[str, str, bytes], Answer]


class Spoken(Wire):
    """A connection whose other end is a function."""

    def __init__(self, reply: Reply) -> None:
        super().__init__("127.0.0.1")
        self._reply = reply

    def ask(self, method: str, path: str, body: bytes = b"") -> Answer:
        return self._reply(method, path, body)


@pytest.fixture
def stock(tmp_path: Path) -> Stock:
    server = Server(Side.OURS, 1, ["127.0.0.1"], tmp_path)
    return Stock(server, server, written=dict.fromkeys(range(fixtures.KEYS), 0))


def found(body: object, index: int = 9, status: int = 200) -> Answer:
    return Answer(status, {"x-consul-index": str(index)}, json.dumps(body).encode())


def entry(path: str, version: int) -> object:
    key = path.partition("?")[0].removeprefix("/v1/kv/")
    content = fixtures.value(int(key.rpartition("/")[2]), version)
    return [{"Key": key, "Value": base64.b64encode(content).decode()}]


def test_a_right_answer_counts(stock: Stock) -> None:
    step = workloads.KeyReads().sampler(
        stock, Spoken(lambda method, path, body: found(entry(path, 0))), 0
    )
    assert step() == 1


@pytest.mark.parametrize(
    ("reply", "why"),
    [
        (lambda method, path, body: found([], status=500), "500"),
        (lambda method, path, body: found([]), "not that key"),
        (lambda method, path, body: found(entry("/v1/kv/bench/keys/99999", 0)), "is not that"),
        (lambda method, path, body: found(entry(path, 0), index=0), "no X-Consul-Index"),
    ],
)
def test_a_wrong_answer_does_not_pass(stock: Stock, reply: Reply, why: str) -> None:
    with pytest.raises(WrongAnswerError, match=why):
        workloads.KeyReads().sampler(stock, Spoken(reply), 0)()


def test_a_value_that_was_overwritten_before_may_only_be_read_stale(stock: Stock) -> None:
    stock.written = dict.fromkeys(range(fixtures.KEYS), 1)
    old = Spoken(lambda method, path, body: found(entry(path, 0)))
    with pytest.raises(WrongAnswerError, match="older than its value 1"):
        workloads.KeyReads().sampler(stock, old, 0)()
    assert workloads.KeyReads("stale").sampler(stock, old, 0)() == 1


def test_an_index_never_goes_back(stock: Stock) -> None:
    indexes = iter((9, 9, 8))
    step = workloads.HealthReads(1).sampler(
        stock,
        Spoken(lambda method, path, body: found([{"Service": {"ID": "web-1-0"}}], next(indexes))),
        0,
    )
    assert step() + step() == 2
    with pytest.raises(WrongAnswerError, match="X-Consul-Index 8 after 9"):
        step()


@pytest.mark.parametrize("names", [["web-9-0", "web-9-0"], ["web-9-9"], []])
def test_instances_are_each_there_once(stock: Stock, names: list[str]) -> None:
    wire = Spoken(lambda method, path, body: found([{"Service": {"ID": name}} for name in names]))
    with pytest.raises(WrongAnswerError):
        workloads.HealthReads(9).sampler(stock, wire, 0)()


def test_what_is_acknowledged_must_be_there(stock: Stock) -> None:
    def forgets(method: str, path: str, body: bytes) -> Answer:
        return found(True) if method == "PUT" else found("something else")

    with pytest.raises(WrongAnswerError, match="not what was acknowledged"):
        workloads.KeyWrites(64).sampler(stock, Spoken(forgets), 0)()


def test_two_cannot_have_a_lock(stock: Stock) -> None:
    def generous(method: str, path: str, body: bytes) -> Answer:
        return found({"ID": "a"} if path.endswith("create") else True)

    with pytest.raises(WrongAnswerError, match="acquire"):
        workloads.Locks().sampler(stock, Spoken(generous), 0)()


def test_what_goes_wrong_in_a_lane_is_told_at_the_end() -> None:
    def fails() -> int:
        raise WrongAnswerError("no")

    with pytest.raises(WrongAnswerError, match="no"), Lanes(1000.0, [fails]) as lanes:
        lanes._threads[0].join()


def test_a_beat_tells_the_samplers_what_was_acknowledged(stock: Stock) -> None:
    step = workloads.KeyReads().beat(stock, Spoken(lambda method, path, body: found(True)), 3)
    step()
    ((number, version),) = [(at, one) for at, one in stock.written.items() if one]
    assert number % 8 == 3
    assert version == 1
