"""Write the definitions of the kinds: what `make crds` runs.

    python -m operator_tests.crds manifests/crds [FOLDER ...]

A file a kind, made from the structs alone, the same bytes each time; test_manifests.py fails when
what is committed is not what would be written.
"""

import json
import sys
from pathlib import Path
from typing import Any

import yaml

from proconsul_operator.api.schema import KINDS, Kind, definition

_HEAD = "# Made from proconsul_operator.api by `make crds`; do not edit.\n"


def as_yaml(body: dict[str, Any]) -> str:
    """One document, keys in the order given, without aliases."""
    # Through JSON, so that nothing but plain values remains, and no two places share one.
    return _HEAD + yaml.safe_dump(json.loads(json.dumps(body)), sort_keys=False, width=100)


def files() -> dict[str, str]:
    """File names, each with what stands in it."""
    return {_file_name(kind): as_yaml(definition(kind)) for kind in KINDS}


def _file_name(kind: Kind) -> str:
    return f"{kind.plural}.yaml"


def main(folders: list[str]) -> int:
    """Write into each folder; 2 if none is given."""
    if not folders:
        sys.stderr.write("name a folder: python -m operator_tests.crds manifests/crds\n")
        return 2
    for folder in map(Path, folders):
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in files().items():
            (folder / name).write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
