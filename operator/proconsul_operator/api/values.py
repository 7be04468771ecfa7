"""What all kinds are made of: the base of every struct, and the small texts in their fields.

Rules: a field that may be left out is None, and None is never written; every other field is
written, so a zero in a status is seen as a zero. Lists are tuples: a spec is a value that can be
compared and kept. What a newer version added is passed over when read, never refused.

Kubernetes has already checked what comes from it against the schema that is made of these same
types (schema.py); reading repeats it, so that a file or a test cannot smuggle in what the API
server refuses.
"""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from enum import Enum
from typing import Annotated, Any, Final, TypeVar

import msgspec
from msgspec import Meta

_CAPITALS: Final = {"id": "ID", "uid": "UID"}
_UNIT_S: Final = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
_DURATION_PART: Final = re.compile(r"([0-9]+(?:\.[0-9]+)?)(ms|s|m|h)")
_SUFFIX: Final = {
    "": 1, "k": 10**3, "M": 10**6, "G": 10**9, "T": 10**12, "P": 10**15,
    "Ki": 2**10, "Mi": 2**20, "Gi": 2**30, "Ti": 2**40, "Pi": 2**50,
}  # fmt: skip

NAME_PATTERN: Final = r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$"
DATACENTER_PATTERN: Final = r"^[a-z0-9]([-_a-z0-9]*[a-z0-9])?$"
DURATION_PATTERN: Final = r"^([0-9]+(\.[0-9]+)?(ms|s|m|h))+$"
SIZE_PATTERN: Final = r"^[0-9]+(\.[0-9]+)?(k|M|G|T|P|Ki|Mi|Gi|Ti|Pi)?$"
QUANTITY_PATTERN: Final = r"^[0-9]+(\.[0-9]+)?(m|k|M|G|T|P|E|Ki|Mi|Gi|Ti|Pi|Ei)?$"

# The limits are Kubernetes' own where it has one (names 253, labels 63); the others are generous,
# and there because an unbounded text makes a CEL rule too dear to be accepted.
Name = Annotated[str, Meta(min_length=1, max_length=253, pattern=NAME_PATTERN)]
OptionalName = Annotated[str, Meta(max_length=253, pattern=rf"^$|{NAME_PATTERN}")]
Datacenter = Annotated[str, Meta(min_length=1, max_length=63, pattern=DATACENTER_PATTERN)]
Key = Annotated[str, Meta(min_length=1, max_length=253, pattern=r"^[-._a-zA-Z0-9]+$")]
Word = Annotated[str, Meta(max_length=64)]
Text = Annotated[str, Meta(max_length=253)]
Message = Annotated[str, Meta(max_length=32768)]
Duration = Annotated[str, Meta(max_length=32, pattern=DURATION_PATTERN)]
Size = Annotated[str, Meta(max_length=32, pattern=SIZE_PATTERN)]
Time = Annotated[str, Meta(max_length=40, extra_json_schema={"format": "date-time"})]
Natural = Annotated[int, Meta(ge=0)]
Port = Annotated[int, Meta(ge=1, le=65535)]

# Free form: what Kubernetes itself describes and checks when we put it into a pod.
Free = Annotated[dict[str, Any], Meta(extra={"free": True})]


def rename(field: str) -> str:
    """`storage_class_name` as Kubernetes writes it, `pod_uid` as podUID."""
    first, *rest = field.split("_")
    return first + "".join(_CAPITALS.get(word, word.capitalize()) for word in rest)


class Part(msgspec.Struct, frozen=True, kw_only=True, rename=rename):
    """The base of all structs of the API."""


class Metadata(Part, frozen=True, kw_only=True):
    """Of an object's metadata, what we ask for. The API server describes and checks it itself."""

    name: str = ""
    namespace: str = ""
    uid: str = ""
    resource_version: str = ""
    generation: int = 0
    creation_timestamp: str | None = None
    deletion_timestamp: str | None = None
    labels: dict[str, str] = msgspec.field(default_factory=dict)
    annotations: dict[str, str] = msgspec.field(default_factory=dict)
    finalizers: tuple[str, ...] = ()


_P = TypeVar("_P", bound=Part)


def read(kind: type[_P], body: Mapping[str, Any]) -> _P:
    """`body`, as the API server or a YAML file gives it, as a value.

    Raises msgspec.ValidationError, which names the field and what is wrong with it.
    """
    return msgspec.convert(dict(body), kind)


def plain(value: object) -> Any:
    """A value as JSON has it: what is None is left out (free-form content is kept as it is)."""
    if isinstance(value, msgspec.Struct):
        fields = msgspec.structs.fields(value)
        pairs = ((field.encode_name, getattr(value, field.name)) for field in fields)
        return {name: plain(held) for name, held in pairs if held is not None}
    if isinstance(value, tuple | list):
        return [plain(each) for each in value]
    if isinstance(value, dict):
        return {key: plain(held) for key, held in value.items()}
    if isinstance(value, Enum):
        return value.value
    return value


def duration_s(text: str) -> float:
    """`1h30m` in seconds; ValueError if it is no duration."""
    if not re.fullmatch(DURATION_PATTERN, text):
        raise ValueError(f"{text!r} is no duration: write it like 90s, 15m or 720h")
    return sum(float(number) * _UNIT_S[unit] for number, unit in _DURATION_PART.findall(text))


def size_bytes(text: str) -> int:
    """`10Gi` in bytes, rounded up; ValueError if it is no size."""
    match = re.fullmatch(SIZE_PATTERN, text)
    if match is None:
        raise ValueError(f"{text!r} is no size: write it like 10Gi")
    suffix = match[2] or ""
    whole, _, fraction = text.removesuffix(suffix).partition(".")
    scaled = int(whole + fraction) * _SUFFIX[suffix]
    parts = int("1" + "0" * len(fraction))
    return -(-scaled // parts)


def time_text(unix_s: float) -> str:
    """A moment as Kubernetes writes it, to the second."""
    return datetime.fromtimestamp(int(unix_s), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def unix_s(text: str) -> float:
    """The moment of a status in seconds since 1970; ValueError if it is no time."""
    return datetime.fromisoformat(text).timestamp()
