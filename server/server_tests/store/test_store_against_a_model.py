"""The store against a naive model: commands in random order, snapshot and restore in between.

After each command all rows and all indexes are equal, and whoever waits on a query whose answer
changed, and its index, has been woken. (In a few corners Consul changes an answer and not its
index, as when a service that took another name loses a check; nobody is answered then.)
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from proconsul.errors import RpcError
from proconsul.fsm import snapshot
from proconsul.model.catalog import DeregisterRequest, NodeService, RegisterRequest
from proconsul.model.health import HealthCheck
from proconsul.model.kv import DirEntry
from proconsul.model.session import Session
from proconsul.model.txn import TxnKVOp, TxnOp
from proconsul.store import catalog, checks, kv, sessions, tombstones
from proconsul.store.schema import CHECKS, INDEXES, KVS, NODES, SERVICES, SESSIONS, TOMBSTONES
from proconsul.store.state import State
from proconsul.store.traced_reads import TracedTransaction
from proconsul.store.transaction import WriteTransaction
from proconsul.store.txn import apply_ops
from proconsul.store.watch import Waiter, WatchSet
from server_tests.store.memory_engine import MemoryEngine
from server_tests.store.naive_model import Model, Refused
from server_tests.store.queries import IDS, QUERIES

NODE_NAMES = st.sampled_from(["n1", "N1", "n2", "n3"])
NODE_IDS = st.sampled_from(["", *IDS[:2]])
SERVICE_IDS = st.sampled_from(["s1", "s2", "S2"])
SERVICE_NAMES = st.sampled_from(["web", "api"])
TAGS = st.sampled_from([None, (), ("a",), ("a", "B")])
CHECK_IDS = st.sampled_from(["serfHealth", "c1", "C1", "c2"])
STATUSES = st.sampled_from(["passing", "critical"])
KEYS = st.sampled_from(["a", "a/b", "a/b/c", "a/bc", "b", ""])
VALUES = st.sampled_from([b"", b"1", b"2"])
FLAGS = st.sampled_from([0, 1, 1 << 63])
SESSION_IDS = st.sampled_from(IDS)
BEHAVIORS = st.sampled_from(["release", "delete"])


@dataclass(eq=False)
class Waiting:
    """A query that was run, and waits."""

    answer: tuple[int, Any]
    waiter: Waiter = field(init=False)
    woken: bool = False

    def wake(self) -> None:
        self.woken = True


class StoreAgainstModel(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.state = State(MemoryEngine())
        self.model = Model()
        self.waiting: dict[str, Waiting] = {}
        self.kept: dict[str, Waiting] = {}

    def keep(self) -> None:
        """Ask everything, and note what was really read: whatever changes must be told."""
        for name, query in QUERIES.items():
            known = self.kept.get(name)
            if known is not None and not known.woken:
                assert query(self.state.read(), None) == known.answer, name
                continue
            traced = TracedTransaction(self.state.read())
            kept = self.kept[name] = Waiting(query(traced, None))
            kept.waiter = Waiter(WatchSet(traced.notes.prefixes, traced.notes.keys), kept.wake)
            self.state.kept_answers.add(kept.waiter)

    def apply(
        self,
        command: Callable[[WriteTransaction], object],
        rules: Callable[[Model], object],
    ) -> None:
        """Do it here and there, refusals and answers alike."""
        self.keep()
        for name, query in QUERIES.items():
            if name not in self.waiting or self.waiting[name].woken:
                watch = WatchSet()
                waiting = Waiting(query(self.state.read(), watch))
                waiting.waiter = Waiter(watch, waiting.wake)
                self.state.watchers.add(waiting.waiter)
                self.waiting[name] = waiting
        self.model.index += 1
        with self.state.write(self.model.index) as txn:
            try:
                with txn.undoable():
                    said: object = command(txn)
            except RpcError:
                said = Refused
        copy = self.model.copy()
        try:
            expected: object = rules(copy)
            self.model = copy
        except Refused:
            expected = Refused
        if expected is not None:
            assert expected == (said if said is Refused else said not in (None, False)), said

    # ------------------------------------------------------------ keys

    @rule(key=KEYS, value=VALUES, flags=FLAGS)
    def set(self, key: str, value: bytes, flags: int) -> None:
        entry = DirEntry(key=key, value=value, flags=flags, session=IDS[0])
        self.apply(lambda txn: kv.set_key(txn, entry), lambda m: m.set(key, value, flags))

    @rule(key=KEYS, value=VALUES, stale=st.booleans())
    def cas(self, key: str, value: bytes, stale: bool) -> None:
        index = self.known_index(key, stale)
        entry = DirEntry(key=key, value=value, modify_index=index)
        self.apply(lambda txn: kv.set_key_cas(txn, entry), lambda m: m.cas(key, value, 0, index))

    def known_index(self, key: str, stale: bool) -> int:
        return self.model.known_index(key) + int(stale)

    @rule(key=KEYS)
    def delete(self, key: str) -> None:
        def command(txn: WriteTransaction) -> bool:
            kv.delete_key(txn, key)
            return True

        self.apply(command, lambda m: m.delete(key))

    @rule(key=KEYS, stale=st.booleans())
    def delete_cas(self, key: str, stale: bool) -> None:
        index = self.known_index(key, stale)
        self.apply(
            lambda txn: kv.delete_key_cas(txn, key, index), lambda m: m.delete_cas(key, index)
        )

    @rule(prefix=KEYS)
    def delete_tree(self, prefix: str) -> None:
        def command(txn: WriteTransaction) -> bool:
            kv.delete_tree(txn, prefix)
            return True

        self.apply(command, lambda m: m.delete_tree(prefix))

    @rule(key=KEYS, value=VALUES, session=SESSION_IDS)
    def lock(self, key: str, value: bytes, session: str) -> None:
        entry = DirEntry(key=key, value=value, session=session)
        self.apply(lambda txn: kv.lock(txn, entry), lambda m: m.lock(key, value, 0, session))

    @rule(key=KEYS, value=VALUES, session=SESSION_IDS)
    def unlock(self, key: str, value: bytes, session: str) -> None:
        entry = DirEntry(key=key, value=value, session=session)
        self.apply(lambda txn: kv.unlock(txn, entry), lambda m: m.unlock(key, value, 0, session))

    @rule(back=st.integers(0, 5))
    def reap(self, back: int) -> None:
        up_to = self.model.index - back
        self.apply(lambda txn: tombstones.reap(txn, up_to), lambda m: m.reap(up_to))

    @rule(
        verbs=st.lists(
            st.tuples(st.sampled_from(["set", "cas", "delete", "delete-tree", "lock"]), KEYS),
            min_size=1,
            max_size=4,
        ),
        value=VALUES,
        session=SESSION_IDS,
    )
    def several_at_once(self, verbs: list[tuple[str, str]], value: bytes, session: str) -> None:
        def op(verb: str, key: str) -> TxnOp:
            index = self.known_index(key, stale=False)
            entry = DirEntry(key=key, value=value, session=session, modify_index=index)
            return TxnOp(kv=TxnKVOp(verb=verb, dir_ent=entry))

        def one(model: Model, verb: str, key: str) -> bool:
            match verb:
                case "set":
                    return model.set(key, value, 0)
                case "cas":
                    return model.cas(key, value, 0, before.known_index(key))
                case "delete":
                    return model.delete(key)
                case "lock":
                    return model.lock(key, value, 0, session)
                case _:
                    return model.delete_tree(key)

        def rules(model: Model) -> bool:
            attempt = model.copy()
            try:
                done = all(one(attempt, verb, key) for verb, key in verbs)
            except Refused:
                done = False
            if done:
                vars(model).update(vars(attempt))
            return done

        before = self.model.copy()
        ops = [op(verb, key) for verb, key in verbs]
        self.apply(lambda txn: apply_ops(txn, ops)[0] is not None, rules)

    # ------------------------------------------------------------ sessions

    @rule(
        session=SESSION_IDS,
        node=NODE_NAMES,
        bound=st.lists(CHECK_IDS, max_size=2, unique_by=str.lower),
        behavior=BEHAVIORS,
    )
    def create_session(self, session: str, node: str, bound: list[str], behavior: str) -> None:
        if session in self.model.sessions:
            return  # the leader makes up IDs that are new
        row = Session(id=session, node=node, behavior=behavior, node_checks=bound)
        self.apply(
            lambda txn: sessions.create(txn, row),
            lambda m: m.create_session(session, node, tuple(bound), behavior),
        )

    @rule(session=SESSION_IDS)
    def destroy_session(self, session: str) -> None:
        self.apply(lambda txn: sessions.destroy(txn, session), lambda m: m.destroy_session(session))

    # ------------------------------------------------------------ the catalog

    @rule(node=NODE_NAMES, node_id=NODE_IDS, address=st.sampled_from(["1", "2"]))
    def register_node(self, node: str, node_id: str, address: str) -> None:
        request = RegisterRequest(node=node, id=node_id, address=address)
        self.apply(
            lambda txn: catalog.register(txn, request),
            lambda m: m.put_node(node, node_id, address),
        )

    @rule(
        node=NODE_NAMES,
        service_id=SERVICE_IDS,
        name=SERVICE_NAMES,
        kind=st.sampled_from(["", "connect-proxy"]),
        tags=TAGS,
    )
    def register_service(
        self, node: str, service_id: str, name: str, kind: str, tags: tuple[str, ...] | None
    ) -> None:
        old = self.model.nodes.get(node.lower())
        request = RegisterRequest(
            node=node,
            id=old.id if old else "",
            address="1",
            service=NodeService(
                id=service_id, service=name, kind=kind, tags=None if tags is None else list(tags)
            ),
        )

        def rules(model: Model) -> None:
            model.put_node(node, old.id if old else "", "1")
            model.put_service(node, service_id, name, kind, tags)

        self.apply(lambda txn: catalog.register(txn, request), rules)

    @rule(
        node=NODE_NAMES,
        check_id=CHECK_IDS,
        service_id=st.just("") | SERVICE_IDS,
        status=STATUSES,
        output=st.sampled_from(["", "fine"]),
    )
    def register_check(
        self, node: str, check_id: str, service_id: str, status: str, output: str
    ) -> None:
        check = HealthCheck(
            node=node, check_id=check_id, service_id=service_id, status=status, output=output
        )
        self.apply(
            lambda txn: checks.ensure_check(txn, check),
            lambda m: m.put_check(node, check_id, service_id, status, output),
        )

    @rule(node=NODE_NAMES)
    def deregister_node(self, node: str) -> None:
        request = DeregisterRequest(node=node)
        self.apply(lambda txn: catalog.deregister(txn, request), lambda m: m.delete_node(node))

    @rule(node=NODE_NAMES, service_id=SERVICE_IDS)
    def deregister_service(self, node: str, service_id: str) -> None:
        request = DeregisterRequest(node=node, service_id=service_id)
        self.apply(
            lambda txn: catalog.deregister(txn, request),
            lambda m: m.delete_service(node, service_id),
        )

    @rule(node=NODE_NAMES, check_id=CHECK_IDS)
    def deregister_check(self, node: str, check_id: str) -> None:
        request = DeregisterRequest(node=node, check_id=check_id)
        self.apply(
            lambda txn: catalog.deregister(txn, request),
            lambda m: m.delete_check(node, check_id),
        )

    @rule()
    def snapshot_and_restore(self) -> None:
        with self.state.snapshot() as txn:
            chunks = list(snapshot.write(txn))
        with self.state.replace(self.model.index) as new:
            snapshot.restore(new, chunks)
        self.model.restored()
        assert all(waiting.woken for waiting in self.waiting.values())

    # ------------------------------------------------------------ what must hold

    @invariant()
    def who_waits_for_what_changed_is_woken(self) -> None:
        with self.state.snapshot() as txn:
            for name, query in QUERIES.items():
                answer = query(self.state.read(), None)
                assert answer == query(txn, None), f"{name}: the cache is wrong"
                waiting = self.waiting.get(name)
                if waiting is not None and not waiting.woken:
                    (index, rows), (index_before, rows_before) = answer, waiting.answer
                    assert index == index_before or rows == rows_before, name

    @invariant()
    def rows_and_indexes_are_those_of_the_model(self) -> None:
        txn, model = self.state.read(), self.model
        assert {row.key: row.value for row in txn.rows(INDEXES)} == model.indexes
        assert {row.key: row.index for row in txn.rows(TOMBSTONES)} == model.tombs
        assert [shown_key(row) for row in txn.rows(KVS)] == sorted(
            (name, *vars(key).values()) for name, key in model.keys.items()
        )
        assert [shown_node(row) for row in txn.rows(NODES)] == in_order(model.nodes)
        assert [shown_service(row) for row in txn.rows(SERVICES)] == in_order(model.services)
        assert [shown_check(row) for row in txn.rows(CHECKS)] == in_order(model.checks)
        assert [shown_session(row) for row in txn.rows(SESSIONS)] == in_order(model.sessions)

    @invariant()
    def listings_have_the_index_of_what_is_under_them(self) -> None:
        for prefix in ("", "a", "a/", "a/b", "b"):
            index, entries = kv.list_entries(self.state.read(), None, prefix)
            assert index == self.model.list_index(prefix)
            assert [entry.key for entry in entries] == sorted(
                key for key in self.model.keys if key.startswith(prefix)
            )


def in_order(rows: dict[Any, Any]) -> list[tuple[Any, ...]]:
    return [tuple(vars(row).values()) for _, row in sorted(rows.items())]


def shown_key(row: DirEntry) -> tuple[Any, ...]:
    return (
        row.key,
        row.value or b"",
        row.flags,
        row.lock_index,
        row.session,
        row.create_index,
        row.modify_index,
    )


def shown_node(row: Any) -> tuple[Any, ...]:
    return row.node, row.id, row.address, row.create_index, row.modify_index


def shown_service(row: Any) -> tuple[Any, ...]:
    tags = None if row.service_tags is None else tuple(row.service_tags)
    return (
        row.node,
        row.service_id,
        row.service_name,
        row.service_kind,
        tags,
        row.create_index,
        row.modify_index,
    )


def shown_check(row: HealthCheck) -> tuple[Any, ...]:
    tags = None if row.service_tags is None else tuple(row.service_tags)
    return (
        row.node,
        row.check_id,
        row.service_id,
        row.service_name,
        tags,
        row.status,
        row.output,
        row.create_index,
        row.modify_index,
    )


def shown_session(row: Session) -> tuple[Any, ...]:
    return row.id, row.node, tuple(row.node_checks or ()), row.behavior, row.create_index


TestStoreAgainstModel = StoreAgainstModel.TestCase
TestStoreAgainstModel.settings = settings(max_examples=80, stateful_step_count=40, deadline=None)
