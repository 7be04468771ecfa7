"""`proconsul agent` up to its start, which fails here: what it has done, and said, before that."""

import subprocess
import sys
from pathlib import Path

import pytest

from proconsul.cli.agent_command import SWITCH_INTERVAL_S

# The address is nobody's (RFC 5737): the start fails behind everything that comes before it.
RUN = """
import sys
from proconsul.cli.agent_command import run
print("code", run(sys.argv[1:]))
print("interval", sys.getswitchinterval())
"""


def started(folder: Path, *words: str) -> str:
    """All that an agent prints that cannot start."""
    ended = subprocess.run(
        [sys.executable, "-c", RUN, "-bind=192.0.2.1", f"-data-dir={folder}", *words],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert "code 1" in ended.stdout, ended.stderr
    return ended.stdout + ended.stderr


@pytest.mark.parametrize("words", [["-server", "-bootstrap-expect=1"], []])
def test_the_interpreters_turns_are_short_before_the_start(
    tmp_path: Path, words: list[str]
) -> None:
    assert f"interval {SWITCH_INTERVAL_S}" in started(tmp_path, *words)


ACLS = "-hcl=acl { enabled = true }"


def test_a_server_says_that_it_lets_everybody_do_everything(tmp_path: Path) -> None:
    told = started(tmp_path, "-server", "-bootstrap-expect=1", ACLS)
    assert "this server does not enforce ACLs yet: every request is allowed" in told
    assert "client" not in told


def test_a_client_says_that_it_lets_everybody_do_with_its_own_what_they_like(
    tmp_path: Path,
) -> None:
    told = started(tmp_path, ACLS)
    assert "this client does not enforce ACLs yet: whoever reaches it" in told
    assert "every request is allowed" not in told
