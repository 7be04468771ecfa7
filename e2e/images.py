"""`make images`: the two images as archives, by whichever builder is there.

IMAGE_BUILD, a command that is called as `$IMAGE_BUILD OUT.tar NAME:TAG --target TARGET
--build-arg ... CONTEXT`, outweighs docker, podman and buildah; they are tried in this order, and
docker only while its engine answers. SERVER_IMAGE_TAR and OPERATOR_IMAGE_TAR name archives that
are there already: they are not built. An archive is what `docker save` writes; `kind load
image-archive` and containerd take it.

Needs nothing but Python: no virtual environment, no cluster.
"""

import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
REGISTRY = (
    "docker.io/library"  # spelled out: a short name means different things to different builders
)
TAG = os.environ.get("IMAGE_TAG", "dev")
"""Of both images, in `make images` and in the cases: IMAGE_TAG names another."""
TARGETS = {"server": "proconsul", "operator": "proconsul-operator"}
"""By the Dockerfile's target: the image's name."""


class NoBuilderError(Exception):
    """Nothing here can build an image; the text says what to do."""

    def __init__(self) -> None:
        super().__init__(
            "no docker (with an engine that answers), podman or buildah: install one, name a "
            "command in IMAGE_BUILD, or name archives in SERVER_IMAGE_TAR and OPERATOR_IMAGE_TAR"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Image:
    """One of the two, and where its archive is."""

    target: str
    name: str
    archive: Path
    given: bool  # by the caller: it is not built


def images(environ: Mapping[str, str], tag: str = TAG) -> list[Image]:
    """Both."""
    found = []
    for target, name in TARGETS.items():
        given = environ.get(f"{target.upper()}_IMAGE_TAR", "")
        place = Path(given) if given else ROOT / "build" / f"{target}.tar"
        image = Image(
            target=target, name=f"{REGISTRY}/{name}:{tag}", archive=place, given=bool(given)
        )
        found.append(image)
    return found


def extra(environ: Mapping[str, str]) -> list[Path]:
    """Archives of other images that cases use, by E2E_EXTRA_IMAGES: paths, as PATH has them."""
    named = environ.get("E2E_EXTRA_IMAGES", "").split(os.pathsep)
    return [Path(each) for each in named if each]


def commands(
    image: Image, environ: Mapping[str, str], is_there: Callable[[str], bool], revision: str
) -> list[list[str]]:
    """What to run, in order, so that the image's archive is written. Raises NoBuilderError."""
    arguments = ["--target", image.target, "--build-arg", f"REVISION={revision}"]
    out, context = str(image.archive), str(ROOT)
    if own := environ.get("IMAGE_BUILD", ""):
        return [[*shlex.split(own), out, image.name, *arguments, context]]
    if is_there("docker"):
        build = ["docker", "build", "-t", image.name, *arguments, context]
        return [build, ["docker", "image", "save", "-o", out, image.name]]
    if is_there("podman"):
        build = ["podman", "build", "-t", image.name, *arguments, context]
        return [build, ["podman", "save", "--format", "docker-archive", "-o", out, image.name]]
    if is_there("buildah"):
        build = ["buildah", "bud", "--layers", "-t", image.name, *arguments, context]
        return [build, ["buildah", "push", image.name, f"docker-archive:{out}:{image.name}"]]
    raise NoBuilderError


def works(program: str) -> bool:
    """Whether that builder is here, and can be used."""
    if shutil.which(program) is None:
        return False
    if program != "docker":
        return True
    return subprocess.run(["docker", "info"], capture_output=True, check=False).returncode == 0


def revision() -> str:
    """The commit; with `-dirty` if the tree differs from it; `unknown` outside of git."""
    command = [
        "git",
        "-C",
        str(ROOT),
        "describe",
        "--always",
        "--dirty",
        "--abbrev=40",
        "--exclude=*",
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.stdout.strip() or "unknown"


def main(targets: Sequence[str]) -> int:
    """Build what is named, or both."""
    # An attestation would make the archive one of two platforms, which nodes refuse to load.
    environ = {**os.environ, "BUILDX_NO_DEFAULT_ATTESTATIONS": "1"}
    for image in images(os.environ):
        if targets and image.target not in targets:
            continue
        if image.given:
            sys.stdout.write(f"{image.target}: {image.archive} is given\n")
            continue
        try:
            steps = commands(image, os.environ, works, os.environ.get("REVISION") or revision())
        except NoBuilderError as failure:
            sys.stderr.write(f"make images: {failure}\n")
            return 1
        image.archive.parent.mkdir(parents=True, exist_ok=True)
        image.archive.unlink(missing_ok=True)
        for step in steps:
            sys.stdout.write(f"{shlex.join(step)}\n")
            sys.stdout.flush()
            if code := subprocess.run(step, env=environ, check=False).returncode:
                return code
        size_mib = image.archive.stat().st_size >> 20
        sys.stdout.write(f"{image.target}: {image.archive} ({size_mib} MiB)\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
