"""Errors to status codes and texts, as Consul's HTTP surface chooses them (agent/http.go)."""

from proconsul.errors import PermissionDeniedError


class HttpError(Exception):
    """A handler's refusal with a status of its own; the text is the whole body."""

    def __init__(self, status: int, text: str, headers: tuple[tuple[str, str], ...] = ()) -> None:
        super().__init__(text)
        self.status = status
        self.text = text
        self.headers = headers


class BadRequestError(HttpError):
    """400: the request itself is wrong."""

    def __init__(self, text: str) -> None:
        super().__init__(400, text)


class NotFoundError(HttpError):
    """404 with a text."""

    def __init__(self, text: str) -> None:
        super().__init__(404, text)


class MethodNotAllowedError(HttpError):
    """405 with the verbs that are allowed; OPTIONS always is."""

    def __init__(self, method: str, allowed: tuple[str, ...]) -> None:
        allow = ",".join(("OPTIONS", *allowed))
        super().__init__(405, f"method {method} not allowed", (("Allow", allow),))


def status_of(text: str) -> int:
    """The status of an RPC error, known by its text alone (it may have come over the wire)."""
    if "Permission denied" in text or "ACL not found" in text:
        return 403
    if "RPC rate limit exceeded" in text:
        return 429
    return 500


def failure_of(error: Exception) -> HttpError:
    """What to answer when a handler raised."""
    if isinstance(error, HttpError):
        return error
    if isinstance(error, PermissionDeniedError):
        return HttpError(403, str(error))
    status = status_of(str(error))
    return HttpError(status, "" if status == 429 else str(error))
