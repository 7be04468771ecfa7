"""Telling the service manager how we are: systemd's datagram protocol.

Nobody asked (no NOTIFY_SOCKET in the environment): nothing is sent. A manager that does not
listen is no reason to stop serving, so failures come back as a value.
Source: sd_notify(3).
"""

from __future__ import annotations

import socket
from collections.abc import Mapping

READY = "READY=1"
RELOADING = "RELOADING=1"
STOPPING = "STOPPING=1"


def notify(state: str, environment: Mapping[str, str]) -> OSError | None:
    """Send `state`; a name that begins with `@` is in the abstract namespace of Linux."""
    path = environment.get("NOTIFY_SOCKET", "")
    if not path:
        return None
    address = "\0" + path[1:] if path.startswith("@") else path
    try:
        with socket.socket(
            socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK
        ) as sender:
            sender.connect(address)
            sender.send(state.encode())
    except OSError as error:
        return error
    return None
