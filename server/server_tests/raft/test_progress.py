"""What a leader believes of a follower, and when it must doubt it."""

from proconsul.raft.messages import EntryKind, Index, InstallSnapshot, Token
from proconsul.raft.progress import Flight, Progress
from server_tests.raft.harness import SETTINGS, World, started


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


def test_a_new_leader_whose_first_request_is_lost_asks_again_at_the_same_place() -> None:
    progress = Progress(Index(600))
    progress.sent(Token(1), Flight(Index(600), Index(599), 0))
    progress.next_index = Index(601)
    progress.lost(progress.landed(Token(1)), 8)
    assert progress.next_index == 600


def test_of_requests_that_were_lost_the_first_is_sent_again_first() -> None:
    for order in ((2, 3), (3, 2)):
        progress = Progress(Index(10))
        for token, (previous, match) in enumerate(((9, 9), (9, 19), (19, 29)), start=1):
            progress.sent(Token(token), Flight(Index(match), Index(previous), 0))
            progress.next_index = Index(match + 1)
        progress.accepted(progress.landed(Token(1)))
        for token in order:
            progress.lost(progress.landed(Token(token)), 8)
        assert progress.next_index == 10


def test_a_server_that_was_away_in_an_election_gets_no_snapshot_for_what_its_log_has() -> None:
    world = started("s1", "s2", "s3")
    world.elect("s1")
    for data in (b"a", b"b", b"c"):
        world["s1"].propose(EntryKind.COMMAND, data)
        world.run()
    for _ in range(SETTINGS.election_ticks):
        world["s1"].tick()
        world.run()
    world.machines["s2"].compact(keep=2)
    world.crash("s1")
    for _ in range(SETTINGS.election_ticks):
        world["s1"].tick()
    while not world["s2"].is_leader:
        world["s2"].tick()
        happens_without(world, "s3")
    happens_without(world, "s3")

    for _ in range(SETTINGS.election_ticks):
        world["s2"].tick()
        for _, effects in world.settle():
            assert not any(isinstance(one.request, InstallSnapshot) for one in effects.send)
    assert world.machines["s3"].state == (b"a", b"b", b"c")


def happens_without(world: World, away: str) -> None:
    """What is under way happens, but that whoever asks `away` learns that no reply will come."""
    for _ in range(10):
        for name, machine in world.machines.items():
            world.take(name)
            machine.sync()
        for parcel in list(world.network):
            (world.lose if parcel.target == away else world.deliver)(parcel)
