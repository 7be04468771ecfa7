"""What a pool says and counts."""

from collections.abc import Mapping

from proconsul.gossip.effects import Level
from proconsul.runtime.gossip_reports import LINES_MAX, Reports


class Readers:
    """Keep everything from INFO on."""

    def __init__(self) -> None:
        self.lines: list[tuple[Level, str]] = []
        self.counts: list[Mapping[str, int]] = []

    def wants(self, level: Level) -> bool:
        return level > Level.DEBUG

    def said(self, level: Level, text: str) -> None:
        self.lines.append((level, text))

    def counted(self, counts: Mapping[str, int]) -> None:
        self.counts.append(counts)


def test_who_sends_garbage_does_not_fill_the_log() -> None:
    readers = Readers()
    reports = Reports(readers)
    for _ in range(10_000):
        reports.say(Level.ERROR, "garbage")
    assert len(readers.lines) == LINES_MAX[Level.ERROR]
    reports.report()
    left_out = 10_000 - LINES_MAX[Level.ERROR]
    assert readers.lines[-1] == (Level.ERROR, f"memberlist: {left_out} more lines were left out")
    reports.say(Level.ERROR, "garbage again")
    assert readers.lines[-1] == (Level.ERROR, "garbage again")


def test_garbage_does_not_hide_what_members_do() -> None:
    readers = Readers()
    reports = Reports(readers)
    for _ in range(10_000):
        reports.say(Level.WARNING, "garbage")
    reports.say(Level.INFO, "serf: EventMemberJoin: n1 127.0.41.1")
    assert readers.lines[-1] == (Level.INFO, "serf: EventMemberJoin: n1 127.0.41.1")


def test_lines_that_nobody_reads_cost_nothing() -> None:
    readers = Readers()
    reports = Reports(readers)
    for _ in range(10_000):
        reports.say(Level.DEBUG, "x")
    reports.report()
    assert readers.lines == []


def test_counts_are_summed_up_between_two_reports() -> None:
    readers = Readers()
    reports = Reports(readers)
    reports.count("memberlist.udp.received", 100)
    reports.count("memberlist.udp.received", 50)
    reports.count("serf.member.join")
    reports.report()
    reports.report()
    assert readers.counts == [{"memberlist.udp.received": 150, "serf.member.join": 1}]
