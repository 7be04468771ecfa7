"""Log lines as Consul's users know them, on the standard library's logging.

`2026-11-25T20:15:00.123Z [INFO]  agent.raft: entering leader state: term=2`; JSON lines with
`log_json`. `/v1/agent/monitor` adds a sink of its own for as long as its client listens.
"""

import asyncio
import datetime
import json
import logging
import logging.handlers
import sys
from collections.abc import AsyncIterator

ROOT = "agent"
PACKAGE = "proconsul"  # the other name under which modules log; shown as the agent's
TRACE = 5
LEVELS = {
    "TRACE": TRACE,
    "DEBUG": logging.DEBUG,
    "INFO": logging.INFO,
    "WARN": logging.WARNING,
    "WARNING": logging.WARNING,
    "ERR": logging.ERROR,
    "ERROR": logging.ERROR,
}
_SHOWN = {TRACE: "TRACE", 10: "DEBUG", 20: "INFO", 30: "WARN", 40: "ERROR", 50: "ERROR"}
MONITOR_LINES_MAX = 512  # a slow monitor loses lines beyond this

logging.addLevelName(TRACE, "TRACE")


def logger(part: str) -> logging.Logger:
    """The logger of a part of the agent: "raft" logs as `agent.raft`."""
    return logging.getLogger(f"{ROOT}.{part}" if part else ROOT)


class LineFormatter(logging.Formatter):
    """hclog's plain form."""

    def format(self, record: logging.LogRecord) -> str:
        """One line, without its newline."""
        level = f"[{_SHOWN.get(record.levelno, record.levelname)}]"
        text = record.getMessage()
        if record.exc_info:
            text = f"{text}\n{self.formatException(record.exc_info)}"
        return (
            f"{_timestamp(record.created, 'milliseconds')} {level:<7} {_shown_name(record)}: {text}"
        )


class JsonFormatter(logging.Formatter):
    """hclog's JSON form."""

    def format(self, record: logging.LogRecord) -> str:
        """One JSON object."""
        fields = {
            "@level": _SHOWN.get(record.levelno, record.levelname).lower(),
            "@message": record.getMessage(),
            "@module": _shown_name(record),
            "@timestamp": _timestamp(record.created, "microseconds"),
        }
        if record.exc_info:
            fields["exception"] = self.formatException(record.exc_info)
        return json.dumps(fields, separators=(",", ":"))


def _shown_name(record: logging.LogRecord) -> str:
    name = record.name
    return f"{ROOT}.{name.rpartition('.')[2]}" if name.startswith(PACKAGE) else name


def _roots() -> tuple[logging.Logger, logging.Logger]:
    return logging.getLogger(ROOT), logging.getLogger(PACKAGE)


def _timestamp(unix_s: float, precision: str) -> str:
    at = datetime.datetime.fromtimestamp(unix_s, datetime.UTC)
    return at.isoformat(timespec=precision).replace("+00:00", "Z")


def start(level: str, *, as_json: bool, file: str = "") -> None:
    """Send the agent's lines to standard output, and to a file if one is named."""
    sinks: list[logging.Handler] = [logging.StreamHandler(sys.stdout)]
    if file:
        sinks.append(logging.handlers.WatchedFileHandler(file))
    for sink in sinks:
        sink.setFormatter(JsonFormatter() if as_json else LineFormatter())
        sink.setLevel(LEVELS[level.upper()])
    for root in _roots():
        root.propagate = False
        root.handlers[:] = sinks
        root.setLevel(LEVELS[level.upper()])


def set_level(level: str) -> None:
    """Change what standard output and the file show (reload)."""
    for sink in logging.getLogger(ROOT).handlers:
        if not isinstance(sink, MonitorSink):
            sink.setLevel(LEVELS[level.upper()])
    _lower_root()


class MonitorSink(logging.Handler):
    """Hands lines to one listener on the event loop; drops what it is too slow for."""

    def __init__(self, level: str, *, as_json: bool) -> None:
        super().__init__(LEVELS[level.upper()])
        self.setFormatter(JsonFormatter() if as_json else LineFormatter())
        self._loop = asyncio.get_running_loop()
        self._lines: asyncio.Queue[bytes] = asyncio.Queue(MONITOR_LINES_MAX)
        self._dropped = 0

    def emit(self, record: logging.LogRecord) -> None:
        """May be called in any thread."""
        line = (self.format(record) + "\n").encode()
        self._loop.call_soon_threadsafe(self._offer, line)

    def _offer(self, line: bytes) -> None:
        if self._lines.full():
            self._dropped += 1
            return
        self._lines.put_nowait(line)

    async def lines(self) -> AsyncIterator[bytes]:
        """Lines from now on, until the listener goes."""
        for root in _roots():
            root.addHandler(self)
        _lower_root()
        try:
            while True:
                yield await self._lines.get()
        finally:
            for root in _roots():
                root.removeHandler(self)
            _lower_root()
            if self._dropped:
                logger("").warning("Dropped logs during monitor request: count=%d", self._dropped)


def _lower_root() -> None:
    """The root lets through what its most curious sink wants."""
    for root in _roots():
        root.setLevel(min((sink.level for sink in root.handlers), default=logging.INFO))
