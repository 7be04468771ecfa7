"""What an API server does with a schema, as far as a test without one can do it.

`violations` are Kubernetes' rules for structural schemas, and ours: words and bounds everywhere.
`filled` is its defaulting. `broken_rules` runs the CEL rules with cel-python, in a change those
about `oldSelf` too, and only where Kubernetes would: the value was there before and is there after.
`quantity()` is Kubernetes' own and is left to a real server (test_against_kubernetes.py).
"""

import functools
from collections.abc import Iterator
from typing import Any

import celpy
import jsonschema  # type: ignore[import-untyped]
from celpy.adapter import json_to_cel
from celpy.evaluation import CELEvalError

Schema = dict[str, Any]

_FORBIDDEN = (
    "definitions", "dependencies", "deprecated", "discriminator", "id", "patternProperties",
    "readOnly", "writeOnly", "xml", "$ref", "uniqueItems",
)  # fmt: skip
_ONLY_OUTSIDE = (
    "description", "type", "default", "additionalProperties", "nullable", "title",
    "properties", "items",
)  # fmt: skip
_KUBERNETES_OWN = ("quantity(",)


def violations(schema: Schema, path: str = "") -> Iterator[str]:
    """What is wrong with a schema, each with the path to it."""
    int_or_string = schema.get("x-kubernetes-int-or-string", False)
    if int_or_string:
        if "type" in schema or schema.get("anyOf") != [{"type": "integer"}, {"type": "string"}]:
            yield f"{path}: int-or-string has no type, and this anyOf"
    elif not schema.get("type"):
        yield f"{path}: no type"
    yield from (f"{path}: {word} is forbidden" for word in _FORBIDDEN if word in schema)
    for junctor in ("allOf", "anyOf", "oneOf"):
        if junctor in schema and not int_or_string:
            for branch in schema[junctor]:
                inside = [word for word in _ONLY_OUTSIDE if word in branch]
                yield from (f"{path}: {word} inside {junctor}" for word in inside)
    if not (path == ".metadata" or schema.get("description")):
        yield f"{path}: no description"
    yield from _object_violations(schema, path)
    yield from _bound_violations(schema, path)
    if "default" in schema:
        yield from _default_violations(schema, path)


def _object_violations(schema: Schema, path: str) -> Iterator[str]:
    properties = schema.get("properties", {})
    if path == ".metadata" and set(schema) - {"type"}:
        yield f"{path}: only name and generateName could be restricted, and we restrict nothing"
    if properties and "additionalProperties" in schema:
        yield f"{path}: properties and additionalProperties exclude each other"
    if schema.get("additionalProperties") is False:
        yield f"{path}: additionalProperties may not be false"
    for name in schema.get("required", ()):
        if name not in properties:
            yield f"{path}: {name} is required and not described"
    for name, each in properties.items():
        yield from violations(each, f"{path}.{name}")
    if isinstance(schema.get("additionalProperties"), dict):
        # The values of a map need no words of their own.
        values = {"description": "-", **schema["additionalProperties"]}
        yield from violations(values, f"{path}[*]")
    if schema.get("type") == "array":
        yield from _list_violations(schema, path)


def _list_violations(schema: Schema, path: str) -> Iterator[str]:
    items = schema.get("items")
    if not items:
        yield f"{path}: a list of what?"
        return
    yield from violations({"description": "-", **items}, f"{path}[]")
    keys = schema.get("x-kubernetes-list-map-keys", ())
    if (schema.get("x-kubernetes-list-type") == "map") != bool(keys):
        yield f"{path}: a map has keys, another list has none"
    for key in keys:
        told = items.get("properties", {}).get(key)
        if told is None or told.get("type") not in ("string", "integer", "boolean"):
            yield f"{path}: the key {key} is no scalar of its items"
        elif key not in items.get("required", ()) and "default" not in told:
            yield f"{path}: the key {key} may be absent"


def _bound_violations(schema: Schema, path: str) -> Iterator[str]:
    kind = schema.get("type")
    if kind == "string" and "maxLength" not in schema and "enum" not in schema:
        yield f"{path}: a text without maxLength"
    if kind == "array" and "maxItems" not in schema:
        yield f"{path}: a list without maxItems"
    open_ended = "additionalProperties" in schema or schema.get(
        "x-kubernetes-preserve-unknown-fields"
    )
    if kind == "object" and open_ended and "maxProperties" not in schema:
        yield f"{path}: a map without maxProperties"


def _default_violations(schema: Schema, path: str) -> Iterator[str]:
    default = filled(schema, schema["default"])
    if path.startswith(".status"):
        yield f"{path}: a default in a status"
    properties = schema.get("properties", {})
    if isinstance(default, dict) and properties and set(default) - set(properties):
        yield f"{path}: the default has fields that nobody knows"
    for name in schema.get("required", ()):
        if name not in default:
            yield f"{path}: the default lacks {name}"
    # Kubernetes puts a default to the rules as it is written, not as it is filled.
    try:
        yield from (f"{path}: default: {said}" for said in broken_rules(schema, schema["default"]))
    except CELEvalError as error:
        yield f"{path}: the rules cannot be run on the default: {error}"


def filled(schema: Schema, value: Any) -> Any:
    """The value with the defaults of its schema, as the API server stores it."""
    if isinstance(value, dict):
        made = dict(value)
        for name, each in schema.get("properties", {}).items():
            if name not in made and "default" in each:
                made[name] = each["default"]
            if name in made:
                made[name] = filled(each, made[name])
        return made
    if isinstance(value, list):
        return [filled(schema["items"], each) for each in value]
    return value


def type_errors(schema: Schema, value: Any) -> list[str]:
    """What types, bounds and patterns say against a value, each with the path to it."""
    errors = jsonschema.Draft7Validator(schema).iter_errors(value)
    return [f"{error.json_path}: {error.message}" for error in errors]


def rule_nodes(schema: Schema, path: str = "") -> Iterator[tuple[str, str]]:
    """All rules of a schema: the path of their place, and their CEL."""
    for rule in schema.get("x-kubernetes-validations", ()):
        yield path, rule["rule"]
    for name, each in schema.get("properties", {}).items():
        yield from rule_nodes(each, f"{path}.{name}")


def broken_rules(schema: Schema, value: Any, old: Any = None) -> Iterator[str]:
    """The messages of all rules that `value` breaks, as a change of `old` if that is given."""
    for rule in schema.get("x-kubernetes-validations", ()):
        if any(word in rule["rule"] for word in _KUBERNETES_OWN):
            continue
        if "oldSelf" in rule["rule"] and old is None:
            continue
        if not holds(rule["rule"], value, old):
            yield rule["message"]
    if not isinstance(value, dict):
        return
    for name, each in schema.get("properties", {}).items():
        if name in value:
            before = old.get(name) if isinstance(old, dict) else None
            yield from broken_rules(each, value[name], before)


def holds(cel: str, value: Any, old: Any = None) -> bool:
    """Whether a rule holds of a value."""
    world = {"self": json_to_cel(value)}
    if old is not None:
        world["oldSelf"] = json_to_cel(old)
    return bool(_program(cel).evaluate(world))


@functools.cache
def _program(cel: str) -> Any:
    environment = celpy.Environment()
    return environment.program(environment.compile(cel))
