"""Two of three servers, of which one has moved, elect a leader that stays."""

import re

from server_tests.cluster.test_linearizable import command, pytestmark

__all__ = ["pytestmark"]


def test_who_is_elected_with_the_vote_of_a_server_that_moved_goes_on_leading() -> None:
    run = command("moved_members", "2")
    assert run.returncode == 0, run.stdout + run.stderr
    assert re.findall(r"stepped down (\d+) times", run.stdout) == ["0", "0"]
