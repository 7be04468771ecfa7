"""`/v1/agent/metrics`: go-metrics' JSON of one interval, or all since the start for Prometheus.

Names get the configured prefix, gauges also the host where it is asked for. In Prometheus' form
each sample is a summary, and counters keep their bare names, without `_total`, as Consul's do.
"""

import datetime
import math
import re
from collections.abc import Iterator
from typing import Any

from proconsul.api.failure import HttpError
from proconsul.api.http import Request, Response
from proconsul.api.process import Figure, MetricsSettings
from proconsul.api.reply import Reply
from proconsul.api.surface import Api
from proconsul.telemetry import INTERVAL_S, Aggregate, Key, Labels, Summary, Totals

PROMETHEUS_TYPE = "text/plain; version=0.0.4; charset=utf-8"
OPENMETRICS = "application/openmetrics-text"
QUANTILES = (0.5, 0.9, 0.99)

_FORBIDDEN = re.compile(r"[ .=\-/]")
_WHOLE_NUMBERS_BELOW = 1e15


async def metrics(api: Api, request: Request) -> Reply | Response:
    """`GET /v1/agent/metrics`, with `?format=prometheus` for that."""
    settings = api.process.metrics()
    asked = request.query.first("format") == "prometheus"
    if not asked and not request.headers.first("accept").startswith(OPENMETRICS):
        return Reply(interval_json(api, settings), floats=True)
    if not settings.prometheus:
        raise HttpError(415, "Prometheus is not enabled since its retention time is not positive")
    text = prometheus_text(api.telemetry.totals(), settings, api.process.figures())
    return Response(200, text.encode(), [("Content-Type", PROMETHEUS_TYPE)])


# ---------------------------------------------------------------- JSON


def interval_json(api: Api, settings: MetricsSettings) -> dict[str, Any]:
    """The newest whole interval, sorted by name."""
    interval = api.telemetry.newest()
    began = datetime.datetime.fromtimestamp(interval.start_s, datetime.UTC)
    return {
        "Timestamp": f"{began:%Y-%m-%d %H:%M:%S} +0000 UTC",
        "Gauges": [
            {"Name": name, "Value": interval.gauges[key], "Labels": dict(key[1])}
            for name, key in _shown(interval.gauges, settings, host=settings.host)
        ],
        "Points": [],
        "Counters": [
            _aggregate_json(name, key[1], interval.counters[key])
            for name, key in _shown(interval.counters, settings)
        ],
        "Samples": [
            _aggregate_json(name, key[1], interval.samples[key])
            for name, key in _shown(interval.samples, settings)
        ],
    }


def _shown(
    table: dict[Key, Any], settings: MetricsSettings, host: str = ""
) -> list[tuple[str, Key]]:
    """(full name, key) of what the filter lets through, in order of name and labels."""
    start = ".".join(part for part in (settings.prefix, host) if part)
    named = ((f"{start}.{key[0]}", key) for key in table)
    return sorted(pair for pair in named if settings.is_shown(pair[0]))


def _aggregate_json(name: str, labels: Labels, aggregate: Aggregate) -> dict[str, Any]:
    return {
        "Name": name,
        "Count": aggregate.count,
        "Rate": aggregate.sum / INTERVAL_S,
        "Sum": aggregate.sum,
        "Min": aggregate.minimum,
        "Max": aggregate.maximum,
        "Mean": aggregate.mean,
        "Stddev": aggregate.deviation,
        "Labels": dict(labels),
    }


# ---------------------------------------------------------------- Prometheus


def prometheus_text(totals: Totals, settings: MetricsSettings, figures: list[Figure]) -> str:
    """All families, sorted by name, in the text format 0.0.4."""
    families: dict[str, tuple[str, str, list[str]]] = {}

    def add(name: str, kind: str, lines: Iterator[str], explanation: str = "") -> None:
        family = families.setdefault(name, (kind, explanation or name, []))
        family[2].extend(lines)

    for full, key in _shown(totals.gauges, settings, host=settings.host):
        name = _prometheus_name(full)
        add(name, "gauge", _single(name, key[1], totals.gauges[key]))
    for full, key in _shown(totals.counters, settings):
        name = _prometheus_name(full)
        add(name, "counter", _single(name, key[1], totals.counters[key]))
    for full, key in _shown(totals.samples, settings):
        name = _prometheus_name(full)
        add(name, "summary", _summary(name, key[1], totals.samples[key], totals.now_s))
    for figure in figures:
        add(figure.name, figure.kind, _single(figure.name, (), figure.value), figure.explanation)
    return "".join(
        f"# HELP {name} {explanation}\n# TYPE {name} {kind}\n{''.join(lines)}"
        for name, (kind, explanation, lines) in sorted(families.items())
    )


def _prometheus_name(full: str) -> str:
    return _FORBIDDEN.sub("_", full)


def _single(name: str, labels: Labels, value: float) -> Iterator[str]:
    yield f"{name}{_braces(labels)} {_number(value)}\n"


def _summary(name: str, labels: Labels, summary: Summary, now_s: float) -> Iterator[str]:
    for rank, value in zip(QUANTILES, summary.quantiles(QUANTILES, now_s), strict=True):
        yield f"{name}{_braces((*labels, ('quantile', f'{rank:g}')))} {_number(value)}\n"
    yield f"{name}_sum{_braces(labels)} {_number(summary.total.sum)}\n"
    yield f"{name}_count{_braces(labels)} {summary.total.count}\n"


def _braces(labels: Labels) -> str:
    if not labels:
        return ""
    pairs = (f'{_prometheus_name(name)}="{_escaped(value)}"' for name, value in labels)
    return "{" + ",".join(pairs) + "}"


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def _number(value: float) -> str:
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    if value == int(value) and abs(value) < _WHOLE_NUMBERS_BELOW:
        return str(int(value))
    return repr(float(value))
