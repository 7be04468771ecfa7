"""The inputs that stay in the tree: small ones that together go wherever a decoder can go.

One file for a target, deflated: for each input its length in four bytes, then its bytes.
"""

import zlib
from pathlib import Path

FOLDER = Path(__file__).parent / "inputs"


def path_of(name: str) -> Path:
    """The file of a target."""
    return FOLDER / f"{name}.z"


def read(name: str) -> list[bytes]:
    """Its inputs; none if it has no file."""
    path = path_of(name)
    return unpack(path.read_bytes()) if path.exists() else []


def unpack(packed: bytes) -> list[bytes]:
    """The inputs in a file."""
    data = zlib.decompress(packed)
    inputs = []
    at = 0
    while at < len(data):
        size = int.from_bytes(data[at : at + 4], "big")
        inputs.append(data[at + 4 : at + 4 + size])
        at += 4 + size
    return inputs


def pack(inputs: list[bytes]) -> bytes:
    """The same file for the same inputs."""
    return zlib.compress(b"".join(len(one).to_bytes(4, "big") + one for one in sorted(inputs)), 9)


def write(name: str, inputs: list[bytes]) -> None:
    """Keep these."""
    FOLDER.mkdir(exist_ok=True)
    path_of(name).write_bytes(pack(inputs))
