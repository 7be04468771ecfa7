"""What need not be asked again, and for how long."""

from proconsul_operator.actions.memory import KEYRING_S, Memory
from proconsul_operator.plans.observe import Keyring

KEY = ("here", "consul")
ALL_HAVE_IT = Keyring(keys={"new": 3}, primary={"new": 3}, nodes=3)


def heard(ring: Keyring) -> Memory:
    memory = Memory()
    memory.heard_of_keys(KEY, ring, now_s=1000.0)
    return memory


def test_agents_are_not_asked_for_their_keys_at_each_look_while_nothing_is_to_be_done() -> None:
    memory = heard(ALL_HAVE_IT)
    assert memory.keyring(KEY, ("new",), now_s=1000.0 + KEYRING_S - 1) == ALL_HAVE_IT


def test_they_are_asked_again_after_a_while_and_for_a_cluster_that_was_made_anew() -> None:
    memory = heard(ALL_HAVE_IT)
    assert memory.keyring(KEY, ("new",), now_s=1000.0 + KEYRING_S) is None
    memory.forget(KEY)
    assert memory.keyring(KEY, ("new",), now_s=1001.0) is None


def test_they_are_asked_at_each_look_while_keys_change() -> None:
    assert heard(ALL_HAVE_IT).keyring(KEY, ("newer", "new"), now_s=1001.0) is None
    assert heard(ALL_HAVE_IT).keyring(KEY, ("newer",), now_s=1001.0) is None


def test_they_are_asked_at_each_look_while_they_disagree() -> None:
    rings = (
        Keyring(keys={"new": 3, "old": 1}, primary={"new": 3}, nodes=3),
        Keyring(keys={"new": 2}, primary={"new": 2}, nodes=3),
        Keyring(keys={"new": 3}, primary={"new": 2}, nodes=3),
        Keyring(keys={"new": 3}, primary={"new": 3}, nodes=3, failed=1),
    )
    for ring in rings:
        assert heard(ring).keyring(KEY, ("new",), now_s=1001.0) is None
