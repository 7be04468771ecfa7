"""The connection that saves or restores a snapshot (wire/rpc.md section 9).

A request struct, for a restore the archive behind it, and the client's half close; then a response
struct and, for a save that went well, the archive, and the server's close. The `Named...` structs
have a field more than Consul's: a server of Consul skips it, and restores whatever it says.
"""

from enum import IntEnum
from typing import Generic, TypeVar

from msgspec import field

from proconsul.rpc.value_reader import ValueReader
from proconsul.wire import gostruct
from proconsul.wire.golang import Duration
from proconsul.wire.gostruct import GoStruct

HEAD_BYTES_MAX = 64 * 1024  # of either struct: a token, or an error's text

S = TypeVar("S", bound=GoStruct)


class SnapshotOp(IntEnum):
    """What the client wants."""

    SAVE = 0
    RESTORE = 1


class SnapshotRequest(GoStruct, frozen=True, kw_only=True):
    """Consul's SnapshotRequest; `op` is a SnapshotOp, if the peer keeps to the rules."""

    datacenter: str = ""
    token: str = ""
    allow_stale: bool = False
    op: int = SnapshotOp.SAVE


class NamedSnapshotRequest(SnapshotRequest, frozen=True, kw_only=True):
    """A restore that is to be done once, however often it is asked for; "" for any other."""

    restore_uid: str = field(default="", name="RestoreUID")


class SnapshotResponse(GoStruct, frozen=True, kw_only=True):
    """Consul's SnapshotResponse, its QueryMeta included: with an `error` nothing follows."""

    error: str = ""
    index: int = 0
    last_contact: Duration = Duration(0)
    known_leader: bool = False
    consistency_level: str = ""


class NamedSnapshotResponse(SnapshotResponse, frozen=True, kw_only=True):
    """Whether the restore of that name was done before, and nothing now."""

    already_applied: bool = False


def unnamed(request: NamedSnapshotRequest) -> SnapshotRequest:
    """As it is read and passed on: without a name it has Consul's form, byte by byte."""
    if request.restore_uid:
        return request
    return SnapshotRequest(
        datacenter=request.datacenter,
        token=request.token,
        allow_stale=request.allow_stale,
        op=request.op,
    )


class HeadReader(Generic[S]):
    """Takes the struct off the front of a stream; what follows is the archive's."""

    def __init__(self, form: type[S]) -> None:
        self._form = form
        self._values = ValueReader()

    def feed(self, data: bytes) -> tuple[S, bytes] | None:
        """(struct, bytes of the archive that came with it) once the struct is whole.

        Raises MsgpackError or WireError.
        """
        self._values.feed(data)
        head = self._values.next_value(HEAD_BYTES_MAX)
        if head is None:
            return None
        return gostruct.decode(self._form, head), self._values.rest()
