"""Who may be in the pool: the rules are not Serf's but of who uses it."""

from typing import Protocol

from proconsul.gossip.effects import PoolMember


class Admission(Protocol):
    """Judges members before they are any; their status is NONE, or LEFT. Must not raise."""

    def refuse_member(self, member: PoolMember) -> str | None:
        """Why this one must not be a member, or None; asked for all that is said about it."""

    def refuse_join(self, members: list[PoolMember]) -> str | None:
        """Why a join with all of these must fail as a whole, or None."""


class Everybody:
    """Admits everybody, as Serf does by itself."""

    def refuse_member(self, member: PoolMember) -> str | None:
        """Nothing is wrong."""
        return None

    def refuse_join(self, members: list[PoolMember]) -> str | None:
        """Nothing is wrong."""
        return None
