"""The charts' READMEs tell every value, as values.yaml explains it."""

from pathlib import Path

import pytest
import yaml

from operator_tests.charts.helm import CHARTS
from operator_tests.charts.readme import Row, path_of, readme, rows

SAMPLE = """\
# One line
# and a second.
first: 3
#  an: example

block:
  # Within.
  inner: {a: 1}
# A whole.
whole:
  a: 1
  b: [2]
"""


def test_a_value_has_its_comment_and_its_default() -> None:
    assert rows(SAMPLE) == [
        Row(path="first", default="3", text="One line and a second."),
        Row(path="block.inner", default='{"a": 1}', text="Within."),
        Row(path="whole", default='{"a": 1, "b": [2]}', text="A whole."),
    ]


@pytest.mark.parametrize("chart", CHARTS, ids=lambda chart: chart.name)
def test_the_readme_is_what_the_values_say(chart: Path) -> None:
    assert path_of(chart).read_text(encoding="utf-8") == readme(chart), "run `make manifests`"


@pytest.mark.parametrize("chart", CHARTS, ids=lambda chart: chart.name)
def test_no_value_is_left_out(chart: Path) -> None:
    text = (chart / "values.yaml").read_text(encoding="utf-8")
    told = [row.path for row in rows(text)]
    for key in yaml.safe_load(text):
        assert any(path.split(".")[0] == key for path in told), key
    assert all(row.text for row in rows(text))
