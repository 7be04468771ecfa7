"""An archive keeps all but its name."""

import io
import json
import tarfile
from pathlib import Path

from e2e.prime import PRIME_TAG, primed

NAME = "docker.io/library/proconsul"
FILES = {
    "manifest.json": [{"Config": "c.json", "RepoTags": [f"{NAME}:dev"], "Layers": ["l.tar"]}],
    "index.json": {
        "manifests": [
            {
                "digest": "sha256:00",
                "annotations": {
                    "io.containerd.image.name": f"{NAME}:dev",
                    "org.opencontainers.image.ref.name": "dev",
                },
            },
            {"digest": "sha256:01"},
        ]
    },
    "c.json": {"architecture": "amd64"},
    "repositories": {NAME: {"dev": "00"}},
}


def _archive(path: Path) -> Path:
    with tarfile.open(path, "w") as made:
        for name, value in FILES.items():
            text = json.dumps(value).encode()
            member = tarfile.TarInfo(name)
            member.size = len(text)
            made.addfile(member, io.BytesIO(text))
        link = tarfile.TarInfo("layer/layer.tar")
        link.type, link.linkname = tarfile.SYMTYPE, "../l.tar"
        made.addfile(link)
    return path


def test_the_name_is_another_everywhere_and_all_else_is_the_same(tmp_path: Path) -> None:
    out = primed(_archive(tmp_path / "server.tar"), tmp_path / "build" / "prime.tar")
    with tarfile.open(out) as found:
        assert found.getnames() == ["manifest.json", "index.json", "c.json", "layer/layer.tar"]
        texts = {
            name: json.load(content)
            for name in ("manifest.json", "index.json", "c.json")
            if (content := found.extractfile(name)) is not None
        }
        assert found.getmember("layer/layer.tar").linkname == "../l.tar"
    ((row,), index) = texts["manifest.json"], texts["index.json"]
    assert row == {**FILES["manifest.json"][0], "RepoTags": [f"{NAME}:{PRIME_TAG}"]}  # type: ignore[index]
    assert index["manifests"][0]["annotations"] == {
        "io.containerd.image.name": f"{NAME}:{PRIME_TAG}",
        "org.opencontainers.image.ref.name": PRIME_TAG,
    }
    assert texts["c.json"] == FILES["c.json"]
