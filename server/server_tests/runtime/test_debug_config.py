"""`DebugConfig` has every setting that a real agent shows (names captured from Consul 1.8.7)."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from proconsul.config.flags import parse_agent_flags
from proconsul.config.schema import LoadedConfig
from proconsul.runtime.config_files import load
from proconsul.runtime.debug_config import debug_config

GOLDEN = Path(__file__).parents[1] / "golden" / "agent"
SECRETS = ("s3cret-master", "s3cret-agent", "s3cret-ca", "cg8StVXbQJ0gPvMd9o7yrg==")
SETTINGS = {
    "acl": {"tokens": {"master": SECRETS[0], "agent": SECRETS[1]}},
    "connect": {"enabled": True, "ca_provider": "vault", "ca_config": {"token": SECRETS[2]}},
    "encrypt": SECRETS[3],
    "dns_config": {"service_ttl": {"web": "1m"}, "node_ttl": "90s"},
    "limits": {"rpc_rate": 7.5},
    "services": [{"name": "web", "port": 1, "token": SECRETS[1], "check": {"ttl": "10s"}}],
    "check": {"id": "c", "name": "c", "ttl": "90m", "token": SECRETS[1]},
}


@pytest.fixture
def loaded(tmp_path: Path) -> LoadedConfig:
    file = tmp_path / "settings.json"
    file.write_text(json.dumps(SETTINGS))
    words = ["-server", f"-data-dir={tmp_path}", f"-config-file={file}", "-bind=127.0.0.1"]
    return load(parse_agent_flags(words))


def names(settings: dict[str, Any], inside: str = "") -> Iterator[str]:
    for name, value in settings.items():
        yield inside + name
        if name in ("AutoConfig", "Cache", "DNSSOA", "Logging", "Telemetry"):
            yield from names(value, f"{inside}{name}.")


def test_it_has_the_settings_of_a_real_agent_in_its_order(loaded: LoadedConfig) -> None:
    shown = debug_config(loaded, "id", "")
    assert list(names(shown)) == (GOLDEN / "debug_config.txt").read_text().split()


def test_definitions_have_their_fields(loaded: LoadedConfig) -> None:
    shown = debug_config(loaded, "id", "")
    service = shown["Services"][0]
    told = [f"check {name}" for name in shown["Checks"][0]]
    told += [f"service {name}" for name in service]
    told += [f"service check {name}" for name in service["Checks"][0]]
    assert told == (GOLDEN / "definitions.txt").read_text().splitlines()


def test_no_secret_is_shown(loaded: LoadedConfig) -> None:
    text = json.dumps(debug_config(loaded, "id", ""))
    assert [secret for secret in SECRETS if secret in text] == []


def test_durations_are_texts_and_limits_numbers(loaded: LoadedConfig) -> None:
    shown = debug_config(loaded, "id", "")
    assert shown["DNSServiceTTL"] == {"web": "1m0s"}
    assert shown["DNSNodeTTL"] == "1m30s"
    assert shown["Checks"][0]["TTL"] == "1h30m0s"
    assert shown["RPCRateLimit"] == 7.5
    assert shown["HTTPAddrs"] == ["tcp://127.0.0.1:8500"]
