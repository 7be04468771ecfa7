"""What one change makes of a configuration, and what a rollback leaves of it."""

import pytest

from proconsul.raft.effects import RefusedError
from proconsul.raft.membership import (
    AddNonvoter,
    AddVoter,
    Change,
    Membership,
    RemoveServer,
    changed,
)
from proconsul.raft.messages import (
    Configuration,
    Index,
    Peer,
    Server,
    ServerAddress,
    ServerId,
    Suffrage,
)
from server_tests.raft.harness import members, peer

S3 = peer("s3")
ELSEWHERE = ServerAddress("10.0.0.9:8300")


def suffrages(configuration: Configuration) -> dict[str, Suffrage]:
    return {server.id: server.suffrage for server in configuration.servers}


def test_a_nonvoter_is_added_promoted_and_removed() -> None:
    one = changed(members("s1"), AddNonvoter(S3.id, S3.address))
    assert suffrages(one) == {"s1": Suffrage.VOTER, "s3": Suffrage.NONVOTER}
    two = changed(one, AddVoter(S3.id, S3.address))
    assert suffrages(two) == {"s1": Suffrage.VOTER, "s3": Suffrage.VOTER}
    assert changed(two, RemoveServer(S3.id)) == members("s1")


def test_a_voter_added_as_nonvoter_only_moves() -> None:
    moved = changed(members("s1", "s3"), AddNonvoter(S3.id, ELSEWHERE))
    assert moved.servers[1] == Server(S3.id, ELSEWHERE, Suffrage.VOTER)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (RemoveServer(peer("s1").id), "needs a voter"),
        (AddVoter(S3.id, peer("s1").address), "one address"),
        (AddVoter(S3.id, ServerAddress("")), "an id and an address"),
    ],
)
def test_what_is_no_cluster_is_refused(change: Change, why: str) -> None:
    with pytest.raises(RefusedError, match=why):
        changed(members("s1"), change)


def test_a_rollback_goes_back_to_what_was_in_force() -> None:
    membership = Membership(Index(1), members("s1"))
    membership.append(Index(5), members("s1", "s2"))
    membership.append(Index(8), members("s1", "s2", "s3"))
    assert membership.is_voter(S3.id)
    assert not membership.truncate(Index(9))
    assert membership.truncate(Index(6))
    assert membership.latest_index == 5
    assert not membership.is_voter(S3.id)
    assert membership.at(Index(4)) == (1, members("s1"))
    assert membership.at(Index(7)) == (5, members("s1", "s2"))


def test_what_was_in_force_at_a_snapshot_survives_its_compaction() -> None:
    membership = Membership(Index(1), members("s1"))
    membership.append(Index(5), members("s1", "s2"))
    membership.compact(Index(6))
    assert not membership.truncate(Index(2)), "the oldest is never rolled back"
    assert membership.at(Index(6)) == (5, members("s1", "s2"))


def test_a_removed_voter_may_stand_until_its_removal_is_committed() -> None:
    membership = Membership(Index(1), members("s1", "s3"))
    membership.append(Index(5), members("s1"))
    assert membership.may_be_voter(S3.id, Index(4))
    assert not membership.may_be_voter(S3.id, Index(5))


def test_a_nonvoter_never_stands_however_little_it_knows() -> None:
    membership = Membership(Index(1), members("s1"))
    membership.append(Index(5), changed(members("s1"), AddNonvoter(S3.id, S3.address)))
    assert not membership.may_be_voter(S3.id, Index(0))


def test_a_peer_without_an_id_is_found_by_its_address() -> None:
    membership = Membership(Index(1), members("s1", "s3"))
    found = membership.find(Peer(ServerId(""), S3.address))
    assert found is not None
    assert found.id == S3.id
    assert membership.find(Peer(ServerId("new"), S3.address)) is None
