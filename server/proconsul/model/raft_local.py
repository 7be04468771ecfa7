"""What one server says of its own raft: the document of `GET /v1/proconsul/raft/local`.

Nobody else is asked for it: it is there without a leader, and while the server takes no part.
JSON, with these names:

| field | |
|---|---|
| `NodeID`, `NodeName`, `Address` | its ID in raft, its name, `ip:port` of its RPC port |
| `ClusterID`, `RestoreUID` | of its state, "" where there is none yet |
| `Version` | of this program |
| `State` | `Leader`, `Follower`, `Candidate`; `Idle` for one that does not take part |
| `IdleReason` | one word: why it is idle, "" if it is not |
| `Term`, `Vote` | the newest term it knows, and the ID that it voted for in it ("" for nobody) |
| `LastTerm`, `LastIndex` | of the last entry in its log |
| `CommitIndex`, `AppliedIndex` | as far as it knows, and what its state holds |
| `LeaderCommitIndex` | the highest that any leader told it; its lag is this less `AppliedIndex` |
| `SnapshotIndex` | of its newest snapshot |
| `LeaderID`, `LeaderAddress` | of the leader that it knows, or "" |
| `LastContactMs` | since it heard that leader; 0 on the leader, -1 for never |
| `Voter` | whether it votes by its own configuration |
| `Configuration` | `Index`, and `Servers`: `ID`, `Address`, `Voter` each |
| `RecoveryEpoch` | the last that its disk has seen (runtime/recovery_file.py); 0 for none |
| `Decommissioned` | whether its `left` marker is there |
| `Removed` | whether its leader's cluster says that it is no member, while it hears no leader |
"""

from msgspec import field

from proconsul.wire.gostruct import GoStruct


class RaftLocalServer(GoStruct, frozen=True, kw_only=True):
    """A member of the configuration."""

    id: str
    address: str
    voter: bool


class RaftLocalConfiguration(GoStruct, frozen=True, kw_only=True):
    """The members, and the log's entry that says so."""

    index: int
    servers: list[RaftLocalServer]


class RaftLocal(GoStruct, frozen=True, kw_only=True):
    """See above."""

    node_id: str
    node_name: str
    address: str
    cluster_id: str
    restore_uid: str = field(name="RestoreUID")
    version: str
    state: str
    idle_reason: str
    term: int
    vote: str
    last_term: int
    last_index: int
    commit_index: int
    applied_index: int
    leader_commit_index: int
    snapshot_index: int
    leader_id: str
    leader_address: str
    last_contact_ms: int
    voter: bool
    configuration: RaftLocalConfiguration
    recovery_epoch: int
    decommissioned: bool
    removed: bool
