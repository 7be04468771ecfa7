"""Who founds, who waits, who promises."""

from collections.abc import Collection

from proconsul.leader.bootstrap import (
    Conflict,
    Decision,
    Found,
    Promises,
    View,
    Wait,
    configuration_of,
    decide,
)
from proconsul.leader.pool import ServerMember
from proconsul.model.founding import FoundReply, FoundRequest
from proconsul.raft.messages import Configuration, Server, ServerAddress, ServerId
from server_tests.leader.servers import server

A, B, C, D, E = (server(name) for name in "abcde")


def seen_by(me: ServerMember, *others: ServerMember, silent: Collection[str] = ()) -> Decision:
    return decide(View(me=me, alive=(me, *others), silent=silent))


# ---------------------------------------------------------------- whether


def test_the_smallest_id_founds_with_all_voters_once_enough_are_there() -> None:
    assert isinstance(seen_by(A, B), Wait)
    assert seen_by(A, C, B) == Found((A, B, C))
    assert seen_by(A, D, C, B) == Found((A, B, C, D))
    assert seen_by(B, A, C) == Wait("a has the smallest ID and is to found the cluster")


def test_who_only_joins_counts_but_does_not_found() -> None:
    joins = server("a", expect=0)
    assert seen_by(joins, B, C) == Wait("")
    assert seen_by(B, joins, C) == Found((joins, B, C))


def test_a_copy_for_reading_neither_counts_nor_founds() -> None:
    reader = server("a", non_voter=True)
    assert isinstance(seen_by(B, reader, C), Wait)
    assert seen_by(B, reader, C, D) == Found((B, C, D))
    assert seen_by(reader, B, C, D) == Wait("")


def test_as_long_as_a_majority_may_be_among_the_silent_nobody_founds() -> None:
    assert seen_by(A, B, C, silent=["10.0.0.9:8300"]) == Found((A, B, C))
    assert seen_by(A, B, C, silent=["s5", "10.0.0.9:8300"]) == Wait(
        "waiting for join addresses that do not answer: 10.0.0.9:8300, s5"
    )


def test_other_expectations_stop_it_in_consuls_words() -> None:
    decision = seen_by(A, B, server("c", expect=5))
    assert isinstance(decision, Conflict)
    assert decision.reason.startswith(
        "Member has a conflicting expect value. All nodes should expect the same number.: member=c"
    )
    decision = seen_by(A, B, server("c", bootstrap=True, expect=0))
    assert isinstance(decision, Conflict)
    assert decision.reason.startswith("Member has bootstrap mode. Expect disabled.: member=c")


def test_bootstrap_founds_alone_once_every_join_address_has_answered() -> None:
    alone = server("c", bootstrap=True, expect=1)
    assert seen_by(alone) == Found((alone,))
    assert seen_by(alone, A) == Found((alone,))
    assert isinstance(seen_by(alone, silent=["10.0.0.9:8300"]), Wait)
    assert isinstance(seen_by(alone, server("d", bootstrap=True)), Conflict)


def test_the_first_entry_has_ids_and_rpc_addresses() -> None:
    six = server("b", address="fd00::2", rpc_port=8310)
    assert configuration_of((A, six)) == Configuration(
        (
            Server(ServerId("a-0000"), ServerAddress("10.0.0.1:8300")),
            Server(ServerId("b-0000"), ServerAddress("[fd00::2]:8310")),
        )
    )


# ---------------------------------------------------------------- promises


def asks(founder: ServerMember, *servers: ServerMember, expect: int = 3) -> FoundRequest:
    return FoundRequest(
        datacenter="dc1",
        founder=founder.node_id,
        expect=expect,
        servers=[each.node_id for each in (founder, *servers)],
    )


def give(
    promises: Promises,
    request: FoundRequest,
    alive: Collection[ServerMember] = (),
    *,
    now_s: float = 0.0,
    has_peers: bool = False,
) -> FoundReply:
    return promises.give(request, alive, now_s, has_peers=has_peers)


def test_one_founder_at_a_time_has_the_promise() -> None:
    promises = Promises(D)
    assert give(promises, asks(B, C, D)).promised
    assert give(promises, asks(B, C, D)).promised
    refused = give(promises, asks(C, D, E))
    assert not refused.promised
    assert refused.reason == "it has promised server b-0000, which has not answered since"


def test_no_time_ends_a_promise_but_the_founders_word() -> None:
    promises = Promises(D)
    give(promises, asks(B, C, D), now_s=10)
    promises.answered(C.node_id, 20, may_found=False)  # another's word
    promises.answered(B.node_id, 9, may_found=False)  # it was asked before it got the promise
    promises.answered(B.node_id, 10, may_found=False)  # or in the same moment
    promises.answered(B.node_id, 20, may_found=True)  # it is at it, or has done it
    assert not give(promises, asks(C, D, E), now_s=1_000_000).promised
    promises.answered(B.node_id, 20, may_found=False)
    assert give(promises, asks(C, D, E), now_s=21).promised


def test_a_founder_that_asks_again_is_to_answer_again() -> None:
    promises = Promises(D)
    give(promises, asks(B, C, D), now_s=10)
    give(promises, asks(B, C, D), now_s=20)
    promises.answered(B.node_id, 15, may_found=False)
    assert promises.founder == B.node_id


def test_who_has_raft_state_promises_nothing() -> None:
    reply = give(Promises(D), asks(B, C, D), has_peers=True)
    assert (reply.promised, reply.has_peers) == (False, True)


def test_who_sees_a_smaller_id_waits_for_that_one() -> None:
    assert not give(Promises(D), asks(B, C, D), [A, B, C, D]).promised
    assert give(Promises(D), asks(B, C, D), [B, C, D]).promised
    for other in (server("a", expect=0), server("a", non_voter=True)):  # they found nothing
        assert give(Promises(D), asks(B, C, D), [other, B, C, D]).promised


def test_nothing_is_promised_to_who_asks_for_something_else() -> None:
    assert not give(Promises(D), asks(B, C, E)).promised  # without us
    assert not give(Promises(D), asks(B, C, D, expect=5)).promised
    assert not give(Promises(server("d", bootstrap=True, expect=1)), asks(B, C, D)).promised
    elsewhere = server("d", datacenter="dc2")
    assert not give(Promises(elsewhere), asks(B, C, D)).promised
    assert give(Promises(server("d", expect=0)), asks(B, C, D)).promised


def test_a_founder_promises_itself_and_takes_that_back() -> None:
    promises = Promises(B)
    assert give(promises, asks(B, C, D)).promised
    assert not give(promises, asks(A, B, C)).promised
    promises.withdraw()
    assert give(promises, asks(A, B, C)).promised
    promises.withdraw()  # another's promise is not its own to take back
    assert promises.founder == A.node_id
