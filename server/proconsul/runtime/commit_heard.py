"""How far leaders said that they have committed."""

from collections.abc import Callable

from proconsul.raft.messages import AppendEntries, Index, Input


class CommitHeard:
    """In front of the driver: remembers how far leaders said they have committed.

    A follower's own commit index ends with its log, however far it is behind.
    """

    def __init__(self, deliver: Callable[[Input], None]) -> None:
        """`deliver` is the driver's."""
        self._deliver = deliver
        self.commit_index = Index(0)

    def deliver(self, message: Input) -> None:
        """Look at it and pass it on."""
        if isinstance(message, AppendEntries) and message.commit_index > self.commit_index:
            self.commit_index = message.commit_index
        self._deliver(message)
