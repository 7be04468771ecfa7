"""Go's names, durations, times and quoting."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proconsul.wire import golang
from proconsul.wire.golang import DurationError, Float32


@pytest.mark.parametrize(
    ("snake", "go"),
    [
        ("node", "Node"),
        ("node_id", "NodeID"),
        ("token_ids", "TokenIDs"),
        ("service_checks", "ServiceChecks"),
        ("grpc_use_tls", "GRPCUseTLS"),
        ("expiration_ttl", "ExpirationTTL"),
        ("cert_pem", "CertPEM"),
        ("acl", "ACL"),
    ],
)
def test_a_name_is_spelled_as_go_spells_it(snake: str, go: str) -> None:
    assert golang.go_name(snake) == go


@pytest.mark.parametrize(
    ("text", "nanoseconds"),
    [
        ("0", 0),
        ("10s", 10 * golang.SECOND),
        ("1h30m", 90 * golang.MINUTE),
        ("1.5ms", 1_500_000),
        ("-2s", -2 * golang.SECOND),
        ("+1us", 1000),
        ("1\u00b5s", 1000),
        (".5s", 500_000_000),
        ("1.s", golang.SECOND),
        ("2562047h47m16.854775807s", (1 << 63) - 1),
    ],
)
def test_a_duration_is_read_as_go_reads_it(text: str, nanoseconds: int) -> None:
    assert golang.parse_duration(text) == nanoseconds


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", 'time: invalid duration ""'),
        ("-", 'time: invalid duration "-"'),
        ("s", 'time: invalid duration "s"'),
        (".s", 'time: invalid duration ".s"'),
        ("10", 'time: missing unit in duration "10"'),
        ("10x", 'time: unknown unit "x" in duration "10x"'),
        ("1s2", 'time: missing unit in duration "1s2"'),
        ("9999999h", 'time: invalid duration "9999999h"'),
    ],
)
def test_what_is_no_duration_is_refused_in_gos_words(text: str, words: str) -> None:
    with pytest.raises(DurationError) as caught:
        golang.parse_duration(text)
    assert str(caught.value) == words


@pytest.mark.parametrize(
    ("nanoseconds", "text"),
    [
        (0, "0s"),
        (1, "1ns"),
        (1_500, "1.5\u00b5s"),
        (2_000_000, "2ms"),
        (90 * golang.SECOND, "1m30s"),
        (golang.HOUR, "1h0m0s"),
        (-1_500_000_000, "-1.5s"),
    ],
)
def test_a_duration_is_written_as_go_writes_it(nanoseconds: int, text: str) -> None:
    assert golang.format_duration(nanoseconds) == text


@given(st.integers(-(1 << 62), 1 << 62))
def test_a_duration_that_was_written_is_read_again(nanoseconds: int) -> None:
    assert golang.parse_duration(golang.format_duration(nanoseconds)) == nanoseconds


@given(st.integers(0, 1 << 62))
def test_a_time_keeps_its_nanoseconds(unix_ns: int) -> None:
    seconds, nanoseconds, _ = golang.time_parts(golang.time_from_unix_ns(unix_ns))
    assert seconds * golang.SECOND + nanoseconds == unix_ns


def test_times_are_written_as_gos_json_has_them() -> None:
    time = golang.time_from_unix_ns(1_600_000_000_120_000_000)
    assert golang.format_rfc3339(time) == "2020-09-13T12:26:40.12Z"
    assert golang.format_rfc3339(golang.ZERO_TIME) == "0001-01-01T00:00:00Z"


@pytest.mark.parametrize("seconds", [-(1 << 63), (1 << 63) - 1, 400_000_000_000])
def test_a_time_far_away_cannot_be_shown(seconds: int) -> None:
    time = golang.Time(struct.pack(">Bqih", 1, seconds, 0, -1))
    with pytest.raises(ValueError, match="year outside of range"):
        golang.format_rfc3339(time)


def test_text_is_quoted_as_go_quotes_it() -> None:
    assert golang.quote('a"b\\\n\x01\u00e9\udcff') == '"a\\"b\\\\\\n\\x01\u00e9\\xff"'


def test_a_float32_is_shown_with_its_own_digits() -> None:
    assert float(Float32.of(33.3)) != 33.3
    assert Float32.of(33.3).shortest() == 33.3
    assert Float32.of(0.1).shortest() == 0.1
    assert Float32.of(16777217).shortest() == 16777216.0


def test_addresses_are_joined_as_net_joinhostport_does() -> None:
    assert golang.join_host_port("10.0.0.1", 80) == "10.0.0.1:80"
    assert golang.join_host_port("::1", 80) == "[::1]:80"


def test_several_errors_are_listed_as_go_multierror_does() -> None:
    assert golang.list_of_errors(["a"]) == "1 error occurred:\n\t* a\n\n"
    assert golang.list_of_errors(["a", "b"]) == "2 errors occurred:\n\t* a\n\t* b\n\n"
