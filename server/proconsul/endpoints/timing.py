"""How long a method took, as Consul's metrics have it: milliseconds."""

from collections.abc import Iterator
from contextlib import contextmanager

from proconsul.endpoints.context import Context


@contextmanager
def timed(context: Context, metric: str) -> Iterator[None]:
    """Count the block's time under `metric`, whether it fails or not."""
    began_s = context.world.now_s()
    try:
        yield
    finally:
        context.telemetry.sample(metric, (context.world.now_s() - began_s) * 1000)
