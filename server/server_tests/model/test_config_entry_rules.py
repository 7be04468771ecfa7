"""What a configuration entry becomes, and what is wrong with it."""

from typing import Any

import pytest

from proconsul.model.config_entry import (
    KINDS,
    ConfigEntry,
    IngressGatewayConfigEntry,
    IngressListener,
    IngressService,
    LinkedService,
    ProxyConfigEntry,
    ServiceConfigEntry,
    TerminatingGatewayConfigEntry,
)
from proconsul.model.config_entry_rules import (
    CONFIG_DEPTH_MAX,
    HOST_BYTES_MAX,
    LABEL_BYTES_MAX,
    META_KEY_BYTES_MAX,
    META_PAIRS_MAX,
    META_VALUE_BYTES_MAX,
    complaint_about,
    is_domain_name,
    normalised,
)


@pytest.mark.parametrize("kind", KINDS)
def test_the_stored_kind_is_that_of_the_type(kind: str) -> None:
    assert normalised(KINDS[kind](kind="zork", name="a")).kind == kind


def test_protocols_are_stored_in_lower_case() -> None:
    assert normalised(ServiceConfigEntry(name="a", protocol="HTTP2")) == ServiceConfigEntry(
        kind="service-defaults", name="a", protocol="http2"
    )


def test_there_is_one_entry_for_all_proxies_whatever_it_was_called() -> None:
    for name in ("", "zork", "global"):
        assert normalised(ProxyConfigEntry(name=name)).name == "global"


def test_a_listener_speaks_tcp_where_it_says_nothing() -> None:
    entry = doors(IngressListener(port=1), IngressListener(port=2, protocol="HTTP"))
    made = normalised(entry)
    assert isinstance(made, IngressGatewayConfigEntry)
    assert [listener.protocol for listener in made.listeners or ()] == ["tcp", "http"]
    without = IngressGatewayConfigEntry(kind="ingress-gateway", name="a")
    assert normalised(without) == without


# ---------------------------------------------------------------- meta and settings


@pytest.mark.parametrize(
    ("within", "beyond", "words"),
    [
        (
            {str(number): "" for number in range(META_PAIRS_MAX)},
            {str(number): "" for number in range(META_PAIRS_MAX + 1)},
            "Meta exceeds maximum element count 64",
        ),
        (
            {"k" * META_KEY_BYTES_MAX: ""},
            {"k" * (META_KEY_BYTES_MAX + 1): ""},
            f'Meta key "{"k" * 129}" exceeds maximum length 128',
        ),
        (
            {"k": "v" * META_VALUE_BYTES_MAX},
            {"k": "v" * (META_VALUE_BYTES_MAX + 1)},
            'Meta value for key "k" exceeds maximum length 512',
        ),
    ],
)
def test_meta_has_limits(within: dict[str, str], beyond: dict[str, str], words: str) -> None:
    assert complaint_about(ServiceConfigEntry(name="a", meta=within)) == ""
    complaint = complaint_about(ServiceConfigEntry(name="a", meta=beyond))
    assert complaint == f"1 error occurred:\n\t* {words}\n\n"


def in_a_map(inner: Any) -> Any:
    return {"a": inner}


def in_a_list(inner: Any) -> Any:
    return [inner]


@pytest.mark.parametrize("wrap", [in_a_map, in_a_list])
def test_settings_of_proxies_nest_only_so_deep(wrap: Any) -> None:
    config: Any = "x"
    for _ in range(CONFIG_DEPTH_MAX - 1):
        config = wrap(config)
    assert complaint_about(ProxyConfigEntry(name="global", config={"top": config})) == ""
    beyond = {"top": wrap(config)}
    complaint = complaint_about(ProxyConfigEntry(name="global", config=beyond))
    assert complaint == "Config nests deeper than 100 levels"


def test_settings_of_proxies_hold_no_null() -> None:
    entry = ProxyConfigEntry(name="global", config={"a": [{"b": None}]})
    assert complaint_about(entry) == "Config holds a null, which Consul 1.8 cannot read"


# ---------------------------------------------------------------- gateways


def doors(*listeners: IngressListener) -> IngressGatewayConfigEntry:
    return IngressGatewayConfigEntry(name="door", listeners=list(listeners))


def listener(*services: IngressService, protocol: str = "http") -> IngressListener:
    return IngressListener(port=80, protocol=protocol, services=list(services))


def service(name: str, *hosts: str) -> IngressService:
    return IngressService(name=name, hosts=list(hosts) or None)


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        (
            doors(listener(service("a")), listener(service("b"))),
            "port 80 declared on two listeners",
        ),
        (doors(listener()), "No service declared for listener with port 80"),
        (
            doors(listener(service("a"), service("b"), protocol="http2")),
            "Multiple services per listener are only supported for protocol = 'http' "
            "(listener on port 80)",
        ),
        (doors(listener(service(""))), "Service name cannot be blank (listener on port 80)"),
        (doors(listener(service("a", "x"), service("b", "y"))), ""),
        (
            doors(listener(service("a", "x"), service("b", "x"))),
            "Hosts must be unique within a specific listener (listener on port 80)",
        ),
        (doors(listener(service("a", "a..b"))), 'Host "a..b" must be a valid DNS hostname'),
        (doors(listener(service("a", "*"))), ""),
        (
            doors(listener(service("a", "a.*"))),
            'Host "a.*" is not valid, a wildcard specifier is only allowed as the leftmost label',
        ),
        (
            TerminatingGatewayConfigEntry(services=[LinkedService(name="a", key_file="k")]),
            'Service "a" must have a CertFile, CAFile, and KeyFile specified for TLS origination',
        ),
        (TerminatingGatewayConfigEntry(services=[LinkedService(name="a", ca_file="c")]), ""),
    ],
)
def test_gateways_are_checked(entry: ConfigEntry, words: str) -> None:
    assert complaint_about(entry) == words


@pytest.mark.parametrize(
    ("name", "is_one"),
    [
        ("", False),
        (".", True),
        ("a", True),
        ("a.", True),
        ("-x-.a_b", True),
        (".a", False),
        ("a..b", False),
        ("a..", False),
        ("a" * LABEL_BYTES_MAX, True),
        ("a" * (LABEL_BYTES_MAX + 1), False),
        (".".join(["a" * 63] * 4), True),
        (".".join(["a" * 63] * 4) + ".a", False),
        (r"\." * 60, True),
        (r"\097" * LABEL_BYTES_MAX, True),
    ],
)
def test_what_a_domain_name_is(name: str, is_one: bool) -> None:
    assert is_domain_name(name) is is_one


def test_the_longest_domain_name_is_as_long_as_a_packet_holds() -> None:
    assert sum(len(label) + 1 for label in ["a" * 63] * 4) == HOST_BYTES_MAX
