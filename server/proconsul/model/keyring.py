"""The gossip keys of all members: what is asked of them, and what came of it."""

from typing import ClassVar

from proconsul.model.query import QueryMeta, QueryOptions
from proconsul.wire.gostruct import GoStruct

LIST, INSTALL, USE, REMOVE = "list", "install", "use", "remove"


class KeyringRequest(QueryOptions, frozen=True, kw_only=True):
    """`Internal.KeyringOperation`: an operation on the keyring of every member."""

    operation: str = ""  # LIST, INSTALL, USE or REMOVE
    key: str = ""  # in base64
    datacenter: str = ""
    forwarded: bool = False  # by a server of another datacenter
    relay_factor: int = 0
    local_only: bool = False


class KeyringResponse(GoStruct, frozen=True, kw_only=True):
    """What came of it in one pool; keys in base64."""

    json_omit_empty: ClassVar[frozenset[str]] = frozenset({"messages", "error"})

    wan: bool = False
    datacenter: str = ""
    segment: str = ""
    messages: dict[str, str] | None = None  # by node, of those that said something
    keys: dict[str, int] | None = None  # how many members have each
    primary_keys: dict[str, int] | None = None
    num_nodes: int = 0
    error: str = ""


class KeyringResponses(QueryMeta, frozen=True, kw_only=True):
    """Of all pools."""

    responses: list[KeyringResponse] | None = None
