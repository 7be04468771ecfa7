"""How a server's life begins and ends, as its user and its service manager see it."""

import re
import signal
import socket
from pathlib import Path

import pytest

from server_tests.lifecycle.server import Server, command, refused
from server_tests.loopback import address


def test_the_banner_comes_last_and_its_line_can_be_pasted(tmp_path: Path) -> None:
    with Server(address(40), tmp_path) as server:
        before, _, banner = server.output.partition("==> Proconsul is running")
        assert "leadership established" in before
        assert f"HTTP API: http://{address(40)}:8500" in banner
        assert f"Data: {tmp_path}/data" in banner
        assert server.request("PUT", "/v1/kv/hello", "world")[1] == "true"
        assert f"'http://{address(40)}:8500/v1/kv/hello?raw'" in banner
        assert server.request("GET", "/v1/kv/hello?raw")[1] == "world"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_with_code_0_and_the_data_is_there_again(
    number: signal.Signals, tmp_path: Path
) -> None:
    pid_file = tmp_path / "server.pid"
    with Server(address(41), tmp_path, f"-pid-file={pid_file}") as server:
        assert pid_file.read_text() == str(server.pid)
        server.request("PUT", "/v1/kv/a", "1")
        assert server.end(number) == 0
        assert server.wait_for_line("agent: stopped")
        assert not pid_file.exists()
        server.start()
        assert server.request("GET", "/v1/kv/a?raw")[1] == "1"


def test_who_still_waits_does_not_keep_it_from_ending(tmp_path: Path) -> None:
    with Server(address(42), tmp_path) as server:
        waiting = [socket.create_connection((address(42), 8500), 30) for _ in range(2)]
        index = server.request("GET", "/v1/catalog/nodes")[2]["X-Consul-Index"]
        for connection, path in zip(
            waiting,
            (f"/v1/catalog/nodes?wait=10m&index={index}", "/v1/agent/monitor?loglevel=trace"),
            strict=True,
        ):
            connection.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        waiting[1].recv(1)  # the monitor has begun
        assert server.end() == 0
        for connection in waiting:
            while connection.recv(65536):
                pass
            connection.close()


def test_dev_mode_keeps_nothing(tmp_path: Path) -> None:
    with Server(address(43), tmp_path) as server:
        server.end()
        server.launch(
            *command("agent", "-dev", f"-bind={address(43)}", f"-client={address(43)}", "-node=n1")
        )
        told = re.search(r"Data: (\S+) \(removed at the end", server.output)
        assert told is not None
        assert Path(told[1]).is_dir()
        server.request("PUT", "/v1/kv/a", "1")
        assert server.end() == 0
        assert not Path(told[1]).exists()


def test_the_service_manager_is_told_of_start_reload_and_end(tmp_path: Path) -> None:
    path = tmp_path / "notify"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(path))
        manager.settimeout(30)
        with Server(address(44), tmp_path, environment={"NOTIFY_SOCKET": str(path)}) as server:
            assert manager.recv(100) == b"READY=1"
            server.send(signal.SIGHUP)
            assert re.fullmatch(rb"RELOADING=1\nMONOTONIC_USEC=\d+", manager.recv(100))
            assert manager.recv(100) == b"READY=1"
            server.send(signal.SIGTERM)
            assert manager.recv(100) == b"STOPPING=1"


def test_what_is_taken_is_refused_with_advice_and_nothing_is_touched(tmp_path: Path) -> None:
    with Server(address(45), tmp_path) as server:
        here = (f"-bind={address(45)}", f"-client={address(45)}")
        there = (f"-bind={address(46)}", f"-client={address(46)}")
        other = tmp_path / "other"
        told = refused(*here, f"-data-dir={other}")
        assert f"cannot listen for HTTP at {address(45)}:8500: address already in use" in told
        assert "-http-port" in told
        told = refused(*there, f"-data-dir={server.data}")
        assert "data directory is in use" in told
        assert f"locked by process {server.pid}" in told
    with Server(address(45), tmp_path / "other", f"-data-dir={other}") as again:
        # Who could not listen has not voted, either: this is the first term.
        assert "term=2" in again.wait_for_line("entering leader state")


@pytest.mark.parametrize(
    ("flags", "told"),
    [
        (("-bind=192.0.2.1",), "cannot use the bind address 192.0.2.1"),
        (("-client=192.0.2.1",), "cannot listen for HTTP at 192.0.2.1:8500"),
        (("-data-dir=/proc/nope",), "the data directory /proc/nope cannot be used"),
        (("-https-port=8501",), "cert_file is not set"),
        (
            ("-https-port=8501", '-hcl=cert_file = "/no/cert" key_file = "/no/key"'),
            "Failed to load cert/key pair: open /no/cert: no such file or directory",
        ),
        (
            ('-hcl=service { name = "web" check { tcp = "127.0.0.1:1" } }',),
            'Failed to register service "web": Check is not valid: Interval must be > 0',
        ),
        (("-log-file=/no/such/file.log",), "cannot write log_file /no/such/file.log"),
        (("-pid-file=/no/such/file.pid",), "cannot write pid_file /no/such/file.pid"),
        (
            ('-hcl=addresses { http = "unix:///no/such/socket" }',),
            "cannot listen at unix:///no/such/socket: no such file or directory",
        ),
        (
            ('-hcl=addresses { http = "unix:///dev/null" }',),
            "cannot listen at unix:///dev/null: there is a file of that name that is no socket",
        ),
    ],
)
def test_what_cannot_be_is_refused_in_one_line(
    flags: tuple[str, ...], told: str, tmp_path: Path
) -> None:
    standard = (f"-bind={address(47)}", f"-client={address(47)}", f"-data-dir={tmp_path}/data")
    line = refused(*standard, *flags)
    assert told in line
    assert len(line.splitlines()) == 1


@pytest.mark.parametrize("access", ['user = "no-such-user"', 'mode = "rw"', 'group = "wheel"'])
def test_a_socket_nobody_could_own_is_refused(access: str, tmp_path: Path) -> None:
    fragment = f'addresses {{ http = "unix://{tmp_path}/s" }} unix_sockets {{ {access} }}'
    line = refused(f"-bind={address(48)}", f"-data-dir={tmp_path}/data", f"-hcl={fragment}")
    assert "unix_sockets" in line
