"""Which modules are compiled: those that requests and the log go through, by the profile.

Not among them, because mypyc cannot (or would change what they mean):
- modules that define msgspec structs: mypyc takes no class keywords (`frozen=True`);
- generic dataclasses, subclasses of int, str, bytes, tuple, dict and OSError, async generators,
  `except*`;
- `endpoints/*` with handlers, but for those whose table says what they answer with: else it is read
  from the handler's annotations, which machine code does not have.
All others would do, but win nothing: they are not asked for each request.
"""

import importlib
from pathlib import Path
from typing import Final

COMPILED: Final = (
    "api/blocking_requests",
    "api/http",
    "api/kv",
    "api/options",
    "api/plain_reads",
    "api/plain_writes",
    "api/reading",
    "api/reply",
    "api/routing",
    "api/surface",
    "endpoints/blocking",
    "endpoints/catalog_checks",
    "endpoints/forward",
    "endpoints/kv",
    "endpoints/methods",
    "endpoints/session",
    "endpoints/timing",
    "fsm/apply",
    "fsm/chunking",
    "fsm/commands",
    "fsm/key_commands",
    "local/token_bucket",
    "model/service_rules",
    "raft/append_codec",
    "raft/candidate",
    "raft/codec",
    "raft/entry",
    "raft/follower",
    "raft/front",
    "raft/leader",
    "raft/lease",
    "raft/log",
    "raft/node",
    "raft/pairing",
    "raft/quorum",
    "raft/reads",
    "raft/state",
    "rpc/value_reader",
    "runtime/agent_settings",
    "runtime/agent_tokens",
    "runtime/applying",
    "runtime/commit_heard",
    "runtime/default_token",
    "runtime/disk_times",
    "runtime/disk_watch",
    "runtime/eager_task",
    "runtime/gathering",
    "runtime/giving_time",
    "runtime/http_connection",
    "runtime/http_exchange",
    "runtime/http_front",
    "runtime/http_reader",
    "runtime/http_response",
    "runtime/http_shortcuts",
    "runtime/kept_answers",
    "runtime/kept_reads",
    "runtime/kernel_sync",
    "runtime/known_heads",
    "runtime/lmdb_engine",
    "runtime/lmdb_room",
    "runtime/lmdb_views",
    "runtime/log_entries",
    "runtime/log_writer",
    "runtime/long_polls",
    "runtime/own_calls",
    "runtime/pending",
    "runtime/plain_writes",
    "runtime/proposals",
    "runtime/query_runs",
    "runtime/raft_conversation",
    "runtime/raft_driver",
    "runtime/raft_peer_connection",
    "runtime/raft_transport",
    "runtime/read_recording",
    "runtime/replicated_log",
    "runtime/request_log",
    "runtime/resumed_queries",
    "runtime/rpc_forwarding",
    "runtime/rpc_streams",
    "runtime/server_calls",
    "runtime/state_machine",
    "runtime/tapped_stream",
    "runtime/wal_files",
    "runtime/wal_segment_files",
    "store/buffered_engine",
    "store/catalog",
    "store/catalog_indexes",
    "store/checks",
    "store/gateway_services",
    "store/key_rows",
    "store/keys",
    "store/kv",
    "store/layered",
    "store/memtable",
    "store/nodes",
    "store/orders",
    "store/row_cache",
    "store/same",
    "store/service_meta",
    "store/services",
    "store/sessions",
    "store/state",
    "store/tombstones",
    "store/traced_reads",
    "store/transaction",
    "store/unique",
    "store/watch",
    "telemetry",
    "wal/encoding",
    "wal/log_record",
    "wal/segments",
    "wire/json",
    "wire/msgpack",
    "wire/native",
    "wire/pieces",
    "wire/rows",
)


def interpreted() -> list[str]:
    """Those that do not run as machine code in this process."""
    names = ["proconsul." + name.replace("/", ".") for name in COMPILED]
    return [name for name in names if str(importlib.import_module(name).__file__).endswith(".py")]


def build() -> str:
    """What this process runs on, in words."""
    left = len(interpreted())
    return {0: "compiled modules", len(COMPILED): "interpreted"}.get(
        left, f"{len(COMPILED) - left} of {len(COMPILED)} modules compiled"
    )


def files(root: Path) -> list[Path]:
    """Their sources under the package's folder; FileNotFoundError names one that is not there."""
    found = [root / f"{name}.py" for name in COMPILED]
    for path in found:
        if not path.is_file():
            raise FileNotFoundError(f"{path} is to be compiled, and is not there")
    return found
