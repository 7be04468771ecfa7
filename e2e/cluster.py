"""The cluster that the cases run on: kind's, made and deleted here, or the one that is given.

`python -m e2e.cluster -- COMMAND ...` makes it ready, loads the images, runs the command and takes
away what was made. E2E_CLUSTER says which: `kind` (the default), or `given`: the one that
KUBECONFIG names, which stays as it is. KIND_IMAGE names kind's node image. Into a given cluster
the archives are loaded by the command E2E_LOAD (`$E2E_LOAD ARCHIVE`), or not at all: then its nodes
must have the images, or be able to pull them. E2E_EXTRA_IMAGES names archives of other images that
cases use (e2e/store.py), for nodes that cannot pull. E2E_KEEP=1 leaves kind's cluster for people.
"""

import os
import shlex
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from e2e.images import extra, images
from e2e.kubectl import CommandError, run
from e2e.results import FOLDER
from e2e.waits import limit

NAME = "proconsul-e2e"
CONFIG = Path(__file__).parent / "kind.yaml"


class Cluster(Protocol):
    """Something to run on."""

    @property
    def has_kind_nodes(self) -> bool:
        """Whether nodes are containers that docker can stop."""

    def create(self) -> None:
        """Have it."""

    def load(self, archives: Sequence[Path]) -> None:
        """Bring images to its nodes."""

    def tell(self, folder: Path) -> None:
        """Write down what its nodes know, for whoever looks for a reason."""

    def delete(self) -> None:
        """Leave nothing that `create` made."""


@dataclass(frozen=True, slots=True)
class Kind:
    """One control plane and three workers, in containers."""

    image: str  # "" for kind's own choice
    has_kind_nodes: bool = True

    def create(self) -> None:
        """Without what an ended run has left."""
        self.delete()
        named = ("--image", self.image) if self.image else ()
        # Room for slow machines: the limit of the command is above kind's own.
        wait = f"--wait={limit('cluster_created') / 2:.0f}s"
        command = ("kind", "create", "cluster", "--name", NAME, "--config", str(CONFIG))
        run(*command, *named, wait, limit_s=limit("cluster_created"))

    def load(self, archives: Sequence[Path]) -> None:
        """By the archive: a loaded name may be of several platforms, of which one is here."""
        for archive in archives:
            command = ("kind", "load", "image-archive", str(archive), "--name", NAME)
            run(*command, limit_s=limit("images_loaded"))

    def tell(self, folder: Path) -> None:
        """Logs of the nodes and of every container."""
        run("kind", "export", "logs", str(folder), "--name", NAME)

    def delete(self) -> None:
        """No error if there is none."""
        run("kind", "delete", "cluster", "--name", NAME)


@dataclass(frozen=True, slots=True)
class Given:
    """The one that KUBECONFIG names."""

    loader: str  # a command, "" for none
    has_kind_nodes: bool = False

    def create(self) -> None:
        """It is there; say at once if not."""
        run("kubectl", "get", "nodes")

    def load(self, archives: Sequence[Path]) -> None:
        """By the caller's command."""
        if self.loader:
            for archive in archives:
                command = (*shlex.split(self.loader), str(archive))
                run(*command, limit_s=limit("images_loaded"))

    def tell(self, folder: Path) -> None:
        """Its logs are its owner's."""

    def delete(self) -> None:
        """It is not ours."""


def chosen(environ: Mapping[str, str]) -> Cluster:
    """By the environment. Raises ValueError."""
    match environ.get("E2E_CLUSTER", "kind"):
        case "kind":
            return Kind(environ.get("KIND_IMAGE", ""))
        case "given":
            return Given(environ.get("E2E_LOAD", ""))
        case other:
            raise ValueError(f"E2E_CLUSTER: kind or given, not {other!r}")


def main(command: Sequence[str]) -> int:
    """Its exit code; 1 if the cluster could not be had."""
    cluster = chosen(os.environ)
    archives = [image.archive for image in images(os.environ) if image.archive.exists()]
    archives += extra(os.environ)
    try:
        cluster.create()
        cluster.load(archives)
        code = subprocess.run(command, check=False).returncode
        if code:
            cluster.tell(FOLDER / "cluster")
    except CommandError as failure:
        sys.stderr.write(f"the cluster: {failure}\n")
        code = 1
    finally:
        if not os.environ.get("E2E_KEEP"):
            cluster.delete()
    return code


if __name__ == "__main__":
    rest = sys.argv[1:]
    sys.exit(main(rest[1:] if rest[:1] == ["--"] else rest))
