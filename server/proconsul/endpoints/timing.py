"""How long a method took, as Consul's metrics have it: milliseconds."""

from proconsul.endpoints.context import Context


class timed:  # noqa: N801  # read as a verb: `with timed(context, ...)`
    """Counts its block's time under `metric`, whether it fails or not.

    A class, because a generator for it takes several times as long, in each request.
    """

    __slots__ = ("_began_s", "_context", "_metric")

    def __init__(self, context: Context, metric: str) -> None:
        self._context = context
        self._metric = metric
        self._began_s = 0.0

    def __enter__(self) -> None:
        self._began_s = self._context.world.now_s()

    def __exit__(self, *failure: object) -> None:
        context = self._context
        context.telemetry.sample(self._metric, (context.world.now_s() - self._began_s) * 1000)
