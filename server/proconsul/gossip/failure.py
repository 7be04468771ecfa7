"""What can go wrong in the gossip pool."""

from proconsul.errors import ProconsulError


class GossipError(ProconsulError):
    """Base of what goes wrong here; str() is a line for the log or for who asked."""


class PacketError(GossipError):
    """Bytes of a peer that cannot be read. On a stream the answer is a Refusal of this text."""


class LabelError(PacketError):
    """Bytes of another pool: the label is not ours. A stream is closed without a word."""


class KeyringError(GossipError):
    """The keyring refuses a change, or a key is none; memberlist's words."""


class SerfError(GossipError):
    """Serf refuses to send an event or a query; Serf's words."""
