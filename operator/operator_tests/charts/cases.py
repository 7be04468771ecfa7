"""The good values: one file a case in each chart's ci/, which other tools install as well."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from operator_tests.charts.helm import OPERATOR, SERVERS


def values_of(chart: Path, case: str) -> dict[str, Any]:
    """The values of a case."""
    text = (chart / "ci" / f"{case}-values.yaml").read_text(encoding="utf-8")
    values: dict[str, Any] = yaml.safe_load(text)
    return values


def names_of(chart: Path) -> list[str]:
    """The cases of a chart."""
    files = sorted((chart / "ci").glob("*-values.yaml"))
    return [path.name.removesuffix("-values.yaml") for path in files]


CASES = [
    pytest.param(chart, case, id=f"{chart.name}-{case}")
    for chart in (SERVERS, OPERATOR)
    for case in names_of(chart)
]
"""Chart and case."""

STANDALONE = [
    case
    for case in names_of(SERVERS)
    if values_of(SERVERS, case).get("mode", "standalone") == "standalone"
]
"""Cases of the servers' chart without an operator."""
