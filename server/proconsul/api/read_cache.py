"""Which questions clients asked with `?cached`; what it is for stands in api/cached_reads.py."""

from collections import OrderedDict

ENTRIES_MAX = 4096
FORGOTTEN_AFTER_S = 72 * 3600.0

Question = tuple[str, bytes]  # RPC method and encoded request


class CachedReads:
    """The questions that were asked, with the seconds when each was fetched and last asked."""

    def __init__(self) -> None:
        self._asked: OrderedDict[Question, tuple[float, float]] = OrderedDict()

    def fetched_s(self, key: Question, now_s: float) -> float | None:
        """When the answer was fetched, if it is still kept; asking keeps it longer."""
        known = self._asked.get(key)
        if known is None or now_s - known[1] > FORGOTTEN_AFTER_S:
            return None
        self._asked[key] = (known[0], now_s)
        self._asked.move_to_end(key)
        return known[0]

    def keep(self, key: Question, now_s: float) -> None:
        """The answer was fetched now."""
        self._asked[key] = (now_s, now_s)
        self._asked.move_to_end(key)
        if len(self._asked) > ENTRIES_MAX:
            self._asked.popitem(last=False)
