"""A server that is wrong on purpose, twice: a leader asks nobody, and stays one when cut off.

One that only asks nobody (without_quorum_round) steps down before the others can elect, when it
is cut off: so a cut finds nothing, and a freeze does. This one answers for as long as it is cut.
Run as `python -m server_tests.cluster.without_stepping_down agent ...`.
"""

import sys

from msgspec.structs import replace

from proconsul.cli.main import main
from proconsul.config.schema import Config
from proconsul.raft.settings import Settings
from proconsul.runtime import agent_settings
from proconsul.runtime.replicated_log import ReplicatedLog
from server_tests.cluster.without_quorum_round import believe

FOR_EVER_TICKS = 1 << 30
_hasty = agent_settings.raft_settings


def _patient(config: Config) -> Settings:
    return replace(_hasty(config), lease_ticks=FOR_EVER_TICKS)


if __name__ == "__main__":
    ReplicatedLog.confirm_leadership = believe  # type: ignore[method-assign]
    agent_settings.raft_settings = _patient
    sys.exit(main())
