"""Keys of the whole pool, changed while it lives: each member does it, and the asker counts.

A rotation is: install the new key everywhere, use it, remove the old one. Each step is a query of
Serf's own, which every member answers; the step is done if all did it
(wire/gossip/serf.md section 7).
"""

import base64
from collections import Counter
from collections.abc import Callable
from enum import Enum

from msgspec.structs import replace

from proconsul.gossip import serf_codec
from proconsul.gossip.effects import Effect, KeyringEnded, KeysChanged, QueryEnded
from proconsul.gossip.failure import GossipError, KeyringError
from proconsul.gossip.journal import Journal
from proconsul.gossip.keyring import Keyring
from proconsul.gossip.serf_messages import KeyRequest, KeyResponse

SHOWN_BYTES_MAX = 64  # of an answer that cannot be read


class KeyOperation(Enum):
    """What is to be done; the name in the query."""

    LIST = "list-keys"
    INSTALL = "install-key"
    USE = "use-key"
    REMOVE = "remove-key"


def in_base64(key: bytes) -> str:
    """A key as users and files have it."""
    return base64.b64encode(key).decode("ascii")


def keys_in_base64(ring: Keyring) -> tuple[str, ...]:
    """All of a ring, the primary one first."""
    return tuple(map(in_base64, ring.keys()))


class KeyKeeper:
    """The member's side. `ring` is None without encryption."""

    def __init__(self, ring: Keyring | None, effects: list[Effect], journal: Journal) -> None:
        self._ring = ring
        self._effects = effects
        self._journal = journal

    @property
    def is_encrypted(self) -> bool:
        """Whether there is a ring."""
        return self._ring is not None

    def answer(
        self, operation: KeyOperation, payload: bytes, fits: Callable[[bytes], bool]
    ) -> bytes:
        """Do it, and say how it went. A list that does not fit is cut, and says so."""
        if operation is KeyOperation.LIST:
            return self._fitting(self._listed(), fits)
        return serf_codec.encode(self._changed(operation, payload))

    def _listed(self) -> KeyResponse:
        if self._ring is None:
            return self._refused("Keyring is empty (encryption not enabled)")
        self._journal.info("Received list-keys query")
        keys = keys_in_base64(self._ring)
        return KeyResponse(result=True, message="", keys=keys, primary_key=keys[0])

    def _fitting(self, response: KeyResponse, fits: Callable[[bytes], bool]) -> bytes:
        every = response.keys
        payload = serf_codec.encode(response)
        count = len(every)
        while count and not fits(payload):
            count -= 1
            message = f"truncated key list response, showing first {count} of {len(every)} keys"
            payload = serf_codec.encode(replace(response, keys=every[:count], message=message))
        if count < len(every):
            self._journal.warning(f"the list of keys is too long, showing first {count}")
        return payload

    def _changed(self, operation: KeyOperation, payload: bytes) -> KeyResponse:
        try:
            request = serf_codec.decode(payload)
        except GossipError as error:
            return self._refused(f"Failed to decode key request: {error}", shown="")
        if not isinstance(request, KeyRequest):
            return self._refused("Failed to decode key request: it is another message", shown="")
        if self._ring is None:
            return self._refused("No keyring to modify (encryption not enabled)")
        self._journal.info(f"Received {operation.value} query")
        try:
            _change(self._ring, operation, request.key)
        except KeyringError as error:
            return self._refused(str(error))
        self._effects.append(KeysChanged(keys_in_base64(self._ring)))
        return KeyResponse(result=True, message="", keys=(), primary_key="")

    def _refused(self, text: str, shown: str | None = None) -> KeyResponse:
        """Serf logs more than it shows to the asker."""
        self._journal.error(text)
        message = text if shown is None else shown
        return KeyResponse(result=False, message=message, keys=(), primary_key="")


def _change(ring: Keyring, operation: KeyOperation, key: bytes) -> None:
    match operation:
        case KeyOperation.INSTALL:
            ring.add(key)
        case KeyOperation.USE:
            ring.use(key)
        case KeyOperation.REMOVE:
            ring.remove(key)
        case KeyOperation.LIST:
            raise AssertionError("a list changes nothing")


def tally(ended: QueryEnded) -> KeyringEnded:
    """The asker's side: what came of an operation, all in all."""
    errors = 0
    messages: dict[str, str] = {}
    keys: Counter[str] = Counter()
    primary_keys: Counter[str] = Counter()
    for name, payload in ended.responses.items():
        response = _response(payload)
        errors += not response.result
        if response.message:
            messages[name] = response.message
        keys.update(response.keys)
        if response.primary_key:
            primary_keys[response.primary_key] += 1
    responses = len(ended.responses)
    failure = ""
    if errors:
        failure = f"{errors}/{ended.asked} nodes reported failure"
    elif responses != ended.asked:
        failure = f"{responses}/{ended.asked} nodes reported success"
    return KeyringEnded(
        token=ended.token,
        members=ended.asked,
        responses=responses,
        errors=errors,
        messages=messages,
        keys=dict(keys),
        primary_keys=dict(primary_keys),
        failure=failure,
    )


def _response(payload: bytes) -> KeyResponse:
    try:
        response = serf_codec.decode(payload)
    except GossipError:
        problem = "Failed to decode key query response"
    else:
        if isinstance(response, KeyResponse):
            return response
        problem = "Invalid key query response type"
    shown = " ".join(str(byte) for byte in payload[:SHOWN_BYTES_MAX])
    return KeyResponse(result=False, message=f"{problem}: [{shown}]", keys=(), primary_key="")
