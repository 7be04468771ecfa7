"""Addresses for tests: each pytest-xdist worker has a /24 of loopback to itself."""

import os


def address(host: int) -> str:
    """`127.0.<worker>.<host>`; `host` is 1 to 254, and names its test's own server."""
    worker = os.environ.get("PYTEST_XDIST_WORKER", "gw0")
    return f"127.0.{100 + int(worker.removeprefix('gw'))}.{host}"
