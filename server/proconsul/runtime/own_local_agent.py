"""The local agent of this process, as its configuration wants it: of a server and of a client."""

import random
import time
from collections.abc import Callable
from pathlib import Path

from proconsul.config.schema import Config
from proconsul.local.antientropy import Tokens
from proconsul.runtime import agent_settings
from proconsul.runtime.agent_tokens import AgentTokens
from proconsul.runtime.check_dial import default_tls
from proconsul.runtime.local_agent import LocalAgent
from proconsul.runtime.local_files import LocalFiles
from proconsul.runtime.local_sync import Call


def own_local_agent(
    config: Config,
    node_id: str,
    tokens: AgentTokens,
    call: Call,
    cluster_size: Callable[[], int],
) -> LocalAgent:
    """`call` reaches the catalog; `cluster_size` is of the pool."""
    return LocalAgent(
        agent_settings.local_settings(config, node_id),
        files=LocalFiles(Path(config.data_dir)),
        call=call,
        tokens=lambda: Tokens(agent=tokens.get("agent"), user=tokens.get("default")),
        cluster_size=cluster_size,
        wall_s=time.time,
        dice=random.Random(),
        tls=default_tls,
    )
