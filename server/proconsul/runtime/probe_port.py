"""The port of the probes: plain HTTP, for a kubelet that has no client certificate.

There is nothing on it but the three probes (api/own_server.py), and it answers to the end.
"""

from functools import partial

from proconsul.api.own_server import probe_port
from proconsul.api.process import OwnServer
from proconsul.config.schema import Config
from proconsul.runtime.http_exchange import Deadlines
from proconsul.runtime.http_server import HttpServer
from proconsul.runtime.listening import listen_probe
from proconsul.runtime.request_log import log_crash

STOP_GRACE_S = 1.0
BODY_BYTES_MAX = 0  # a probe has none


class ProbePort:
    """Listens where `ports.probe` and `addresses.probe` say, if they do."""

    def __init__(self, server: OwnServer, config: Config) -> None:
        self._config = config
        self._http = HttpServer(
            partial(probe_port, server),
            body_limit=lambda _: BODY_BYTES_MAX,
            on_error=log_crash,
            deadlines=Deadlines(),
        )

    async def listen(self) -> None:
        """Open the listeners. Raises ListenError."""
        await listen_probe(self._http, self._config)

    async def stop(self) -> None:
        """Accept nothing more."""
        await self._http.stop(STOP_GRACE_S)
