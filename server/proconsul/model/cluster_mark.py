"""What a cluster knows of itself: who it is, and which restore it holds.

Of our own making: no Consul knows it, and every Consul may skip it (fsm/commands.py).
"""

from msgspec import field

from proconsul.wire.gostruct import GoStruct


class ClusterMark(GoStruct, frozen=True, kw_only=True):
    """The command that sets either; what is empty stays as it is."""

    cluster_id: str = ""  # a UUID
    restore_uid: str = field(default="", name="RestoreUID")  # names a restore, not what it restored
