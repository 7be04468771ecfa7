"""Which cluster is taken."""

import json
from pathlib import Path

import pytest
import yaml

from e2e.cluster import CONFIG, Given, Kind, chosen


def test_kind_is_taken_unless_a_cluster_is_given() -> None:
    kind = chosen({"KIND_IMAGE": "kindest/node:v1"})
    assert isinstance(kind, Kind)
    assert kind.image == "kindest/node:v1"
    given = chosen({"E2E_CLUSTER": "given", "E2E_LOAD": "lab load"})
    assert isinstance(given, Given)
    assert given.loader == "lab load"
    with pytest.raises(ValueError, match="E2E_CLUSTER"):
        chosen({"E2E_CLUSTER": "other"})


def test_kinds_cluster_has_three_workers_in_three_zones() -> None:
    config = yaml.safe_load(Path(CONFIG).read_text())
    assert [node["role"] for node in config["nodes"]] == ["control-plane"] + 3 * ["worker"]
    zones = {json.dumps(node.get("labels", {})) for node in config["nodes"][1:]}
    assert len(zones) == 3
