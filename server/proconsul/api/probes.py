"""What is asked of a server by whoever restarts it or sends it requests (Kubernetes' probes).

- `startz`: the log is read and HTTP is up; nothing else is asked before that.
- `livez`: the event loop answers, and the disk is not stuck. Never about a leader or a quorum: who
  restarts the survivors of a loss of quorum makes it worse.
- `readyz`: requests may come here, and others may be stopped, for it counts. A leader is known and
  was heard lately, or this server leads and a majority agrees; it votes; and the state is not far
  behind. Who does not vote yet must not be counted by whoever stops one server at a time: the
  voters would lose their majority.

Pure: the facts are taken by runtime/own_server.py.
"""

from typing import Any

from msgspec import Struct

from proconsul.wire import json

STUCK_S = 60.0  # a call of the disk's; slow disks take seconds
LAG_ENTRIES_MAX = 1000
CONTACT_ELECTION_TIMEOUTS = 2
PATH = "/v1/proconsul/"
PROBES = ("startz", "livez", "readyz")


class Verdict(Struct, frozen=True):
    """The answer to one probe: `reason` is one word for programs, `message` is for people."""

    ok: bool
    reason: str
    message: str

    @property
    def status(self) -> int:
        """Of the HTTP answer."""
        return 200 if self.ok else 503

    def builtins(self) -> dict[str, Any]:
        """The document: `{"OK": bool, "Reason": str, "Message": str}`."""
        return {"OK": self.ok, "Reason": self.reason, "Message": self.message}

    def body(self) -> bytes:
        """The document as JSON."""
        return json.encode(self.builtins())


def _ok() -> Verdict:
    return Verdict(True, "OK", "")


class Health(Struct, frozen=True, kw_only=True):
    """How a server is at one moment. Ages are seconds."""

    started: bool  # the log is read, HTTP is up
    idle_reason: str  # why it takes no part by its own will, "" if it does
    idle_message: str
    draining: bool  # it was told to end
    disk_busy_s: float  # for how long a call of the disk's has not returned; 0: there is none
    leads: bool
    has_quorum: bool  # of the leader: a majority agreed lately
    votes: bool  # by its own configuration
    leader_known: bool
    contact_age_s: float | None  # since the leader was heard; None for never
    election_timeout_s: float
    removal: str  # the cluster says that this server is none of its members; "" if not
    lag_entries: int  # committed, as far as is known, and not applied here


def startup(health: Health) -> Verdict:
    """`startz`."""
    if not health.started:
        return Verdict(False, "Starting", "the log is being read")
    return _ok()


def liveness(health: Health) -> Verdict:
    """`livez`; that it is asked at all shows that the event loop goes round."""
    if health.disk_busy_s > STUCK_S:
        return Verdict(
            False, "DiskStuck", f"the disk has not answered for {health.disk_busy_s:.0f} s"
        )
    return _ok()


def readiness(health: Health) -> Verdict:
    """`readyz`."""
    if not health.started:
        return startup(health)
    if health.idle_reason:
        return Verdict(False, health.idle_reason, health.idle_message)
    if health.draining:
        return Verdict(False, "Draining", "this server is about to end")
    objection = _of_a_leader(health) if health.leads else _of_a_follower(health)
    if objection is not None:
        return Verdict(False, "Removed", health.removal) if health.removal else objection
    if health.lag_entries >= LAG_ENTRIES_MAX:
        return Verdict(
            False, "FarBehind", f"{health.lag_entries} committed entries are not applied yet"
        )
    return _ok()


def _of_a_leader(health: Health) -> Verdict | None:
    if health.has_quorum:
        return None
    return Verdict(False, "NoQuorum", "this server leads, and no majority has agreed lately")


def _of_a_follower(health: Health) -> Verdict | None:
    if not health.leader_known:
        return Verdict(False, "NoLeader", "no leader is known")
    age_s, longest_s = health.contact_age_s, CONTACT_ELECTION_TIMEOUTS * health.election_timeout_s
    if age_s is None:
        return Verdict(False, "LostContact", "the leader has not been heard yet")
    if age_s >= longest_s:
        return Verdict(
            False, "LostContact", f"the leader was heard {age_s:.1f} s ago, {longest_s:g} s at most"
        )
    if not health.votes:
        return Verdict(False, "NotVoter", "this server has no vote: the leader gives it one soon")
    return None


JUDGES = {"startz": startup, "livez": liveness, "readyz": readiness}
