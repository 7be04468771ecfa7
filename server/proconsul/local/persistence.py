"""How services, checks and TTL states stand in the data directory.

As Consul's: `services/`, `checks/` and `checks/state/`, one JSON file each, named by the MD5
of the id. So a data directory of either can be read by the other. This module says which bytes
stand in which file; runtime/local_files.py moves them.
"""

import hashlib
from typing import Any

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from proconsul.local.state import Source
from proconsul.model.catalog import NodeService
from proconsul.model.health import CheckType, HealthCheck
from proconsul.wire.gostruct import WireError, from_wire, to_json

SERVICES = "services"
CHECKS = "checks"
CHECK_STATES = "checks/state"


class PersistedError(Exception):
    """A file of the data directory does not say what it should; str() is why."""


class Write(Struct, frozen=True, kw_only=True):
    """Put `data` into a file; `durable` if it must survive a power cut once acknowledged."""

    path: str
    data: bytes
    durable: bool


class Remove(Struct, frozen=True, kw_only=True):
    """Remove a file, which may be gone already."""

    path: str


FileChange = Write | Remove


class SavedService(Struct, frozen=True, kw_only=True):
    """A service as it was registered."""

    service: NodeService
    token: str
    source: Source


class SavedCheck(Struct, frozen=True, kw_only=True):
    """A check as it was registered; `type` is None for one that nobody runs (maintenance)."""

    check: HealthCheck
    type: CheckType | None
    token: str
    source: Source


class SavedState(Struct, frozen=True, kw_only=True):
    """The last update of a TTL check, good until `expires_unix_s`."""

    check_id: str
    status: str
    output: str
    expires_unix_s: int


class Saved(Struct, frozen=True, kw_only=True):
    """All that was found, and by path why a file could not be used."""

    services: tuple[SavedService, ...]
    checks: tuple[SavedCheck, ...]
    states: tuple[SavedState, ...]
    unreadable: dict[str, str]


def service_path(service_id: str) -> str:
    """The file of a service, below the data directory."""
    return f"{SERVICES}/{_file_name(service_id)}"


def check_path(check_id: str) -> str:
    """The file of a check."""
    return f"{CHECKS}/{_file_name(check_id)}"


def state_path(check_id: str) -> str:
    """The file of the state of a TTL check."""
    return f"{CHECK_STATES}/{_file_name(check_id)}"


def _file_name(key: str) -> str:
    raw = key.encode("utf-8", "surrogateescape")
    return hashlib.md5(raw, usedforsecurity=False).hexdigest()


def save_service(saved: SavedService) -> Write:
    """The file change that keeps a service."""
    text: dict[str, Any] = {
        "Token": saved.token,
        "Service": to_json(saved.service),
        "Source": saved.source,
    }
    if saved.service.locally_registered_as_sidecar:
        text["LocallyRegisteredAsSidecar"] = True
    return Write(path=service_path(saved.service.id), data=msgspec.json.encode(text), durable=True)


def save_check(saved: SavedCheck) -> Write:
    """The file change that keeps a check."""
    text = {
        "Check": to_json(saved.check),
        "ChkType": None if saved.type is None else to_json(saved.type),
        "Token": saved.token,
        "Source": saved.source,
    }
    return Write(
        path=check_path(saved.check.check_id), data=msgspec.json.encode(text), durable=True
    )


def save_state(saved: SavedState) -> Write:
    """The file change that keeps a TTL state. Not durable: a lost one is merely critical."""
    text = {
        "CheckID": saved.check_id,
        "Status": saved.status,
        "Output": saved.output,
        "Expires": saved.expires_unix_s,
    }
    return Write(path=state_path(saved.check_id), data=msgspec.json.encode(text), durable=False)


def forget_service(service_id: str) -> list[FileChange]:
    """The file changes that drop a service, without its checks."""
    return [Remove(path=service_path(service_id))]


def forget_check(check_id: str) -> list[FileChange]:
    """The file changes that drop a check and its state."""
    return [Remove(path=check_path(check_id)), Remove(path=state_path(check_id))]


def read_service(data: bytes) -> SavedService:
    """Read a service file. Raises PersistedError."""
    text = _read_object(data)
    service = _struct(NodeService, text.get("Service"))
    sidecar = bool(text.get("LocallyRegisteredAsSidecar"))
    return SavedService(
        service=replace(service, locally_registered_as_sidecar=sidecar),
        token=_text(text, "Token"),
        source=_source(text),
    )


def read_check(data: bytes) -> SavedCheck:
    """Read a check file. Raises PersistedError."""
    text = _read_object(data)
    check_type = text.get("ChkType")
    return SavedCheck(
        check=_struct(HealthCheck, _without_definition(text.get("Check"))),
        type=None if check_type is None else _struct(CheckType, check_type),
        token=_text(text, "Token"),
        source=_source(text),
    )


def read_state(data: bytes) -> SavedState:
    """Read the file of a TTL state. Raises PersistedError."""
    text = _read_object(data)
    expires = text.get("Expires")
    if not isinstance(expires, int):
        raise PersistedError("Expires is no number")
    return SavedState(
        check_id=_text(text, "CheckID"),
        status=_text(text, "Status"),
        output=_text(text, "Output"),
        expires_unix_s=expires,
    )


def _without_definition(check: Any) -> Any:
    # Nothing of the agent's fills it, and Consul writes its durations as texts.
    if not isinstance(check, dict):
        return check
    return {key: value for key, value in check.items() if key != "Definition"}


def _read_object(data: bytes) -> dict[str, Any]:
    try:
        return msgspec.json.decode(data, type=dict[str, Any])
    except (msgspec.DecodeError, UnicodeDecodeError) as failure:
        raise PersistedError(f"not a JSON object: {failure}") from failure


def _struct(struct_type: Any, value: Any) -> Any:
    try:
        return from_wire(struct_type, value)
    except WireError as failure:
        raise PersistedError(str(failure)) from failure


def _text(text: dict[str, Any], name: str) -> str:
    value = text.get(name, "")
    if not isinstance(value, str):
        raise PersistedError(f"{name} is no text")
    return value


def _source(text: dict[str, Any]) -> Source:
    try:
        return Source(_text(text, "Source"))
    except ValueError as failure:
        raise PersistedError(f"invalid source {text.get('Source')!r}") from failure
