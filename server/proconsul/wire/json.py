"""JSON as Go's encoding/json prints it, on top of msgspec.

msgspec does the work; what Go spells differently is mended in the text afterwards, and only when
a quick search says that there is something to mend. Invalid UTF-8 arrives here as surrogate
escapes (PEP 383) and leaves, byte for byte, as `\\ufffd`. None is null, bytes are base64.
"""

import re
from decimal import Decimal
from typing import Any

import msgspec

INDENT_SPACES = 4

# Go's HTML escapes: these bytes stand only inside strings, so that plain replacing is safe.
_ESCAPES = ((b"&", rb"\u0026"), (b"<", rb"\u003c"), (b">", rb"\u003e"))
_LINE_ENDS = ((b"\xe2\x80\xa8", rb"\u2028"), (b"\xe2\x80\xa9", rb"\u2029"))
# Go has no short form for these two.
_CONTROLS = {rb"\b": rb"\u0008", rb"\f": rb"\u000c"}
_ESCAPE_SEQUENCE = re.compile(rb"\\.")
_STRING_OR_FLOAT = re.compile(rb'"(?:[^"\\]|\\.)*"|-?\d+(?:\.\d+(?:e-?\d+)?|e-?\d+)')
_SURROGATES = re.compile(r"[\ud800-\udfff]")

# Outside of these, encoding/json prints an exponent.
_PLAIN_FLOAT_MIN = Decimal("1e-6")
_PLAIN_FLOAT_LIMIT = Decimal("1e21")

_encoder = msgspec.json.Encoder()


def encode(value: Any, *, pretty: bool = False, floats: bool = False) -> bytes:
    """The JSON of builtins and msgspec structs; dictionaries keep their order.

    `pretty` is Consul's `?pretty`: indented by 4 spaces, and a newline at the end, which the short
    form does not have. `floats` says that there may be floats (coordinates, metrics): it costs a
    second pass over the text to print them as Go does (`1`, `1e-7`, `1e+21`) and not as `1.0`.
    TypeError for what has no JSON form.
    """
    if value is True:  # what most writes are answered: nothing in it needs mending
        return b"true\n" if pretty else b"true"
    try:
        text = _encoder.encode(value)
    except UnicodeEncodeError:
        text = _encoder.encode(_without_surrogates(value))
    for character, escape in _ESCAPES:
        if character in text:
            text = text.replace(character, escape)
    # Looking for one byte takes a fiftieth of the time of looking for several.
    if b"\xe2" in text:
        for character, escape in _LINE_ENDS:
            text = text.replace(character, escape)
    if b"\\" in text and (rb"\b" in text or rb"\f" in text):
        text = _ESCAPE_SEQUENCE.sub(_spell_control, text)
    if floats:
        text = _STRING_OR_FLOAT.sub(_spell_float, text)
    return prettified(text) if pretty else text


def prettified(text: bytes) -> bytes:
    """JSON that is encoded already, as `?pretty` has it."""
    return msgspec.json.format(text, indent=INDENT_SPACES) + b"\n"


def _spell_control(found: re.Match[bytes]) -> bytes:
    sequence = found[0]
    return _CONTROLS.get(sequence, sequence)


def _spell_float(found: re.Match[bytes]) -> bytes:
    token = found[0]
    if token[:1] == b'"':
        return token
    number = Decimal(token.decode("ascii"))
    if number and not _PLAIN_FLOAT_MIN <= abs(number) < _PLAIN_FLOAT_LIMIT:
        mantissa, _, exponent = f"{number.normalize():e}".partition("e")
        return f"{mantissa}e{int(exponent):+d}".encode("ascii")
    plain = f"{number:f}"
    if "." in plain:
        plain = plain.rstrip("0").rstrip(".")
    return plain.encode("ascii")


def _without_surrogates(value: Any) -> Any:
    """The value as builtins, whose broken strings are JSON text already."""
    if isinstance(value, msgspec.Struct):
        fields = msgspec.structs.fields(value)
        return {one.encode_name: _without_surrogates(getattr(value, one.name)) for one in fields}
    if isinstance(value, dict):
        # A key cannot be ready-made text: there the replacement character stands for itself.
        return {
            _SURROGATES.sub("\ufffd", key): _without_surrogates(item) for key, item in value.items()
        }
    if isinstance(value, (list, tuple)):
        return [_without_surrogates(item) for item in value]
    if isinstance(value, str) and _SURROGATES.search(value):
        pieces = [_encoder.encode(piece)[1:-1] for piece in _SURROGATES.split(value)]
        return msgspec.Raw(b'"' + rb"\ufffd".join(pieces) + b'"')
    return value
