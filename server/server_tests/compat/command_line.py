"""The real `consul` command, run against a server: what it printed and how it ended."""

import os
import re
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from server_tests.differential.target import PORT, Target

COMMAND_S_MAX = 30.0


@dataclass(frozen=True, slots=True)
class Ran:
    """One command: its exit code and what it said, with what differs between any two runs
    (addresses, IDs, indexes, times) replaced by its name."""

    command: tuple[str, ...]
    code: int
    out: str
    err: str


@dataclass(frozen=True, slots=True)
class Running:
    """A command that has started: what it reads, what it says (errors too)."""

    process: "subprocess.Popen[str]"
    keyboard: IO[str]
    screen: IO[str]


class CommandLine:
    """`consul`, told to talk to one server, at home in a folder."""

    def __init__(self, target: Target, folder: Path) -> None:
        self.folder = folder
        self._environment = {
            "CONSUL_HTTP_ADDR": f"http://{target.address}:{PORT}",
            "PATH": os.environ["PATH"],
        }

    def run(self, *arguments: str, typed: str = "") -> Ran:
        """Run one command to its end."""
        done = subprocess.run(
            [os.environ["CONSUL_REAL"], *arguments],
            cwd=self.folder,
            env=self._environment,
            input=typed,
            capture_output=True,
            text=True,
            timeout=COMMAND_S_MAX,
            check=False,
        )
        return Ran(arguments, done.returncode, anonymous(done.stdout), anonymous(done.stderr))

    def play(self, story: Sequence[str]) -> list[Ran]:
        """Run commands one after the other; each is a line, split at blanks."""
        return [self.run(*line.split()) for line in story]

    @contextmanager
    def running(self, *arguments: str) -> Iterator[Running]:
        """A command that does not end by itself; it is told to end afterwards."""
        with subprocess.Popen(
            [os.environ["CONSUL_REAL"], *arguments],
            cwd=self.folder,
            env=self._environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        ) as process:
            assert process.stdout is not None
            assert process.stdin is not None
            try:
                yield Running(process, process.stdin, process.stdout)
            finally:
                process.terminate()


_NAMES: Mapping[str, str] = {
    r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}": "<id>",
    r"127\.\d+\.\d+\.\d+": "<address>",
    r"\d{4}-\d\d-\d\d[T ][0-9:.]+( \+0000 UTC|Z)?": "<time>",
    r"([Ii]ndex|Contact|LTime)(\W+)\d+": r"\1\2<number>",
    r"(ID +)\d+-\d+-\d+": r"\1<number>",
    r",wan_join_port=8302": "",  # there is no WAN pool of ours to be joined (DIVERGENCE.md)
    r"(Size +)\d+": r"\1<number>",
}


def anonymous(text: str) -> str:
    """`text` with names for what no two servers have in common, and runs of blanks as one:
    a column is as wide as the address in it."""
    for pattern, name in _NAMES.items():
        text = re.sub(pattern, name, text)
    return re.sub(r"[ \t]+", " ", text)
