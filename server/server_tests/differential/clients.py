"""Client agents to ask: each before a real server of its own, in a pool with nobody else."""

import json
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from server_tests.differential.target import (
    CONFIG,
    NODE,
    NODE_ID,
    START_S_MAX,
    STOP_S_MAX,
    Target,
    pause,
    real_command,
)

SERVER = "differential-server"
SERVER_ID = "d1fe7e17-0000-4000-8000-00000000a111"
# Coordinates are measured, and so never the same.
SETTINGS = {**CONFIG, "disable_coordinates": True, "retry_interval": "1s"}


@contextmanager
def client_of_a_real_server(
    command: Sequence[str], server_address: str, address: str
) -> Iterator[Target]:
    """A client by `command`, once it is in its server's catalog, and that in order."""
    folder = Path(tempfile.mkdtemp(prefix="differential-client-"))
    (folder / "config.json").write_text(json.dumps(SETTINGS))
    processes: list[subprocess.Popen[bytes]] = []

    def start(words: Sequence[str], name: str, node_id: str, where: str, *flags: str) -> None:
        with (folder / f"{name}.log").open("wb") as log:
            processes.append(
                subprocess.Popen(
                    [
                        *(*words, "agent", f"-node={name}", f"-node-id={node_id}"),
                        *(f"-bind={where}", f"-client={where}", "-dns-port=-1"),
                        f"-data-dir={folder / name}",
                        f"-config-file={folder / 'config.json'}",
                        *flags,
                    ],
                    stdout=log,
                    stderr=subprocess.STDOUT,
                )
            )

    try:
        start(real_command(), SERVER, SERVER_ID, server_address, "-server", "-bootstrap-expect=1")
        start(command, NODE, NODE_ID, address, f"-retry-join={server_address}")
        _wait_until_settled(Target(server_address), Target(address), folder)
        yield Target(address)
    finally:
        for process in reversed(processes):
            process.terminate()
        for process in processes:
            try:
                process.wait(STOP_S_MAX)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        shutil.rmtree(folder, ignore_errors=True)


def _wait_until_settled(server: Target, client: Target, folder: Path) -> None:
    """Until both know both, all checks pass, gossip is quiet, and nothing changes for a moment."""
    before: Any = None
    deadline_s = time.monotonic() + START_S_MAX
    while time.monotonic() < deadline_s:
        now = [
            server.ask("GET", "/v1/health/state/passing").json(),
            server.ask("GET", "/v1/catalog/nodes").json(),
            client.ask("GET", "/v1/catalog/nodes").json(),
        ]
        known = all(isinstance(each, list) and len(each) == 2 for each in now)
        if known and now == before and _is_quiet(client):
            return
        before = now
        pause(0.5)
    said = "\n".join(log.read_text(errors="replace") for log in folder.glob("*.log"))
    raise AssertionError(f"they never settled: {before}\n{said}")


def _is_quiet(client: Target) -> bool:
    pool = client.ask("GET", "/v1/agent/self").json()["Stats"]["serf_lan"]
    return all(pool[f"{queue}_queue"] == "0" for queue in ("intent", "event", "query"))


def without_server(records: list[Any], address: str) -> list[Any]:
    """Normalised records of a client, with its server's address taken out of them."""
    found: list[Any] = _without(records, address)
    return found


def _without(value: Any, address: str) -> Any:
    match value:
        case str():
            return value.replace(address, "<server>")
        case bytes():
            return value.replace(address.encode(), b"<server>")
        case dict():
            return {name: _without(each, address) for name, each in value.items()}
        case list():
            return [_without(each, address) for each in value]
        case _:
            return value
