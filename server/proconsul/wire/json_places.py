"""Where in a body a value is of the wrong kind, in the words of Go's UnmarshalTypeError."""

import types
import typing
from typing import Any, NamedTuple, Union

from proconsul.wire.gostruct import GoStruct


class BodyError(ValueError):
    """The body cannot be taken; str() says why in the words of Go's decoder."""


class Place(NamedTuple):
    """Where in a body we are, as Go's errors tell it: no further than into an own decoder."""

    struct: str = ""
    path: tuple[str, ...] = ()
    is_final: bool = False
    go_type: str = ""  # "" follows from what is wanted

    def error(self, value: Any, form: Any) -> BodyError:
        """What is said of a value that is not of the type `form`."""
        start = f"json: cannot unmarshal {_kind(value)} into Go "
        of_type = self.go_type or _go_type(form)
        if not self.path:
            return BodyError(f"{start}value of type {of_type}")
        where = f"{self.struct}.{'.'.join(self.path)}"
        return BodyError(f"{start}struct field {where} of type {of_type}")


_KINDS: tuple[tuple[type | tuple[type, ...], str], ...] = (
    (bool, "bool"),
    ((int, float), "number"),
    (str, "string"),
    (list, "array"),
    (dict, "object"),
)


def _kind(value: Any) -> str:
    return next((name for kind, name in _KINDS if isinstance(value, kind)), "null")


_GO_TYPES: dict[Any, str] = {
    str: "string",
    bool: "bool",
    int: "int",
    float: "float64",
    bytes: "[]uint8",
    Any: "interface {}",
}


def _go_type(form: Any) -> str:
    """How Go prints the type that an annotation stands for."""
    form = without_none(form)
    origin, arguments = typing.get_origin(form), typing.get_args(form)
    if origin is list:
        pointer = "*" if _is_struct(arguments[0]) else ""
        return f"[]{pointer}{_go_type(arguments[0])}"
    if origin is dict:
        return f"map[{_go_type(arguments[0])}]{_go_type(arguments[1])}"
    if _is_struct(form):
        return f"structs.{form.__name__}"
    while form not in _GO_TYPES and hasattr(form, "__supertype__"):
        form = form.__supertype__
    return _GO_TYPES.get(form, "string")


def _is_struct(form: Any) -> bool:
    return isinstance(form, type) and issubclass(form, GoStruct)


def without_none(form: Any) -> Any:
    """`T` of `T | None`."""
    if typing.get_origin(form) in (Union, types.UnionType):
        return next(part for part in typing.get_args(form) if part is not type(None))
    return form
