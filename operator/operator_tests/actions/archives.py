"""Archives made by hand, whole and broken ones."""

import hashlib
import io
import json
import tarfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import msgpack

KEY, INDEX = 2, 16


def state(*records: tuple[int, Any]) -> bytes:
    """state.bin: a header, and records by kind."""
    packed = [msgpack.packb({"LastIndex": 7})]
    packed += [bytes([kind]) + msgpack.packb(body) for kind, body in records]
    return b"".join(packed)


def keys(count: int) -> list[tuple[int, Any]]:
    """Records of so many keys."""
    return [(KEY, {"Key": f"k{number}", "Value": b"v"}) for number in range(count)]


def mark(name: str, index: int) -> tuple[int, Any]:
    """An entry of the index table."""
    return (INDEX, {"Key": name, "Value": index})


def members(content: bytes, **meta: Any) -> list[tuple[str, bytes]]:
    """The three files of an archive that is whole, but for `meta`."""
    said = {"Version": 1, "ID": "1-7-1", "Index": 7, "Term": 2, "Size": len(content), **meta}
    described = json.dumps(said).encode()
    sums = "".join(
        f"{hashlib.sha256(held).hexdigest()}  {name}\n"
        for name, held in (("meta.json", described), ("state.bin", content))
    )
    return [("meta.json", described), ("state.bin", content), ("SHA256SUMS", sums.encode())]


def write(path: Path, files: Iterable[tuple[str, bytes]]) -> Path:
    """A gzipped tar of them."""
    with tarfile.open(path, "w:gz") as archive:
        for name, content in files:
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return path
