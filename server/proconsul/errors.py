"""What can go wrong, as the caller sees it: the text on the wire, and whether to try again.

An RPC error is a text; Consul's clients match on parts of some of them, so those are never
reworded (wire/rpc.md section 8). The HTTP surface turns them into status codes
(api/failure.py).
"""

from typing import ClassVar


class ProconsulError(Exception):
    """Base of all errors that reach a caller; `str()` is the text on the wire."""

    retry: ClassVar[bool] = False  # whether the same call may succeed a little later


class RpcError(ProconsulError):
    """A request was understood and refused; the text says why, in Consul's words."""


class NoLeaderError(ProconsulError):
    """Nobody leads, or nobody we can see."""

    retry = True

    def __init__(self) -> None:
        super().__init__("No cluster leader")


class NotReadyError(ProconsulError):
    """The leader has not finished taking over."""

    retry = True

    def __init__(self) -> None:
        super().__init__("Not ready to serve consistent reads")


class DiskFullError(ProconsulError):
    """The log has no room: the write was refused, nothing of it was kept."""

    retry = True

    def __init__(self, path: str) -> None:
        super().__init__(
            f"write refused: no space left for the log under {path}; reads go on, "
            "and writes too as soon as there is room"
        )


class PermissionDeniedError(ProconsulError):
    """The token may not do that."""

    def __init__(self, cause: str = "") -> None:
        super().__init__(f"Permission denied: {cause}" if cause else "Permission denied")
