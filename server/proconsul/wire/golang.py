"""Go's names, durations and times, as they stand in Consul's bytes, JSON and error texts.

Durations are nanoseconds as int. A time is the 15 bytes of Go's `time.Time.MarshalBinary`
(version 1, seconds since year 1, nanoseconds, zone minutes; wire/rpc.md section 2).
"""

import datetime
import struct
from collections.abc import Sequence
from typing import NewType

Duration = NewType("Duration", int)  # nanoseconds
Time = NewType("Time", bytes)  # 15 bytes, see above

NANOSECOND = 1
MICROSECOND = 1_000
MILLISECOND = 1_000_000
SECOND = 1_000_000_000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE


class Float32(float):
    """A Go float32: four bytes in msgpack, and the digits of four bytes in JSON."""

    @classmethod
    def of(cls, value: float) -> "Float32":
        """The nearest float32."""
        return cls(struct.unpack(">f", struct.pack(">f", value))[0])

    def shortest(self) -> float:
        """The number with the fewest digits that is the same float32."""
        for digits in range(1, 10):
            short = float(f"{self:.{digits}g}")
            if Float32.of(short) == self:
                return short
        return float(self)


TIME_FORMS = frozenset({(15, 1), (16, 2)})
"""(length, version) of a marshalled time. Since Go 1.20 a zone may have seconds; they come last."""
ZERO_TIME = Time(b"\x01" + bytes(12) + b"\xff\xff")

_UNIX_TO_YEAR_1_S = 62_135_596_800
_UNITS = {
    "ns": NANOSECOND,
    "us": MICROSECOND,
    "\u00b5s": MICROSECOND,
    "\u03bcs": MICROSECOND,
    "ms": MILLISECOND,
    "s": SECOND,
    "m": MINUTE,
    "h": HOUR,
}
_INT64_MAX = (1 << 63) - 1

# Words that Go spells in capitals inside a CamelCase name.
_CAPITALS = frozenset(
    {
        *("acl", "acls", "ca", "cas", "cidr", "csr", "dns", "grpc", "hcl", "http", "id", "ids"),
        *("ip", "jwt", "kv", "lan", "mtu", "ns", "os", "pem", "qps", "rpc", "sni", "tcp", "tls"),
        *("ttl", "udp", "uri", "url", "wan", "xds"),
    }
)


def go_name(snake: str) -> str:
    """`node_id` to `NodeID`: how Go spells the exported field of that name."""
    words = snake.strip("_").split("_")
    return "".join(
        word.upper()
        if word in _CAPITALS
        else "IDs"
        if word == "ids"
        else word[:1].upper() + word[1:]
        for word in words
    ).replace("IDS", "IDs")


class DurationError(ValueError):
    """A text is no Go duration; str() is what Go's time.ParseDuration says."""


def parse_duration(text: str) -> Duration:
    """Read what Go's `time.ParseDuration` reads: "10s", "1h30m", "1.5ms", "-2s", "0"."""
    bad = DurationError(f"time: invalid duration {quote(text)}")
    rest = text
    sign = 1
    if rest[:1] in ("-", "+"):
        sign = -1 if rest[0] == "-" else 1
        rest = rest[1:]
    if rest == "0":
        return Duration(0)
    if not rest:
        raise bad
    total = 0
    while rest:
        part, rest = _duration_part(text, rest)
        total += part
        if total > _INT64_MAX:
            raise bad
    return Duration(sign * total)


def _duration_part(text: str, rest: str) -> tuple[int, str]:
    """The nanoseconds of one number with its unit, and what follows it."""
    whole, rest = _digits(rest)
    fraction = ""
    if rest.startswith("."):
        fraction, rest = _digits(rest[1:])
    if not whole and not fraction:
        raise DurationError(f"time: invalid duration {quote(text)}")
    unit, rest = _unit(rest)
    if not unit:
        raise DurationError(f"time: missing unit in duration {quote(text)}")
    scale = _UNITS.get(unit)
    if scale is None:
        raise DurationError(f"time: unknown unit {quote(unit)} in duration {quote(text)}")
    nanoseconds = int(whole or "0") * scale
    if fraction:
        nanoseconds += int(fraction) * scale // 10 ** len(fraction)
    return nanoseconds, rest


def _digits(text: str) -> tuple[str, str]:
    end = 0
    while end < len(text) and "0" <= text[end] <= "9":
        end += 1
    return text[:end], text[end:]


def _unit(text: str) -> tuple[str, str]:
    end = 0
    while end < len(text) and text[end] != "." and not "0" <= text[end] <= "9":
        end += 1
    return text[:end], text[end:]


def format_duration(duration_ns: int) -> str:
    """Write as Go's `Duration.String`: "1m30s", "1.5ms", "0s"."""
    if duration_ns == 0:
        return "0s"
    sign = "-" if duration_ns < 0 else ""
    left = abs(duration_ns)
    if left < SECOND:
        for unit, scale in (("ns", 1), ("\u00b5s", MICROSECOND), ("ms", MILLISECOND)):
            if left < scale * 1000:
                return f"{sign}{_decimal(left, scale)}{unit}"
    hours, left = divmod(left, HOUR)
    minutes, left = divmod(left, MINUTE)
    seconds = f"{_decimal(left, SECOND)}s"
    if hours:
        return f"{sign}{hours}h{minutes}m{seconds}"
    return f"{sign}{minutes}m{seconds}" if minutes else f"{sign}{seconds}"


def _decimal(value: int, scale: int) -> str:
    whole, part = divmod(value, scale)
    if not part:
        return str(whole)
    return f"{whole}.{str(part).zfill(len(str(scale)) - 1).rstrip('0')}"


def time_from_unix_ns(unix_ns: int) -> Time:
    """A UTC time as Go marshals it."""
    seconds, nanoseconds = divmod(unix_ns, SECOND)
    return Time(struct.pack(">Bqih", 1, seconds + _UNIX_TO_YEAR_1_S, nanoseconds, -1))


def time_parts(time: Time) -> tuple[int, int, int]:
    """(unix seconds, nanoseconds, zone offset in minutes; -1 is UTC) of a marshalled time."""
    _, seconds, nanoseconds, zone = struct.unpack(">Bqih", time[:15])
    return seconds - _UNIX_TO_YEAR_1_S, nanoseconds, zone


def format_rfc3339(time: Time) -> str:
    """Write as Go's JSON does: RFC 3339 with nanoseconds, trailing zeros cut.

    Raises ValueError in Go's words for a year that has not four digits.
    """
    seconds, nanoseconds, zone = time_parts(time)
    offset_minutes = 0 if zone == -1 else zone
    try:
        after = datetime.timedelta(seconds=seconds + offset_minutes * 60)
        base = datetime.datetime(1970, 1, 1) + after  # noqa: DTZ001 - zone added below
    except OverflowError:
        raise ValueError("Time.MarshalJSON: year outside of range [0,9999]") from None
    fraction = f".{nanoseconds:09d}".rstrip("0") if nanoseconds else ""
    if zone in (-1, 0):
        suffix = "Z"
    else:
        sign = "-" if offset_minutes < 0 else "+"
        suffix = f"{sign}{abs(offset_minutes) // 60:02d}:{abs(offset_minutes) % 60:02d}"
    return (
        f"{base.year:04d}-{base.month:02d}-{base.day:02d}T"
        f"{base.hour:02d}:{base.minute:02d}:{base.second:02d}{fraction}{suffix}"
    )


_ESCAPES = {
    '"': '\\"',
    "\\": "\\\\",
    "\a": "\\a",
    "\b": "\\b",
    "\f": "\\f",
    "\n": "\\n",
    "\r": "\\r",
    "\t": "\\t",
    "\v": "\\v",
}


def quote(text: str) -> str:
    """Write as Go's `%q` does: double-quoted, unprintable characters escaped."""
    out = []
    for char in text:
        code = ord(char)
        if char in _ESCAPES:
            out.append(_ESCAPES[char])
        elif 0xDC80 <= code <= 0xDCFF:  # a byte that was not UTF-8 (surrogateescape)
            out.append(f"\\x{code - 0xDC00:02x}")
        elif char.isprintable():
            out.append(char)
        elif code < 0x80:
            out.append(f"\\x{code:02x}")
        else:
            out.append(f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}")
    return '"' + "".join(out) + '"'


def join_host_port(host: str, port: int) -> str:
    """`host:port`, with brackets around an IPv6 address (Go's net.JoinHostPort)."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def list_of_errors(texts: Sequence[str]) -> str:
    """Several complaints as go-multierror writes them."""
    assert texts, "an empty list is not an error"
    count = "1 error" if len(texts) == 1 else f"{len(texts)} errors"
    lines = "\n\t".join(f"* {text}" for text in texts)
    return f"{count} occurred:\n\t{lines}\n\n"
