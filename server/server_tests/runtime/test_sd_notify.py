"""Datagrams to a service manager, with real sockets."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from proconsul.runtime.sd_notify import READY, RELOADING, STOPPING, notify


@pytest.mark.parametrize("state", [READY, RELOADING, STOPPING])
def test_the_manager_hears_what_happens(state: str, tmp_path: Path) -> None:
    path = tmp_path / "notify"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(path))
        manager.setblocking(False)
        assert notify(state, {"NOTIFY_SOCKET": str(path)}) is None
        assert manager.recv(100) == state.encode()


def test_a_name_with_an_at_sign_is_in_the_abstract_namespace(tmp_path: Path) -> None:
    name = f"proconsul-test-{tmp_path.name}-{tmp_path.parent.name}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(f"\0{name}")
        manager.setblocking(False)
        assert notify(READY, {"NOTIFY_SOCKET": f"@{name}"}) is None
        assert manager.recv(100) == b"READY=1"


def test_nobody_asked_and_nothing_is_sent() -> None:
    assert notify(READY, {}) is None


def test_a_manager_that_does_not_listen_comes_back_as_a_value(tmp_path: Path) -> None:
    failure = notify(READY, {"NOTIFY_SOCKET": str(tmp_path / "nobody")})
    assert isinstance(failure, FileNotFoundError)
    assert isinstance(notify(READY, {"NOTIFY_SOCKET": "/" + "x" * 200}), OSError)
