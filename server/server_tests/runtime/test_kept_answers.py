"""See runtime/kept_answers.py: which answers are kept when there is no room for all."""

from proconsul.api.plain_reads import Level, freshness
from proconsul.runtime.kept_answers import (
    KINDS_MAX,
    LOOKS_MAX,
    Counted,
    KeptAnswers,
    Tallies,
    Tally,
)
from proconsul.store.traced_reads import Notes
from proconsul.store.watch import Watchers
from proconsul.telemetry import Telemetry

HEAD = b"HTTP/1.1 200 OK\r\n" + freshness(known_leader=True, last_contact_ns=0)

FIT = 3 * LOOKS_MAX


def keep(answers: KeptAnswers, *numbers: int) -> None:
    for number in numbers:
        notes = Notes()
        notes.exact("kvs", b"%05d" % number)
        answers.keep(b"GET /%05d" % number, Level.DEFAULT, HEAD, b"", Tally((), ()), notes)


def kept(answers: KeptAnswers) -> set[int]:
    return {int(request[5:]) for request in answers.by_request}


def full() -> KeptAnswers:
    """As many answers as fit: 0 to FIT - 1."""
    sized = KeptAnswers(Watchers())
    keep(sized, 0)
    answers = KeptAnswers(Watchers(), FIT * sized.size_bytes)
    keep(answers, *range(FIT))
    assert kept(answers) == set(range(FIT))
    return answers


def ask(answers: KeptAnswers, *numbers: int) -> None:
    for number in numbers:
        answers.by_request[b"GET /%05d" % number].is_hot = True


def test_the_oldest_gives_way() -> None:
    answers = full()
    keep(answers, FIT, FIT + 1)
    assert kept(answers) == set(range(2, FIT + 2))
    assert len(answers.watchers) == FIT


def test_what_is_asked_for_stays_for_another_round() -> None:
    answers = full()
    ask(answers, 0, 2)
    keep(answers, *range(FIT, FIT + 2))
    assert kept(answers) == set(range(FIT + 2)) - {1, 3}
    keep(answers, *range(FIT + 2, 2 * FIT + 2))
    assert not kept(answers) & {0, 2}, "nobody has asked again"


def test_where_all_are_asked_for_few_are_looked_at() -> None:
    answers = full()
    ask(answers, *range(FIT))
    keep(answers, FIT)
    assert sum(answer.is_hot for answer in answers.by_request.values()) == FIT - LOOKS_MAX - 1
    assert kept(answers) == set(range(FIT + 1)) - {LOOKS_MAX}


def about(service: int) -> Counted:
    """What a read of this service counts: under a name that its client chose."""
    return (("catalog.service.query", 1.0, (("service", str(service)),)),)


def test_names_that_clients_make_up_do_not_pile_up_and_all_is_counted() -> None:
    telemetry = Telemetry()
    tallies = Tallies(telemetry)
    first = tallies.of(about(0), ())
    assert tallies.of(about(0), ()) is first
    for service in range(2 * KINDS_MAX):
        tallies.add(tallies.of(about(service), ()), 0.001)
        assert len(tallies) <= KINDS_MAX
    tallies.add(first, 0.001)  # of an answer that is still kept
    counters = telemetry.totals().counters
    found = [counters[name, labels] for name, _, labels in (about(n)[0] for n in range(3))]
    assert found == [2.0, 1.0, 1.0]
