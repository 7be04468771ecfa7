"""Streams that we dial: who waits for which to end."""

from collections.abc import Callable

from proconsul.gossip.address import Address
from proconsul.gossip.effects import Effect, Exchange
from proconsul.gossip.framing import Framing
from proconsul.gossip.journal import Journal
from proconsul.gossip.messages import StreamMessage

Ended = Callable[[StreamMessage | None, str, float], None]  # a message, or why there is none


class Dials:
    """Makes Exchanges. Each ends once; that is the driver's promise, which has a deadline."""

    def __init__(self, framing: Framing, effects: list[Effect], journal: Journal) -> None:
        self._framing = framing
        self._effects = effects
        self._journal = journal
        self._last_token = 0
        self._waiting: dict[int, Ended] = {}

    def dial(self, to: Address, message: StreamMessage, patience_s: float, ended: Ended) -> int:
        """Say this to somebody and read the answer. The token of the Exchange."""
        self._last_token += 1
        self._waiting[self._last_token] = ended
        data = self._framing.seal_stream(message, is_answer=False)
        self._journal.count("memberlist.tcp.connect")
        self._journal.count("memberlist.tcp.sent", len(data))
        self._effects.append(
            Exchange(
                token=self._last_token,
                to=to,
                data=data,
                wants_answer=True,
                patience_s=patience_s,
            )
        )
        return self._last_token

    def ended(self, token: int, message: StreamMessage | None, failure: str, now_s: float) -> None:
        """It is over."""
        ended = self._waiting.pop(token, None)
        if ended is not None:
            ended(message, failure, now_s)
