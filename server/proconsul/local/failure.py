"""What is wrong with a local definition or request, in Consul's words.

Two kinds, because the HTTP API answers them apart: a body that could never be right (400),
and a request that this agent cannot do now (500).
"""

from collections.abc import Sequence

from proconsul.errors import ProconsulError


class BadDefinitionError(ProconsulError):
    """The definition itself is wrong: status 400; str() is the body of the answer."""


class LocalError(ProconsulError):
    """This agent refuses the request as things are: status 500; str() is the body."""


def list_of_errors(texts: Sequence[str]) -> str:
    """Write several complaints as go-multierror does."""
    assert texts, "an empty list is not an error"
    count = "1 error" if len(texts) == 1 else f"{len(texts)} errors"
    lines = "\n\t".join(f"* {text}" for text in texts)
    return f"{count} occurred:\n\t{lines}\n\n"
