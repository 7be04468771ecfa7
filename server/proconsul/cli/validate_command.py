"""`proconsul validate FILE_OR_DIRECTORY...`: would an agent start with these?"""

import sys

from proconsul.config.failure import ConfigError
from proconsul.config.flags import parse_agent_flags
from proconsul.runtime.config_files import load


def run(words: list[str]) -> int:
    """Say whether they are valid, in Consul's words."""
    paths = [word for word in words if not word.startswith("-")]
    if not paths:
        sys.stderr.write("Must specify at least one config file or directory\n")
        return 1
    try:
        loaded = load(parse_agent_flags([f"-config-file={path}" for path in paths]))
    except ConfigError as failure:
        sys.stderr.write(f"Config validation failed: {failure}\n")
        return 1
    for warning in loaded.warnings:
        sys.stdout.write(f"{warning}\n")
    sys.stdout.write("Configuration is valid!\n")
    return 0
