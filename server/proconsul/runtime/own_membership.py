"""Whether this server is still a member of its cluster; asked while it hears no leader.

Who is taken out of raft's configuration is told nothing any more: to it that looks like the loss of
the leader. So it asks the servers of its pool, which pass the question on to their leader.

The answer is for people and probes; nothing is done by it. It need not keep this server from
standing: that begins with a pre-vote, which raises no term, and which those refuse who hear a
leader or have the entry that took it out. Nor does the server go by itself: whoever lives in the
pool is taken in again by the leader, within a minute, as in Consul. Who is not, because another
server has its name, stays as it is until somebody ends it.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from collections.abc import Set as AbstractSet

from proconsul.errors import ProconsulError
from proconsul.leader.pool import PoolMember, ServerMember, Status
from proconsul.model.operator import RaftConfigurationResponse
from proconsul.raft.messages import Server, ServerId
from proconsul.runtime.logs import logger

LOOK_S = 2.0
ASKED_MAX = 3  # servers a round, one after the other; each may take a second to be silent

log = logger("raft")

Ask = Callable[[ServerMember], Awaitable[RaftConfigurationResponse]]
"""The members as that server's leader knows them. Raises ProconsulError if it does not tell."""


class OwnMembership:
    """What the cluster says of this server."""

    def __init__(
        self,
        me: ServerId,
        configuration: Callable[[], Iterable[Server]],
        hears_a_leader: Callable[[], bool],
        is_ending: Callable[[], bool],
        pool: Callable[[], Iterable[PoolMember]],
        ask: Ask,
    ) -> None:
        """`configuration` is that of its own log; it may be in the pool itself."""
        self._me = me
        self._configuration = configuration
        self._hears_a_leader = hears_a_leader
        self._is_ending = is_ending
        self._pool = pool
        self._ask = ask
        self._asked = 0
        self.removal = ""  # a sentence that says what is known; "": it is a member, or nobody knows

    async def run(self) -> None:
        """Look again and again, until cancelled."""
        while True:
            await asyncio.sleep(LOOK_S)
            await self.look()

    async def look(self) -> None:
        """Ask, if no leader is heard, this server was a member once, and it does not leave now."""
        members = {server.id for server in self._configuration()}
        if self._needs_no_answer() or not members:
            self._tell("")
            return
        told = await self._ask_around(members - {self._me})
        if self._needs_no_answer():
            self._tell("")
        elif told is not None:
            is_one = self._me in {one.id for one in told.servers or ()}
            self._tell("" if is_one else _removed(told))
        elif self._me not in members:
            self._tell(_REMOVED.format("by its own log"))

    def _needs_no_answer(self) -> bool:
        return self._is_ending() or self._hears_a_leader()

    async def _ask_around(self, others: AbstractSet[str]) -> RaftConfigurationResponse | None:
        """What the first says that is of the same cluster: it shares a member with us."""
        alive = [
            one.server
            for one in self._pool()
            if one.status is Status.ALIVE and one.server.node_id != self._me
        ]
        for _ in range(min(ASKED_MAX, len(alive))):
            self._asked += 1
            try:
                told = await self._ask(alive[self._asked % len(alive)])
            except ProconsulError:
                continue
            if others & {one.id for one in told.servers or ()}:
                return told
        return None

    def _tell(self, removal: str) -> None:
        if removal and not self.removal:
            log.error("%s", removal)
        elif self.removal and not removal:
            log.info("this server is a member of its cluster again, or has its leader back")
        self.removal = removal


_REMOVED = (
    "this server is no member of its cluster any more, {}: what it holds grows old. If it is alive "
    "in the gossip pool the leader takes it in again within a minute; if another server has its "
    "name, end this one"
)


def _removed(told: RaftConfigurationResponse) -> str:
    leader = next((one.node or one.id for one in told.servers or () if one.leader), "the leader")
    return _REMOVED.format(f"says {leader}")
