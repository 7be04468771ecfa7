"""Who joins raft, moves, or gives way, by what the pool knows."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proconsul.leader.pool import PoolMember, Status
from proconsul.leader.reconcile import Step, next_step
from proconsul.raft.membership import AddNonvoter, RemoveServer, changed
from proconsul.raft.messages import Configuration, Peer, ServerAddress, ServerId, Suffrage
from server_tests.leader.pool_and_raft import alive, failed, left, peer, raft, server, shown

ME = peer("s1")
STEPS_MAX = 20


def step(members: list[PoolMember], configuration: Configuration) -> Step:
    return next_step(ME, "dc1", members, configuration)


def settle(
    members: list[PoolMember], configuration: Configuration, me: Peer = ME
) -> tuple[Configuration, list[str]]:
    """Do all there is to do, one change after the other: the end, and what was done."""
    done: list[str] = []
    for _ in range(STEPS_MAX):
        change = next_step(me, "dc1", members, configuration).change
        if change is None:
            return configuration, done
        done.append(f"{'remove' if isinstance(change, RemoveServer) else 'put'} {change.id}")
        configuration = changed(configuration, change)
    raise AssertionError(f"it never ends: {done}")


def why_refused(members: list[PoolMember], configuration: Configuration) -> dict[str, str]:
    return {one.node: one.why for one in step(members, configuration).refused}


def test_nothing_is_to_be_done_where_all_are_members() -> None:
    members = [alive(server(name)) for name in ("s1", "s2", "s3")]
    assert step(members, raft("s1", "s2", "s3?")) == Step(None, "", ())


def test_an_unknown_server_is_added_as_a_non_voter() -> None:
    found = step([alive(server("s1")), alive(server("s2"))], raft("s1"))
    assert found.change == AddNonvoter(ServerId("s2"), ServerAddress("10.0.0.2:8300"))
    assert found.why == "adding s2 (s2) at 10.0.0.2:8300"


def test_one_after_the_other_is_added() -> None:
    members = [alive(server(name)) for name in ("s1", "s2", "s3")]
    configuration, done = settle(members, raft("s1"))
    assert shown(configuration) == ["s1@1", "s2@2?", "s3@3?"]
    assert done == ["put s2", "put s3"]


@pytest.mark.parametrize(
    "other",
    [
        failed(server("s2")),
        left(server("s2")),
        PoolMember(server("s2"), Status.LEAVING, 0.0),
        alive(server("s2", datacenter="dc2")),
    ],
)
def test_who_is_not_alive_here_is_not_added(other: PoolMember) -> None:
    assert step([alive(server("s1")), other], raft("s1")) == Step(None, "", ())


def test_who_is_away_stays_a_member() -> None:
    leaving = PoolMember(server("s3"), Status.LEAVING, 0.0)
    members = [alive(server("s1")), failed(server("s2")), leaving]
    assert step(members, raft("s1", "s2", "s3", "s4")).change is None


def test_who_has_left_is_removed_unless_it_lives_under_another_name() -> None:
    members = [alive(server("s1")), left(server("s2")), left(server("s3"))]
    configuration, done = settle(members, raft("s1", "s2", "s3", "s4"))
    assert shown(configuration) == ["s1@1", "s4@4"]
    assert done == ["remove s2", "remove s3"]
    renamed = replace(server("s2"), node="other")
    members = [alive(server("s1")), left(server("s2")), alive(renamed)]
    assert step(members, raft("s1", "s2")).change is None


def test_a_server_of_an_old_raft_protocol_is_left_out_and_does_not_hold_up_others() -> None:
    members = [alive(server("s1")), alive(server("s2", raft_version=2)), alive(server("s3"))]
    configuration, _ = settle(members, raft("s1"))
    assert shown(configuration) == ["s1@1", "s3@3?"]
    assert why_refused(members, raft("s1")) == {"s2": "it speaks raft protocol 2, 3 is needed"}


# ---------------------------------------------------------------- bootstrap


def test_two_that_founded_a_cluster_each_do_not_join() -> None:
    members = [alive(server("s1", bootstrap=True)), alive(server("s2", bootstrap=True))]
    assert step(members, raft("s1")).change is None
    assert "two nodes are in bootstrap mode" in why_refused(members, raft("s1"))["s2"].lower()


@pytest.mark.parametrize(("other", "joins"), [(failed, False), (left, True)])
def test_one_that_failed_may_come_back_so_another_founder_waits_until_it_left(
    other: object, joins: bool
) -> None:
    assert callable(other)
    members = [
        alive(server("s1")),
        other(server("s2", bootstrap=True)),
        alive(server("s3", bootstrap=True)),
    ]
    assert (step(members, raft("s1")).change is not None) is joins


def test_a_founder_may_join_others_that_are_none() -> None:
    members = [alive(server("s1")), alive(server("s2", bootstrap=True))]
    assert settle(members, raft("s1"))[1] == ["put s2"]


def test_a_founder_that_is_a_member_already_may_move() -> None:
    members = [alive(server("s1", bootstrap=True)), alive(server("s2", host=7, bootstrap=True))]
    assert shown(settle(members, raft("s1", "s2"))[0]) == ["s1@1", "s2@7"]


# ---------------------------------------------------------------- addresses


@pytest.mark.parametrize("suffrage", ["", "?"])
def test_a_server_at_another_address_only_moves(suffrage: str) -> None:
    members = [alive(server("s1")), alive(server("s2", host=7))]
    configuration, done = settle(members, raft("s1", f"s2{suffrage}"))
    assert shown(configuration) == ["s1@1", f"s2@7{suffrage}"]
    assert done == ["put s2"]


def test_who_has_the_address_of_one_that_is_gone_takes_its_place() -> None:
    members = [alive(server("s1")), failed(server("s2")), alive(server("s3", host=2))]
    configuration, done = settle(members, raft("s1", "s2", "s4"))
    assert shown(configuration) == ["s1@1", "s4@4", "s3@2?"]
    assert done == ["remove s2", "put s3"]


def test_all_may_come_back_with_addresses_that_others_had() -> None:
    members = [
        alive(server("s1")),
        alive(server("s2", host=3)),
        alive(server("s3", host=4)),
        alive(server("s4", host=9)),
        alive(server("s5", host=2)),
    ]
    configuration, done = settle(members, raft("s1", "s2", "s3", "s4"))
    assert shown(configuration) == ["s1@1", "s2@3", "s3@4", "s4@9", "s5@2?"]
    assert done == ["put s4", "put s3", "put s2", "put s5"]


def test_servers_that_exchanged_addresses_are_left_for_raft_finds_them_by_id() -> None:
    members = [alive(server("s1")), alive(server("s2", host=3)), alive(server("s3", host=2))]
    configuration = raft("s1", "s2", "s3")
    assert settle(members, configuration) == (configuration, [])
    assert "exchanged" in why_refused(members, configuration)["s2"]


def test_two_servers_that_claim_one_address_are_left_until_one_is_gone() -> None:
    members = [alive(server("s1")), alive(server("s2")), alive(server("s3", host=2))]
    configuration = raft("s1", "s2")
    assert settle(members, configuration) == (configuration, [])
    assert sorted(why_refused(members, configuration)) == ["s2", "s3"]


def test_two_servers_with_one_id_are_left_until_one_is_gone() -> None:
    members = [alive(server("s1")), alive(server("s2")), alive(server("s3", id_="s2"))]
    configuration = raft("s1", "s2@9")
    assert settle(members, configuration) == (configuration, [])
    newcomer = alive(server("s4", host=9))
    assert settle([*members, newcomer], configuration) == (configuration, [])


# ---------------------------------------------------------------- ourselves


def test_the_leader_moves_too_when_all_others_are_placed() -> None:
    members = [alive(server("s1")), alive(server("s2"))]
    found = step(members, raft("s1@9", "s2"))
    assert found.change == AddNonvoter(ServerId("s1"), ServerAddress("10.0.0.1:8300"))
    configuration, done = settle(members, raft("s1@9", "s2@7"))
    assert shown(configuration) == ["s1@1", "s2@2"]  # voters both, as before
    assert done == ["put s2", "put s1"]


def test_a_leader_that_was_removed_does_not_add_itself() -> None:
    assert step([alive(server("s1"))], raft("s2")).change is None


def test_one_that_claims_the_address_of_the_leader_is_left() -> None:
    members = [alive(server("s1")), alive(server("s2", host=1))]
    assert step(members, raft("s1")).change is None
    assert list(why_refused(members, raft("s1"))) == ["s2"]


def test_the_leader_gives_way_at_an_address_that_it_had_and_stays_a_voter() -> None:
    members = [alive(server("s1")), alive(server("s2", host=9))]
    configuration, done = settle(members, raft("s1@9", "s2"))
    assert shown(configuration) == ["s1@1", "s2@9"]
    assert done == ["put s1", "put s2"]


# ---------------------------------------------------------------- whatever happens

ids = st.sampled_from(["s1", "s2", "s3", "s4", "s5"])
hosts = st.integers(1, 6)


@given(
    st.lists(
        st.builds(
            lambda id_, host, status, version, bootstrap: PoolMember(
                server(id_, host=host, raft_version=version, bootstrap=bootstrap), status, 0.0
            ),
            ids,
            hosts,
            st.sampled_from([Status.ALIVE, Status.ALIVE, Status.FAILED, Status.LEFT]),
            st.sampled_from([3, 3, 3, 2]),
            st.booleans(),
        ),
        max_size=8,
    ),
    st.permutations([1, 2, 3, 4, 5]),
    st.lists(st.booleans(), min_size=4, max_size=4),
    hosts,
)
def test_it_comes_to_an_end_and_never_removes_the_leader_nor_one_that_kept_its_address(
    members: list[PoolMember], places: list[int], voters: list[bool], own_host: int
) -> None:
    others = [
        f"s{number}@{places[number - 1]}{'' if votes else '?'}"
        for number, votes in zip((2, 3, 4), voters, strict=False)
    ]
    before = raft(f"s1@{places[0]}", *others)
    me = Peer(ServerId("s1"), ServerAddress(f"10.0.0.{own_host}:8300"))
    after, _ = settle(members, before, me)  # `changed` refuses nothing on the way
    by_id = {one.id: one for one in after.servers}
    assert by_id[ServerId("s1")].suffrage is Suffrage.VOTER
    taken = {f"10.0.0.{own_host}:8300"} | {
        f"{one.server.address}:8300" for one in members if one.status is Status.ALIVE
    }
    gone = {one.server.node_id for one in members if one.status is Status.LEFT}
    for old in before.servers:
        if old.address not in taken and old.id not in gone:
            assert by_id[old.id].suffrage is old.suffrage


# ---------------------------------------------------------------- other clusters


def test_a_server_whose_data_are_another_clusters_is_not_taken_in() -> None:
    stranger = replace(server("s4"), raft_peers=("10.0.0.4:8300", "10.0.0.5:8300"))
    members = [alive(server("s1")), alive(stranger)]
    assert step(members, raft("s1")).change is None
    assert (
        "belong to another cluster, whose members are 10.0.0.4:8300, 10.0.0.5:8300"
        in (why_refused(members, raft("s1"))["s4"])
    )


def test_a_server_that_was_removed_and_knows_one_of_the_members_comes_back() -> None:
    back = replace(server("s4"), raft_peers=("10.0.0.1:8300", "10.0.0.4:8300"))
    change = step([alive(server("s1")), alive(back)], raft("s1")).change
    assert change == AddNonvoter(ServerId("s4"), ServerAddress("10.0.0.4:8300"))
