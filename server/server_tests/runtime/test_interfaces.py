"""What the kernel says about this host."""

from __future__ import annotations

import ipaddress
import socket
from pathlib import Path

from proconsul.runtime.interfaces import default_interface, read_host


def test_this_host_has_a_name_a_loopback_interface_and_files_to_open() -> None:
    host = read_host()
    assert host.name == socket.gethostname()
    assert host.open_files_max > 0
    loopback = next(
        each for each in host.interfaces if each.address == ipaddress.ip_address("127.0.0.1")
    )
    assert loopback.prefix_len == 8
    assert {"up", "loopback"} <= loopback.flags
    assert {each.name for each in host.interfaces} <= {name for _, name in socket.if_nameindex()}


def test_the_default_route_names_its_interface(tmp_path: Path) -> None:
    routes = tmp_path / "route"
    routes.write_text(
        "Iface\tDestination\tGateway\nwlan0\t0000A8C0\t00000000\neth7\t00000000\t0100A8C0\n"
    )
    assert default_interface(routes) == "eth7"
    routes.write_text("Iface\tDestination\tGateway\n")
    assert default_interface(routes) == ""
    assert default_interface(tmp_path / "missing") == ""
