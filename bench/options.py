"""What the user chose for one run of the command."""

from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(".bench")  # below the tree, so that both sides are on its file system
NETWORK = "127.88.0"  # /24 of loopback; tests use 127.0.100.* and above


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """Of one run; `servers` are the sizes of cluster, one after the other."""

    servers: tuple[int, ...] = (1, 3)
    pairs: int = 5
    seconds: int = 3
    both_cores: bool = False
    largest: int = 1_000_000  # of what grows: keys, instances, watchers
    mixed_seconds: int = 300
    network: str = NETWORK
    folder: Path = FOLDER

    @property
    def results(self) -> Path:
        """Where results are kept."""
        return self.folder / "results"
