"""Why a benchmark cannot be run, or must not be believed."""


class BenchError(Exception):
    """Ends the command with its text and exit code 2."""


class WrongAnswerError(BenchError):
    """A server answered what it must not: its speed counts for nothing."""
