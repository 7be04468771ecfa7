"""Commands that set a value and no more are applied by their bytes, and as all others are."""

from collections.abc import Callable
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from proconsul.fsm.apply import apply
from proconsul.fsm.commands import MessageType, PlainSetCommands, decode_command, encode_command
from proconsul.model.kv import DirEntry, KVSRequest
from proconsul.model.session import Session, SessionRequest
from proconsul.store import kv
from proconsul.store.schema import INDEXES, KVS, TOMBSTONES
from proconsul.store.transaction import WriteTransaction
from server_tests.store.stories import ID_A, World

KEYS = st.sampled_from(["a", "a/b", "ab", "é", "k" * 40])
VALUES = st.sampled_from([None, b"", b"1", b"2", b"v" * 40])
PLAIN = st.tuples(st.just("plain"), KEYS, VALUES)
OTHERS = st.tuples(
    st.sampled_from(["flags", "lock", "unlock", "delete", "delete-tree", "cas"]), KEYS, VALUES
)
STORIES = st.lists(st.lists(PLAIN | OTHERS, min_size=1, max_size=5), max_size=8)

Op = tuple[str, str, bytes | None]


def request_of(op: Op) -> KVSRequest:
    kind, key, value = op
    entry = DirEntry(
        key=key,
        value=value,
        flags=7 if kind == "flags" else 0,
        session=ID_A if kind in ("lock", "unlock") else "",
    )
    named = {"plain": "set", "flags": "set"}.get(kind, kind)
    return KVSRequest(datacenter="dc1", op=named, dir_ent=entry)


def by_bytes(txn: WriteTransaction, request: KVSRequest) -> Any:
    return apply(txn, b"" + encode_command(MessageType.KVS, request))


def by_entries(txn: WriteTransaction, request: KVSRequest) -> Any:
    if request.op == "set":
        kv.set_key(txn, request.dir_ent)
        return None
    return apply(txn, encode_command(MessageType.KVS, request))


class Twin:
    """A state with a session, and what its transactions said."""

    def __init__(self, way: Callable[[WriteTransaction, KVSRequest], Any]) -> None:
        self._way = way
        self._world = World()
        self._world.register("n")
        session = SessionRequest(datacenter="dc1", op="create", session=Session(id=ID_A, node="n"))
        self._world.apply(lambda txn: apply(txn, encode_command(MessageType.SESSION, session)))
        self.said: list[object] = []

    def transact(self, ops: list[Op]) -> None:
        """Apply them in one transaction, each at an index of its own."""
        state = self._world.state
        with state.write(self._world.index + 1) as txn:
            for op in ops:
                self._world.index += 1
                txn.index = self._world.index
                self.said.append(self._way(txn, request_of(op)))
        self.said.append(txn.changed)

    def rows(self) -> list[list[tuple[bytes, bytes]]]:
        """All that is there."""
        view = self._world.state.read().view
        return [list(view.scan(table.name)) for table in (KVS, TOMBSTONES, INDEXES)]

    def read(self) -> list[DirEntry]:
        """As clients see it: they come between two transactions, so their rows are cached."""
        return kv.list_entries(self._world.state.read(), None, "")[1] + [
            entry
            for key in ("a", "a/b", "ab")
            if (entry := kv.get(self._world.state.read(), None, key)[1]) is not None
        ]


@given(STORIES)
@settings(deadline=None)
def test_by_bytes_and_by_entries_are_the_same(story: list[list[Op]]) -> None:
    one, other = Twin(by_bytes), Twin(by_entries)
    for ops in story:
        one.transact(ops)
        other.transact(ops)
        assert one.said == other.said
        assert one.rows() == other.rows()
        assert one.read() == other.read()


def test_a_plain_set_that_changes_nothing_leaves_the_index() -> None:
    twin = Twin(by_bytes)
    twin.transact([("plain", "a", b"1")])
    before = twin.rows()
    twin.transact([("plain", "a", b"1")])
    assert twin.rows() == before


def test_a_set_that_is_spelled_out_is_an_ordinary_command() -> None:
    entry = DirEntry(key="a/b", value=b"1")
    request = KVSRequest(datacenter="dc1", op="set", dir_ent=entry)
    command = PlainSetCommands("dc1").encode("a/b", b"1")
    assert command == encode_command(MessageType.KVS, request)
    assert decode_command(command) == (MessageType.KVS, request)
