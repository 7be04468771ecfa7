"""A follower that was cut off for a while from a leader that stayed."""

import re

from server_tests.cluster.test_linearizable import command, pytestmark

__all__ = ["pytestmark"]


def test_a_write_on_its_way_has_an_unknown_outcome_and_the_next_one_goes_through() -> None:
    run = command("after_a_cut")
    assert run.returncode == 0, run.stdout + run.stderr
    before, after = re.findall(r": (.*)", run.stdout)
    assert before.startswith("rpc error making call"), run.stdout
    assert after == "true"
