"""Scraping running programs as Prometheus does it, into a recording.

`up` is 0 while a target does not answer; what a target no longer says is stale, and all of it once
service discovery does not find the target any more.
"""

import re
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Final, Protocol

from operator_tests.charts.recording import INTERVAL_S, Recording
from proconsul import __version__
from proconsul_operator.specs.wanted import Manifest

_LINE: Final = re.compile(r"([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? (\S+)")
_LABEL: Final = re.compile(r'(\w+)="(?:[^"\\]|\\.)*"')


class Target(Protocol):
    """What is scraped."""

    def labels(self) -> str:
        """Of each of its series, as service discovery would give them; "" if it is not found."""
        ...

    def scrape(self) -> str:
        """What it says; "" if it does not answer."""
        ...


def metrics_in(groups: Sequence[Manifest], prefix: str) -> set[str]:
    """The metrics of which these rules speak."""
    text = " ".join(rule["expr"] for group in groups for rule in group["rules"])
    return set(re.findall(rf"\b({prefix}\w+)", text))


def samples(text: str) -> Iterator[tuple[str, str, str]]:
    """Name, labels and value of each line of an answer."""
    for line in text.splitlines():
        match = _LINE.fullmatch(line)
        if match is not None:
            yield match[1], match[2] or "", match[3]


def joined(own: str, given: str) -> str:
    """A sample's own labels, and those of its target that it does not have (`honorLabels`)."""
    held = set(_LABEL.findall(own))
    rest = [match[0] for match in _LABEL.finditer(given) if match[1] not in held]
    return ",".join(part for part in (own, *rest) if part)


class Recorder:
    """Scrapes on time, while `meanwhile` happens between two scrapes."""

    def __init__(self, targets: Sequence[Target], wanted: set[str]) -> None:
        """The first scrape is made by `pass_s`. Kept are metrics of these names, and `up`."""
        self.recording = Recording(start_unix_s=int(time.time()), version=__version__)
        self._targets = [(target, set[str]()) for target in targets]
        self._wanted = wanted
        self._next_s = time.monotonic()
        self._scrapes = 0

    def pass_s(self, seconds: float, meanwhile: Callable[[], None] = lambda: None) -> None:
        """Let that time go by."""
        for _ in range(round(seconds / INTERVAL_S)):
            time.sleep(max(self._next_s - time.monotonic(), 0))  # noqa: TID251 - real time is recorded
            self._next_s += INTERVAL_S
            for target, held in self._targets:
                self._scrape(target, held)
            self._scrapes += 1
            meanwhile()

    def phase(self, name: str) -> None:
        """From here on it is another one."""
        self.recording.phases[name] = self._scrapes * INTERVAL_S
        sys.stdout.write(f"{time.strftime('%H:%M:%S')} {name}\n")
        sys.stdout.flush()

    def _scrape(self, target: Target, held: set[str]) -> None:
        """`held` are the series of its last scrape."""
        given = target.labels()
        text = target.scrape() if given else ""
        shown = {}
        for name, own, value in samples(text):
            self.recording.names.add(name)
            if name in self._wanted:
                shown[f"{name}{{{joined(own, given)}}}"] = value
        if given:
            shown[f"up{{{given}}}"] = "1" if text else "0"
        for series in held - shown.keys():
            self.recording.put(series, self._scrapes, "stale")
        for series, value in shown.items():
            self.recording.put(series, self._scrapes, value)
        held.clear()
        held.update(shown)
