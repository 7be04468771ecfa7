"""The agent's own ACL tokens: from the configuration, until the API sets others.

With `acl.enable_token_persistence` those live in the data directory, in Consul's file and form.
"""

import json
import os
from collections.abc import Mapping
from pathlib import Path

from proconsul.config.schema import Acl
from proconsul.errors import ProconsulError
from proconsul.runtime.logs import logger

FILE_NAME = "acl-tokens.json"
KINDS = ("default", "agent", "agent_master", "replication")

log = logger("acl")


class AgentTokens:
    """One token of each kind; "" is none."""

    def __init__(self, acl: Acl, data_dir: str) -> None:
        self._file = Path(data_dir) / FILE_NAME if acl.enable_token_persistence else None
        self._configured = _configured(acl)
        self._set = self._load()

    def get(self, kind: str) -> str:
        """The token of that kind."""
        assert kind in KINDS, kind
        return self._set.get(kind, self._configured[kind])

    def set(self, kind: str, token: str) -> None:
        """Use another one from now on. Raises ProconsulError if it cannot be kept."""
        assert kind in KINDS, kind
        changed = {**self._set, kind: token}
        if self._file is not None:
            _write(self._file, {name: value for name, value in changed.items() if value})
        self._set = changed
        log.info('Updated agent\'s ACL token: token="%s"', kind)

    def reconfigure(self, acl: Acl) -> None:
        """Take what a reload says; tokens that the API set stay."""
        self._configured = _configured(acl)

    def _load(self) -> dict[str, str]:
        if self._file is None or not self._file.exists():
            return {}
        try:
            kept = json.loads(self._file.read_text(encoding="utf-8"))
        except (OSError, ValueError) as failure:
            raise ProconsulError(
                f"cannot read the agent's tokens {self._file}: {failure}"
            ) from None
        return {name: str(value) for name, value in kept.items() if name in KINDS}


def _configured(acl: Acl) -> dict[str, str]:
    return {
        "default": acl.default_token,
        "agent": acl.agent_token,
        "agent_master": acl.agent_master_token,
        "replication": acl.replication_token,
    }


def _write(file: Path, tokens: Mapping[str, str]) -> None:
    """Replace the file as a whole; nobody else may read it."""
    beside = file.with_suffix(".tmp")
    try:
        descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as opened:
            json.dump(dict(tokens), opened)
            opened.flush()
            os.fsync(descriptor)
        os.replace(beside, file)
    except OSError as failure:
        raise ProconsulError(f"failed to persist agent tokens: {failure}") from failure
