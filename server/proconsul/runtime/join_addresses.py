"""`retry_join`, `start_join`: texts to addresses of gossip ports, resolved anew each time.

An address without a port means this agent's own Serf LAN port on that host.
"""

import asyncio
import ipaddress
import socket
from collections.abc import Awaitable, Callable, Collection, Iterable

from msgspec import Struct

from proconsul.config.failure import ConfigError

RESOLVE_S = 1.0  # for a name server to answer; a later answer counts in a later round
ADDRESSES_MAX = 32  # of one name

Resolve = Callable[[str], Awaitable[list[str]]]
"""The IP addresses of a host's name. Raises OSError or UnicodeError."""


Place = tuple[str, int]
"""An IP address in text, and a port."""


class Resolved(Struct, frozen=True):
    """One text, and where it leads now; nowhere, and why."""

    text: str
    addresses: tuple[Place, ...] = ()  # of gossip ports
    complaint: str = ""


def refuse_cloud_join(addresses: Iterable[str]) -> None:
    """Raise ConfigError for what Consul would have a cloud's API answer."""
    for text in addresses:
        if "provider=" in text:
            raise ConfigError(
                f'cannot join "{text}": cloud auto-join is not there. Name the servers by address, '
                "or by one DNS name that leads to all of them (see docs/running.md)"
            )


def host_and_port(text: str, port: int) -> tuple[str, int]:
    """`host`, `host:port`, `[v6]:port`, a bare IPv6 address; `port` stands in for none."""
    try:
        return str(ipaddress.ip_address(text)), port
    except ValueError:
        host, colon, tail = text.rpartition(":")
    if colon and tail.isdecimal():
        return host.strip("[]"), int(tail)
    return text.strip("[]"), port


async def resolve_host(host: str) -> list[str]:
    """Ask the system. Raises OSError or UnicodeError."""
    loop = asyncio.get_running_loop()
    rows = await loop.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(row[4][0]) for row in rows))


class JoinAddresses:
    """The texts of the configuration."""

    def __init__(self, texts: Collection[str], port: int, resolve: Resolve) -> None:
        """Raises ConfigError for texts that can never work."""
        refuse_cloud_join(texts)
        self.texts = tuple(dict.fromkeys(texts))
        self._port = port
        self._resolve = resolve
        self._asking: dict[str, asyncio.Future[list[str]]] = {}

    async def resolved(self) -> list[Resolved]:
        """All of them, as they are now; it takes RESOLVE_S at most."""
        return list(await asyncio.gather(*(self._resolved(text) for text in self.texts)))

    async def _resolved(self, text: str) -> Resolved:
        host, port = host_and_port(text, self._port)
        try:
            found = await self._ask(host)
        except TimeoutError:
            return Resolved(text, complaint=f"lookup {host}: i/o timeout")
        except (OSError, UnicodeError):
            return Resolved(text, complaint=f"lookup {host}: no such host")
        places = tuple((each, port) for each in found[:ADDRESSES_MAX])
        return Resolved(text, places, "" if places else f"lookup {host}: no such host")

    async def _ask(self, host: str) -> list[str]:
        """One question a name at a time: a name server that is slow must not gather them."""
        try:
            return [str(ipaddress.ip_address(host))]
        except ValueError:
            asking = self._asking.get(host)
        if asking is None:
            asking = self._asking[host] = asyncio.ensure_future(self._resolve(host))
            asking.add_done_callback(_look_at)
        async with asyncio.timeout(RESOLVE_S):
            await asyncio.wait({asking})
        del self._asking[host]
        return asking.result()

    def stop(self) -> None:
        """Ask no more."""
        for asking in self._asking.values():
            asking.cancel()
        self._asking.clear()


def _look_at(asked: asyncio.Future[list[str]]) -> None:
    # Who asked may have gone meanwhile: that it failed is then nobody's business.
    if not asked.cancelled():
        asked.exception()
