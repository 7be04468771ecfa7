"""Templates of prepared queries: are they sound, and what do they become for a name?

(Consul's prepared_query/template.go.) Every text of the query's service part may hold `${...}`;
it is rendered with the name that was asked for and what a regular expression finds in it.
"""

import re
from collections.abc import Callable
from typing import Any, TypeVar

import msgspec
from msgspec.structs import replace

from proconsul.errors import RpcError
from proconsul.model.prepared_query import PreparedQuery
from proconsul.store import interpolation
from proconsul.wire.gostruct import GoStruct

NAME_PREFIX_MATCH = "name_prefix_match"

V = TypeVar("V")


def refuse_bad_template(query: PreparedQuery) -> None:
    """Raise RpcError for a template that would not render."""
    try:
        _compile(query)
        render(query, query.name, "")
    except RpcError as failure:
        raise RpcError(f"failed compiling template: {failure}") from failure


def _compile(query: PreparedQuery) -> None:
    if query.template.type != NAME_PREFIX_MATCH:
        raise RpcError(f"Bad Template.Type '{query.template.type}'")

    def parse(path: str, text: str) -> str:
        try:
            interpolation.parse(text)
        except interpolation.InterpolationError as failure:
            raise RpcError(f"Bad format '{text}' in Service{path}: {failure}") from failure
        return text

    _walk("", query.service, parse)
    _regexp(query.template.regexp)


def render(query: PreparedQuery, name: str, agent_segment: str) -> PreparedQuery:
    """The query that a template becomes for a name. Raises RpcError."""
    pattern = _regexp(query.template.regexp)
    found = pattern.search(name) if pattern is not None else None
    matches = [] if found is None else [found.group(0), *(one or "" for one in found.groups())]
    suffix = name.removeprefix(query.name)
    scope = interpolation.Scope(
        variables={
            "name.full": name,
            "name.prefix": query.name,
            "name.suffix": suffix,
            "agent.segment": agent_segment,
        },
        match=lambda number: matches[number] if 0 <= number < len(matches) else "",
    )

    def evaluate(path: str, text: str) -> str:
        try:
            return interpolation.evaluate(interpolation.parse(text), scope)
        except interpolation.InterpolationError as failure:
            raise RpcError(f"Bad evaluation for '{text}' in Service{path}: {failure}") from failure

    service = _walk("", query.service, evaluate)
    if query.template.remove_empty_tags:
        service = replace(service, tags=[tag for tag in service.tags or () if tag])
    return replace(query, service=service)


def _regexp(text: str) -> re.Pattern[str] | None:
    if not text:
        return None
    try:
        # Go writes named groups as Python does; its \z is Python's \Z.
        return re.compile(text.replace(r"\z", r"\Z"))
    except re.error as failure:
        raise RpcError(f"Bad Regexp: error parsing regexp: {failure.msg}: `{text}`") from failure


def _walk(path: str, value: V, change: Callable[[str, str], str]) -> V:
    """The value with every text in it changed; paths are as Go names the fields."""
    made: Any = value
    if isinstance(value, str):
        made = change(path, value)
    elif isinstance(value, GoStruct):
        made = replace(
            value,
            **{
                one.name: _walk(f"{path}.{one.encode_name}", getattr(value, one.name), change)
                for one in msgspec.structs.fields(value)
            },
        )
    elif isinstance(value, list):
        made = [_walk(f"{path}[{at}]", item, change) for at, item in enumerate(value)]
    elif isinstance(value, dict):
        made = {key: _walk(f"{path}[{key}]", value[key], change) for key in sorted(value)}
    return made  # type: ignore[no-any-return]
