"""Lines and counts of a pool, as effects among the others."""

from proconsul.gossip.effects import Count, Effect, Level, Log


class Journal:
    """Appends to the effects of its owner; `voice` begins each line ("memberlist", "serf")."""

    def __init__(self, effects: list[Effect], voice: str) -> None:
        self._effects = effects
        self._voice = voice

    def _log(self, level: Level, text: str) -> None:
        self._effects.append(Log(level, f"{self._voice}: {text}"))

    def debug(self, text: str) -> None:
        """For who looks closely."""
        self._log(Level.DEBUG, text)

    def info(self, text: str) -> None:
        """What happens rarely and is right."""
        self._log(Level.INFO, text)

    def warning(self, text: str) -> None:
        """What is not right, and we live with it."""
        self._log(Level.WARNING, text)

    def error(self, text: str) -> None:
        """What failed."""
        self._log(Level.ERROR, text)

    def count(self, name: str, by: int = 1) -> None:
        """So many more of this, by its name in Consul's telemetry."""
        self._effects.append(Count(name, by))
