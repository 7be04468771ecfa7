"""One server in memory: its method table, its HTTP surface, a state that applies at once.

Commands go through the FSM as bytes, as they do in a log of one server that never fails; time is
the virtual clock's.
"""

import asyncio
import itertools
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

from proconsul.api.event_desk import EventDesk
from proconsul.api.failure import HttpError
from proconsul.api.http import Headers, Request, Response
from proconsul.api.process import Process
from proconsul.api.routes import ROUTER
from proconsul.api.surface import Api, HttpSettings, Surface
from proconsul.endpoints.context import Context, Facts, Log, NoLan, Woken
from proconsul.endpoints.coordinate_batch import CoordinateBatch as WaitingCoordinates
from proconsul.endpoints.lock_delays import LockDelays
from proconsul.endpoints.session_timers import SessionTimers
from proconsul.endpoints.table import METHODS
from proconsul.endpoints.user_events import WATCHED, UserEvents
from proconsul.errors import RpcError
from proconsul.fsm.apply import FsmError, apply
from proconsul.fsm.commands import CoordinateBatch, MessageType, encode_command
from proconsul.gossip.effects import UserEventHeard
from proconsul.model.coordinate import Coordinate
from proconsul.model.keyring import KeyringResponse
from proconsul.runtime.pool_events import PoolEvents
from proconsul.runtime.waiting import WaitingRoom
from proconsul.store.events import SessionDestroyed
from proconsul.store.state import State
from proconsul.store.watch import WatchSet
from proconsul.telemetry import Telemetry
from proconsul.wire.golang import SECOND
from proconsul.wire.gostruct import GoStruct
from server_tests.store.memory_engine import MemoryEngine

NODE = "n1"
FACTS = Facts(
    datacenter="dc1",
    primary_datacenter="dc1",
    node_name=NODE,
    node_id="11111111-0000-4000-8000-000000000001",
    default_query_time_s=300.0,
    max_query_time_s=600.0,
    session_ttl_min_ns=10 * SECOND,
    kv_value_bytes_max=512 << 10,
    txn_bytes_max=512 << 10,
    acl_enabled=False,
    connect_enabled=True,
    coordinates_enabled=True,
    rpc_hold_timeout_s=7.0,
)


class LanOfOne(NoLan):
    """A pool with nobody else in it: what is told to all comes back at once."""

    def __init__(self, events: PoolEvents) -> None:
        self._events = events
        self._ltime = itertools.count(2)  # 1 is the event of a leader that was elected
        self.asked: list[tuple[str, str, int]] = []
        self.response = KeyringResponse(datacenter=FACTS.datacenter)

    async def user_event(self, name: str, payload: bytes) -> None:
        self._events.hear(
            UserEventHeard(ltime=next(self._ltime), name=name, payload=payload, coalesce=False)
        )

    async def keyring(self, operation: str, key: str, relay_factor: int) -> KeyringResponse:
        self.asked.append((operation, key, relay_factor))
        return self.response


class World:
    """The loop's clock, a die that shows 0, UUIDs in order."""

    def __init__(self, room: WaitingRoom) -> None:
        self._room = room
        self._uuids = itertools.count(1)

    def now_s(self) -> float:
        return asyncio.get_running_loop().time()

    def unix_ns(self) -> int:
        return int(self.now_s() * SECOND)

    def die(self, sides: int) -> int:
        return 0

    def new_uuid(self) -> str:
        return f"00000000-0000-4000-8000-{next(self._uuids):012x}"

    async def wait(self, watch: WatchSet, until_s: float) -> Woken:
        return await self._room.wait(watch, until_s - self.now_s())


class MemoryLog:
    """Applies what is proposed; `proposed` has all of it."""

    def __init__(self, state: State, lock_delays: LockDelays) -> None:
        self._state = state
        self._lock_delays = lock_delays
        self.index = 10
        self.proposed: list[MessageType] = []

    async def propose(self, kind: MessageType, request: GoStruct | list[GoStruct]) -> Any:
        self.index += 1
        self.proposed.append(kind)
        if isinstance(request, list):
            command = encode_command(kind, CoordinateBatch(cast("list[Coordinate]", request)))
        else:
            command = encode_command(kind, request)
        with self._state.write(self.index) as txn:
            result = apply(txn, command)
            for event in txn.events:
                if isinstance(event, SessionDestroyed):
                    self._lock_delays.destroyed(event, asyncio.get_running_loop().time())
        if isinstance(result, FsmError):
            raise RpcError(result.text)
        return result

    async def confirm_leadership(self) -> None:
        return None

    def may_read_by_lease(self) -> bool:
        return True

    def is_leader(self) -> bool:
        return True

    def leader_known(self) -> bool:
        return True

    def last_contact_ns(self) -> int:
        return 0

    def leader_address(self) -> str:
        return "127.0.0.1:8300"

    def peer_addresses(self) -> list[str]:
        return ["127.0.0.1:8300"]


@dataclass(slots=True)
class Site:
    """The server."""

    context: Context
    log: MemoryLog
    api: Api
    surface: Surface

    async def call(self, method: str, request: Any) -> Any:
        """An RPC."""
        return await METHODS.call(self.context, method, request)

    async def ask(
        self,
        method: str,
        target: str,
        body: object = None,
        headers: Mapping[str, str] | None = None,
    ) -> "Reply":
        """An HTTP request; a body that is no bytes is JSON."""
        fields = {name.lower(): [value] for name, value in (headers or {}).items()}
        request = Request(method, target, Headers(fields))
        if body is not None:
            request.body = body if isinstance(body, bytes) else json.dumps(body).encode()
        request.content_length = len(request.body)
        answer = self.surface.handle(request)
        response = answer if isinstance(answer, Response) else await answer
        assert isinstance(response.body, bytes)
        return Reply(response.status, dict(response.headers), response.body)


@dataclass(frozen=True, slots=True)
class Reply:
    """An HTTP answer."""

    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        """The decoded body."""
        return json.loads(self.body)

    @property
    def text(self) -> str:
        """The body as text."""
        return self.body.decode()

    @property
    def index(self) -> int:
        """X-Consul-Index."""
        return int(self.headers["X-Consul-Index"])


def open_site(settings: HttpSettings | None = None) -> Site:
    """A server with nothing in it."""
    state = State(MemoryEngine())
    lock_delays = LockDelays()
    log = MemoryLog(state, lock_delays)
    world = World(WaitingRoom(state.watchers))
    telemetry = Telemetry()
    events = UserEvents()
    events.changed = lambda: state.watchers.fire({WATCHED})
    context = Context(
        facts=FACTS,
        world=world,
        state=state,
        log=cast("Log", log),
        telemetry=telemetry,
        lock_delays=lock_delays,
        session_timers=SessionTimers(),
        coordinates=WaitingCoordinates(),
        user_events=events,
        lan=LanOfOne(PoolEvents(events, NODE, lambda: None)),
    )

    async def call(method: str, request: Any) -> Any:
        return await METHODS.call(context, method, request)

    def log_failure(request: Request, failure: HttpError) -> None:
        return None

    api = Api(
        facts=FACTS,
        call=call,
        process=cast("Process", None),
        telemetry=telemetry,
        now_s=world.now_s,
        settings=settings or HttpSettings(),
        log_failure=log_failure,
        event_desk=EventDesk(events=events, wait=world.wait, new_uuid=world.new_uuid),
    )
    return Site(context, log, api, Surface(api, ROUTER))
