"""How fast and how patient a pool is (memberlist's and Serf's own names, in seconds).

The LAN profile with Consul's changes is the default (wire/gossip/gossip.md section 7, serf.md
section 9).
"""

from msgspec import Struct


class GossipSettings(Struct, frozen=True, kw_only=True):
    """memberlist's part."""

    probe_interval_s: float = 1.0
    probe_timeout_s: float = 0.5
    suspicion_mult: int = 4
    suspicion_max_timeout_mult: int = 6
    gossip_interval_s: float = 0.2
    gossip_nodes: int = 3
    gossip_to_the_dead_s: float = 30.0
    retransmit_mult: int = 4
    push_pull_interval_s: float = 30.0
    indirect_checks: int = 3
    tcp_timeout_s: float = 10.0
    awareness_max_multiplier: int = 8
    dead_node_reclaim_s: float = 30.0
    packet_bytes_max: int = 1400
    nodes_max: int = 20_000  # members taken; what a peer can make us hold
    encrypt_verify_incoming: bool = True
    encrypt_verify_outgoing: bool = True
    label: bytes = b""


class SerfSettings(Struct, frozen=True, kw_only=True):
    """Serf's part."""

    reap_interval_s: float = 15.0
    reconnect_interval_s: float = 30.0
    reconnect_timeout_s: float = 72 * 3600.0  # from failed to forgotten
    tombstone_timeout_s: float = 24 * 3600.0  # from left to forgotten
    recent_intent_timeout_s: float = 300.0
    broadcast_timeout_s: float = 5.0
    leave_propagate_delay_s: float = 3.0
    queue_depth_min: int = 4096
    event_buffer: int = 512
    query_buffer: int = 512
    user_event_bytes_max: int = 512
    query_bytes_max: int = 1024
    query_response_bytes_max: int = 1024
    query_timeout_mult: int = 16
    coordinates: bool = True
    rejoin_after_leave: bool = False
