"""Takes out of what was recorded what two right servers may have different.

Indexes become their rank within the case (`<old>` below its marker, `<base>`, `<1>`, `<2>`...),
random UUIDs their order of appearance, the server's address a word. Error texts of Go's own
parsers are cut where the parser begins to speak.
"""

import gzip
import json
import re
from collections.abc import Iterable
from typing import Any

from server_tests.differential.run import MARKER, Exchange, Note, Options, Run
from server_tests.differential.target import NODE_ID, Answer

COMPARED_HEADERS = (
    "access-control-allow-origin",
    "age",
    "allow",
    "content-encoding",
    "content-security-policy",
    "content-type",
    "location",
    "vary",
    "x-cache",
    "x-consul-contenthash",
    "x-consul-default-acl-policy",
    "x-consul-effective-consistency",
    "x-consul-index",
    "x-consul-knownleader",
    "x-consul-lastcontact",
    "x-consul-reason",
    "x-consul-results-filtered-by-acls",
    "x-consul-translate-addresses",
    "x-content-type-options",
)
INDEX_FIELDS = frozenset({"CreateIndex", "ModifyIndex"})

_UUID = re.compile(r"\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b")
_INDEX_IN_TEXT = re.compile(r'("(?:Create|Modify)Index": ?)\d+')
# There is no WAN pool of ours, and so no port to join it (DIVERGENCE.md).
_WAN_PORT = "wan_join_port"
_WAN_PORT_IN_TEXT = re.compile(r',\s*"wan_join_port": ?"\d+"')
_MODIFY_INDEX = re.compile(r"(current modify index )\d+")
_PARSERS = tuple(
    (re.compile(pattern, re.DOTALL), replacement)
    for pattern, replacement in (
        (r"(Request decode failed: |Failed to parse body: ).*", r"\1<decoder>"),
        (r"(Failed to create boolean expression evaluator: ).*", r"\1<parser>"),
        (r"(strconv\.Parse\w+: parsing).*", r"\1 <number>"),
        (r"(time: )(invalid|unknown|missing).*", r"\1<duration>"),
        (r"(error parsing regexp: ).*", r"\1<pattern>"),
    )
)


OF_A_CASE = "-0000-4000-8000-"  # in each UUID that cases write


def normalised(run: Run) -> list[Any]:
    """Builtins that are equal for two servers that behave alike."""
    return _Normaliser(run).records()


class _Normaliser:
    def __init__(self, run: Run) -> None:
        self._run = run
        self._uuids: dict[str, str] = {}
        bodies = [
            (record, None if isinstance(record, Note) else _body(record)) for record in run.records
        ]
        self._bodies = bodies
        self._ranks = self._ranked(set(self._indexes()))

    def records(self) -> list[Any]:
        return [
            {"note": record.text, "value": self._value(record.value, "", Options())}
            if isinstance(record, Note)
            else self._exchange(record, body)
            for record, body in self._bodies
        ]

    # ------------------------------------------------------------ indexes

    def _indexes(self) -> Iterable[int]:
        for record, body in self._bodies:
            if isinstance(record, Exchange) and not record.options.loose_index:
                yield from _indexes_in(body, "")
                if record.answer.headers.get("x-consul-index", "").isdigit():
                    yield record.answer.index

    def _ranked(self, indexes: set[int]) -> dict[int, str]:
        base = self._run.base_index
        ranks = {index: "<old>" for index in indexes if index < base}
        ranks[base] = "<base>"
        newer = sorted(index for index in indexes if index > base)
        ranks.update((index, f"<{rank}>") for rank, index in enumerate(newer, 1))
        ranks[0] = "<0>"
        return ranks

    # ------------------------------------------------------------ answers

    def _exchange(self, record: Exchange, body: Any) -> dict[str, Any]:
        answer, options = record.answer, record.options
        made: dict[str, Any] = {
            "request": self._text(record.request),
            "status": answer.status,
            "headers": self._headers(answer, options),
            "body": None if options.no_body else self._value(body, "", options),
        }
        if answer.error:
            made["error"] = answer.error
        if options.exact:
            text = _plain(answer).decode("utf-8", "backslashreplace")
            made["bytes"] = self._text(
                _INDEX_IN_TEXT.sub(r"\1<index>", _WAN_PORT_IN_TEXT.sub("", text))
            )
        return made

    def _headers(self, answer: Answer, options: Options) -> dict[str, str]:
        made = {}
        for name in COMPARED_HEADERS:
            value = answer.headers.get(name)
            if value is None:
                continue
            if name == "x-consul-index":
                value = "<index>" if options.loose_index else self._ranks[answer.index]
            elif name == "x-consul-contenthash":
                value = "<hash>"
            elif name == "age":
                value = "<seconds>"
            made[name] = self._text(value.replace("; ", ";").lower())
        return made

    def _value(self, value: Any, name: str, options: Options) -> Any:
        if name in options.masked:
            return f"<{type(value).__name__}>"
        if isinstance(value, dict):
            return {
                self._text(key): self._value(value[key], key, options)
                for key in sorted(value)
                if key != _WAN_PORT
            }
        if isinstance(value, list):
            return [self._value(item, name, options) for item in _ordered(value, options)]
        if name in INDEX_FIELDS and type(value) is int:
            return "<index>" if options.loose_index else self._ranks[value]
        return self._text(value) if isinstance(value, str) else value

    def _text(self, text: str) -> str:
        text = text.replace(NODE_ID, "<node id>")
        text = _UUID.sub(lambda found: self._named(found[0]), text)
        text = text.replace(self._run.target.address, "<address>")
        text = _MODIFY_INDEX.sub(r"\1<index>", text)
        for pattern, replacement in _PARSERS:
            text = pattern.sub(replacement, text)
        return text

    def _named(self, uuid: str) -> str:
        if OF_A_CASE in uuid:  # so it is the same for both
            return uuid
        return self._uuids.setdefault(uuid, f"<uuid {len(self._uuids) + 1}>")


def _plain(answer: Answer) -> bytes:
    if answer.headers.get("content-encoding") != "gzip":
        return answer.body
    try:
        return gzip.decompress(answer.body)
    except (OSError, EOFError):
        return b"<broken gzip>"


def _body(record: Exchange) -> Any:
    text = _plain(record.answer).decode("utf-8", "backslashreplace")
    if "json" not in record.answer.headers.get("content-type", ""):
        return text
    try:
        value = json.loads(text)
    except ValueError:
        return text
    if isinstance(value, list):
        return [item for item in value if not _is_marker(item)]
    if isinstance(value, dict) and record.request.startswith("GET /v1/catalog/services"):
        # The tags of a service come out of a Go map.
        return {name: sorted(tags or ()) for name, tags in value.items()}
    return value


def _is_marker(item: Any) -> bool:
    return item == MARKER or (isinstance(item, dict) and item.get("Key") == MARKER)


def _indexes_in(value: Any, name: str) -> Iterable[int]:
    if isinstance(value, dict):
        for key, item in value.items():
            yield from _indexes_in(item, key)
    elif isinstance(value, list):
        for item in value:
            yield from _indexes_in(item, name)
    elif name in INDEX_FIELDS and type(value) is int:
        yield value


def _ordered(items: list[Any], options: Options) -> list[Any]:
    key = options.sort_by
    if not key or not all(isinstance(item, dict) and key in item for item in items):
        return items
    return sorted(items, key=lambda item: str(item[key]))
