"""Checks that really run, against real servers and programs."""

import asyncio
import gzip
import os
import socket
from pathlib import Path

import pytest

from proconsul.local.checks import CheckRules
from proconsul.model.health import CheckType
from proconsul.runtime.check_dial import default_tls
from proconsul.runtime.check_grpc import probe_grpc
from proconsul.runtime.check_http import probe_http
from proconsul.runtime.check_runners import probe_tcp
from proconsul.runtime.check_script import probe_script
from proconsul.wire.golang import MILLISECOND, SECOND, Duration
from server_tests.runtime.check_targets import (
    IP,
    answering,
    echo,
    grpc_health,
    hang,
    http_answer,
    server_tls,
    serving,
)

RULES = CheckRules(
    enable_local_scripts=True,
    enable_remote_scripts=True,
    output_size_bytes_max=4096,
    deregister_after_min_s=60,
)
TEN_S = Duration(10 * SECOND)
SOON = Duration(100 * MILLISECOND)


async def http(check: CheckType, size_bytes_max: int = 4096) -> tuple[str, str]:
    return await probe_http(check, size_bytes_max, default_tls)


# ---------------------------------------------------------------- HTTP


@pytest.mark.parametrize(
    ("status", "meaning"),
    [
        ("200 OK", "passing"),
        ("299 Odd", "passing"),
        ("299 ", "passing"),
        ("307 Temporary Redirect", "critical"),
        ("429 Too Many Requests", "warning"),
        ("404 Not Found", "critical"),
        ("500 Internal Server Error", "critical"),
    ],
)
async def test_the_status_of_the_answer_decides(status: str, meaning: str) -> None:
    async with serving(answering(http_answer(status, b"body"))) as port:
        url = f"http://{IP}:{port}/health"
        expected = (meaning, f"HTTP GET {url}: {status} Output: body")
        assert await http(CheckType(http=url)) == expected


async def test_a_request_is_as_consul_sends_it() -> None:
    async with serving(echo) as port:
        _, plain = await http(CheckType(http=f"http://{IP}:{port}/a?b=c"))
        _, rich = await http(
            CheckType(
                http=f"http://{IP}:{port}",
                method="POST",
                body="hello",
                header={"Host": ["web.local"], "X-A": ["1", "2"], "User-Agent": ["me"]},
            )
        )
    assert plain.partition("Output: ")[2].split("\n") == [
        "GET /a?b=c HTTP/1.1",
        "Accept-Encoding: gzip",
        "Accept: text/plain, text/*, */*",
        "Connection: close",
        f"Host: {IP}:{port}",
        "User-Agent: Consul Health Check",
        "",
    ]
    assert rich.partition("Output: ")[2].split("\n") == [
        "POST / HTTP/1.1",
        "Accept-Encoding: gzip",
        "Accept: text/plain, text/*, */*",
        "Connection: close",
        "Content-Length: 5",
        "Host: web.local",
        "User-Agent: me",
        "X-A: 1",
        "X-A: 2",
        "hello",
    ]


async def test_a_header_value_cannot_smuggle_another_header() -> None:
    async with serving(echo) as port:
        check = CheckType(http=f"http://{IP}:{port}/", header={"X": ["a\r\nEvil: yes"]})
        _, output = await http(check)
    assert "X: a  Evil: yes\n" in output


async def test_of_a_long_body_the_end_is_kept() -> None:
    async with serving(answering(http_answer("200 OK", b"x" * 5000 + b"END"))) as port:
        _, output = await http(CheckType(http=f"http://{IP}:{port}/"), size_bytes_max=5)
    assert output.endswith("Output: xxEND")


async def test_chunked_and_compressed_bodies_are_read() -> None:
    chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n1\r\nc\r\n0\r\n\r\n"
    zipped = http_answer("200 OK", gzip.compress(b"plain"), "Content-Encoding: gzip\r\n")
    for raw, text in ((chunked, "abc"), (zipped, "plain")):
        async with serving(answering(raw)) as port:
            _, output = await http(CheckType(http=f"http://{IP}:{port}/"))
        assert output.endswith(f"200 OK Output: {text}")


async def test_an_early_hint_is_not_the_answer() -> None:
    raw = b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" + http_answer("503 Busy", b"later")
    async with serving(answering(raw)) as port:
        status, output = await http(CheckType(http=f"http://{IP}:{port}/"))
    assert status == "critical"
    assert output.endswith(": 503 Busy Output: later")


async def test_what_cannot_stand_in_a_request_line_is_escaped() -> None:
    async with serving(echo) as port:
        _, output = await http(CheckType(http=f"http://{IP}:{port}/a b/ü?q=%20"))
    assert "Output: GET /a%20b/%C3%BC?q=%20 HTTP/1.1" in output


@pytest.mark.parametrize(
    ("url", "output"),
    [
        ("http://[::1/", "parse \"http://[::1/\": missing ']' in host"),
        ("http://x:abc/", 'parse "http://x:abc/": invalid port ":abc" after host'),
        ("http://x/\x01", 'parse "http://x/\\x01": net/url: invalid control character in URL'),
        ("://x", 'parse "://x": missing protocol scheme'),
        ("nothing", 'Get "nothing": unsupported protocol scheme ""'),
    ],
)
async def test_an_address_that_is_none_is_critical(url: str, output: str) -> None:
    assert await http(CheckType(http=url)) == ("critical", output)


async def test_redirects_are_followed_and_no_further_than_ten() -> None:
    async with serving(echo) as goal:
        to_goal = f"Location: http://{IP}:{goal}/there\r\n"
        for status, line in (("302 Found", "GET /there"), ("307 Temporary", "POST /there")):
            async with serving(answering(http_answer(status, b"", to_goal))) as port:
                check = CheckType(http=f"http://{IP}:{port}/", method="POST", body="x")
                assert f"200 OK Output: {line} HTTP/1.1" in (await http(check))[1]
    async with serving(answering(http_answer("302 Found", b"", "Location: /again\r\n"))) as port:
        outcome = await http(CheckType(http=f"http://{IP}:{port}/"))
    assert outcome == ("critical", 'Get "/again": stopped after 10 redirects')


async def test_a_redirect_to_nowhere_is_critical() -> None:
    async with serving(answering(http_answer("301 Moved Permanently", b"body"))) as port:
        url = f"http://{IP}:{port}/"
        outcome = await http(CheckType(http=url))
    assert outcome == ("critical", f'Get "{url}": 301 response missing Location header')


async def test_a_server_that_never_answers_is_given_up() -> None:
    async with serving(hang) as port:
        url = f"http://{IP}:{port}/"
        outcome = await http(CheckType(http=url, timeout=SOON))
    assert outcome == (
        "critical",
        f'Get "{url}": context deadline exceeded (Client.Timeout exceeded while awaiting headers)',
    )


@pytest.mark.parametrize(
    ("raw", "complaint"),
    [
        (b"", "EOF"),
        (
            b"hello world\r\n\r\n",
            'net/http: HTTP/1.x transport connection broken: malformed HTTP status code "world"',
        ),
    ],
)
async def test_an_answer_that_is_none_is_critical(raw: bytes, complaint: str) -> None:
    async with serving(answering(raw)) as port:
        url = f"http://{IP}:{port}/"
        assert await http(CheckType(http=url)) == ("critical", f'Get "{url}": {complaint}')


async def test_endless_headers_are_refused() -> None:
    async def session(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\n")
        while True:
            writer.write(b"X-More: " + b"x" * 8000 + b"\r\n")
            await writer.drain()

    async with serving(session) as port:
        outcome = await http(CheckType(http=f"http://{IP}:{port}/"))
    assert outcome[0] == "critical"


async def test_a_self_signed_certificate_counts_only_if_the_check_says_so(tmp_path: Path) -> None:
    tls = server_tls(tmp_path, ["http/1.1"])
    async with serving(answering(http_answer("200 OK")), tls) as port:
        url = f"https://{IP}:{port}/"
        assert await http(CheckType(http=url)) == (
            "critical",
            f'Get "{url}": x509: certificate signed by unknown authority',
        )
        assert (await http(CheckType(http=url, tls_skip_verify=True)))[0] == "passing"


# ---------------------------------------------------------------- TCP, gRPC


def closed_port() -> int:
    with socket.socket() as one:
        one.bind((IP, 0))
        port: int = one.getsockname()[1]
        return port


async def test_a_tcp_check_passes_where_somebody_listens() -> None:
    async with serving(hang) as port:
        target = f"{IP}:{port}"
        assert await probe_tcp(CheckType(tcp=target)) == (
            "passing",
            f"TCP connect {target}: Success",
        )
    target = f"{IP}:{closed_port()}"
    assert await probe_tcp(CheckType(tcp=target)) == (
        "critical",
        f"dial tcp {target}: connect: connection refused",
    )
    assert await probe_tcp(CheckType(tcp="nowhere")) == (
        "critical",
        "dial tcp: address nowhere: missing port in address",
    )


async def test_a_grpc_check_asks_the_health_service() -> None:
    async with serving(grpc_health({"": 1, "db": 2})) as port:
        target = f"{IP}:{port}"
        assert await probe_grpc(CheckType(grpc=target), default_tls) == (
            "passing",
            f"gRPC check {target}: success",
        )
        assert await probe_grpc(CheckType(grpc=f"{target}/db"), default_tls) == (
            "critical",
            "gRPC application didn't report service healthy",
        )
        assert await probe_grpc(CheckType(grpc=f"{target}/nope"), default_tls) == (
            "critical",
            "rpc error: code = NotFound desc = unknown service",
        )


async def test_a_grpc_check_speaks_tls(tmp_path: Path) -> None:
    async with serving(grpc_health({"": 1}), server_tls(tmp_path, ["h2"])) as port:
        check = CheckType(grpc=f"{IP}:{port}", grpc_use_tls=True, tls_skip_verify=True)
        assert (await probe_grpc(check, default_tls))[0] == "passing"


async def test_a_grpc_check_names_what_went_wrong() -> None:
    target = f"{IP}:{closed_port()}"
    assert await probe_grpc(CheckType(grpc=target), default_tls) == (
        "critical",
        "rpc error: code = Unavailable desc = connection error: desc = "
        f'"transport: Error while dialing dial tcp {target}: connect: connection refused"',
    )
    async with serving(answering(http_answer("400 Bad Request"))) as port:
        outcome = await probe_grpc(CheckType(grpc=f"{IP}:{port}"), default_tls)
    assert outcome == ("critical", "rpc error: code = Unavailable desc = connection closed")
    async with serving(hang) as port:
        outcome = await probe_grpc(CheckType(grpc=f"{IP}:{port}", timeout=SOON), default_tls)
    assert outcome == (
        "critical",
        "rpc error: code = DeadlineExceeded desc = context deadline exceeded",
    )


# ---------------------------------------------------------------- programs


def script(text: str, timeout_ms: int = 0) -> CheckType:
    return CheckType(script_args=["sh", "-c", text], timeout=Duration(timeout_ms * MILLISECOND))


@pytest.mark.parametrize(
    ("text", "outcome"),
    [
        ("echo out; echo err >&2", ("passing", "out\nerr\n")),
        ("echo careful; exit 1", ("warning", "careful\n")),
        ("exit 3", ("critical", "")),
        ("kill -9 $$", ("critical", "")),
        ("printf 1234567890", ("passing", "Captured 8 of 10 bytes\n...\n34567890")),
    ],
)
async def test_the_exit_code_of_a_program_decides(text: str, outcome: tuple[str, str]) -> None:
    assert await probe_script(script(text), 8) == outcome


async def test_a_program_that_is_not_there_is_named() -> None:
    assert await probe_script(CheckType(script_args=["/nope"]), 99) == (
        "critical",
        "fork/exec /nope: no such file or directory",
    )
    assert await probe_script(CheckType(script_args=["nope"]), 99) == (
        "critical",
        'exec: "nope": executable file not found in $PATH',
    )


async def test_a_program_that_takes_too_long_is_killed_with_its_children(tmp_path: Path) -> None:
    pid_file = tmp_path / "pid"
    text = f"echo begun; sleep 1000 & echo $! > {pid_file}; wait"
    outcome = await probe_script(script(text, 500), 99)
    assert outcome == ("critical", "Timed out (500ms) running check\n\nbegun\n")
    assert has_ended(int(pid_file.read_text()))


async def test_a_child_that_outlives_its_program_is_killed_too(tmp_path: Path) -> None:
    pid_file = tmp_path / "pid"
    text = f"sleep 1000 & echo $! > {pid_file}"
    outcome = await probe_script(script(text, 500), 99)
    assert outcome == ("critical", "Timed out (500ms) running check")
    assert has_ended(int(pid_file.read_text()))


def has_ended(pid: int) -> bool:
    """Whether a process is gone, or dead and only not yet collected by whoever adopted it."""
    for _ in range(1000):
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except FileNotFoundError:
            return True
        if state in ("Z", "X"):
            return True
        os.sched_yield()
    return False
