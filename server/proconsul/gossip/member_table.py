"""The members as Serf knows them: how each is, and what makes it so.

memberlist says whether a member can be reached; intents say what it means to do. Who goes after
it said so has left, who goes without has failed. Each member has the Lamport time of the newest
intent about it, and what is not newer changes nothing (wire/gossip/serf.md section 5).

Who failed or left is shown for a long time, then reaped. With `prune` it is forgotten at once; if
memberlist still reaches it, then as soon as it is gone, for memberlist tells of it only once.
"""

import math
from collections.abc import Callable

from msgspec import Struct
from msgspec.structs import replace

from proconsul.gossip.delegate import Node
from proconsul.gossip.effects import Change, MemberStatus, PoolMember
from proconsul.gossip.intents import Held, Intents
from proconsul.gossip.journal import Journal
from proconsul.gossip.settings import SerfSettings

_IS_GONE = (MemberStatus.FAILED, MemberStatus.LEFT)


def pool_member(
    node: Node, tags: dict[str, str], status: MemberStatus, since_s: float
) -> PoolMember:
    """A member from what memberlist knows of it; `node.vsn` has six bytes or none count."""
    vsn = node.vsn if len(node.vsn) == 6 else bytes(6)
    return PoolMember(
        name=node.name,
        address=node.address,
        tags=tags,
        status=status,
        protocol=(vsn[0], vsn[1], vsn[2]),
        delegate=(vsn[3], vsn[4], vsn[5]),
        since_s=since_s,
    )


class _Row(Struct):
    member: PoolMember
    status_ltime: int = 0
    is_hearsay: bool = False  # whether that intent may have been a leave: only its time was said
    gone_s: float = math.inf  # since when memberlist does not reach it, if it does not


class MemberTable:
    """All members by name; at most `rows_max`, which must not be less than memberlist lists.

    `changed(change, member, now_s)` hears of every change but those from alive to leaving and back.
    """

    def __init__(
        self,
        *,
        own: PoolMember,
        settings: SerfSettings,
        rows_max: int,
        changed: Callable[[Change, PoolMember, float], None],
        journal: Journal,
    ) -> None:
        self._own_name = own.name
        self._settings = settings
        self._rows_max = rows_max
        self._changed = changed
        self._journal = journal
        self._rows = {own.name: _Row(own)}
        self._failed: dict[str, None] = {}
        self._left: dict[str, None] = {}
        self._intents = Intents(held_max=rows_max)
        self._prunes: dict[str, float] = {}  # not before then; inf: as soon as it is gone
        self.next_prune_s = math.inf

    # ---------------------------------------------------------------- who is there

    def __len__(self) -> int:
        return len(self._rows)

    def __contains__(self, name: str) -> bool:
        return name in self._rows

    @property
    def own(self) -> PoolMember:
        """This member itself, which is always there."""
        return self._rows[self._own_name].member

    def get(self, name: str) -> PoolMember | None:
        """The member of this name."""
        row = self._rows.get(name)
        return row.member if row is not None else None

    def all(self) -> list[PoolMember]:
        """Everybody, by name."""
        return [self._rows[name].member for name in sorted(self._rows)]

    def alive(self) -> list[PoolMember]:
        """The others that are alive, in no order."""
        return [
            row.member
            for name, row in self._rows.items()
            if row.member.status is MemberStatus.ALIVE and name != self._own_name
        ]

    def failed(self) -> list[PoolMember]:
        """Those that failed."""
        return [self._rows[name].member for name in self._failed]

    @property
    def failed_count(self) -> int:
        """How many failed."""
        return len(self._failed)

    @property
    def left_names(self) -> tuple[str, ...]:
        """Who left."""
        return tuple(self._left)

    def status_ltimes(self) -> dict[str, int]:
        """The time of the newest intent of everybody who does not leave just now.

        A time alone is taken for that of a join: then the leave itself, which is of the same time,
        would be old, and the member, when it is gone, one that failed.
        """
        return {
            name: row.status_ltime
            for name, row in self._rows.items()
            if row.member.status is not MemberStatus.LEAVING
        }

    def status_ltime(self, name: str) -> int:
        """The time of the newest intent about a member that is there."""
        return self._rows[name].status_ltime

    # ---------------------------------------------------------------- what memberlist says

    def joined(self, node: Node, tags: dict[str, str], now_s: float) -> None:
        """It can be reached, and could not before."""
        row = self._rows.get(node.name)
        if row is None:
            row = self._admit(node, tags, now_s)
        else:
            if row.member.status is MemberStatus.FAILED:
                self._journal.count("serf.member.flap")
            self._forget_gone(node.name)
            row.member = pool_member(node, tags, MemberStatus.ALIVE, now_s)
        self._journal.count("serf.member.join")
        self._tell(Change.JOIN, row, now_s)

    def _admit(self, node: Node, tags: dict[str, str], now_s: float) -> _Row:
        if len(self._rows) >= self._rows_max:
            self._evict(now_s)
        row = _Row(pool_member(node, tags, MemberStatus.ALIVE, now_s))
        if (held := self._intents.take(node.name)) is not None:
            row.status_ltime = held.ltime
            if held.is_leave:
                row.member = replace(row.member, status=MemberStatus.LEAVING)
        self._rows[node.name] = row
        return row

    def _evict(self, now_s: float) -> None:
        """Make room: memberlist does not list all of these, so somebody is gone."""
        gone = [name for name in (*self._failed, *self._left) if name != self._own_name]
        oldest = min(gone, key=lambda name: self._rows[name].gone_s, default=None)
        if oldest is not None:
            self._journal.warning(
                f"{len(self._rows)} members are known, which is the limit; {oldest}, which is "
                "gone for the longest time, is forgotten"
            )
            self._erase(oldest, now_s)

    def gone(self, name: str, now_s: float) -> None:
        """It cannot be reached any more."""
        row = self._rows.get(name)
        if row is None:
            return
        match row.member.status:
            case MemberStatus.LEAVING:
                self._change_status(row, MemberStatus.LEFT, now_s)
                self._left[name] = None
                change = Change.LEAVE
                self._journal.count("serf.member.left")
            case MemberStatus.ALIVE:
                self._change_status(row, MemberStatus.FAILED, now_s)
                self._failed[name] = None
                change = Change.FAILED
                self._journal.count("serf.member.failed")
            case _:
                self._journal.warning(f"Bad state when leave: {row.member.status.value}")
                return
        row.gone_s = now_s
        self._tell(change, row, now_s)
        if self._prunes.get(name) == math.inf:
            self._erase(name, now_s, " (forced)")

    def updated(self, node: Node, tags: dict[str, str], now_s: float) -> None:
        """It has other tags."""
        row = self._rows.get(node.name)
        if row is not None:
            row.member = pool_member(node, tags, row.member.status, row.member.since_s)
            self._journal.count("serf.member.update")
            self._tell(Change.UPDATE, row, now_s)

    # ---------------------------------------------------------------- intents

    def leave_intent(self, name: str, ltime: int, *, prune: bool, now_s: float) -> bool:
        """Somebody says that it leaves. Whether that is news, to be told to others."""
        row = self._rows.get(name)
        if row is None:
            return self._intents.hold(name, Held(is_leave=True, ltime=ltime, since_s=now_s))
        if ltime < row.status_ltime or (ltime == row.status_ltime and not row.is_hearsay):
            return False
        row.status_ltime = ltime  # also if nothing changes, or it would be told without end
        row.is_hearsay = False
        match row.member.status:
            case MemberStatus.ALIVE:
                self._change_status(row, MemberStatus.LEAVING, now_s)
            case MemberStatus.FAILED:
                self._make_left(row, now_s)
            case _:
                pass
        if prune and name != self._own_name:
            self._prune(name, row, now_s)
        return True

    def _make_left(self, row: _Row, now_s: float) -> None:
        name = row.member.name
        self._change_status(row, MemberStatus.LEFT, now_s)
        del self._failed[name]
        self._left[name] = None
        self._tell(Change.LEAVE, row, now_s, " (forced)")

    def left_elsewhere(self, name: str, ltime: int, now_s: float) -> None:
        """Another member has it among those that left, by an intent of that time.

        If that is the newest intent that we know too, and we can reach it, then it has come back,
        and the other has not heard. Serf takes it for leaving, by an intent that is later by one,
        which nobody has said: that collides with what the member itself says next, and at each
        exchange the time goes up by one.
        """
        row = self._rows.get(name)
        if row is not None and ltime == row.status_ltime:
            if row.member.status is MemberStatus.FAILED:
                self._make_left(row, now_s)
            return
        self.leave_intent(name, ltime, prune=False, now_s=now_s)

    def join_intent(self, name: str, ltime: int, now_s: float, *, hearsay: bool = False) -> bool:
        """Somebody says that it joined. Whether that is news, to be told to others.

        `hearsay`: or at least that there was an intent of that time. Serf agents say so of one
        that leaves; its leave may still come, and counts.
        """
        row = self._rows.get(name)
        if row is None:
            return self._intents.hold(name, Held(is_leave=False, ltime=ltime, since_s=now_s))
        if ltime <= row.status_ltime:
            return False
        row.status_ltime = ltime
        row.is_hearsay = hearsay
        if row.member.status is MemberStatus.LEAVING:
            self._change_status(row, MemberStatus.ALIVE, now_s)
            self._prunes.pop(name, None)
        return True

    # ---------------------------------------------------------------- forgetting

    def _prune(self, name: str, row: _Row, now_s: float) -> None:
        if row.member.status in _IS_GONE:
            self._erase(name, now_s, " (forced)")
            return
        # It leaves in its own time; only then memberlist lets it go.
        settings = self._settings
        at_s = now_s + settings.broadcast_timeout_s + settings.leave_propagate_delay_s
        self._prunes[name] = at_s
        self.next_prune_s = min(self.next_prune_s, at_s)

    def prune(self, now_s: float) -> None:
        """Forget those that were to be pruned, and are gone."""
        if now_s < self.next_prune_s:
            return
        for name, at_s in list(self._prunes.items()):
            if at_s <= now_s:
                if self._rows[name].member.status in _IS_GONE:
                    self._erase(name, now_s, " (forced)")
                else:
                    self._prunes[name] = math.inf
        self.next_prune_s = min(self._prunes.values(), default=math.inf)

    def reap(self, now_s: float) -> None:
        """Forget who is gone for long, and intents that nothing came of."""
        settings = self._settings
        for names, timeout_s in (
            (list(self._failed), settings.reconnect_timeout_s),
            (list(self._left), settings.tombstone_timeout_s),
        ):
            for name in names:
                if now_s - self._rows[name].gone_s > timeout_s:
                    self._erase(name, now_s)
        until_s = now_s - settings.recent_intent_timeout_s
        self._intents.forget(until_s)
        for name, row in self._rows.items():
            if row.member.status is MemberStatus.LEAVING and row.member.since_s <= until_s:
                # Who leaves is gone in seconds. It stays, but its refutation did not reach us, or
                # was of the same time as the intent; or else it would be leaving for ever.
                self._change_status(row, MemberStatus.ALIVE, now_s)
                self._prunes.pop(name, None)

    def _erase(self, name: str, now_s: float, how: str = "") -> None:
        self._forget_gone(name)
        self._tell(Change.REAP, self._rows.pop(name), now_s, how)

    def _forget_gone(self, name: str) -> None:
        self._failed.pop(name, None)
        self._left.pop(name, None)
        self._prunes.pop(name, None)

    def _change_status(self, row: _Row, status: MemberStatus, now_s: float) -> None:
        row.member = replace(row.member, status=status, since_s=now_s)

    def _tell(self, change: Change, row: _Row, now_s: float, how: str = "") -> None:
        member = row.member
        self._journal.info(f"{change.value}{how}: {member.name} {member.address.host}")
        self._changed(change, member, now_s)
