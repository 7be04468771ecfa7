"""All sources in, all settings out: the one way from text and flags to a `LoadedConfig`.

Pure: whoever calls has read the files and looked at the host. The same call serves the start and
every reload.
"""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct

from proconsul.config.build import build
from proconsul.config.decode import Raw
from proconsul.config.defaults import DEFAULTS, DEV, FIXED, FIXED_DEV
from proconsul.config.flags import AgentFlags
from proconsul.config.networks import Host
from proconsul.config.notices import warnings_about
from proconsul.config.schema import LoadedConfig
from proconsul.config.services import check_definition, service_definition
from proconsul.config.settings import Settings
from proconsul.config.sources import Format, merge, parse_source
from proconsul.config.validate import check, check_start


class Source(Struct, frozen=True):
    """The text of one configuration file."""

    name: str
    text: str
    format: Format


def parse(flags: AgentFlags, files: Sequence[Source], host: Host) -> LoadedConfig:
    """The settings; a ConfigError tells what is wrong with them."""
    fragments = [Source(f"flags-{at}.hcl", text, "hcl") for at, text in enumerate(flags.hcl)]
    decoded = [parse_source(each.text, each.name, each.format) for each in (*files, *fragments)]
    from_files, from_fragments = decoded[: len(files)], decoded[len(files) :]
    merged = merge(
        [
            DEFAULTS,
            *([DEV] if flags.dev else []),
            flags.lists,
            *(each.values for each in from_files),
            flags.values,
            *(each.values for each in from_fragments),
            FIXED,
            *([FIXED_DEV] if flags.dev else []),
        ]
    )
    settings = Settings(merged, host)
    keys = [
        *_paths(flags.lists),
        *_paths(flags.values),
        *(key for each in decoded for key in each.keys),
    ]
    ports = merged["ports"]
    assert isinstance(ports, dict), "the defaults have some"
    settings.warnings += warnings_about(keys, ports)
    checks = tuple(check_definition(each, settings) for each in settings.maps("checks"))
    services = tuple(service_definition(each, settings) for each in settings.maps("services"))
    config = build(settings, dev_mode=flags.dev)
    check(config, services, settings)
    check_start(config, settings)
    return LoadedConfig(
        config=config, warnings=tuple(settings.warnings), services=services, checks=checks
    )


def _paths(values: Raw, above: str = "") -> list[str]:
    paths: list[str] = []
    for key, value in values.items():
        paths.append(above + key)
        if isinstance(value, dict):
            paths += _paths(value, f"{above}{key}.")
    return paths
