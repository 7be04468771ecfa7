"""The structs as Kubernetes' structural OpenAPI schema, and the definitions of the kinds.

One source: a field's type, bounds, default and words are written in the struct and nowhere else.
What a struct cannot say rides in `Meta(extra=...)`:

- `free`: an object whose content Kubernetes itself describes; kept as it is, not pruned.
- `key`, `key_schema`: the one field of a free object that tells it from others in its list.
- `list_map`: the key of a list in which each is known by it, so that two writers can share it.
- `int_or_string`: a quantity; the value is the pattern of its text.

Defaults stand only in a spec: a default in a status would be a report that nobody made. Lists that
are no maps are atomic. A text, list or map without a bound is our mistake: it makes rules too dear.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import msgspec
from msgspec import inspect

from proconsul_operator.api.cluster import ProconsulCluster
from proconsul_operator.api.group import GROUP, VERSION
from proconsul_operator.api.restore import ProconsulRestore
from proconsul_operator.api.rules import Rule, rules_of
from proconsul_operator.api.schedule import ProconsulSnapshotSchedule
from proconsul_operator.api.snapshot import ProconsulSnapshot
from proconsul_operator.api.values import Part, plain

Schema = dict[str, Any]

_INT32_MAX: Final = 2**31 - 1
_FREE_PROPERTIES_MAX: Final = 256


@dataclass(frozen=True, slots=True)
class Column:
    """A column of `kubectl get`; priority 1 is seen with `-o wide` only."""

    name: str
    path: str
    type: str = "string"
    priority: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """A kind, and what it is called in which place."""

    struct: type[Part]
    plural: str
    short: str
    columns: tuple[Column, ...]
    scales: bool = False

    @property
    def name(self) -> str:
        """ProconsulCluster."""
        return self.struct.__name__


def _condition(kind: str, field: str = "status") -> str:
    return f".status.conditions[?(@.type=='{kind}')].{field}"


_AGE: Final = Column("Age", ".metadata.creationTimestamp", "date")
_CLUSTER: Final = Column("Cluster", ".spec.clusterRef.name")

CLUSTER: Final = Kind(
    struct=ProconsulCluster,
    plural="proconsulclusters",
    short="pcc",
    scales=True,
    columns=(
        Column("Desired", ".spec.replicas", "integer"),
        Column("Ready", ".status.readyReplicas", "integer"),
        Column("Voters", ".status.voters", "integer"),
        Column("Phase", ".status.phase"),
        Column("Leader", ".status.leader"),
        Column("Quorate", _condition("Quorate")),
        Column("Version", ".status.version"),
        _AGE,
        Column("Updated", ".status.updatedReplicas", "integer", 1),
        Column("Backup", _condition("BackupReady"), priority=1),
        Column("Term", ".status.term", "integer", 1),
        Column("Index", ".status.raft.commitIndex", "integer", 1),
        Column("Message", _condition("Ready", "message"), priority=1),
    ),
)
SNAPSHOT: Final = Kind(
    struct=ProconsulSnapshot,
    plural="proconsulsnapshots",
    short="pcs",
    columns=(
        _CLUSTER,
        Column("Phase", ".status.phase"),
        Column("Index", ".status.index", "integer"),
        Column("Size", ".status.sizeBytes", "integer"),
        Column("Verified", ".status.verified", "boolean"),
        Column("Location", ".status.location", priority=1),
        _AGE,
    ),
)
SCHEDULE: Final = Kind(
    struct=ProconsulSnapshotSchedule,
    plural="proconsulsnapshotschedules",
    short="pcss",
    columns=(
        _CLUSTER,
        Column("Schedule", ".spec.schedule"),
        Column("Suspend", ".spec.suspend", "boolean"),
        Column("Last-Success", ".status.lastSuccessful.time", "date"),
        Column("Next", ".status.nextSchedule", "string"),  # a date in the future shows no age
        Column("Failures", ".status.consecutiveFailures", "integer"),
        _AGE,
    ),
)
RESTORE: Final = Kind(
    struct=ProconsulRestore,
    plural="proconsulrestores",
    short="pcr",
    columns=(
        _CLUSTER,
        Column("Mode", ".spec.mode"),
        Column("Phase", ".status.phase"),
        Column("Epoch", ".status.epoch", "integer"),
        _AGE,
    ),
)
KINDS: Final = (CLUSTER, SNAPSHOT, SCHEDULE, RESTORE)


def definition(kind: Kind) -> Schema:
    """The CustomResourceDefinition of a kind, as plain JSON."""
    subresources: Schema = {"status": {}}
    if kind.scales:
        subresources["scale"] = {
            "specReplicasPath": ".spec.replicas",
            "statusReplicasPath": ".status.replicas",
            "labelSelectorPath": ".status.selector",
        }
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{kind.plural}.{GROUP}"},
        "spec": {
            "group": GROUP,
            "scope": "Namespaced",
            "names": {
                "kind": kind.name,
                "listKind": f"{kind.name}List",
                "plural": kind.plural,
                "singular": kind.name.lower(),
                "shortNames": [kind.short],
                "categories": ["proconsul"],
            },
            "versions": [
                {
                    "name": VERSION,
                    "served": True,
                    "storage": True,
                    "schema": {"openAPIV3Schema": root_schema(kind)},
                    "subresources": subresources,
                    "additionalPrinterColumns": [_column(column) for column in kind.columns],
                }
            ],
        },
    }


def root_schema(kind: Kind) -> Schema:
    """The schema of a whole object of this kind."""
    fields = {field.name: field for field in _struct(kind.struct).fields}
    schema: Schema = {
        "type": "object",
        "description": _words(kind.struct),
        "required": ["spec"],
        "properties": {
            "apiVersion": {
                "type": "string",
                "maxLength": 253,
                "description": f"{GROUP}/{VERSION}.",
            },
            "kind": {"type": "string", "maxLength": 63, "description": f"{kind.name}."},
            "metadata": {"type": "object"},
            "spec": _field(kind.struct, fields["spec"], defaults=True),
            "status": _field(kind.struct, fields["status"], defaults=False),
        },
    }
    return _with_rules(schema, rules_of(kind.struct))


def _column(column: Column) -> Schema:
    made: Schema = {"name": column.name, "type": column.type, "jsonPath": column.path}
    if column.priority:
        made["priority"] = column.priority
    return made


def _struct(struct: type[Part]) -> inspect.StructType:
    info = inspect.type_info(struct)
    assert isinstance(info, inspect.StructType)
    return info


def _words(struct: type) -> str:
    """The first sentence of a docstring: what a person is told."""
    assert struct.__doc__, f"{struct.__name__} does not say what it is"
    return struct.__doc__.split("\n\n")[0].replace("\n    ", " ")


def _with_rules(schema: Schema, rules: Iterable[Rule]) -> Schema:
    listed = [
        *schema.get("x-kubernetes-validations", ()),
        *({"rule": rule.cel, "message": rule.message} for rule in rules),
    ]
    return {**schema, "x-kubernetes-validations": listed} if listed else schema


def _field(owner: type[Part], field: inspect.Field, *, defaults: bool) -> Schema:
    """The schema of one field, with its words, its default and its rules."""
    schema = _schema(field.type, defaults=defaults)
    assert "description" in schema, f"{owner.__name__}.{field.name} does not say what it is"
    default = _default(field)
    if defaults and (default or default in (0, False)):
        schema["default"] = default
    return _with_rules(schema, rules_of(owner, field.name))


def _default(field: inspect.Field) -> Any:
    """What holds when the field is left out, in JSON; None or empty if that says nothing.

    A struct of nothing but its own defaults is `{}`: the API server fills it from within. But it
    puts a default to the rules before it fills it, so what has rules is written out.
    """
    if field.default is not msgspec.NODEFAULT:
        return plain(field.default)
    if field.default_factory is msgspec.NODEFAULT:
        return None
    assert callable(field.default_factory)
    value = field.default_factory()
    if isinstance(value, Part) and value == type(value)() and not rules_of(type(value)):
        return _FROM_WITHIN
    return plain(value)


# Truthy, unlike a {} that only says "empty"; written as {} all the same.
class _FromWithin(dict[str, Any]):
    def __bool__(self) -> bool:
        return True


_FROM_WITHIN: Final = _FromWithin()


def _schema(kind: inspect.Type, *, defaults: bool) -> Schema:
    match kind:
        case inspect.Metadata(type=inner, extra_json_schema=said, extra=extra):
            return _described(inner, said or {}, extra or {}, defaults=defaults)
        case inspect.StructType():
            return _object(kind, defaults=defaults)
        case inspect.UnionType():
            (inner,) = (each for each in kind.types if not isinstance(each, inspect.NoneType))
            return _schema(inner, defaults=defaults)
        case inspect.VarTupleType():
            return _list(kind, defaults=defaults)
        case inspect.DictType():
            return _map(kind, defaults=defaults)
        case _:
            return _scalar(kind)


def _scalar(kind: inspect.Type) -> Schema:
    match kind:
        case inspect.BoolType():
            return {"type": "boolean"}
        case inspect.IntType():
            return _integer(kind)
        case inspect.StrType():
            return _text(kind)
        case inspect.LiteralType():
            return {"type": "string", "enum": list(kind.values)}
        case inspect.EnumType():
            return {"type": "string", "enum": [each.value for each in kind.cls]}
        case _:
            raise AssertionError(f"no schema is known for {kind}")


def _described(
    inner: inspect.Type, said: Mapping[str, Any], extra: Mapping[str, Any], *, defaults: bool
) -> Schema:
    """What `Meta` adds to a type, or says in place of it."""
    if "int_or_string" in extra:
        schema: Schema = {
            "x-kubernetes-int-or-string": True,
            "anyOf": [{"type": "integer"}, {"type": "string"}],
            "maxLength": 32,
            "pattern": extra["int_or_string"],
        }
    elif "free" in extra:
        schema = _free(extra)
    else:
        schema = _schema(inner, defaults=defaults)
    if "list_map" in extra:
        schema["x-kubernetes-list-type"] = "map"
        schema["x-kubernetes-list-map-keys"] = [extra["list_map"]]
    return {**schema, **said}


def _free(extra: Mapping[str, Any]) -> Schema:
    schema: Schema = {
        "type": "object",
        "maxProperties": _FREE_PROPERTIES_MAX,
        "x-kubernetes-preserve-unknown-fields": True,
    }
    if "key" in extra:
        schema |= {"required": [extra["key"]], "properties": {extra["key"]: extra["key_schema"]}}
    return schema


def _object(kind: inspect.StructType, *, defaults: bool) -> Schema:
    assert issubclass(kind.cls, Part)
    schema: Schema = {"type": "object", "description": _words(kind.cls)}
    required = sorted(field.encode_name for field in kind.fields if field.required)
    if required:
        schema["required"] = required
    schema["properties"] = {
        field.encode_name: _field(kind.cls, field, defaults=defaults) for field in kind.fields
    }
    return _with_rules(schema, rules_of(kind.cls))


def _list(kind: inspect.VarTupleType, *, defaults: bool) -> Schema:
    assert kind.max_length is not None, f"a list without a bound: {kind}"
    return {
        "type": "array",
        "maxItems": kind.max_length,
        "x-kubernetes-list-type": "atomic",
        "items": _schema(kind.item_type, defaults=defaults),
    }


def _map(kind: inspect.DictType, *, defaults: bool) -> Schema:
    assert kind.max_length is not None, f"a map without a bound: {kind}"
    return {
        "type": "object",
        "maxProperties": kind.max_length,
        "additionalProperties": _schema(kind.value_type, defaults=defaults),
    }


def _integer(kind: inspect.IntType) -> Schema:
    small = kind.le is not None and kind.le <= _INT32_MAX
    schema: Schema = {"type": "integer", "format": "int32" if small else "int64"}
    if kind.ge is not None:
        schema["minimum"] = kind.ge
    if kind.le is not None:
        schema["maximum"] = kind.le
    return schema


def _text(kind: inspect.StrType) -> Schema:
    assert kind.max_length is not None, f"a text without a bound: {kind}"
    schema: Schema = {"type": "string", "maxLength": kind.max_length}
    if kind.min_length:
        schema["minLength"] = kind.min_length
    if kind.pattern:
        schema["pattern"] = kind.pattern
    return schema
