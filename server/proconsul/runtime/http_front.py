"""The HTTP listeners of an agent, server or client, and the API behind them."""

import ssl
from collections.abc import Callable

from proconsul.api.http import Handler
from proconsul.api.routes import ROUTER
from proconsul.api.surface import Api, Surface
from proconsul.config.schema import Config
from proconsul.runtime import agent_settings
from proconsul.runtime.http_exchange import Deadlines
from proconsul.runtime.http_server import HttpServer
from proconsul.runtime.kept_reads import KeptReads
from proconsul.runtime.listening import listen
from proconsul.runtime.long_polls import LongPolls, ended
from proconsul.runtime.parked_queries import LookedAfter
from proconsul.runtime.plain_writes import PlainWrites
from proconsul.runtime.request_log import log_crash, with_lines
from proconsul.runtime.tls import https_context

STOP_GRACE_S = 2.0


class HttpFront:
    """Listens for HTTP and HTTPS."""

    def __init__(
        self,
        api: Api,
        config: Config,
        keep: Callable[[Surface, LookedAfter], KeptReads] | None,
        write: Callable[[Surface, Handler], PlainWrites] | None,
    ) -> None:
        """`keep` makes the keeper of answers that follow from the state, `write` who writes to it
        without a task; None: the state is not here.
        """
        self._api = api
        self._config = config
        surface = Surface(api, ROUTER)
        self._polls = LongPolls(with_lines(surface.handle, api.now_s))
        self._kept = None if keep is None else keep(surface, self._polls.looked_after)
        self._writes = None if write is None else write(surface, self._polls.handle)
        self._http = HttpServer(
            self._polls.handle,
            body_limit=lambda request: agent_settings.body_limit(self._config, request),
            on_error=log_crash,
            deadlines=Deadlines(),
            tls_handshake_timeout_s=config.limits.https_handshake_timeout_s,
            kept=self._kept,
            writes=self._writes,
        )
        self._apply(config)

    async def listen(self) -> None:
        """Open all listeners. Raises ListenError, TlsError."""
        await listen(self._http, self._config, certificate(self._config))

    async def reload(self, config: Config, tls: ssl.SSLContext | None) -> None:
        """Take other settings; `tls` is `certificate` of them, made before anything was changed."""
        self._api.settings = agent_settings.http_settings(config)
        self._apply(config)
        if tls is not None:
            await self._http.reload_tls(tls)

    def _apply(self, config: Config) -> None:
        self._config = config
        self._http.connections_per_client_max = config.limits.http_max_conns_per_client
        self._http.set_response_headers(tuple(config.http.response_headers.items()))
        if self._kept is not None:
            self._kept.clear()
        if self._writes is not None:
            self._writes.clear()

    async def stop(self) -> None:
        """Accept nothing more, answer who waits, and give what is under way a moment."""
        self._polls.end()
        if self._kept is not None:
            self._kept.parked.end(ended)
        await self._http.stop(STOP_GRACE_S)


def certificate(config: Config) -> ssl.SSLContext | None:
    """Of HTTPS, from the files as they are now; None where that is off. Raises TlsError."""
    return https_context(config.tls) if config.listeners.https else None
