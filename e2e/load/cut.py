"""Judges what a snapshot holds: is it the state at one index, and what came after it?

Whoever reads a value is told the index of the write that put it there. So each value that was ever
read belongs to one side of the snapshot's index or to the other, and must be there, or not. Values
of a key only rise, so a key's row says of all its values whether they are there.
"""

from collections.abc import Mapping

from e2e.load.ledger import Ledger, Operation

COMPLAINTS_MAX = 20

Rows = Mapping[str, tuple[int, int]]
"""By key: its value, and the index of the write that put it there."""


def check_cut(ledger: Ledger, rows: Rows, index: int) -> list[str]:
    """Why these rows are not what there was at `index`."""
    found = [
        f"{key} = {value} was written at {modified}, after index {index}"
        for key, (value, modified) in sorted(rows.items())
        if modified > index
    ]
    sent = {(one.key, one.value) for one in ledger.operations if one.writes}
    found += [
        f"{key} = {value} is there and nobody wrote it"
        for key, (value, _) in sorted(rows.items())
        if (key, value) not in sent
    ]
    read = {
        (one.key, one.found, one.modified)
        for one in ledger.operations
        if one.found is not None and one.modified is not None
    }
    for key, value, modified in sorted(read):
        kept = key in rows and value <= rows[key][0]
        if kept is not (modified <= index):
            where = "there" if kept else "not there"
            found.append(f"{key} = {value} was written at {modified}, and is {where}")
    return found[:COMPLAINTS_MAX]


def after_cut(ledger: Ledger, rows: Rows) -> list[Operation]:
    """Acknowledged writes that are not in these rows."""
    return [
        one
        for one in ledger.operations
        if one.kind == "put" and one.is_acked and one.value is not None
        if one.key not in rows or one.value > rows[one.key][0]
    ]
