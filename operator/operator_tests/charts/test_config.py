"""The configuration that the chart writes is one that the programs take."""

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from operator_tests.charts.cases import STANDALONE, names_of, values_of
from operator_tests.charts.helm import SERVERS, only, render
from proconsul.cli.main import main
from proconsul.config.keys import OWN


def config_of(helm: str, case: str, name: str, **more: Any) -> str:
    """A file of a ConfigMap, whichever it is in."""
    objects = render(helm, SERVERS, {**values_of(SERVERS, case), **more})
    (text,) = [
        each["data"][name]
        for each in objects
        if each["kind"] == "ConfigMap" and name in each.get("data", {})
    ]
    assert isinstance(text, str)
    return text


@pytest.mark.parametrize("case", STANDALONE)
def test_a_server_takes_its_configuration(
    helm: str, case: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "server.json"
    path.write_text(config_of(helm, case, "server.json"), encoding="utf-8")
    assert main(["validate", str(path)]) == 0, capsys.readouterr()


@pytest.mark.parametrize("case", ["default", "full"])
def test_an_agents_configuration_has_no_key_that_only_we_know(helm: str, case: str) -> None:
    client = {**values_of(SERVERS, case).get("client", {}), "enabled": True}
    made = json.loads(config_of(helm, case, "client.json", client=client))
    used = {f"{block}.{key}" for block, inner in made.items() if isinstance(inner, dict)
            for key in inner}  # fmt: skip
    assert not (made.keys() | used) & OWN


@pytest.mark.parametrize("case", ["default", "full"])
def test_a_real_consul_takes_an_agents_configuration(helm: str, case: str, tmp_path: Path) -> None:
    consul = os.environ.get("CONSUL_REAL")
    if not consul:
        pytest.skip("CONSUL_REAL names no real Consul")
    client = {**values_of(SERVERS, case).get("client", {}), "enabled": True}
    path = tmp_path / "client.json"
    path.write_text(config_of(helm, case, "client.json", client=client), encoding="utf-8")
    done = subprocess.run(
        [consul, "validate", str(path)], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_agents_and_servers_meet(helm: str) -> None:
    values = {"client": {"enabled": True}}
    objects = render(helm, SERVERS, values)
    client = json.loads(config_of(helm, "default", "client.json", **values))
    server = json.loads(config_of(helm, "default", "server.json"))
    for key in ("datacenter", "domain"):
        assert client[key] == server[key]
    headless = only(objects, "Service", "consul-proconsul-headless")
    (join,) = client["retry_join"]
    assert join == f"{headless['metadata']['name']}.infra.svc:8301"
    assert "serf-lan-tcp" in {port["name"] for port in headless["spec"]["ports"]}
    assert names_of(SERVERS)
