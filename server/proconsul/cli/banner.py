"""What an agent tells whoever started it: where everything is, and a line to paste."""

import os

from proconsul import CONSUL_VERSION, __version__
from proconsul.config.schema import Config, ListenAddress, UnixAddress

FOLLOWS = ("", "    Another server leads; this one passes on what it is asked.")
NO_SERVER = (
    "",
    "    No server is known yet, so most requests fail: -retry-join=ADDRESS says where to look.",
)
NO_LEADER = (
    "",
    "    There is no leader, so writes are refused. A server of its own needs -bootstrap-expect=1.",
)


def banner(config: Config, node_id: str, rpc_address: str, *, kept: bool, leader: str) -> str:
    """The text, with an empty line in front and behind.

    `leader` is "" for none, "self", or "other". `kept` is whether the data outlives the process; a
    line to try stands there only if it works.
    """
    http = [_url("http", address) for address in config.listeners.http]
    https = [_url("https", address) for address in config.listeners.https]
    kind = f"     RPC (address): {rpc_address}" if config.server else "              Kind: client"
    nobody = NO_LEADER if config.server else NO_SERVER
    lines = [
        "",
        "==> Proconsul is running",
        f"           Version: {__version__} (behaves as Consul {CONSUL_VERSION})",
        f"           Node ID: {node_id}",
        f"         Node name: {config.node_name}",
        f"        Datacenter: {config.datacenter}",
        f"          HTTP API: {', '.join(http + https) or 'off'}",
        kind,
        f"              Data: {_data(config, kept=kept)}",
        *(_try(config.listeners.http) if leader else nobody),
        *(FOLLOWS if leader == "other" and config.server else ()),
        "",
        "",
    ]
    return "\n".join(lines)


def _data(config: Config, *, kept: bool) -> str:
    where = os.path.abspath(config.data_dir)
    return where if kept else f"{where} (removed at the end: -dev)"


def _try(addresses: tuple[ListenAddress, ...]) -> list[str]:
    """A write and a read that can be pasted as they are."""
    if not addresses:
        return []
    first = addresses[0]
    if isinstance(first, UnixAddress):
        curl, url = rf"curl -w '\n' --unix-socket {first.path}", "http://localhost"
    else:
        curl, url = r"curl -w '\n'", _url("http", first)
    return [
        "",
        "    Try it (true is the answer to the write, world what was written):",
        f"    {curl} -X PUT -d world {url}/v1/kv/hello && {curl} '{url}/v1/kv/hello?raw'",
    ]


def _url(scheme: str, address: ListenAddress) -> str:
    if isinstance(address, UnixAddress):
        return f"unix://{address.path}"
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(address.host, address.host)
    return f"{scheme}://{f'[{host}]' if ':' in host else host}:{address.port}"
