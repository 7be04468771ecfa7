"""Queries that members ask each other without their users (wire/gossip/serf.md section 7).

`_serf_ping` wants only the acknowledgement. `_serf_conflict` asks where a member of some name is;
everybody answers but the one of that name. The others are about keys (key_rotation.py).
"""

from collections.abc import Callable

from proconsul.gossip import serf_codec
from proconsul.gossip.effects import PoolMember, QueryHeard
from proconsul.gossip.journal import Journal
from proconsul.gossip.key_rotation import KeyKeeper, KeyOperation
from proconsul.gossip.serf_messages import ConflictResponse

PREFIX = "_serf_"

_PING = PREFIX + "ping"
_CONFLICT = PREFIX + "conflict"
_KEY_OPERATIONS = {PREFIX + operation.value: operation for operation in KeyOperation}


def is_internal(name: str) -> bool:
    """Whether users never see a query of this name."""
    return name.startswith(PREFIX)


def key_query(operation: KeyOperation) -> str:
    """The name of the query for it."""
    return PREFIX + operation.value


class InternalQueries:
    """Knows the answers."""

    def __init__(
        self,
        *,
        own_name: str,
        keys: KeyKeeper,
        member: Callable[[str], PoolMember | None],
        journal: Journal,
    ) -> None:
        self._own_name = own_name
        self._keys = keys
        self._member = member
        self._journal = journal

    def answer(self, heard: QueryHeard, fits: Callable[[bytes], bool]) -> bytes | None:
        """What we answer, or None. `fits` says whether an answer is not too large."""
        operation = _KEY_OPERATIONS.get(heard.name)
        if operation is not None:
            return self._keys.answer(operation, heard.payload, fits)
        if heard.name == _CONFLICT:
            return self._where(heard.payload.decode("utf-8", "surrogateescape"))
        if heard.name != _PING:
            self._journal.warning(f"Unhandled internal query '{heard.name.removeprefix(PREFIX)}'")
        return None

    def _where(self, name: str) -> bytes | None:
        if name == self._own_name:
            return None
        self._journal.debug(f"Got conflict resolution query for '{name}'")
        member = self._member(name)
        if member is None:
            return serf_codec.encode_conflict(None)
        return serf_codec.encode_conflict(
            ConflictResponse(
                name=member.name,
                address=member.address,
                tags=member.tags,
                status=member.status,
                protocol=member.protocol,
                delegate=member.delegate,
            )
        )
