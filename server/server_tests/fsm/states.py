"""States in memory for the tests of commands and snapshots."""

from collections.abc import Iterable
from typing import Any

import msgspec

from proconsul.fsm import snapshot
from proconsul.fsm.apply import apply
from proconsul.fsm.commands import MessageType, Request, encode_command
from proconsul.model.config_entry import ConfigEntryRequest
from proconsul.store.state import State
from proconsul.wire import msgpack
from proconsul.wire.gostruct import from_wire
from server_tests.store.memory_engine import MemoryEngine

CONFIG_ENTRY = MessageType.CONFIG_ENTRY


def empty_state() -> State:
    """A state before the first command."""
    return State(MemoryEngine())


def run(state: State, index: int, message_type: MessageType, request: Request) -> object:
    """The result of a command, through its bytes."""
    with state.write(index) as txn:
        return apply(txn, encode_command(message_type, request))


def saved(state: State) -> bytes:
    """The snapshot of a state."""
    with state.snapshot() as txn:
        return b"".join(snapshot.write(txn))


def restored(pieces: Iterable[bytes]) -> State:
    """The state that a snapshot holds."""
    state = empty_state()
    with state.replace(0) as txn:
        snapshot.restore(txn, pieces)
    return state


def records(snapshot_bytes: bytes) -> tuple[Any, list[tuple[int, Any]]]:
    """(header, records) of a snapshot, decoded, blobs too: Go writes maps in any order."""
    values = list(msgpack.unpack_chunks([snapshot_bytes]))
    found = zip(values[1::2], values[2::2], strict=True)
    return values[0], [
        (number, from_wire(ConfigEntryRequest, value) if number == CONFIG_ENTRY else value)
        for number, value in found
    ]


def index_table(state: State) -> dict[str, int]:
    """The index entries of a state, by name."""
    return {
        value["Key"]: value["Value"]
        for number, value in records(saved(state))[1]
        if number == MessageType.INDEX
    }


def said(value: Any) -> str:
    """The value in text, its maps in order: Go's have none."""
    if isinstance(value, msgspec.Struct):
        return said(msgspec.structs.asdict(value))
    if isinstance(value, dict):
        return f"{{{', '.join(f'{key}: {said(value[key])}' for key in sorted(value))}}}"
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(map(said, value))}]"
    return repr(value)
