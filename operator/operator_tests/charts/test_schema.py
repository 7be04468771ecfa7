"""The schemas of the values: what is good passes, and each mistake is refused and named."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from operator_tests.charts.cases import CASES, values_of
from operator_tests.charts.helm import CHARTS, OPERATOR, SERVERS, RefusedError, render

BAD: list[tuple[str, dict[str, Any], str]] = [
    ("an unknown key", {"replica": 3}, "replica"),
    ("an unknown key in a block", {"tls": {"enable": True}}, "enable"),
    ("another mode", {"mode": "cluster"}, "mode"),
    ("an even size", {"replicas": 2}, "replicas"),
    ("too many", {"replicas": 9}, "replicas"),
    ("a size as text", {"replicas": "3"}, "replicas"),
    ("hibernation without an operator", {"replicas": 0}, "replicas"),
    ("a name in capitals", {"fullnameOverride": "Consul"}, "fullnameOverride"),
    ("a name that is too long", {"fullnameOverride": "c" * 41}, "fullnameOverride"),
    ("a datacenter with a dot", {"datacenter": "a.b"}, "datacenter"),
    ("a domain in capitals", {"domain": "Consul"}, "domain"),
    ("the tag latest", {"image": {"tag": "latest"}}, "tag"),
    ("a tag in the repository", {"image": {"repository": "proconsul:1"}}, "repository"),
    ("a digest that is none", {"image": {"digest": "sha256:12"}}, "digest"),
    ("another pull policy", {"image": {"pullPolicy": "Sometimes"}}, "pullPolicy"),
    ("a size without a number", {"storage": {"size": "big"}}, "size"),
    ("no size at all", {"storage": {"size": "0"}}, "size"),
    ("another retention", {"storage": {"onDelete": "Recycle"}}, "onDelete"),
    ("several servers without volumes", {"storage": {"enabled": False}}, "allowEphemeral"),
    ("a key of config that is the chart's", {"config": {"data_dir": "/"}}, "data_dir"),
    ("a key of the agents' config", {"client": {"config": {"server": True}}}, "server"),
    ("a configuration file of no kind", {"extraConfigSecretRef": {"key": "a.txt"}}, "key"),
    ("a port that is none", {"ports": {"http": 70000}}, "http"),
    ("a port that is off", {"ports": {"server": -1}}, "server"),
    ("two ports the same", {"ports": {"http": 8300}}, "no two may be the same"),
    ("TLS without a certificate", {"tls": {"enabled": True}}, "secretName"),
    (
        "two sources of the certificate",
        {"tls": {"enabled": True, "secretName": "a", "issuerRef": {"name": "b"}}},
        "issuerRef",
    ),
    ("only HTTPS without TLS", {"tls": {"httpsOnly": True}}, "enabled"),
    ("a certificate's age in words", {"tls": {"renewBefore": "a month"}}, "renewBefore"),
    ("another issuer", {"tls": {"issuerRef": {"kind": "Vault"}}}, "kind"),
    ("a gossip key that is none", {"gossip": {"key": "secret"}}, "key"),
    (
        "two sources of the gossip key",
        {"gossip": {"secretName": "a", "key": "MDEyMzQ1Njc4OTAxMjM0NQ=="}},
        "secretName",
    ),
    ("a gossip key that nobody makes", {"hooks": {"enabled": False}}, "secretName"),
    ("the leader's Service without its label", {"kubernetes": {"labelOwnPod": False}}, "labelOwn"),
    ("a recovery without a mode", {"recovery": {"epoch": 1}}, "mode"),
    ("a reform without a voter", {"recovery": {"epoch": 1, "mode": "Reform"}}, "voter"),
    ("an epoch below zero", {"recovery": {"epoch": -1}}, "epoch"),
    ("another Service", {"service": {"type": "ExternalName"}}, "type"),
    ("another family", {"service": {"ipFamilies": ["IPv5"]}}, "ipFamilies"),
    ("three families", {"service": {"ipFamilies": ["IPv4", "IPv6", "IPv4"]}}, "ipFamilies"),
    ("a budget of all", {"podDisruptionBudget": {"maxUnavailable": 5}}, "maxUnavailable"),
    ("another affinity", {"podAntiAffinity": "never"}, "podAntiAffinity"),
    ("a constraint without a key", {"podTemplate": {"topologySpreadConstraints": [{}]}}, "maxSkew"),
    ("a variable without a name", {"podTemplate": {"extraEnv": [{"value": "1"}]}}, "name"),
    ("a relative mount", {"podTemplate": {"extraVolumeMounts": [{"name": "a", "mountPath": "b"}]}},
     "mountPath"),
    ("a label that is a number", {"podTemplate": {"labels": {"a": 1}}}, "labels"),
    ("a drain without a unit", {"drainTime": "5"}, "drainTime"),
    ("a short grace", {"terminationGracePeriodSeconds": 5}, "terminationGracePeriodSeconds"),
    ("agents with the servers' certificate",
     {"client": {"enabled": True}, "tls": {"enabled": True, "secretName": "a"}}, "tlsSecretName"),
    ("agents of the tag latest", {"client": {"image": {"tag": "latest"}}}, "tag"),
    ("a snapshot without a destination", {"snapshot": {"enabled": True}}, "destination"),
    ("two destinations of snapshots",
     {"snapshot": {"destination": {"pvc": {"claimName": "a"}, "http": {"url": "http://a"}}}},
     "destination"),
    ("a destination of no kind", {"snapshot": {"destination": {"ftp": {}}}}, "ftp"),
    ("a bucket without a name", {"snapshot": {"destination": {"s3": {}}}}, "bucket"),
    ("a schedule in words", {"snapshot": {"schedule": "each night"}}, "schedule"),
    ("another verification", {"snapshot": {"verify": "Perhaps"}}, "verify"),
    ("a verification now and then", {"snapshot": {"verifyInterval": "daily"}}, "verifyInterval"),
    ("an age of backups in words", {"monitoring": {"prometheusRule": {"backupAgeHours": "1d"}}},
     "backupAgeHours"),
    ("no agent at all", {"client": {"maxUnavailable": 0}}, "maxUnavailable"),
]  # fmt: skip

BAD_OF_OPERATOR: list[tuple[str, dict[str, Any], str]] = [
    ("an unknown key", {"namespaces": []}, "namespaces"),
    ("a namespace in capitals", {"watchNamespaces": ["A"]}, "watchNamespaces"),
    ("a namespace twice", {"watchNamespaces": ["a", "a"]}, "watchNamespaces"),
    ("a fraction of an operator", {"replicas": 0.5}, "replicas"),
    ("the tag latest", {"image": {"tag": "latest"}}, "tag"),
    ("servers of the tag latest", {"serverImage": {"tag": "latest"}}, "tag"),
    ("another log level", {"log": {"level": "loud"}}, "level"),
    ("the port of health", {"metrics": {"port": 8080}}, "port"),
    ("force as a word", {"uninstall": {"force": "yes"}}, "force"),
    ("another yes", {"crds": {"keep": "yes"}}, "keep"),
]


@pytest.mark.parametrize(("values", "named"), [pytest.param(*row[1:], id=row[0]) for row in BAD])
def test_a_mistake_is_refused(helm: str, values: dict[str, Any], named: str) -> None:
    with pytest.raises(RefusedError, match=named):
        render(helm, SERVERS, values)


@pytest.mark.parametrize(
    ("values", "named"), [pytest.param(*row[1:], id=row[0]) for row in BAD_OF_OPERATOR]
)
def test_a_mistake_with_the_operator_is_refused(
    helm: str, values: dict[str, Any], named: str
) -> None:
    with pytest.raises(RefusedError, match=named):
        render(helm, OPERATOR, values)


@pytest.mark.parametrize(("chart", "case"), CASES)
def test_what_is_good_passes(helm: str, chart: Path, case: str) -> None:
    assert render(helm, chart, values_of(chart, case))


def test_an_older_kubernetes_is_refused(helm: str) -> None:
    for chart in CHARTS:
        with pytest.raises(RefusedError, match=r"incompatible with Kubernetes v1\.30"):
            render(helm, chart, version="1.30.9")


@pytest.mark.parametrize("chart", CHARTS, ids=lambda chart: chart.name)
def test_the_schema_knows_the_keys_of_the_values_and_no_others(chart: Path) -> None:
    schema = json.loads((chart / "values.schema.json").read_text(encoding="utf-8"))
    values = yaml.safe_load((chart / "values.yaml").read_text(encoding="utf-8"))
    assert _paths_of_schema(schema) == _paths_of_values(values, schema)


def _paths_of_schema(schema: dict[str, Any], above: str = "") -> set[str]:
    """All keys that the schema names; every block of our own is closed."""
    found = set()
    for key, inner in schema.get("properties", {}).items():
        found.add(above + key)
        if "properties" in inner:
            closed = inner.get("additionalProperties") is False
            assert closed or key == "global" or inner["type"] != "object", f"{above}{key} is open"
            if inner.get("type") == "object":
                found |= _paths_of_schema(inner, f"{above}{key}.")
    return found


def _paths_of_values(values: dict[str, Any], schema: dict[str, Any], above: str = "") -> set[str]:
    """All keys of the values, as deep as the schema names keys."""
    found = set()
    for key, inner in values.items():
        found.add(above + key)
        known = schema.get("properties", {}).get(key, {})
        if isinstance(inner, dict) and "properties" in known:
            found |= _paths_of_values(inner, known, f"{above}{key}.")
            optional = known["properties"].keys() - inner.keys()
            found |= {
                f"{above}{key}.{name}" for name in optional & {"requests", "limits", "claims"}
            }
    return found


@pytest.mark.parametrize("chart", CHARTS, ids=lambda chart: chart.name)
def test_every_value_is_explained_in_a_comment_above_it(chart: Path) -> None:
    lines = (chart / "values.yaml").read_text(encoding="utf-8").splitlines()
    free = ("podSecurityContext", "containerSecurityContext", "requests", "limits", "labels",
            "resources", "allowedClients", "metricsFrom")  # fmt: skip
    unexplained = []
    quiet_below = -1
    for before, line in zip(["", *lines], lines, strict=False):
        match = re.match(r"( *)([A-Za-z]+):", line)
        if not match:
            continue
        depth, key = len(match[1]), match[2]
        if quiet_below >= 0 and depth > quiet_below:
            continue
        quiet_below = depth if key in free else -1
        block = line.rstrip().endswith(":") and key not in free
        if not block and not before.lstrip().startswith("#"):
            unexplained.append(line)
    assert unexplained == []
