"""Autopilot's configuration: one row, with no entry in the index table but its own indexes."""

from msgspec.structs import replace

from proconsul.model.operator import AutopilotConfig
from proconsul.store.schema import AUTOPILOT
from proconsul.store.transaction import ReadTransaction, WriteTransaction
from proconsul.store.watch import WatchSet

_THE_ONE = b""


def autopilot_config(
    txn: ReadTransaction, watch: WatchSet | None
) -> tuple[int, AutopilotConfig | None]:
    """(index, configuration); (0, None) before the leader wrote the first."""
    if watch is not None:
        watch.exact(AUTOPILOT.name, _THE_ONE)
    row = txn.row(AUTOPILOT, _THE_ONE)
    return (0, None) if row is None else (row.modify_index, row)


def set_autopilot_config(txn: WriteTransaction, new: AutopilotConfig) -> None:
    """Replace the configuration."""
    existing = txn.row(AUTOPILOT, _THE_ONE)
    created = txn.index if existing is None else existing.create_index
    txn.put(AUTOPILOT, _THE_ONE, replace(new, create_index=created, modify_index=txn.index))


def set_autopilot_config_cas(txn: WriteTransaction, new: AutopilotConfig) -> bool:
    """Replace the configuration if there is one and it has `new.modify_index`."""
    existing = txn.row(AUTOPILOT, _THE_ONE)
    if existing is None or existing.modify_index != new.modify_index:
        return False
    set_autopilot_config(txn, new)
    return True


def restore_autopilot_config(txn: WriteTransaction, row: AutopilotConfig) -> None:
    """Take the configuration of a snapshot."""
    txn.put(AUTOPILOT, _THE_ONE, row)
