"""How unwell a member can find itself. See gossip/awareness.py."""

from proconsul.gossip.awareness import Awareness


def test_a_healthy_member_probes_at_the_usual_pace() -> None:
    assert Awareness(8).stretched(1.5) == 1.5


def test_each_sign_of_our_fault_makes_us_more_patient_up_to_a_bound() -> None:
    awareness = Awareness(8)
    awareness.add(2)
    assert awareness.stretched(1.0) == 3.0
    awareness.add(100)
    assert awareness.score == 7
    assert awareness.stretched(1.0) == 8.0


def test_success_makes_it_well_again_and_not_better_than_well() -> None:
    awareness = Awareness(8)
    awareness.add(1)
    awareness.add(-1)
    awareness.add(-1)
    assert awareness.score == 0
