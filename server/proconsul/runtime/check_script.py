"""One run of a program as a health check."""

import asyncio
import errno
import os
import shutil
import signal
from contextlib import suppress

from proconsul.local.checks import script_output, script_status
from proconsul.local.state import Status
from proconsul.model.health import CheckType
from proconsul.runtime.check_output import Tail
from proconsul.wire.golang import SECOND, Duration, format_duration, quote

TIMEOUT_DEFAULT = Duration(30 * SECOND)


class Run(asyncio.SubprocessProtocol):
    """What a program writes until it, and whoever else holds its output, has ended."""

    def __init__(self, tail: Tail) -> None:
        self.tail = tail
        self.output_ended = asyncio.Event()
        self.exited = asyncio.Event()

    def pipe_data_received(self, fd: int, data: bytes) -> None:
        """Keep the end of it."""
        self.tail.add(data)

    def pipe_connection_lost(self, fd: int, exc: Exception | None) -> None:
        """Nobody can write any more."""
        self.output_ended.set()

    def process_exited(self) -> None:
        """The program itself has ended; its children may not have."""
        self.exited.set()


async def probe_script(check: CheckType, output_size_bytes_max: int) -> tuple[str, str]:
    """The status and output of one run; both of its output streams are one here.

    The program gets a process group of its own, which is killed if it takes too long, and
    when the check is removed meanwhile.
    """
    assert check.script_args, "only a script check comes here"
    tail = Tail(output_size_bytes_max)
    try:
        transport, run = await asyncio.get_running_loop().subprocess_exec(
            lambda: Run(tail),
            *check.script_args,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            start_new_session=True,
        )
    except (OSError, ValueError) as failure:
        return Status.CRITICAL, _start_text(check.script_args[0], failure)
    timeout = check.timeout if check.timeout > 0 else TIMEOUT_DEFAULT
    try:
        async with asyncio.timeout(timeout / SECOND):
            await run.output_ended.wait()
            await run.exited.wait()
    except TimeoutError:
        text = f"Timed out ({format_duration(timeout)}) running check"
        written = script_output(tail.data, tail.total_size_bytes)
        return Status.CRITICAL, f"{text}\n\n{written}" if written else text
    finally:
        await _end(transport, run)
    code = transport.get_returncode()
    assert code is not None, "it has finished"
    return script_status(code), script_output(tail.data, tail.total_size_bytes)


async def _end(transport: asyncio.SubprocessTransport, run: Run) -> None:
    """Leave nothing behind: what holds the output open still has the group alive."""
    if transport.get_returncode() is None or not run.output_ended.is_set():
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(transport.get_pid(), signal.SIGKILL)
    await run.exited.wait()
    transport.close()


def _start_text(program: str, failure: OSError | ValueError) -> str:
    if not isinstance(failure, OSError) or failure.errno is None:
        return f"fork/exec {program}: {failure}"
    if failure.errno == errno.ENOENT and "/" not in program and shutil.which(program) is None:
        return f"exec: {quote(program)}: executable file not found in $PATH"
    return f"fork/exec {program}: {os.strerror(failure.errno).lower()}"
