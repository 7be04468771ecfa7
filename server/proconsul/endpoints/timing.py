"""How long a method took, as Consul's metrics have it: milliseconds."""

from types import TracebackType

from proconsul.endpoints.context import Context


class timed:  # noqa: N801 - used like a function
    """Count the block's time under `metric`, whether it fails or not."""

    # No generator: this stands around every write.
    __slots__ = ("_began_s", "_context", "_metric")

    def __init__(self, context: Context, metric: str) -> None:
        self._context = context
        self._metric = metric

    def __enter__(self) -> None:
        self._began_s = self._context.world.now_s()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        failure: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        took_s = self._context.world.now_s() - self._began_s
        self._context.telemetry.sample(self._metric, took_s * 1000)
