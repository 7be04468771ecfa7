"""Which handler a path means, by the rules of Go's ServeMux.

A pattern that ends with a slash takes all paths below it; the longest pattern wins; a path that
is not clean is redirected to the clean one (301).
"""

import posixpath
from typing import Generic, TypeVar

H = TypeVar("H")


class Route(Generic[H]):
    """A row of the table; no methods: the handler judges the verb by itself."""

    def __init__(self, pattern: str, methods: tuple[str, ...], handler: H) -> None:
        self.pattern = pattern
        self.methods = methods
        self.handler = handler
        self.metric = metric_of(pattern)


AREA_AT = len("/v1/")


def _is_below(path: str, subtree: str) -> bool:
    return path != subtree and path.startswith(subtree)


def metric_of(pattern: str) -> str:
    """`/v1/kv/` to `v1.kv._`: how Consul names the timing of a pattern."""
    parts = pattern.split("/")[1:]
    return ".".join(part or "_" for part in parts)


def clean_path(path: str) -> str:
    """Go's path.Clean, with the slash at the end kept."""
    if not path:
        return "/"
    cleaned = posixpath.normpath(path if path.startswith("/") else "/" + path)
    if cleaned.startswith("//"):
        cleaned = cleaned[1:]
    if path.endswith("/") and not cleaned.endswith("/"):
        cleaned += "/"
    return cleaned


class Router(Generic[H]):
    """The table, ready to look up."""

    def __init__(self, routes: list[Route[H]]) -> None:
        self._routes: dict[str, Route[H]] = {}
        for row in routes:
            assert row.pattern not in self._routes, f"{row.pattern} is in the table twice"
            self._routes[row.pattern] = row
        self._depth_max = max(pattern.count("/") for pattern in self._routes)
        roots = {pattern[:-1] for pattern in self._routes if pattern.endswith("/")}
        self._roots = roots - self._routes.keys()
        # `/v1/kv/` and its like: nothing else in the table is below them.
        self._whole = {
            pattern: route
            for pattern, route in self._routes.items()
            if pattern.endswith("/")
            and not any(_is_below(other, pattern) for other in self._routes)
        }

    def find(self, path: str) -> Route[H] | None:
        """The route of a clean path: its own, or that of the deepest subtree around it.

        None for a subtree's root without its slash, though a wider subtree be around it: that
        is for `redirect`.
        """
        found = self._whole.get(path[: path.find("/", AREA_AT) + 1]) or self._routes.get(path)
        if found is not None or path in self._roots:
            return found
        at = 0
        for _ in range(self._depth_max):
            at = path.find("/", at) + 1
            if not at:
                break
            found = self._routes.get(path[:at], found)
        return found

    def redirect(self, path: str) -> str | None:
        """Where to send a client that asked for an unclean path, or for a subtree's root."""
        cleaned = clean_path(path)
        if cleaned != path:
            return cleaned
        if path not in self._routes and path + "/" in self._routes:
            return path + "/"
        return None
