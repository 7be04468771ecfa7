"""Address templates over a host of three interfaces."""

from __future__ import annotations

import ipaddress

import pytest

from proconsul.config.addresses import TemplateError, expand
from proconsul.config.networks import Host, InterfaceAddress, private_ipv4, public_ipv6


def _address(name: str, text: str, flags: str) -> InterfaceAddress:
    interface = ipaddress.ip_interface(text)
    return InterfaceAddress(
        name, interface.ip, interface.network.prefixlen, frozenset(flags.split())
    )


HOST = Host(
    name="host",
    interfaces=(
        _address("lo", "127.0.0.1/8", "up loopback"),
        _address("lo", "::1/128", "up loopback"),
        _address("eth0", "8.8.4.4/24", "up broadcast multicast"),
        _address("eth0", "2001:db8::1/64", "up broadcast multicast"),
        _address("eth0", "2a00::1/64", "up broadcast multicast"),
        _address("eth1", "10.1.2.3/16", "up broadcast multicast"),
        _address("eth1", "fe80::1/64", "up broadcast multicast"),
        _address("tun0", "10.9.9.1/30", "pointtopoint"),
    ),
    default_interface="eth1",
    open_files_max=1024,
)


@pytest.mark.parametrize(
    ("template", "result"),
    [
        ("10.0.0.1", "10.0.0.1"),
        ("{{ GetPrivateIP }}", "10.1.2.3"),
        ("{{ GetPublicIP }}", "8.8.4.4"),
        ("{{ GetPrivateIPs }}", "10.1.2.3 10.9.9.1"),
        ('{{ GetInterfaceIP "eth0" }}', "8.8.4.4"),
        ('{{ GetInterfaceIP "^eth[1]$" }}', "10.1.2.3"),
        ('{{ GetInterfaceIP "wlan0" }}', ""),
        ("{{ GetInterfaceIPs `eth1` }}", "10.1.2.3 fe80::1"),
        (
            '{{ GetAllInterfaces | include "network" "10.0.0.0/8" | attr "address" }}',
            "10.1.2.3",
        ),
        (
            '{{ GetAllInterfaces | exclude "name" "^(lo|tun)" | include "type" "IPv4" '
            '| sort "-address" | join "address" "," }}',
            "10.1.2.3,8.8.4.4",
        ),
        ('{{ GetAllInterfaces | include "flags" "forwardable" | limit 1 | attr "name" }}', "eth0"),
        (
            '{{ GetAllInterfaces | include "flags" "point-to-point" | attr "string" }}',
            "10.9.9.1/30",
        ),
        ('{{ GetAllInterfaces | include "rfc" "1918" | join "address" " " }}', "10.1.2.3 10.9.9.1"),
        ('{{ GetAllInterfaces | sort "default,type" | attr "address" }}', "10.1.2.3"),
        ('{{ GetAllInterfaces | include "type" "ipv4" | sort "-size" | attr "name" }}', "tun0"),
        ('{{ . | unique "name" | join "name" " " }}', "lo eth0 eth1 tun0"),
        ('{{ GetAllInterfaces | offset -1 | attr "flags" }}', "pointtopoint"),
        ('{{ GetInterfaceIP "lo" }}{{/* a comment */}}', ""),
        (
            '{{ (GetAllInterfaces | include "size" "16") | math "network" "+9" | attr "address" }}',
            "10.1.0.9",
        ),
        ("a {{- `b` -}} c {{`d`}}", "abc d"),
    ],
)
def test_a_template_becomes_its_addresses(template: str, result: str) -> None:
    assert expand(template, HOST) == result


@pytest.mark.parametrize(
    ("template", "words"),
    [
        ("{{ GetPrivateIP", "unclosed action"),
        ("{{ }}", "missing value for command"),
        ("{{ Nope }}", 'unable to parse template "{{ Nope }}": function "Nope" not defined'),
        ("{{ range GetAllInterfaces }}x{{ end }}", '"range" is not supported here'),
        ("{{ GetInterfaceIP }}", "wrong number of args for GetInterfaceIP: want 1 got 0"),
        ("{{ GetInterfaceIP 5 }}", "wrong type of argument 1 for GetInterfaceIP"),
        ('{{ GetInterfaceIP "(" }}', "Unable to compile name regexp"),
        ("{{ GetAllInterfaces }}", "end it with `attr` or `join`"),
        ('{{ GetAllInterfaces | attr "nope" }}', 'unsupported attribute name "nope"'),
        ('{{ GetAllInterfaces | include "nope" "" | attr "name" }}', "invalid include selector"),
        ('{{ GetAllInterfaces | include "rfc" "1" | attr "name" }}', "unsupported RFC 1"),
        ('{{ GetAllInterfaces | sort "nope" | attr "name" }}', 'unknown sort type: "nope"'),
        ('{{ GetAllInterfaces | include "flags" "nope" | attr "name" }}', "Unknown interface flag"),
        ('{{ GetAllInterfaces | math "address" "1" | attr "name" }}', "sign (+/-) is required"),
        ('{{ GetAllInterfaces | offset 99 | attr "name" }}', "unable to seek past the end"),
        ('{{ "a" | "b" }}', "can't give argument to non-function"),
        ('{{ ("a" }}', "unclosed left paren"),
    ],
)
def test_a_template_that_cannot_be_followed_says_why(template: str, words: str) -> None:
    with pytest.raises(TemplateError) as refusal:
        expand(template, HOST)
    assert words in str(refusal.value)


def test_private_addresses_for_advertising_are_those_of_interfaces_that_are_up() -> None:
    assert [str(each) for each in private_ipv4(HOST.interfaces)] == ["10.1.2.3"]
    only_loopback = HOST.interfaces[:2]
    assert [str(each) for each in private_ipv4(only_loopback)] == ["127.0.0.1"]
    assert [str(each) for each in public_ipv6(HOST.interfaces)] == ["2a00::1"]
