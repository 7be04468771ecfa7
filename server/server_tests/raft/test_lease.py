"""The lease as a value: when it holds, and what ends it. See raft/lease.py."""

from proconsul.raft.lease import Lease


def test_it_holds_from_the_question_not_from_its_answer() -> None:
    lease = Lease(0.5)
    lease.asked(1, 10.0)
    assert not lease.holds(10.0)
    lease.confirmed(1)  # at 10.4, say
    assert lease.holds(10.49)
    assert not lease.holds(10.5)


def test_each_round_that_is_answered_renews_it() -> None:
    lease = Lease(0.5)
    lease.asked(1, 10.0)
    lease.asked(2, 10.1)
    lease.asked(3, 10.2)
    lease.confirmed(2)
    assert lease.holds(10.59)
    assert not lease.holds(10.61)
    lease.confirmed(3)
    assert lease.holds(10.69)


def test_the_same_round_is_not_begun_again_by_more_of_its_questions() -> None:
    lease = Lease(0.5)
    lease.asked(1, 10.0)
    lease.asked(1, 10.3)
    lease.confirmed(1)
    assert not lease.holds(10.5)


def test_answers_of_an_earlier_leadership_count_for_nothing() -> None:
    lease = Lease(0.5)
    lease.asked(7, 10.0)
    lease.asked(1, 12.0)  # rounds begin anew with each leadership
    lease.confirmed(0)
    assert not lease.holds(12.1)


def test_it_ends_at_once_with_the_leadership() -> None:
    lease = Lease(0.5)
    lease.asked(1, 10.0)
    lease.confirmed(1)
    lease.end()
    assert not lease.holds(10.1)
