"""wrk, the load generator: how it is called, and what it says (`load.lua`)."""

import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

import msgspec

from bench.failure import BenchError, WrongAnswerError
from bench.machine import Placement
from server_tests.differential.target import PORT

SCRIPT = Path(__file__).with_name("load.lua")
TIMEOUT_S = 30
_RESULT = "RESULT "


class Counted(msgspec.Struct, frozen=True, kw_only=True):
    """What one run counted; times in microseconds. `load_s` is the CPU time of wrk itself."""

    requests: int
    took_us: int
    p50_us: int
    p99_us: int
    max_us: int
    refused: int
    wrong: int
    broken: int
    late: int
    load_s: float = 0.0

    @property
    def per_s(self) -> float:
        """Requests a second."""
        return self.requests / (self.took_us / 1e6)


def require_wrk() -> str:
    """Its version. Raises BenchError: it is not there."""
    if shutil.which("wrk") is None:
        raise BenchError("wrk is not on the PATH: install it (Debian and Ubuntu: apt install wrk)")
    said = subprocess.run(["wrk", "-v"], capture_output=True, text=True, check=False)
    return (said.stdout + said.stderr).partition(" Copyright")[0].strip()


def command(
    address: str,
    load: Sequence[str],
    *,
    connections: int,
    threads: int,
    seconds: int,
    seed: int,
    port: int = PORT,
) -> list[str]:
    """The command of one run; `load` is a kind of load.lua and its arguments."""
    return [
        *("wrk", f"-t{threads}", f"-c{connections}", f"-d{seconds}s", f"--timeout={TIMEOUT_S}s"),
        *("-s", str(SCRIPT), f"http://{address}:{port}", "--", str(seed), *load),
    ]


def counted(said: str, load_s: float) -> Counted:
    """What wrk wrote. Raises WrongAnswerError: an answer was refused, wrong or missing."""
    lines = [line for line in said.splitlines() if line.startswith(_RESULT)]
    if not lines:
        raise BenchError(f"wrk did not say what it counted:\n{said}")
    found = msgspec.json.decode(lines[0].removeprefix(_RESULT), type=Counted)
    if found.refused or found.wrong or found.broken or found.late or not found.requests:
        raise WrongAnswerError(
            f"of {found.requests} requests {found.refused} were refused, {found.wrong} answered "
            f"wrongly, {found.broken} broken off, {found.late} not answered in {TIMEOUT_S} s"
        )
    return msgspec.structs.replace(found, load_s=load_s)


def run(words: Sequence[str], placement: Placement) -> Counted:
    """Run it to its end."""

    def before_it_begins() -> None:
        if placement.load_cores is not None:
            os.sched_setaffinity(0, placement.load_cores)

    process = subprocess.Popen(
        words,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        stdin=subprocess.DEVNULL,
        preexec_fn=before_it_begins,  # noqa: PLW1509 - one system call, no lock
    )
    assert process.stdout is not None
    try:
        said = process.stdout.read().decode(errors="replace")
        _, _, used = os.wait4(process.pid, 0)
        process.returncode = 0
    except BaseException:
        process.kill()
        process.wait()
        raise
    finally:
        process.stdout.close()
    return counted(said, used.ru_utime + used.ru_stime)
