"""What is wrong with a setting, in the words that the user sees."""

from proconsul.errors import ProconsulError


class ConfigError(ProconsulError):
    """Settings that cannot be used: the text names the file, the key, the line and what to do."""
