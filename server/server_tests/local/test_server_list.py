"""Which server is called: order, failures, shuffles, and what gossip says meanwhile."""

from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proconsul.local.pacing import STEPS, Die
from proconsul.local.server_list import SERVERS_MAX, Server, ServerList


def server(name: str, host: str = "10.0.0.1") -> Server:
    return Server(name, f"{host}:8300")


A, B, C, D = (server(name) for name in "abcd")


def order_of(servers: ServerList) -> list[Server]:
    return list(servers.order)


def known(*servers: Server) -> ServerList:
    found = ServerList()
    found.keep(servers)
    return found


def showing(*numbers: int) -> Die:
    """A die that shows these numbers, one after the other."""
    shown: Iterator[int] = iter(numbers)

    def die(sides: int) -> int:
        number = next(shown)
        assert 0 <= number < sides
        return number

    return die


def test_without_servers_there_is_none_to_call() -> None:
    assert ServerList().first() is None
    assert len(ServerList()) == 0


def test_the_first_one_is_called_until_it_fails() -> None:
    servers = known(A, B, C)
    assert servers.first() == A
    servers.failed(A)
    assert order_of(servers) == [B, C, A]
    servers.failed(A)  # many calls fail at once: the first of them has moved it
    assert order_of(servers) == [B, C, A]


def test_a_failure_of_the_only_server_changes_nothing() -> None:
    servers = known(A)
    servers.failed(A)
    assert servers.first() == A


def test_newcomers_come_last_and_who_goes_is_gone() -> None:
    servers = known(B, A)
    changes = servers.keep([A, B, C])
    assert order_of(servers) == [B, A, C]
    assert (changes.added, changes.removed) == ((C,), ())
    changes = servers.keep([C, A])
    assert order_of(servers) == [A, C]
    assert (changes.added, changes.removed) == ((), (B,))


def test_a_server_that_moved_keeps_its_place() -> None:
    servers = known(A, B)
    moved = server("a", "10.0.0.9")
    changes = servers.keep([B, moved])
    assert order_of(servers) == [moved, B]
    assert (changes.added, changes.removed) == ((), ())
    servers.failed(A)  # a call that went to where it was
    assert order_of(servers) == [moved, B]


def test_gossip_cannot_fill_the_list_without_end() -> None:
    servers = known(A)
    many = [server(f"s{number}") for number in range(SERVERS_MAX)]
    changes = servers.keep([*many, A])
    assert len(servers) == SERVERS_MAX
    assert len(changes.added) == SERVERS_MAX - 1
    assert servers.first() == A
    assert servers.keep([many[-1]]).added == (many[-1],)  # there is room for it, later


def test_a_shuffle_is_only_a_proposal() -> None:
    servers = known(A, B, C)
    assert servers.shuffled(showing(0, 0)) == (B, C, A)
    assert servers.shuffled(showing(2, 1)) == (A, B, C)
    assert order_of(servers) == [A, B, C]


@given(st.lists(st.integers(0, 9), min_size=9, max_size=9))
def test_a_shuffle_neither_loses_nor_invents_servers(numbers: list[int]) -> None:
    servers = known(*(server(f"s{number}") for number in range(10)))
    shown = iter(numbers)
    order = servers.shuffled(lambda sides: next(shown) % sides)
    assert sorted(order, key=lambda each: each.name) == sorted(
        servers.order, key=lambda each: each.name
    )


def test_every_server_may_come_first() -> None:
    servers = known(A, B, C)
    firsts = {servers.shuffled(showing(x, y))[0] for x in range(3) for y in range(2)}
    assert firsts == {A, B, C}


def test_what_changed_while_the_first_was_asked_counts() -> None:
    servers = known(A, B, C)
    servers.keep([A, C, D])  # B went, D came
    assert servers.settle((C, B, A))
    assert order_of(servers) == [C, A, D]


def test_who_went_while_it_was_asked_does_not_come_first() -> None:
    servers = known(A, B)
    servers.keep([A])
    assert not servers.settle((B, A))
    assert order_of(servers) == [A]
    assert not servers.settle(())


@pytest.mark.parametrize(
    ("members", "count", "number", "expected_s"),
    [
        (3, 3, 0, 120.0),
        (3, 3, STEPS // 2, 150.0),
        (48_000, 5, 0, 150.0),  # 48,000 clients may move at 320 a second
        (99_995, 1, 0, 99_995 / 64),
        (99_995, 0, 0, 120.0),  # nobody to move to
    ],
)
def test_the_time_to_the_next_shuffle_grows_with_the_pool(
    members: int, count: int, number: int, expected_s: float
) -> None:
    servers = known(*(server(f"s{each}") for each in range(count)))
    assert servers.reuse_s(members, showing(number)) == expected_s
