"""A command that is too large for one entry goes into the log in several (wire/raft.md, 7)."""

import asyncio
import random
from collections.abc import Callable
from typing import Any

from proconsul.fsm import chunking
from proconsul.raft.messages import EntryKind

Append = Callable[[EntryKind, bytes, bytes], asyncio.Future[Any]]  # kind, data, extensions


async def append_in_chunks(data: bytes, append: Append) -> Any:
    """The FSM's value, which comes with the last chunk. Raises what `append` and its futures do."""
    waiting = [
        append(EntryKind.COMMAND, piece.data, piece.extensions)
        for piece in chunking.cut(data, random.getrandbits(63))
    ]
    # All of them: a failure that nobody asks for is reported as one that was overlooked.
    values = await asyncio.gather(*waiting, return_exceptions=True)
    for value in values:
        if isinstance(value, BaseException):
            raise value
    return values[-1]
