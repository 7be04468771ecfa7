"""The RPC port of this server as its configuration wants it: limits, certificate, address.

It serves the method table and snapshots to whoever speaks Consul's RPC, and hands the raft
connections of other servers to the transport.
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial
from typing import Any, Protocol

from proconsul.config.schema import Config
from proconsul.endpoints.context import Context
from proconsul.endpoints.methods import Methods
from proconsul.endpoints.table import INSECURE_METHODS
from proconsul.runtime.listening import ListenError, reason_of
from proconsul.runtime.rpc_client import RpcClient
from proconsul.runtime.rpc_server import Calls, RaftHandoff, RpcLimits, RpcServer
from proconsul.runtime.rpc_snapshots import Snapshots
from proconsul.runtime.tls import RpcTls, rpc_incoming
from proconsul.telemetry import Telemetry
from proconsul.wire.golang import join_host_port

REQUEST_BYTES_MIN = 8 << 20


class Archives(Protocol):
    """Saves and restores the state of this server (runtime/raft_snapshots.py)."""

    async def save(self) -> tuple[int, AsyncIterator[bytes]]:
        """(index, archive) of the state as it is."""

    async def restore(self, archive: AsyncIterator[bytes], restore_uid: str = "") -> bool:
        """Replace the state of the cluster; False: the restore of that UID was done before."""


class RpcPort:
    """The listener, with its start and its end."""

    def __init__(
        self,
        config: Config,
        context: Context,
        snapshots: Archives,
        methods: Methods,
        serve: Callable[[str, Any], Awaitable[Any]],
        client: RpcClient,
        raft_handoff: RaftHandoff,
        telemetry: Telemetry,
    ) -> None:
        """`client` passes snapshots on to the leader.

        Raises TlsError for a certificate that cannot be used.
        """
        self.snapshots = Snapshots(
            facts=lambda: context.facts,
            log_of_servers=context.log,
            save=snapshots.save,
            restore=snapshots.restore,
            client=client,
        )
        self._datacenter = config.datacenter

        async def serve_insecure(method: str, request: Any) -> Any:
            return await INSECURE_METHODS.call(context, method, request)

        self._server = RpcServer(
            calls=Calls(methods, serve),
            insecure_calls=Calls(INSECURE_METHODS, serve_insecure),
            snapshots=self.snapshots,
            raft_handoff=raft_handoff,
            limits=_limits(config),
            tls=self._tls(config),
            telemetry=telemetry,
        )

    async def listen(self, config: Config) -> None:
        """Accept at the configured address. Raises ListenError."""
        address = config.cluster.rpc_bind
        if address is None:
            return
        try:
            await self._server.listen(address.host, address.port)
        except OSError as failure:
            where = join_host_port(address.host, address.port)
            raise ListenError(
                f"cannot listen for RPC at {where}: {reason_of(failure)}. Stop what has that "
                "port, or choose another one with -server-port (ports.server)."
            ) from failure

    def reload(self, config: Config) -> None:
        """Take another certificate and other limits. Raises TlsError with nothing changed."""
        self._server.reload_tls(self._tls(config))
        self._server.reload_limits(_limits(config))

    def prepared_tls(self, config: Config) -> Callable[[], None]:
        """Takes another certificate when it is called. Raises TlsError now."""
        return partial(self._server.reload_tls, self._tls(config))

    async def stop(self, grace_s: float) -> None:
        """Accept nothing more, and end what is open."""
        await self._server.stop(grace_s)

    def _tls(self, config: Config) -> RpcTls:
        return rpc_incoming(config.tls, datacenter=self._datacenter, domain=config.dns.domain)


def _limits(config: Config) -> RpcLimits:
    limits = config.limits
    values_bytes_max = max(limits.kv_max_value_size_bytes, limits.txn_max_req_len_bytes)
    return RpcLimits(
        handshake_timeout_s=limits.rpc_handshake_timeout_s,
        connections_per_client_max=limits.rpc_max_conns_per_client,
        request_bytes_max=max(REQUEST_BYTES_MIN, 2 * values_bytes_max),
    )
