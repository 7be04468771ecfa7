"""peers.json: the members that an operator gives to a cluster whose majority is lost for good.

The form of Consul 1.8.7 for raft protocol 3 (wire/raft.md, 9). As there, names ignore case; but
what Consul passes over is refused: of a misspelt `non_voter` it would make a voter.
"""

import re
from typing import Any

import msgspec

from proconsul.errors import ProconsulError
from proconsul.raft.messages import Configuration, Server, ServerAddress, ServerId, Suffrage

PORT = re.compile("[0-9]{1,5}")
PORT_MAX = 65535
FORM = '[{"id": "<node id>", "address": "<ip>:<server port>", "non_voter": false}, ...]'

PEERS_INFO = """\
How to recover a cluster that has lost the majority of its servers for good
============================================================================

This folder belongs to the server: change nothing in it, with one exception. A file peers.json put
here by hand gives the cluster other members at the next start. Use it only if too few servers are
left to elect a leader and those that are missing will never come back: if they did, there could
be two clusters, and writes would be lost. As long as there is a leader, remove dead servers with
`consul operator raft remove-peer` instead.

1. Stop all servers that are left.
2. Write the same peers.json into the raft folder of each of them. It lists every server that the
   cluster shall have, and none that is gone:

   [
     {
       "id": "3f9d1c52-6a0e-4b7b-9a44-0c8be7d21f10",
       "address": "10.1.0.1:8300",
       "non_voter": false
     },
     {
       "id": "c47e02b9-58d3-4f6c-8e15-a2b6f9034d77",
       "address": "10.1.0.2:8300",
       "non_voter": false
     }
   ]

   id         what the file node-id in that server's data directory says
   address    where the other servers reach it: its IP address and its server port
   non_voter  may be left out; true for a server that only follows and has no vote

3. Start them. Each takes all entries of its log as committed, even those that never were, writes
   a snapshot with the new members, and removes peers.json. Then they elect a leader.

A peers.json with a mistake in it ends the start; nothing is changed by it. A server that finds no
peers.info, as at its first start, removes a peers.json and writes this text.
"""


class PeersFileError(ProconsulError):
    """The file cannot be used; the text names it, says why, and what to do."""

    def __init__(self, path: str, why: str) -> None:
        super().__init__(
            f"recovery failed to parse peers.json: {path}: {why}. Nothing was changed. Mend the "
            f"file, or remove it to start with the members as they were; its form: {FORM}"
        )


class _FaultError(Exception):
    """Why the file is refused."""


def parse_peers(path: str, content: bytes) -> Configuration:
    """The members, in the order of the file. `path` is for messages. Raises PeersFileError."""
    try:
        return _configuration(content)
    except _FaultError as fault:
        raise PeersFileError(path, str(fault)) from fault


def _configuration(content: bytes) -> Configuration:
    try:
        listed = msgspec.json.decode(content)
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as failure:
        raise _FaultError(f"it is no JSON ({failure})") from failure
    if not isinstance(listed, list):
        raise _FaultError("it is no list of servers")
    if listed and all(isinstance(one, str) for one in listed):
        raise _FaultError(
            'the list of "ip:port" is the form of raft protocol 2, and this server speaks protocol '
            "3, where each server has its ID"
        )
    servers = tuple(_server(one, f"server {place}") for place, one in enumerate(listed, start=1))
    _require_distinct("id", [server.id for server in servers])
    _require_distinct("address", [server.address for server in servers])
    if not any(server.suffrage is Suffrage.VOTER for server in servers):
        raise _FaultError("none of its servers is a voter, so none could ever lead")
    return Configuration(servers)


def _server(form: Any, which: str) -> Server:
    if not isinstance(form, dict):
        raise _FaultError(f"{which} is no object with id and address")
    fields = {name.lower(): value for name, value in form.items()}
    if unknown := fields.keys() - {"id", "address", "non_voter"}:
        raise _FaultError(f"{which} has the unknown key {min(unknown)!r}")
    is_nonvoter = fields.get("non_voter", False)
    if not isinstance(is_nonvoter, bool):
        raise _FaultError(f"non_voter of {which} is neither true nor false")
    server_id = _text(fields, "id", which)
    address = _text(fields, "address", which)
    if fault := _address_fault(address):
        raise _FaultError(f"the address {address!r} of {which} {fault}")
    suffrage = Suffrage.NONVOTER if is_nonvoter else Suffrage.VOTER
    return Server(ServerId(server_id), ServerAddress(address), suffrage)


def _text(fields: dict[str, Any], name: str, which: str) -> str:
    value = fields.get(name)
    if not isinstance(value, str) or not value.strip():
        raise _FaultError(f"{which} has no {name}")
    return value


def _address_fault(address: str) -> str:
    """What is wrong with a `host:port`, IPv6 in brackets; "" if nothing is."""
    host, colon, port = address.rpartition(":")
    if not colon or address.endswith("]"):
        return "has no port"
    is_bracketed = host.startswith("[") and host.endswith("]")
    if ":" in host and not is_bracketed:
        return "has too many colons: an IPv6 address stands in brackets, and a port behind them"
    if not host.strip("[]"):
        return "has no host"
    if not PORT.fullmatch(port) or not 0 < int(port) <= PORT_MAX:
        return f"has {port!r} for a port"
    return ""


def _require_distinct(what: str, values: list[Any]) -> None:
    twice = next((value for value in values if values.count(value) > 1), None)
    if twice is not None:
        raise _FaultError(f"two servers have the {what} {twice!r}")
