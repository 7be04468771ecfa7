"""Each thing that must be true at every moment, and what is said when it is not."""

from typing import Any

from e2e.watcher import Invariants, is_ready


def raft(
    name: str,
    *,
    term: int = 1,
    state: str = "Follower",
    voters: str = "abc",
    learners: str = "",
    index: int = 1,
    commit: int = 100,
    cluster: str = "c1",
) -> dict[str, Any]:
    servers = [{"ID": voter, "Address": "", "Voter": True} for voter in voters]
    servers += [{"ID": learner, "Address": "", "Voter": False} for learner in learners]
    return {
        "NodeName": name, "NodeID": f"id-{name}", "Term": term, "State": state,
        "ClusterID": cluster, "CommitIndex": commit,
        "Configuration": {"Index": index, "Servers": servers},
    }  # fmt: skip


def pods(*ready: bool) -> list[dict[str, Any]]:
    return [
        {
            "metadata": {},
            "status": {"conditions": [{"type": "Ready", "status": "True" if each else "False"}]},
        }
        for each in ready
    ]


def complaints(*samples: dict[str, Any]) -> list[str]:
    seen = Invariants(3, floor=2)
    for number, sample in enumerate(samples):
        seen.see_member(float(number), sample)
    return seen.complaints


def test_an_ordinary_life_is_not_blamed() -> None:
    told = complaints(
        raft("s1", state="Leader"),
        raft("s2"),
        raft("s2", term=2, state="Leader"),
        raft("s1", term=2, voters="abcd", index=7),
        raft("s1", term=2, voters="abd", index=9),
        raft("s3", term=2, cluster=""),
    )
    assert told == []


def test_two_leaders_in_one_term_are_found_and_in_two_terms_allowed() -> None:
    leader = raft("s1", term=4, state="Leader")
    assert "two leaders" in complaints(leader, raft("s2", term=4, state="Leader"))[0]
    assert complaints(leader, raft("s2", term=5, state="Leader")) == []


def test_two_voters_that_change_at_once_are_found() -> None:
    assert complaints(raft("s1"), raft("s1", voters="abd", index=2)) != []
    assert complaints(raft("s1"), raft("s1", voters="abcde", index=2)) != []
    assert complaints(raft("s1"), raft("s1", voters="abcd", index=2)) == []


def test_a_change_that_is_seen_late_is_judged_between_its_neighbours() -> None:
    first, last = raft("s1"), raft("s1", voters="abde", index=9)
    middle = raft("s2", voters="abcd", index=5)
    told = complaints(first, middle, raft("s1", voters="abd", index=7), last)
    assert told == []
    assert complaints(first, middle, raft("s1", voters="ab", index=7)) != []


def test_what_is_not_agreed_upon_yet_is_not_judged() -> None:
    assert complaints(raft("s1"), raft("s1", voters="ade", index=7, commit=6)) == []


def test_a_new_member_that_knows_no_configuration_yet_says_nothing() -> None:
    assert complaints(raft("s1"), raft("s4", voters="", index=0, commit=0)) == []


def test_a_member_that_was_away_tells_of_configurations_before_the_first_and_is_not_judged() -> (
    None
):
    seen = Invariants(5, floor=2)
    seen.see_member(0.0, raft("s1", index=50))
    seen.see_member(1.0, raft("s5", voters="abcde", index=10))
    seen.see_member(2.0, raft("s1", voters="abcd", index=51))
    assert seen.complaints == []
    assert seen.voter_sets() == [frozenset("abc"), frozenset("abcd")]


def test_one_index_with_two_configurations_is_found() -> None:
    assert complaints(raft("s1", index=4), raft("s2", voters="abd", index=4)) != []


def test_a_term_that_goes_back_is_found() -> None:
    assert "went back" in complaints(raft("s1", term=3), raft("s1", term=2))[0]


def test_a_second_cluster_is_found() -> None:
    assert "cluster" in complaints(raft("s1"), raft("s2", cluster="c2"))[0]


def test_too_few_ready_pods_are_found_once_and_all_but_one_are_enough() -> None:
    seen = Invariants(3, floor=2)
    seen.see_pods(0.0, pods(True, True, True))
    seen.see_pods(1.0, pods(True, True, False))
    assert seen.complaints == []
    seen.see_pods(2.0, pods(True, False, False))
    seen.see_pods(3.0, pods(True, False, False))
    assert len(seen.complaints) == 1
    assert [count for _, count in seen.ready] == [3, 2, 1]


def test_a_pod_that_is_going_is_not_ready() -> None:
    (pod,) = pods(True)
    assert is_ready(pod)
    assert not is_ready({**pod, "metadata": {"deletionTimestamp": "now"}})
    assert not is_ready({"metadata": {}, "status": {}})


def test_who_votes_without_having_learned_is_found_and_the_first_members_need_not_have() -> None:
    seen = Invariants(5, floor=2)
    seen.see_member(1.0, raft("s1", learners="d", index=5))
    seen.see_member(2.0, raft("s1", voters="abcd", index=6))
    assert seen.never_learned() == set()
    seen.see_member(3.0, raft("s1", voters="abcde", index=7))
    assert seen.never_learned() == {"e"}


def test_more_voters_than_pods_are_found() -> None:
    seen = Invariants(5, floor=2)
    seen.see_pods(1.0, pods(True, True, True))
    seen.see_member(2.0, raft("s1"))
    seen.see_pods(3.0, pods(True, True, True, False))
    seen.see_member(4.0, raft("s1", voters="abcd", index=7))
    assert seen.beyond_pods() == []
    seen.see_pods(5.0, pods(True, True, True))
    assert seen.beyond_pods() == ["5.0: 4 voters, 3 pods"]
