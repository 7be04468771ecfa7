"""`proconsul <command>`: finds the command and loads no more than it needs.

Exit codes: 0 after a wished end, 1 when something failed (the reason is on standard error), 127
for an unknown command.
"""

import importlib
import os
import signal
import sys

from proconsul import CONSUL_VERSION, __version__

COMMANDS = {
    "agent": ("agent_command", "run a server; `proconsul agent -help` lists its flags"),
    "validate": ("validate_command", "check configuration files"),
}
VERSION_WORDS = ("version", "-v", "-version", "--version")
HELP_WORDS = ("help", "-h", "-help", "--help")


def main(argv: list[str] | None = None) -> int:
    """Run a command and answer its exit code."""
    if argv is None:
        # In a container it is process 1, which no signal ends that it does not hear: until a
        # server runs there is nothing to lose.
        signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    words = sys.argv[1:] if argv is None else argv
    command = words[0] if words else ""
    if command in COMMANDS:
        # Assertions guard the data: without them the server does not run.
        if not __debug__:
            sys.stderr.write("proconsul: does not run under `python -O`: start it without -O\n")
            return 1
        module = importlib.import_module(f"proconsul.cli.{COMMANDS[command][0]}")
        code: int = module.run(words[1:])
        return code
    if command in VERSION_WORDS:
        sys.stdout.write(f"Proconsul v{__version__}\nBehaves as Consul v{CONSUL_VERSION}\n")
        return 0
    if command in HELP_WORDS:
        sys.stdout.write(usage())
        return 0
    if command:
        sys.stderr.write(f"proconsul: unknown command {command!r}\n\n")
    sys.stderr.write(usage())
    return 127


def usage() -> str:
    """The commands, a line each."""
    lines = "".join(f"  {name:<10} {what}\n" for name, (_, what) in COMMANDS.items())
    return f"Usage: proconsul <command> [flags]\n\n{lines}  version    print the version\n"
