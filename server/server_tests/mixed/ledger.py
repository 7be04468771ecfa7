"""What clients were told, and whether the servers' logs bear it out."""

from dataclasses import dataclass
from typing import Any

from server_tests.mixed.chain import Head, linked


@dataclass(frozen=True, slots=True)
class Log:
    """What a server answers to /log: where its chain ends, and the commands that it applied."""

    head: Head
    links: dict[int, str]  # the chain behind each command, by its index

    @classmethod
    def of(cls, answer: dict[str, Any]) -> "Log":
        """From the answer; Go says null for an empty list."""
        links = {one["Index"]: one["Chain"] for one in answer["Applied"] or ()}
        return cls(Head(answer["Chain"], answer["Count"]), links)


class Ledger:
    """Commands that were sent, each of them another one, and their fate."""

    def __init__(self) -> None:
        self._begin = Head()
        self._acknowledged: dict[int, bytes] = {}  # by index
        self._unknown: set[bytes] = set()  # sent, and no word of success

    def begin_at(self, head: Head) -> None:
        """The state was replaced as a whole; what was before is over."""
        self._begin = head
        self._acknowledged.clear()
        self._unknown.clear()

    def sent(self, data: bytes) -> None:
        """Its outcome is not known yet."""
        self._unknown.add(data)

    def acknowledged(self, data: bytes, index: int) -> None:
        """The client was told that it is committed there."""
        assert index not in self._acknowledged, "two commands were acknowledged at one index"
        self._unknown.remove(data)
        self._acknowledged[index] = data

    def check(self, logs: dict[str, Log]) -> list[bytes]:
        """All logs tell one history, and it has every acknowledged command; returns it.

        One log at least must reach back to the beginning; the others may begin behind a snapshot.
        """
        heads = {log.head for log in logs.values()}
        assert len(heads) == 1, f"the chains end differently: {logs}"
        whole = [log for log in logs.values() if self._is_whole(log)]
        assert whole, "each of the servers had a snapshot: nobody can tell all of the history"
        for name, log in logs.items():
            for index, chain in log.links.items():
                assert whole[0].links.get(index) == chain, f"{name} differs at {index}"
        return self._history(whole[0])

    def _is_whole(self, log: Log) -> bool:
        return len(log.links) == log.head.count - self._begin.count

    def _history(self, log: Log) -> list[bytes]:
        chain = self._begin.chain
        history: list[bytes] = []
        for index, following in sorted(log.links.items()):
            # What no client was told of may be in it all the same, once.
            told = self._acknowledged.get(index)
            candidates = self._unknown.difference(history) if told is None else {told}
            found = [data for data in candidates if linked(chain, data) == following]
            assert found, f"the command at {index} is not what was sent"
            history.append(found[0])
            chain = following
        missing = self._acknowledged.keys() - log.links.keys()
        assert not missing, f"acknowledged and lost: {sorted(missing)}"
        return history
