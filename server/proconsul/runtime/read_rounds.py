"""One word for all who wait for it: a majority's, that this server leads, or the leader's own.

Who asks takes part in the next word that is asked for, never in one that was asked for already:
that may be older than the question. While one is on its way the next are gathered, so that a busy
server asks once for all of them; a word that takes long does not hold up others.
"""

import asyncio
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any

from proconsul.runtime.eager_task import EagerTask
from proconsul.runtime.logs import logger

SLOW_S = 0.05  # after which the next word is asked for beside the one that is on its way

Done = Callable[[bool], None]

log = logger("http")


class Rounds:
    """Words of one kind."""

    def __init__(self, ask: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """`ask` returns once the word is there, and raises if there is none."""
        self._ask = ask
        self._loop = asyncio.get_running_loop()
        self._waiting: list[Done] = []
        self._is_due = False
        self._on_their_way = 0
        self._begun_s = 0.0

    def join(self, done: Done) -> None:
        """Have `done` called, in a later turn of the loop, with whether the word was given."""
        self._waiting.append(done)
        is_slow = self._loop.time() - self._begun_s > SLOW_S
        if not self._is_due and (not self._on_their_way or is_slow):
            self._begin_soon()

    async def given(self) -> bool:
        """Whether the word was given, once it is known."""
        known: asyncio.Future[bool] = self._loop.create_future()
        self.join(lambda word: None if known.done() else known.set_result(word))
        return await known

    def _begin_soon(self) -> None:
        self._is_due = True
        self._loop.call_soon(self._begin)

    def _begin(self) -> None:
        self._is_due = False
        waiting, self._waiting = self._waiting, []
        self._on_their_way += 1
        self._begun_s = self._loop.time()
        asking: EagerTask[None] = EagerTask(self._loop, self._ask(), partial(self._ended, waiting))
        asking.start()

    def _ended(self, waiting: list[Done], _: None, failure: BaseException | None) -> None:
        self._on_their_way -= 1
        if self._waiting and not self._is_due:
            self._begin_soon()
        for done in waiting:
            try:
                done(failure is None)
            except Exception:
                log.exception("a read that was confirmed could not be answered")
