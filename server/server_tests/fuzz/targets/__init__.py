"""The decoders that are fuzzed: a module of checks each, and what reads the peer's bytes there.

The names stand here, apart from the checks, because the modules are marked or measured before
anything imports them.
"""

import importlib
from types import MappingProxyType

from server_tests.fuzz.target import Target

DECODERS = MappingProxyType(
    {
        "mux": ("proconsul.rpc.first_byte", "proconsul.runtime.rpc_conversation"),
        "yamux": (
            "proconsul.rpc.yamux",
            "proconsul.rpc.yamux_frame",
            "proconsul.rpc.yamux_stream",
            "proconsul.rpc.yamux_events",
        ),
        "msgpack_rpc": (
            "proconsul.rpc.msgpack_rpc",
            "proconsul.rpc.value_reader",
            "proconsul.rpc.snapshot_stream",
            "proconsul.wire.msgpack",
        ),
        "raft_transport": (
            "proconsul.raft.append_codec",
            "proconsul.raft.codec",
            "proconsul.raft.pairing",
            "proconsul.runtime.raft_conversation",
            "proconsul.runtime.raft_incoming_body",
        ),
        "snapshot_archive": (
            "proconsul.fsm.archive",
            "proconsul.fsm.tar_stream",
            "proconsul.fsm.snapshot",
        ),
        "gossip_packets": (
            "proconsul.gossip.packets",
            "proconsul.gossip.framing",
            "proconsul.gossip.label",
            "proconsul.gossip.lzw",
        ),
        "gossip_streams": ("proconsul.gossip.streams",),
        "serf": (
            "proconsul.gossip.serf_codec",
            "proconsul.gossip.serf_state",
            "proconsul.gossip.fields",
            "proconsul.gossip.tags",
            "proconsul.gossip.coordinate_codec",
            "proconsul.gossip.serf_delegate",
            "proconsul.gossip.memberlist",
            "proconsul.gossip.claims",
            "proconsul.gossip.exchange",
            "proconsul.gossip.probe",
            "proconsul.gossip.announcements",
            "proconsul.gossip.queries",
            "proconsul.gossip.user_events",
            "proconsul.gossip.internal_queries",
            "proconsul.gossip.intents",
        ),
        "commands": (
            "proconsul.fsm.commands",
            "proconsul.fsm.apply",
            "proconsul.fsm.chunking",
            "proconsul.wire.gostruct",
        ),
        "http": (
            "proconsul.runtime.http_reader",
            "proconsul.runtime.http_connection",
            "proconsul.runtime.http_exchange",
            "proconsul.runtime.known_heads",
            "proconsul.api.http",
        ),
    }
)

# They are no decoders of their own, but there is more to find for who goes on into them.
MARKED_TOO = MappingProxyType(
    {
        "commands": (
            "proconsul.store.acl",
            "proconsul.store.acl_methods",
            "proconsul.store.acl_policies",
            "proconsul.store.catalog",
            "proconsul.store.checks",
            "proconsul.store.config_entries",
            "proconsul.store.connect_ca",
            "proconsul.store.intentions",
            "proconsul.store.kv",
            "proconsul.store.nodes",
            "proconsul.store.prepared_queries",
            "proconsul.store.services",
            "proconsul.store.sessions",
            "proconsul.store.txn",
            "proconsul.wire.golang",
        ),
        "gossip_packets": ("proconsul.gossip.fields", "proconsul.gossip.keyring"),
        "gossip_streams": (
            "proconsul.gossip.packets",
            "proconsul.gossip.fields",
            "proconsul.gossip.keyring",
            "proconsul.gossip.lzw",
        ),
        "msgpack_rpc": ("proconsul.wire.gostruct",),
        "mux": (
            "proconsul.runtime.rpc_server",
            "proconsul.runtime.rpc_yamux",
            "proconsul.runtime.rpc_snapshots",
            "proconsul.rpc.yamux",
        ),
        "snapshot_archive": (
            "proconsul.fsm.chunking",
            "proconsul.store.acl",
            "proconsul.store.acl_methods",
            "proconsul.store.acl_policies",
            "proconsul.store.catalog",
            "proconsul.store.checks",
            "proconsul.store.config_entries",
            "proconsul.store.nodes",
            "proconsul.store.prepared_queries",
            "proconsul.store.services",
            "proconsul.wire.gostruct",
            "proconsul.wire.msgpack",
        ),
    }
)


def load(name: str) -> Target:
    """The target of this name."""
    target: Target = importlib.import_module(f"{__name__}.{name}").TARGET
    assert target.name == name, f"{name} calls itself {target.name}"
    return target
