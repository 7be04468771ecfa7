"""What a reload may change: the settings that take effect without a restart.

The others stay as they were at the start, however the files have changed, and are named in a
warning: a name or a port that changed under a running server would be a lie to its peers.
Source: agent/agent.go (ReloadConfig).
"""

import msgspec

from proconsul.config.schema import Config, LoadedConfig

RELOADABLE = ("acl", "checks", "http", "limits", "logging", "node_meta", "telemetry", "tls")
"""Fields of Config that the running parts are told about."""

WITHOUT_EFFECT = ("config_entries_bootstrap", "dns", "watches")
"""Fields that no running part reads yet: no restart would change anything either."""


def reloaded(running: LoadedConfig, read: LoadedConfig) -> tuple[LoadedConfig, list[str]]:
    """(what holds from now on, the fields that changed and need a restart)."""
    old, new = running.config, read.config
    names = [field.name for field in msgspec.structs.fields(Config)]
    changed = [name for name in names if getattr(old, name) != getattr(new, name)]
    kept = [name for name in changed if name not in (*RELOADABLE, *WITHOUT_EFFECT)]
    taken = {name: getattr(new, name) for name in (*RELOADABLE, *WITHOUT_EFFECT)}
    # Whether ACLs are on is decided at the start: half of the parts would not hear of it.
    acl = msgspec.structs.replace(new.acl, enabled=old.acl.enabled)
    if new.acl != acl:
        kept.append("acl.enabled")
    config = msgspec.structs.replace(old, **{**taken, "acl": acl})
    return msgspec.structs.replace(read, config=config), kept
