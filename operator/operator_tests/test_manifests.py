"""What is committed under manifests/ is what the code says, and the samples are good ones."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from operator_tests.api.kubernetes_rules import broken_rules, filled, type_errors
from operator_tests.crds import files, main
from proconsul_operator.api.group import API_VERSION
from proconsul_operator.api.schema import KINDS, root_schema
from proconsul_operator.api.values import read

MANIFESTS = Path(__file__).parents[2] / "manifests"
SAMPLES = sorted((MANIFESTS / "samples").glob("*.yaml"))
BY_KIND = {kind.name: kind for kind in KINDS}


def objects(path: Path) -> list[dict[str, Any]]:
    return list(yaml.safe_load_all(path.read_text(encoding="utf-8")))


def ours(path: Path) -> list[dict[str, Any]]:
    return [each for each in objects(path) if each["apiVersion"] == API_VERSION]


def unknown(schema: dict[str, Any], value: Any, path: str = "") -> list[str]:
    """Fields that an API server would silently drop."""
    if isinstance(value, list):
        return [each for item in value for each in unknown(schema["items"], item, f"{path}[]")]
    if not isinstance(value, dict) or "properties" not in schema:
        return []
    if schema.get("x-kubernetes-preserve-unknown-fields"):
        return []
    known = schema["properties"]
    strange = [f"{path}.{name}" for name in value if name not in known]
    inner = [(known[name], held, name) for name, held in value.items() if name in known]
    return strange + [
        each for told, held, name in inner for each in unknown(told, held, f"{path}.{name}")
    ]


def test_the_definitions_are_in_step() -> None:
    committed = {
        path.name: path.read_text(encoding="utf-8") for path in (MANIFESTS / "crds").iterdir()
    }
    assert committed == files(), "run `make crds`"


def test_what_is_written_can_be_read_again(tmp_path: Path) -> None:
    assert main([str(tmp_path / "a"), str(tmp_path / "b")]) == 0
    for folder in ("a", "b"):
        for name, text in files().items():
            assert (tmp_path / folder / name).read_text(encoding="utf-8") == text


def test_nowhere_to_write_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 2
    assert "name a folder" in capsys.readouterr().err


def test_there_is_a_sample_of_every_kind() -> None:
    assert {each["kind"] for path in SAMPLES for each in ours(path)} == set(BY_KIND)


@pytest.mark.parametrize("path", SAMPLES, ids=lambda path: path.name)
def test_a_sample_is_one_that_kubernetes_takes(path: Path) -> None:
    for body in ours(path):
        kind = BY_KIND[body["kind"]]
        schema = root_schema(kind)
        assert unknown(schema, {**body, "metadata": {}}) == []
        stored = filled(schema, body)
        assert type_errors(schema, stored) == []
        assert list(broken_rules(schema, stored)) == []
        read(kind.struct, body)
