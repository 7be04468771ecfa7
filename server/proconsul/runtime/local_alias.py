"""Where alias checks look: this agent's own state, or the catalog for other nodes."""

from collections.abc import Callable, Iterable

from proconsul.local.antientropy import Tokens
from proconsul.local.state import LocalState
from proconsul.model.catalog import IndexedNodeServiceList, NodeSpecificRequest
from proconsul.model.health import HealthCheck, IndexedHealthChecks
from proconsul.runtime.local_sync import Call
from proconsul.wire.golang import SECOND, Duration

REMOTE_WAIT = Duration(60 * SECOND)
REMOTE_MAX_STALE = Duration(15 * SECOND)


class CatalogAliasSource:
    """`check_runners.AliasSource` on a local state and a way to call the servers."""

    def __init__(self, state: LocalState, call: Call, tokens: Callable[[], Tokens]) -> None:
        self._state = state
        self._call = call
        self._tokens = tokens

    def local_checks(self) -> Iterable[HealthCheck]:
        """The checks of this agent."""
        return self._state.live_checks().values()

    def local_service_exists(self, service_id: str) -> bool:
        """Whether this agent has the service."""
        return self._state.service(service_id) is not None

    async def remote_checks(
        self, node: str, index: int, token: str
    ) -> tuple[int, list[HealthCheck]]:
        """The checks of another node, once newer than `index`; waits up to a minute."""
        request = self._request(node, token, index)
        reply: IndexedHealthChecks = await self._call("Health.NodeChecks", request)
        return reply.index, list(reply.health_checks or ())

    async def remote_service_exists(self, node: str, service_id: str, token: str) -> bool:
        """Whether the catalog has the service on that node."""
        request = self._request(node, token, index=0)
        reply: IndexedNodeServiceList = await self._call("Catalog.NodeServiceList", request)
        return any(service.id == service_id for service in reply.node_services.services or ())

    def _request(self, node: str, token: str, index: int) -> NodeSpecificRequest:
        return NodeSpecificRequest(
            datacenter=self._state.node.datacenter,
            node=node,
            token=token or self._tokens().user,
            allow_stale=True,
            max_stale_duration=REMOTE_MAX_STALE,
            min_query_index=index,
            max_query_time=REMOTE_WAIT,
        )
