"""The agent's tokens: configured, set by the API, kept over a restart where that is wanted."""

from pathlib import Path

import pytest
from msgspec.structs import replace

from proconsul.config.schema import Acl
from proconsul.errors import ProconsulError
from proconsul.runtime.agent_tokens import FILE_NAME, AgentTokens

ACL = Acl(
    enabled=True,
    default_policy="deny",
    down_policy="extend-cache",
    enable_key_list_policy=False,
    enable_token_replication=False,
    enable_token_persistence=False,
    token_ttl_s=30,
    policy_ttl_s=30,
    role_ttl_s=30,
    disabled_ttl_s=120,
    master_token="",
    agent_master_token="",
    agent_token="from the file",
    default_token="",
    replication_token="",
)
KEPT = replace(ACL, enable_token_persistence=True)


def test_what_the_api_sets_wins_over_the_configuration(tmp_path: Path) -> None:
    tokens = AgentTokens(ACL, str(tmp_path))
    assert tokens.get("agent") == "from the file"
    tokens.set("agent", "from the api")
    tokens.reconfigure(replace(ACL, agent_token="from a reload", default_token="new"))
    assert tokens.get("agent") == "from the api"
    assert tokens.get("default") == "new"


def test_without_persistence_nothing_is_written(tmp_path: Path) -> None:
    AgentTokens(ACL, str(tmp_path)).set("agent", "t")
    assert list(tmp_path.iterdir()) == []
    assert AgentTokens(ACL, str(tmp_path)).get("agent") == "from the file"


def test_with_persistence_a_restart_finds_them_and_nobody_else_can_read_them(
    tmp_path: Path,
) -> None:
    AgentTokens(KEPT, str(tmp_path)).set("agent", "t")
    assert AgentTokens(KEPT, str(tmp_path)).get("agent") == "t"
    assert (tmp_path / FILE_NAME).stat().st_mode & 0o077 == 0


def test_a_broken_file_is_named(tmp_path: Path) -> None:
    (tmp_path / FILE_NAME).write_text("{")
    with pytest.raises(ProconsulError, match=FILE_NAME):
        AgentTokens(KEPT, str(tmp_path))
