"""The program's beginning: it hears SIGTERM before it loads anything large.

In a container it is process 1, which no signal ends that it does not hear, and loading takes a
second: whoever ends it meanwhile would wait until it is killed. `run` hears it in its own way later
(cli.py); the programs of Jobs end by this, with their clean-up.
"""

import importlib
import signal
import sys
from typing import Final

ENDED: Final = 128 + signal.SIGTERM
"""The exit code, as a shell tells it: a Job that was ended has not done its work."""


def main() -> int:
    """The exit code."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(ENDED))
    code: int = importlib.import_module("proconsul_operator.cli").main()
    return code
