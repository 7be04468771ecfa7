"""`proconsul validate [options] FILE_OR_DIRECTORY...`: would an agent start with these?"""

import sys

from proconsul.config.failure import ConfigError
from proconsul.config.flags import AgentFlags, parse_agent_flags
from proconsul.runtime.config_files import load

USAGE = """\
Usage: proconsul validate [options] FILE_OR_DIRECTORY...

  Reads configuration files as an agent would, all of them together, and says what is wrong.
  Ends with 0 if an agent could start with them, with 1 if not.

  -config-format=<value>
      Read every file as this, whatever its name: hcl or json.
  -quiet
      Say nothing about a valid configuration.
"""
HELP_WORDS = ("-h", "-help", "--help")
QUIET_WORDS = ("-quiet", "--quiet", "-quiet=true", "--quiet=true")


def run(words: list[str]) -> int:
    """Say whether they are valid, in Consul's words."""
    if any(word in HELP_WORDS for word in words):
        sys.stdout.write(USAGE)
        return 0
    quiet = any(word in QUIET_WORDS for word in words)
    try:
        flags = _flags([word for word in words if word not in QUIET_WORDS])
    except ConfigError as failure:
        sys.stderr.write(f"{failure}\n")
        return 1
    try:
        loaded = load(flags)
    except ConfigError as failure:
        sys.stderr.write(f"Config validation failed: {str(failure).rstrip()}\n")
        return 1
    if not quiet:
        sys.stdout.writelines(f"{warning}\n" for warning in loaded.warnings)
        sys.stdout.write("Configuration is valid!\n")
    return 0


def _flags(words: list[str]) -> AgentFlags:
    """The agent's flags that read these files. Raises ConfigError."""
    at = next((at for at, word in enumerate(words) if _is_path(words, at)), len(words))
    options, paths = words[:at], words[at:]
    for option in options:
        name = option.lstrip("-").partition("=")[0]
        if option.startswith("-") and name != "config-format":
            raise ConfigError(f"flag provided but not defined: -{name}\n\n{USAGE}")
    if not paths:
        raise ConfigError("Must specify at least one config file or directory")
    return parse_agent_flags([*options, *(f"-config-file={path}" for path in paths)])


def _is_path(words: list[str], at: int) -> bool:
    """The value of `-config-format hcl` stands apart and is none."""
    before = words[at - 1].lstrip("-") if at else ""
    return not words[at].startswith("-") and before != "config-format"
