"""A server that is wrong on purpose: a leader answers `?consistent` reads without asking anybody.

Run as `python -m server_tests.cluster.without_quorum_round agent ...` in place of proconsul; the
check of real clusters must find it out.
"""

import sys

from proconsul.cli.main import main
from proconsul.errors import NoLeaderError
from proconsul.runtime.replicated_log import ReplicatedLog


async def believe(self: ReplicatedLog) -> None:
    if not self.is_leader():
        raise NoLeaderError


if __name__ == "__main__":
    ReplicatedLog.confirm_leadership = believe  # type: ignore[method-assign]
    sys.exit(main())
