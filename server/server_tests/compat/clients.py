"""Public clients, with their connections closed behind them (they leave that to the GC)."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

import consul
import consulate  # type: ignore[import-untyped]

from server_tests.differential.target import PORT

PATIENCE_S = 20.0

T = TypeVar("T")


@contextmanager
def py_consul_client(address: str, **options: str) -> Iterator[consul.Consul]:
    """The client of the package py-consul; `consistency` and `dc` are its own options."""
    client = consul.Consul(host=address, port=PORT, **options)
    try:
        yield client
    finally:
        client.http.session.close()


@contextmanager
def py_consulate_client(address: str) -> Iterator[consulate.Consul]:
    """The client of the package py-ms-consulate."""
    client = consulate.Consul(host=address, port=PORT)
    try:
        yield client
    finally:
        client._adapter.session.close()


def eventually(attempt: Callable[[], T]) -> T:
    """What `attempt` says once it says something true; for what no blocking query can wait for."""
    deadline_s = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline_s:
        result = attempt()
        if result:
            return result
        threading.Event().wait(0.05)
    raise AssertionError("it never came true")
