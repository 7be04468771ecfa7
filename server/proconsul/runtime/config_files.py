"""Reading what the command line names: files, directories, the host.

The meaning of it all is in `proconsul.config.parse`. Called at start and, with the same flags,
at every reload.
Source: agent/config/builder.go (sourcesFromPath).
"""

from __future__ import annotations

import stat
from pathlib import Path

import msgspec

from proconsul.config.failure import ConfigError
from proconsul.config.flags import AgentFlags
from proconsul.config.parse import Source, parse
from proconsul.config.schema import LoadedConfig
from proconsul.config.sources import Format, format_of
from proconsul.runtime.interfaces import read_host

FILE_BYTES_MAX = 8 << 20
"""A larger file is no configuration, and reading it would only take our memory."""


def load(flags: AgentFlags) -> LoadedConfig:
    """The settings from flags, files and host; a ConfigError says what to mend."""
    warnings: list[str] = []
    files = [source for path in flags.config_paths for source in _sources(path, flags, warnings)]
    loaded = parse(flags, files, read_host())
    data_dir = loaded.config.data_dir
    if data_dir and not flags.dev:
        _check_data_dir(Path(data_dir))
    return msgspec.structs.replace(loaded, warnings=(*warnings, *loaded.warnings))


def _sources(given: str, flags: AgentFlags, warnings: list[str]) -> list[Source]:
    path = Path(given)
    try:
        path.stat()  # an error here, not an empty list
        is_directory = path.is_dir()
        names = sorted(each.name for each in path.iterdir()) if is_directory else []
    except OSError as error:
        raise ConfigError(f"config: Open failed on {given}. {_reason(error)}") from None
    paths = [path / name for name in names] if is_directory else [path]
    sources: list[Source] = []
    for each in paths:
        resolved = each.resolve() if each.is_symlink() and is_directory else each
        if resolved.is_dir():
            continue
        # The name that was given, not a cleaned-up one, is what the user will look for.
        name = str(resolved) if is_directory else given
        file_format = _format(name, flags.config_format)
        if file_format is None:
            warnings.append(
                f"skipping file {name}, extension must be .hcl or .json, "
                "or config format must be set"
            )
            continue
        sources.append(Source(name, _read(resolved, name), file_format))
    return sources


def _format(name: str, forced: str) -> Format | None:
    if forced == "json":
        return "json"
    return "hcl" if forced == "hcl" else format_of(name)


def _read(path: Path, name: str) -> str:
    try:
        with path.open("rb") as file:
            content = file.read(FILE_BYTES_MAX + 1)
    except OSError as error:
        raise ConfigError(f"config: failed to read {name}: {_reason(error)}") from None
    if len(content) > FILE_BYTES_MAX:
        raise ConfigError(f"config: failed to read {name}: over {FILE_BYTES_MAX} bytes")
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise ConfigError(f"failed to parse {name}: line {line}: it is not UTF-8 text") from None


def _check_data_dir(path: Path) -> None:
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        return  # whoever starts makes it
    except OSError as error:
        raise ConfigError(f"Error getting info on data_dir: {_reason(error, 'stat')}") from None
    if not stat.S_ISDIR(mode):
        raise ConfigError(f'data_dir "{path}" is not a directory')


def _reason(error: OSError, call: str = "open") -> str:
    return f"{call} {error.filename}: {(error.strerror or str(error)).lower()}"
