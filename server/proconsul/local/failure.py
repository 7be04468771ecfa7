"""What is wrong with a local definition or request, in Consul's words.

Two kinds, because the HTTP API answers them apart: a body that could never be right (400),
and a request that this agent cannot do now (500).
"""

from proconsul.errors import ProconsulError


class BadDefinitionError(ProconsulError):
    """The definition itself is wrong: status 400; str() is the body of the answer."""


class LocalError(ProconsulError):
    """This agent refuses the request as things are: status 500; str() is the body."""
