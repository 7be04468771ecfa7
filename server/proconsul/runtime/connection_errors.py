"""Why a connection between servers is of no more use.

A module by itself: heirs of OSError cannot be compiled, and those who raise these are.
"""


class StreamLostError(ConnectionError):
    """The stream was reset, or the connection below it is gone."""


class ClosedByPeerError(ConnectionError):
    """The other side ended the connection."""

    def __init__(self) -> None:
        super().__init__("closed by the other side")


class MovedError(ConnectionError):
    """The server was started anew at another address."""

    def __init__(self) -> None:
        super().__init__("the server was started anew elsewhere")


class IdleError(Exception):
    """Nothing was asked for so long that the connection is not kept."""
