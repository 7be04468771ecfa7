"""Each promise, kept and broken."""

from e2e.e2e_tests.load.history import STEP_NS, History
from e2e.load.checker import answers_of, check, counts, refusals, same_state, write_gap_s
from e2e.load.ledger import Outcome

KEY, COUNTER = "e2e/w0/1", "e2e/counter/0"


def found(history: History, **final: int) -> list[str]:
    """The letters of the promises that are broken."""
    places = {"key": KEY, "counter": COUNTER, "other": "e2e/other"}
    told = check(history.ledger(), {places[name]: value for name, value in final.items()})
    return sorted({complaint[:3] for complaint in told})


def test_a_history_without_a_fault_is_not_blamed() -> None:
    history = History()
    history.put(KEY, 1)
    history.read(KEY, 1)
    history.put(KEY, 2)
    history.put(KEY, 3, Outcome.UNKNOWN)
    history.read(KEY, 2, "stale")
    history.read(KEY, 3)
    history.count(COUNTER, 1)
    history.count(COUNTER, 2, Outcome.REFUSED)
    history.read(COUNTER, 1)
    assert found(history, key=3, counter=1) == []


def test_a_lost_acknowledged_write_is_found() -> None:
    history = History()
    history.put(KEY, 1)
    history.put(KEY, 2)
    assert found(history, key=1) == ["(a)"]
    assert found(history) == ["(a)"]
    assert found(history, key=2) == []


def test_a_write_whose_outcome_is_unknown_may_be_there_or_not() -> None:
    history = History()
    history.put(KEY, 1)
    history.put(KEY, 2, Outcome.UNKNOWN)
    assert found(history, key=1) == []
    assert found(history, key=2) == []


def test_a_refused_write_that_is_there_after_all_is_found() -> None:
    history = History()
    history.put(KEY, 1)
    history.put(KEY, 2, Outcome.REFUSED)
    assert found(history, key=2) == ["(a)"]


def test_a_key_that_nobody_wrote_is_found() -> None:
    assert found(History(), other=1) == ["(a)"]


def test_a_counter_that_lost_a_step_is_found_and_one_with_a_step_too_many() -> None:
    history = History()
    history.count(COUNTER, 1)
    history.count(COUNTER, 2)
    history.count(COUNTER, 3, Outcome.UNKNOWN)
    assert found(history, counter=1) == ["(a)"]
    assert found(history, counter=2) == []
    assert found(history, counter=3) == []
    assert found(history, counter=4) == ["(a)"]


def test_two_clients_that_both_won_the_same_check_are_found() -> None:
    history = History()
    history.count(COUNTER, 1)
    history.count(COUNTER, 1)
    assert found(history, counter=1) == ["(a)"]


def test_a_consistent_read_that_is_old_is_found() -> None:
    history = History()
    history.put(KEY, 1)
    history.put(KEY, 2)
    history.read(KEY, 1)
    assert found(history, key=2) == ["(b)"]


def test_a_consistent_read_that_began_before_the_write_may_be_old() -> None:
    history = History()
    history.put(KEY, 1)
    history.put(KEY, 2)
    history.read(KEY, 1)
    history.stretch(2)
    assert found(history, key=2) == []


def test_a_read_of_what_was_not_sent_yet_is_found() -> None:
    history = History()
    history.put(KEY, 1)
    history.read(KEY, 2)
    history.put(KEY, 2)
    assert found(history, key=2) == ["(b)"]


def test_consistent_reads_that_go_back_are_found() -> None:
    history = History()
    history.put(KEY, 1)
    history.put(KEY, 2, Outcome.UNKNOWN)
    history.read(KEY, 2)
    history.read(KEY, 1)
    assert found(history, key=2) == ["(b)"]


def test_overlapping_reads_may_find_either() -> None:
    history = History()
    history.put(KEY, 1)
    history.put(KEY, 2, Outcome.UNKNOWN)
    history.read(KEY, 2)
    history.read(KEY, 1)
    history.stretch(1)
    assert found(history, key=2) == []


def test_an_old_stale_read_is_allowed_and_an_invented_one_is_found() -> None:
    history = History()
    history.put(KEY, 1)
    history.put(KEY, 2)
    history.read(KEY, 1, "stale")
    assert found(history, key=2) == []
    history.read(KEY, 7, "stale")
    assert found(history, key=2) == ["(d)"]


def test_a_member_whose_indices_go_back_is_found() -> None:
    for modified, index in ((3, 9), (5, 7)):
        history = History()
        history.put(KEY, 1)
        history.stale("s1", KEY, found=1, modified=5, index=9)
        history.stale("s1", KEY, found=1, modified=modified, index=index)
        assert found(history, key=1) == ["(c)"]


def test_another_member_may_be_behind_and_a_started_one_too() -> None:
    history = History()
    history.put(KEY, 1)
    history.stale("s1", KEY, found=1, modified=5, index=9)
    history.stale("s2", KEY, found=1, modified=3, index=7)
    history.outage("s1", KEY)
    history.stale("s1", KEY, found=1, modified=3, index=7)
    assert found(history, key=1) == []


def test_members_that_hold_different_states_are_found() -> None:
    assert same_state({"s1": (9, "a"), "s2": (9, "a")}) == []
    assert len(same_state({"s1": (9, "a"), "s2": (9, "b")})) == 1
    assert len(same_state({"s1": (9, "a"), "s2": (8, "a")})) == 1


def test_the_longest_time_without_an_acknowledged_write_is_measured() -> None:
    history = History()
    history.put(KEY, 1)  # acknowledged at 0.5 s
    history.put(KEY, 2, Outcome.UNKNOWN)
    history.rest(5)
    history.put(KEY, 3)  # at 7.5 s
    history.put(KEY, 4)  # at 8.5 s
    ledger = history.ledger()
    assert write_gap_s(ledger, 0, 9 * STEP_NS) == 7.0
    # A window inside of the gap is within all of it; a window after it is not.
    assert write_gap_s(ledger, 3 * STEP_NS, 4 * STEP_NS) == 7.0
    assert write_gap_s(ledger, 8 * STEP_NS, 8 * STEP_NS + 1) == 1.0


def test_a_load_that_was_never_answered_is_one_long_gap() -> None:
    history = History()
    history.rest(30)
    assert write_gap_s(history.ledger(), 0, 30 * STEP_NS) == 30.0


def test_operations_are_counted_by_outcome() -> None:
    history = History()
    history.put(KEY, 1)
    history.read(KEY, 1)
    history.put(KEY, 2, Outcome.UNKNOWN)
    history.outrun(COUNTER, 1)
    assert counts(history.ledger()) == {
        "writes acked": 1,
        "reads acked": 1,
        "writes unknown": 1,
        "writes outrun": 1,
    }
    assert refusals(history.ledger(), 0) == []


def test_what_a_member_itself_answered_is_told_from_a_moment_to_another() -> None:
    history = History()
    history.put(KEY, 1)
    history.stale("s1", KEY, found=1, modified=5, index=9)  # asked at 1 s
    history.stale("s2", KEY, found=1, modified=5, index=9)
    history.outage("s1", KEY)
    ledger = history.ledger()
    (one,) = answers_of(ledger, "s1", "get stale", 0, 9 * STEP_NS)
    assert one.invoked_ns == STEP_NS
    assert answers_of(ledger, "s1", "get stale", STEP_NS + 1, 9 * STEP_NS) == []
    assert answers_of(ledger, "s1", "get stale", 0, STEP_NS) == []
    assert answers_of(ledger, "s1", "put", 0, 9 * STEP_NS) == []
