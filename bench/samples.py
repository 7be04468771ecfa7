"""Requests of ours beside the load, at a steady rate: they look at what comes back.

A lane is a thread with a connection of its own that makes one request after the other. It never
hurries to catch up: a server that is slow is asked less often, which the results tell.
"""

import threading
import time
from collections.abc import Callable, Sequence

from bench.failure import BenchError, WrongAnswerError
from bench.fixtures import Stock
from bench.http1 import Wire
from server_tests.differential.target import Answer

LANES = 8
Step = Callable[[], int]  # makes some requests and judges them: how many


def expect(holds: bool, answer: Answer, what: str) -> None:
    """Judge an answer. Raises WrongAnswerError."""
    if not holds:
        body = answer.body[:300].decode(errors="replace")
        raise WrongAnswerError(f"{what}: status {answer.status} {answer.error}, body {body!r}")


def read(stock: Stock, wire: Wire, path: str, query: str = "") -> Answer:
    """A GET whose X-Consul-Index is not less than any that was known for that path before it.

    Raises WrongAnswerError: it went back, or is missing; or the status is not 200.
    """
    known = stock.asked.address, path
    least = stock.indexes.get(known, 0)
    answer = wire.ask("GET", path + query)
    expect(answer.status == 200, answer, path)
    expect(answer.index > 0, answer, f"{path} has no X-Consul-Index")
    expect(answer.index >= least, answer, f"{path}: X-Consul-Index {answer.index} after {least}")
    # Another lane may have seen a later one meanwhile.
    stock.indexes[known] = max(answer.index, stock.indexes.get(known, 0))
    return answer


class Lanes:
    """Threads that make `rate_s` steps a second together, from `with` to the end of its block.

    At the end it raises what a step raised: a wrong answer, or that there was none.
    """

    def __init__(self, rate_s: float, steps: Sequence[Step]) -> None:
        self.made = 0
        self._every_s = len(steps) / rate_s
        self._over = threading.Event()
        self._lock = threading.Lock()
        self._failures: list[Exception] = []
        self._threads = [
            threading.Thread(target=self._run, args=(step, at / rate_s), daemon=True)
            for at, step in enumerate(steps)
        ]

    def _run(self, step: Step, wait_s: float) -> None:
        due_s = time.monotonic() + wait_s
        while not self._over.wait(max(due_s - time.monotonic(), 0.0)):
            due_s = max(due_s + self._every_s, time.monotonic())
            try:
                made = step()
            except (BenchError, OSError) as failure:
                self._failures.append(failure)
                return
            with self._lock:
                self.made += made

    def __enter__(self) -> "Lanes":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join()
        if kind is None and self._failures:
            failure = self._failures[0]
            if isinstance(failure, BenchError):
                raise failure
            raise WrongAnswerError(f"a sample was not answered: {failure!r}") from failure
