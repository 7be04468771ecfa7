"""The servers' image under a second name: for Kubernetes another image, for the servers the same.

So an upgrade is tried with every release of ours, without a release before it. The archive is
rewritten, as not every builder gives two names: what `docker save` writes has the name in
`manifest.json`, newer ones in `index.json` too.
"""

import io
import json
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from e2e.images import TAG

PRIME_TAG = f"{TAG}-prime"
_NAME, _REF = "io.containerd.image.name", "org.opencontainers.image.ref.name"


def primed(archive: Path, out: Path) -> Path:
    """Write `archive` to `out` with the tag PRIME_TAG in place of its own. Raises OSError."""
    out.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(archive) as source, tarfile.open(out, "w") as made:
        for member in source:
            if member.name == "repositories":
                continue  # the same once more, of before 2014
            content = source.extractfile(member) if member.isfile() else None
            rename = RENAMED.get(member.name)
            if content is not None and rename is not None:
                text = json.dumps(rename(json.load(content))).encode()
                member.size, content = len(text), io.BytesIO(text)
            made.addfile(member, content)
    return out


def _manifest(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{**row, "RepoTags": [_with_tag(each) for each in row["RepoTags"]]} for row in rows]


def _index(index: dict[str, Any]) -> dict[str, Any]:
    for row in index["manifests"]:
        noted = row.get("annotations", {})
        if _NAME in noted:
            noted[_NAME] = _with_tag(noted[_NAME])
        if _REF in noted:
            noted[_REF] = PRIME_TAG
    return index


def _with_tag(name: str) -> str:
    return f"{name.rpartition(':')[0]}:{PRIME_TAG}"


RENAMED: dict[str, Callable[[Any], Any]] = {"manifest.json": _manifest, "index.json": _index}
