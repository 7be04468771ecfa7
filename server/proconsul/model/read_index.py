"""What a follower of this kind asks its leader before it answers a read from its own state.

An RPC method `Proconsul.ReadIndex`, which a Consul server does not have.
"""

from proconsul.wire.gostruct import GoStruct


class ReadIndexRequest(GoStruct, frozen=True, kw_only=True):
    """What must a state hold that is read now?"""

    datacenter: str = ""
    consistent: bool = False  # a majority is asked who leads, as for `?consistent`


class ReadIndexReply(GoStruct, frozen=True, kw_only=True):
    """The last entry of the log that the leader's own state holds."""

    index: int = 0
