"""The captured bytes of golden/gossip."""

from dataclasses import dataclass
from pathlib import Path

from proconsul.gossip.framing import Framing
from proconsul.gossip.keyring import Keyring
from proconsul.gossip.messages import PacketMessage, StreamMessage
from proconsul.gossip.settings import GossipSettings

GOLDEN = Path(__file__).parent.parent / "golden" / "gossip"
GO = ("consul-enc", "consul-plain", "consul-wan", "serf-enc", "serf-plain")
WITH_OURS = ("poc-enc", "poc-plain")  # a small node of this project is among them, in Python
SOUND = (*GO, *WITH_OURS)


@dataclass(frozen=True, slots=True)
class Capture:
    """All of one recording. `asks` were dialed, `answers` came back; b"" where there is none."""

    keys: tuple[bytes, ...]
    datagrams: tuple[bytes, ...]
    asks: tuple[bytes, ...]
    answers: tuple[bytes, ...]

    @property
    def ring(self) -> Keyring | None:
        """All keys that the pool had at some time."""
        return Keyring(self.keys) if self.keys else None

    def packet_messages(self) -> list[PacketMessage]:
        """Of all datagrams."""
        framing = Framing(self.ring, GossipSettings(), bytes)
        return [
            message for datagram in self.datagrams for message in framing.open(datagram).messages
        ]

    def stream_messages(self) -> list[StreamMessage]:
        """Of all streams, both ways."""
        framing = Framing(self.ring, GossipSettings(), bytes)
        read = [framing.stream_reader(is_answer=False).feed(ask) for ask in self.asks]
        read += [framing.stream_reader(is_answer=True).feed(answer) for answer in self.answers]
        return [message for message in read if message is not None]


def capture(name: str) -> Capture:
    """A recording by its name."""
    found: dict[str, list[bytes]] = {"key": [], "udp": [], "ask": [], "answer": []}
    for line in (GOLDEN / f"{name}.txt").read_text(encoding="ascii").splitlines():
        word, _, digits = line.partition(" ")
        found[word].append(bytes.fromhex(digits))
    return Capture(
        tuple(found["key"]), tuple(found["udp"]), tuple(found["ask"]), tuple(found["answer"])
    )
