"""Who waits for the log, and what they are told when leadership is lost."""

import asyncio
from typing import Any

import pytest

from proconsul.fsm.apply import FsmError
from proconsul.raft.messages import Index, Term
from proconsul.runtime.pending import UNTIMED, LeadershipLostError, PendingWrites


def add(
    writes: PendingWrites, index: int, term: int, began_s: float = UNTIMED
) -> asyncio.Future[Any]:
    """A client waits for that entry."""
    done: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
    writes.add(Index(index), Term(term), done, began_s)
    return done


async def test_what_is_committed_when_leadership_is_lost_is_answered_when_it_is_applied() -> None:
    writes = PendingWrites()
    committed, unknown = add(writes, 7, 2), add(writes, 8, 2)
    writes.fail(LeadershipLostError, beyond=7)
    assert isinstance(unknown.exception(), LeadershipLostError)
    writes.applied([(7, 2, "its result"), (8, 3, "another's")])
    assert await committed == "its result"


async def test_an_entry_of_another_leader_in_its_place_is_no_answer() -> None:
    writes = PendingWrites()
    waiting = add(writes, 7, 2)
    writes.applied([(7, 3, "another's")])
    with pytest.raises(LeadershipLostError):
        await waiting


async def test_those_who_wait_fail_each_with_an_error_of_its_own() -> None:
    writes = PendingWrites()
    waiting = [add(writes, index, 1) for index in (1, 2)]
    writes.fail(LeadershipLostError)
    first, second = await asyncio.gather(*waiting, return_exceptions=True)
    assert isinstance(first, LeadershipLostError)
    assert first is not second
    assert not len(writes)


async def test_how_long_it_took_is_told_of_those_that_are_timed_and_have_succeeded() -> None:
    writes = PendingWrites()
    asked_s = ((1, 4.0), (2, 4.5), (3, UNTIMED))
    waiting = [add(writes, index, 1, began_s) for index, began_s in asked_s]
    refused = FsmError("no such session")
    took_ms = writes.applied([(1, 1, None), (2, 1, refused), (3, 1, None)], 5.0)
    assert took_ms == [1000.0]
    await asyncio.gather(*waiting, return_exceptions=True)
