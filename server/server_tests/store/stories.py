"""What the tests of the store share: a state in memory, and commands as one line each."""

from collections.abc import Callable
from typing import TypeVar

from proconsul.model.catalog import NodeService, RegisterRequest
from proconsul.model.health import HealthCheck
from proconsul.model.kv import DirEntry
from proconsul.store import catalog, kv
from proconsul.store.engine import Engine
from proconsul.store.state import State
from proconsul.store.transaction import ReadTransaction, WriteTransaction
from proconsul.store.watch import Waiter, WatchSet
from server_tests.store.memory_engine import MemoryEngine

R = TypeVar("R")

ID_A = "aaaaaaaa-0000-0000-0000-000000000000"
ID_B = "bbbbbbbb-0000-0000-0000-000000000000"


class World:
    """A state whose commands come at index 1, 2, 3 and so on."""

    def __init__(self, engine: Engine | None = None) -> None:
        self.state = State(engine or MemoryEngine())
        self.index = 0
        self.events: list[object] = []

    def apply(self, command: Callable[[WriteTransaction], R]) -> R:
        """Apply one command at the next index; refused, it is undone."""
        self.index += 1
        with self.state.write(self.index) as txn:
            answer = command(txn)
            self.events = txn.events
        return answer

    def register(
        self,
        node: str,
        *,
        service: NodeService | None = None,
        checks: list[HealthCheck] | None = None,
        node_id: str = "",
        address: str = "10.0.0.1",
        meta: dict[str, str] | None = None,
    ) -> None:
        """Register a node, and what is given with it."""
        request = RegisterRequest(
            node=node, id=node_id, address=address, node_meta=meta, service=service, checks=checks
        )
        self.apply(lambda txn: catalog.register(txn, request))

    def put(self, key: str, value: bytes = b"") -> None:
        """Set a key."""
        self.apply(lambda txn: kv.set_key(txn, DirEntry(key=key, value=value)))

    def lock(self, key: str, session: str) -> None:
        """Acquire a key."""
        self.apply(lambda txn: kv.lock(txn, DirEntry(key=key, session=session)))

    def read(self) -> ReadTransaction:
        """The newest state."""
        return self.state.read()

    def wait(self, query: Callable[[ReadTransaction, WatchSet], object]) -> "Wait":
        """Run a query and wait for what it read."""
        waiting = Wait()
        watch = WatchSet()
        query(self.read(), watch)
        self.state.watchers.add(Waiter(watch, waiting.wake))
        return waiting


class Wait:
    """Whether somebody who waits was woken."""

    def __init__(self) -> None:
        self.woken = False

    def wake(self) -> None:
        """Wake it."""
        self.woken = True


def web(node: str, *, status: str = "passing", service_id: str = "web") -> HealthCheck:
    """A check of a node's web service."""
    return HealthCheck(node=node, check_id="web-up", service_id=service_id, status=status)
