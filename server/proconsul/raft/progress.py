"""What a leader knows: of each follower, of what is on its way, and of its own standing."""

from enum import Enum

import msgspec

from proconsul.raft.front import Front
from proconsul.raft.messages import Index, ServerId, Token
from proconsul.raft.reads import Reads


class Pace(Enum):
    """How fast the leader may send."""

    PROBE = "probe"  # where the logs agree is not known: one request at a time
    REPLICATE = "replicate"  # known: requests follow each other without waiting
    SNAPSHOT = "snapshot"  # it needs what the log no longer has: wait for the snapshot


class Flight(msgspec.Struct, frozen=True, gc=False):
    """A request under way: what success will mean, and what it confirms."""

    match_index: Index  # on success the follower matches up to here; 0 for a heartbeat
    previous_index: Index
    round: int  # the newest read round that had begun when it was sent
    is_heartbeat: bool = False


class Progress:
    """One follower, as its leader sees it."""

    def __init__(self, next_index: Index) -> None:
        self.match_index = Index(0)
        self.next_index = next_index
        self.pace = Pace.PROBE
        self.round = 0  # the newest read round that it confirmed
        self.silent_ticks = 0
        self.commit_sent = Index(0)  # how far it has been told, as far as no answer said otherwise
        self.flights: dict[Token, Flight] = {}
        self.entries_under_way = 0  # flights that are no heartbeats
        self._pause_ticks = 0
        self._failures = 0
        self._commit_age_ticks = 0

    def sent(self, token: Token, flight: Flight) -> None:
        """A request left."""
        self.flights[token] = flight
        if not flight.is_heartbeat:
            self.entries_under_way += 1
            self._commit_age_ticks = 0

    def landed(self, token: Token) -> Flight:
        """It has its outcome."""
        flight = self.flights.pop(token)
        if not flight.is_heartbeat:
            self.entries_under_way -= 1
        return flight

    def may_send(self, flights_max: int) -> bool:
        """Whether another request with entries may leave."""
        if self._pause_ticks or self.pace is Pace.SNAPSHOT:
            return False
        return self.entries_under_way < (1 if self.pace is Pace.PROBE else flights_max)

    def accepted(self, flight: Flight) -> bool:
        """The follower holds all of it; whether it matches further than we knew."""
        self.heard(flight)
        if flight.is_heartbeat:
            return False
        self._failures = 0
        further = flight.match_index > self.match_index
        self.match_index = max(self.match_index, flight.match_index)
        self.next_index = max(self.next_index, Index(self.match_index + 1))
        self.pace = Pace.REPLICATE
        return further

    def refused(self, flight: Flight, last_index: Index) -> None:
        """What goes before does not match: try again further in front."""
        self.heard(flight)
        if flight.is_heartbeat or flight.previous_index <= self.match_index:
            return  # overtaken by a later success
        back = min(flight.previous_index, last_index + 1, self.next_index)
        self.next_index = Index(max(back, self.match_index + 1))
        self.commit_sent = Index(0)
        self.pace = Pace.PROBE

    def lost(self, flight: Flight, pause_ticks_max: int) -> None:
        """No answer: what was sent behind it cannot be relied on either. Wait a little longer
        each time.

        The place stays: it says nothing about the follower's log that a request was lost.
        """
        if flight.is_heartbeat:
            return
        back = min(self.next_index, flight.previous_index + 1)
        self.next_index = Index(max(back, self.match_index + 1))
        self.commit_sent = Index(0)
        self.pace = Pace.PROBE
        self._pause_ticks = min(1 << self._failures, pause_ticks_max)
        self._failures = min(self._failures + 1, 16)

    def heard(self, flight: Flight) -> None:
        """It answered in our term, so it took us for the leader when it did."""
        self.silent_ticks = 0
        self.round = max(self.round, flight.round)

    def tick(self, commit_ticks: int) -> None:
        """Time passes; so many ticks after the commit index was told, it is told again.

        A follower that was restarted knows no commit index, and if nothing was under way to it
        we do not notice: without this its state would stay empty until the next entry.
        """
        self.silent_ticks += 1
        self._commit_age_ticks += 1
        if self._commit_age_ticks >= commit_ticks:
            self._commit_age_ticks = 0
            self.commit_sent = Index(0)
        self._pause_ticks = max(0, self._pause_ticks - 1)


class Transfer(msgspec.Struct):
    """Leadership on its way to another server."""

    target: ServerId
    told: bool = False  # TimeoutNow has left
    ticks: int = 0


class Leadership:
    """What a server has while it leads, and for one term only."""

    def __init__(self, first_index: Index, held_entries_max: int) -> None:
        self.front = Front(held_entries_max)
        self.first_index = first_index  # of the no-op: committed entries of our term begin here
        self.followers: dict[ServerId, Progress] = {}
        self.asked: dict[Token, ServerId] = {}
        self.reads = Reads()
        self.transfer: Transfer | None = None
        self.was_handing_over = False  # another server has been told to stand
        self.confirmed_round = 0  # the newest round that a majority has answered
        self.is_restoring = False
        self.heartbeat_due = True
        self.commit_due = False  # the followers may be told the commit index by itself
        self.ticks_to_heartbeat = 0
