"""Log lines: one JSON object each, or text for people. Secrets are not in them."""

import json
import logging
import sys
from datetime import UTC, datetime
from typing import Final

_LEVELS: Final = {"debug": 10, "info": 20, "warn": 30, "warning": 30, "error": 40}


class JsonLines(logging.Formatter):
    """`time`, `level`, `logger`, `message`, and `error` with its traceback."""

    def format(self, record: logging.LogRecord) -> str:
        """One line."""
        made = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info:
            made["error"] = self.formatException(record.exc_info)
        return json.dumps(made, ensure_ascii=False)


def set_up(level: str, form: str) -> None:
    """For the whole process. Raises ValueError for a level that there is not."""
    if level.lower() not in _LEVELS:
        raise ValueError(f"no log level is called {level!r}: use {', '.join(_LEVELS)}")
    handler = logging.StreamHandler(sys.stderr)
    text = logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s")
    handler.setFormatter(JsonLines() if form == "json" else text)
    logging.basicConfig(level=_LEVELS[level.lower()], handlers=[handler], force=True)
    for chatty in ("aiohttp", "botocore", "boto3", "urllib3", "s3transfer", "kubernetes"):
        logging.getLogger(chatty).setLevel(max(logging.WARNING, _LEVELS[level.lower()]))
    logging.getLogger("kopf").setLevel(max(logging.WARNING, _LEVELS[level.lower()]))
