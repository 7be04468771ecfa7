"""What a leader believes of a follower, and when it must doubt it."""

from proconsul.raft.messages import EntryKind, Index, Token
from proconsul.raft.progress import Flight, Progress
from server_tests.raft.harness import SETTINGS, started


def test_a_commit_index_that_was_lost_on_its_way_is_told_again() -> None:
    progress = Progress(Index(6))
    progress.commit_sent = Index(5)
    flight = Flight(Index(5), Index(5), 0)
    progress.sent(Token(1), flight)
    progress.lost(progress.landed(Token(1)), 8)
    assert progress.commit_sent == 0


def test_a_follower_that_comes_back_while_nothing_is_written_learns_the_commit_index() -> None:
    world = started("s1", "s2", "s3")
    world.elect("s1")
    world["s1"].propose(EntryKind.COMMAND, b"a")
    for _ in range(3):
        world.run()
        world["s1"].tick()
    world.run()
    world.crash("s2")
    assert not world.machines["s2"].state
    for _ in range(SETTINGS.election_ticks):
        world["s1"].tick()
        world.run()
    assert world.machines["s2"].state == (b"a",)
