"""What the parts of an agent are told of its configuration."""

import pytest

from proconsul.config.flags import parse_agent_flags
from proconsul.runtime.agent_settings import facts_of
from proconsul.runtime.config_files import load


@pytest.mark.parametrize(
    ("hcl", "allows_tls", "has_connect"),
    [
        ("", False, False),
        ("auto_encrypt { allow_tls = false }", False, False),
        ("auto_encrypt { allow_tls = true }", True, True),
        ("connect { enabled = true }", False, True),
    ],
)
def test_agents_may_ask_for_certificates_where_that_is_allowed(
    hcl: str, allows_tls: bool, has_connect: bool
) -> None:
    words = ["-server", "-data-dir=/nowhere", "-bind=127.0.0.1", f"-hcl={hcl}"]
    facts = facts_of(load(parse_agent_flags(words)).config, "id")
    assert (facts.auto_encrypt_allow_tls, facts.connect_enabled) == (allows_tls, has_connect)
