"""Runs that were never made."""

from bench.results import Measured
from bench.servers import Side


def run(side: Side, per_s: float, **changes: object) -> Measured:
    """A run of `put-64-64` on one server, in the first pair, with anything changed."""
    values: dict[str, object] = {
        "row": "put-64-64",
        "busy": False,
        "servers": 1,
        "pair": 0,
        "first": True,
        "requests": 1000,
        "p50_us": 100.0,
        "p99_us": 1000.0,
        "cpu_us": 50.0,
        "flushes_s": 500.0,
        "rss_bytes": 2**26,
        "server_cores": 0.9,
        "load_cores": 0.4,
        "other_cores": 0.0,
        "sampled": 10,
        "beats_s": 0.0,
    }
    return Measured(side=side, per_s=per_s, **{**values, **changes})  # type: ignore[arg-type]


def pair(number: int, consul: float, ours: float, **changes: object) -> list[Measured]:
    """Both runs of a pair; the changes are ours."""
    row = {name: changes[name] for name in ("row", "busy", "servers") if name in changes}
    return [
        run(Side.CONSUL, consul, pair=number, **row),
        run(Side.OURS, ours, pair=number, **changes),
    ]
