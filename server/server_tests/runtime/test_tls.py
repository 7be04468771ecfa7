"""From the keys of a configuration to contexts: what they accept, refuse and say, without a socket.

Hands are shaken in memory.
"""

import re
import ssl
import warnings
from pathlib import Path

import pytest

from proconsul.config.schema import Tls
from proconsul.config.sections import CIPHER_SUITES
from proconsul.runtime.check_dial import default_tls
from proconsul.runtime.tls import (
    NO_TLS,
    ClientTls,
    RpcTls,
    TlsError,
    client_context,
    https_context,
    is_for,
    rpc_incoming,
    rpc_outgoing,
)
from server_tests.runtime.certificates import (
    CLIENT_ONLY,
    SERVER,
    SERVER_ONLY,
    Authority,
    Pair,
    tls_keys,
)

WRONG_VERSION = r"UNSUPPORTED_PROTOCOL|ALERT_PROTOCOL_VERSION"


def incoming(tls: Tls, datacenter: str = "dc1", domain: str = "consul.") -> RpcTls:
    return rpc_incoming(tls, datacenter=datacenter, domain=domain)


def outgoing(tls: Tls, datacenter: str = "dc1", domain: str = "consul.") -> ClientTls:
    made = rpc_outgoing(tls, datacenter=datacenter, domain=domain)
    assert made is not None
    return made


def shake_hands(server: ssl.SSLContext | None, client: ClientTls) -> ssl.SSLObject:
    """The client's end, after both are satisfied. Raises SSLError."""
    assert server is not None
    wires = ssl.MemoryBIO(), ssl.MemoryBIO()
    name = client.server_hostname or None
    ends = [
        client.context.wrap_bio(wires[0], wires[1], server_hostname=name),
        server.wrap_bio(wires[1], wires[0], server_side=True),
    ]
    waiting = list(ends)
    for _ in range(10):
        for end in list(waiting):
            try:
                end.do_handshake()
            except ssl.SSLWantReadError:
                continue
            waiting.remove(end)
    assert not waiting
    return ends[0]


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path, "ca")


# ---------------------------------------------------------------- what there is


def test_without_a_certificate_the_rpc_port_speaks_no_tls(authority: Authority) -> None:
    assert incoming(tls_keys()) == NO_TLS
    assert incoming(tls_keys(ca_file=authority.ca_file)) == NO_TLS
    half = tls_keys(Pair(authority.pair("server").cert_file, ""), authority.ca_file)
    assert incoming(half) == NO_TLS


def test_native_tls_needs_a_ca_and_always_asks_for_certificates(authority: Authority) -> None:
    pair = authority.pair("server")
    alone = incoming(tls_keys(pair))
    assert (alone.context is None, alone.insecure is None, alone.native) == (False, False, None)
    native = incoming(tls_keys(pair, authority.ca_file)).native
    assert native is not None
    assert native.verify_mode is ssl.CERT_REQUIRED


@pytest.mark.parametrize(
    ("keys", "rpc", "https"),
    [
        ((), False, False),
        (("verify_incoming",), True, True),
        (("verify_incoming_rpc",), True, False),
        (("verify_incoming_https",), False, True),
    ],
)
def test_who_asks_for_certificates(
    authority: Authority, keys: tuple[str, ...], *, rpc: bool, https: bool
) -> None:
    tls = tls_keys(authority.pair("server"), authority.ca_file, **dict.fromkeys(keys, True))
    made = incoming(tls)
    assert made.context is not None
    assert made.insecure is not None
    assert made.verify_incoming is rpc
    assert (made.context.verify_mode is ssl.CERT_REQUIRED) is rpc
    assert (https_context(tls).verify_mode is ssl.CERT_REQUIRED) is https
    assert made.insecure.verify_mode is ssl.CERT_NONE


def test_without_verify_outgoing_nothing_is_encrypted(authority: Authority) -> None:
    tls = tls_keys(authority.pair("server"), authority.ca_file, verify_incoming=True)
    assert rpc_outgoing(tls, datacenter="dc1", domain="consul.") is None


def test_raft_needs_a_name_where_certificates_and_names_are_verified(authority: Authority) -> None:
    pair = authority.pair("server")

    def name_with(**keys: bool) -> str:
        return incoming(tls_keys(pair, authority.ca_file, **keys), "paris", "example.").raft_name

    assert name_with(verify_incoming=True, verify_server_hostname=True) == "server.paris.example"
    assert name_with(verify_incoming_rpc=True, verify_server_hostname=True) != ""
    assert name_with(verify_server_hostname=True) == ""
    assert name_with(verify_incoming=True) == ""


# ---------------------------------------------------------------- who is believed


def test_the_name_of_a_server_is_verified_if_it_is_to_be(authority: Authority) -> None:
    named = incoming(tls_keys(authority.pair("server", SERVER)))
    other = incoming(tls_keys(authority.pair("client", "client.dc1.consul")))
    anything = outgoing(tls_keys(ca_file=authority.ca_file, verify_outgoing=True))
    strict = tls_keys(ca_file=authority.ca_file, verify_outgoing=True, verify_server_hostname=True)
    for server in (named, other):
        shake_hands(server.context, anything)
    shake_hands(named.context, outgoing(strict))
    for server, client in (
        (other, outgoing(strict)),
        (named, outgoing(strict, datacenter="dc2")),
        (named, outgoing(strict, domain="example.")),
    ):
        with pytest.raises(ssl.SSLCertVerificationError, match="Hostname mismatch"):
            shake_hands(server.context, client)


def test_a_common_name_is_no_name_and_a_wildcard_is_one(authority: Authority) -> None:
    strict = tls_keys(ca_file=authority.ca_file, verify_outgoing=True, verify_server_hostname=True)
    with pytest.raises(ssl.SSLCertVerificationError):
        shake_hands(incoming(tls_keys(authority.pair(SERVER))).context, outgoing(strict))
    wild = authority.pair("wild", "*.dc1.consul")
    shake_hands(incoming(tls_keys(wild)).context, outgoing(strict))


def test_what_another_ca_signed_or_what_is_over_is_refused(tmp_path: Path) -> None:
    ours, theirs = Authority(tmp_path, "ours"), Authority(tmp_path, "theirs")
    client = outgoing(tls_keys(ca_file=ours.ca_file, verify_outgoing=True))
    for pair, text in (
        (theirs.pair("stranger", SERVER), "unable to get local issuer"),
        (ours.pair("old", SERVER, is_expired=True), "certificate has expired"),
    ):
        with pytest.raises(ssl.SSLCertVerificationError, match=text):
            shake_hands(incoming(tls_keys(pair)).context, client)


def test_a_certificate_is_of_use_for_what_it_says_only(authority: Authority) -> None:
    client_only = authority.pair("client", SERVER, usages=CLIENT_ONLY)
    server_only = authority.pair("server", SERVER, usages=SERVER_ONLY)
    verifying = {"verify_incoming": True, "verify_outgoing": True}
    as_servers = tls_keys(server_only, authority.ca_file, **verifying)
    as_clients = tls_keys(client_only, authority.ca_file, **verifying)
    shake_hands(incoming(as_servers).context, outgoing(as_clients))
    with pytest.raises(ssl.SSLCertVerificationError, match="purpose"):
        shake_hands(incoming(as_clients).context, outgoing(as_clients))
    with pytest.raises(ssl.SSLCertVerificationError, match="purpose"):
        shake_hands(incoming(as_servers).context, outgoing(as_servers))


def test_an_intermediate_ca_is_an_anchor_as_good_as_a_root(tmp_path: Path) -> None:
    root = Authority(tmp_path, "root")
    middle = Authority(tmp_path, "middle", parent=root)
    alone = incoming(tls_keys(middle.pair("alone", SERVER)))
    shake_hands(alone.context, outgoing(tls_keys(ca_file=middle.ca_file, verify_outgoing=True)))
    by_root = outgoing(tls_keys(ca_file=root.ca_file, verify_outgoing=True))
    with pytest.raises(ssl.SSLCertVerificationError):
        shake_hands(alone.context, by_root)
    shake_hands(incoming(tls_keys(middle.pair("whole", SERVER, with_chain=True))).context, by_root)


@pytest.mark.parametrize(
    ("names", "is_it"),
    [
        ((("DNS", SERVER),), True),
        ((("DNS", "localhost"), ("DNS", "SERVER.dc1.Consul."))[::-1], True),
        ((("DNS", "*.dc1.consul"),), True),
        ((("DNS", "*.consul"),), False),
        ((("DNS", "*"),), False),
        ((("DNS", "s*.dc1.consul"),), False),
        ((("DNS", "server.dc2.consul"),), False),
        ((("DNS", "x." + SERVER),), False),
        ((("URI", SERVER), ("email", SERVER)), False),
        ((), False),
    ],
)
def test_a_certificate_is_for_a_name(names: tuple[tuple[str, str], ...], *, is_it: bool) -> None:
    assert is_for({"subjectAltName": names}, SERVER) is is_it
    assert not is_for(None, SERVER)
    assert not is_for({}, SERVER)


# ---------------------------------------------------------------- versions and ciphers


@pytest.mark.parametrize(
    ("minimum", "offered", "accepted"),
    [
        ("tls13", ssl.TLSVersion.TLSv1_2, False),
        ("tls13", ssl.TLSVersion.TLSv1_3, True),
        ("tls12", ssl.TLSVersion.TLSv1_1, False),
        ("tls12", ssl.TLSVersion.TLSv1_2, True),
        ("tls11", ssl.TLSVersion.TLSv1, False),
        ("tls11", ssl.TLSVersion.TLSv1_1, True),
        ("tls10", ssl.TLSVersion.TLSv1, True),
        ("", ssl.TLSVersion.TLSv1, True),
    ],
)
def test_older_versions_than_the_least_one_are_refused(
    authority: Authority, minimum: str, offered: ssl.TLSVersion, *, accepted: bool
) -> None:
    server = incoming(tls_keys(authority.pair("server", is_rsa=True), min_version=minimum))
    client = outgoing(
        tls_keys(ca_file=authority.ca_file, verify_outgoing=True, min_version="tls10")
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        client.context.maximum_version = offered
    if accepted:
        told = shake_hands(server.context, client).version()
        assert told == offered.name.replace("_", ".")
        return
    with pytest.raises(ssl.SSLError, match=WRONG_VERSION):
        shake_hands(server.context, client)


def test_a_client_asks_for_the_least_version_too(authority: Authority) -> None:
    server = incoming(tls_keys(authority.pair("server")))
    assert server.context is not None
    server.context.maximum_version = ssl.TLSVersion.TLSv1_2
    client = tls_keys(ca_file=authority.ca_file, verify_outgoing=True, min_version="tls13")
    with pytest.raises(ssl.SSLError, match=WRONG_VERSION):
        shake_hands(server.context, outgoing(client))


@pytest.mark.parametrize("suite", sorted(CIPHER_SUITES))
def test_each_cipher_suite_is_the_one_that_is_used(authority: Authority, suite: str) -> None:
    pair = authority.pair("server", is_rsa="_RSA_" in suite)
    client = outgoing(
        tls_keys(ca_file=authority.ca_file, verify_outgoing=True, cipher_suites=(suite,))
    )
    client.context.maximum_version = ssl.TLSVersion.TLSv1_2
    used = shake_hands(incoming(tls_keys(pair, cipher_suites=(suite,))).context, client).cipher()
    assert used is not None
    words = re.split(r"_WITH_|_", suite.removeprefix("TLS_"))
    spelt = "-".join(words).replace("AES-", "AES").replace("CBC-", "")
    assert used[0] == spelt


@pytest.mark.parametrize("server_prefers", [False, True])
def test_the_client_chooses_among_the_suites_unless_the_server_insists(
    authority: Authority, *, server_prefers: bool
) -> None:
    weak, strong = (
        f"TLS_ECDHE_ECDSA_WITH_AES_{rest}" for rest in ("128_GCM_SHA256", "256_GCM_SHA384")
    )
    client = outgoing(
        tls_keys(ca_file=authority.ca_file, verify_outgoing=True, cipher_suites=(weak, strong))
    )
    client.context.maximum_version = ssl.TLSVersion.TLSv1_2
    keys = tls_keys(
        authority.pair("server"),
        cipher_suites=(strong, weak),
        prefer_server_cipher_suites=server_prefers,
    )
    used = shake_hands(incoming(keys).context, client).cipher()
    assert used is not None
    assert used[2] == (256 if server_prefers else 128)


# ---------------------------------------------------------------- files


def test_files_that_make_no_context_are_named(tmp_path: Path, authority: Authority) -> None:
    pair, other = authority.pair("a"), authority.pair("b")
    missing, garbage = str(tmp_path / "missing"), str(tmp_path / "garbage")
    Path(garbage).write_text("garbage\n")
    broken = str(tmp_path / "broken")
    Path(broken).write_text("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")
    load = "Failed to load cert/key pair: "
    for settings, text in (
        (tls_keys(Pair(pair.cert_file, other.key_file)), f"{load}tls: private key does not match"),
        (tls_keys(Pair(missing, pair.key_file)), f"{load}open {missing}: no such file or dir"),
        (tls_keys(Pair(pair.cert_file, missing)), f"{load}open {missing}: no such file or dir"),
        (tls_keys(Pair(garbage, pair.key_file)), "find any PEM data in certificate input"),
        (tls_keys(Pair(pair.cert_file, garbage)), "find any PEM data in key input"),
        (tls_keys(Pair(broken, pair.key_file)), load),
        (tls_keys(Pair(pair.key_file, pair.key_file)), load),
        (tls_keys(pair, missing), f"Error loading from {missing}: open {missing}: no such"),
        (tls_keys(pair, garbage), f"Couldn't parse PEM {garbage}"),
        (tls_keys(pair, broken), f"Couldn't parse PEM {broken}"),
        (tls_keys(pair, pair.key_file), f"Couldn't parse PEM {pair.key_file}"),
        (tls_keys(pair, str(tmp_path)), f"Error loading from {tmp_path}: .*is a directory"),
        (tls_keys(pair, ca_path=missing), f"lstat {missing}: no such file or directory"),
    ):
        for make in (https_context, incoming):
            with pytest.raises(TlsError, match=text):
                make(settings)
    with pytest.raises(TlsError, match="cert_file is not set"):
        https_context(tls_keys(Pair("", "")))
    with pytest.raises(TlsError, match="Error loading from"):
        outgoing(tls_keys(ca_file=missing, verify_outgoing=True))


def test_an_encrypted_key_is_refused_and_nobody_is_asked_for_a_password(
    tmp_path: Path, authority: Authority
) -> None:
    pair = authority.pair("a")
    locked = str(tmp_path / "locked")
    authority.lock(pair.key_file, locked)
    with pytest.raises(TlsError, match="the key is encrypted"):
        incoming(tls_keys(Pair(pair.cert_file, locked)))


def test_a_folder_of_authorities_is_read_file_by_file_and_folder_by_folder(tmp_path: Path) -> None:
    folder = tmp_path / "cas"
    (folder / "more").mkdir(parents=True)
    one, two = Authority(folder, "one"), Authority(folder / "more", "two")
    (folder / "circle").symlink_to(folder)
    (folder / "linked.pem").symlink_to(two.ca_file)
    context = https_context(
        tls_keys(
            Authority(tmp_path, "ca").pair("server"), ca_path=str(folder), verify_incoming=True
        )
    )
    assert {entry["subject"][0][0][1] for entry in context.get_ca_certs()} == {"one", "two"}
    by_file = https_context(tls_keys(one.pair("server"), one.ca_file, ca_path=str(folder)))
    assert len(by_file.get_ca_certs()) == 1
    single = https_context(tls_keys(one.pair("server"), ca_path=one.ca_file))
    assert len(single.get_ca_certs()) == 1
    (tmp_path / "empty").mkdir()
    with pytest.raises(TlsError, match="Error loading from CAPath: no CAs found"):
        incoming(tls_keys(ca_path=str(tmp_path / "empty")))


def test_a_file_of_authorities_may_hold_several_and_words_between_them(tmp_path: Path) -> None:
    one, two = Authority(tmp_path, "one"), Authority(tmp_path, "two")
    both = tmp_path / "both.pem"
    pems = [Path(each.ca_file).read_text() for each in (one, two)]
    both.write_text(f"d'une autorité\n{pems[0]}\n# and\n{pems[1]}{pems[0]}")
    client = outgoing(tls_keys(ca_file=str(both), verify_outgoing=True))
    for each in (one, two):
        shake_hands(incoming(tls_keys(each.pair("server"))).context, client)


# ---------------------------------------------------------------- others than servers


def test_a_ca_that_does_not_say_what_its_key_is_for_is_good_enough(authority: Authority) -> None:
    """As for Go. Python's default context refuses it since 3.13, by the flag that is set below."""
    server = https_context(tls_keys(authority.pair("web", "web.test")))
    context = client_context(authority.ca_file)
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.check_hostname
    assert not context.verify_flags & ssl.VERIFY_X509_STRICT
    shake_hands(server, ClientTls(context, "web.test"))
    with pytest.raises(ssl.SSLError, match="Hostname mismatch"):
        shake_hands(server, ClientTls(context, "mail.test"))
    context.verify_flags |= ssl.VERIFY_X509_STRICT
    with pytest.raises(
        ssl.SSLError, match=r"include key usage extension|Missing Authority Key Identifier"
    ):
        shake_hands(server, ClientTls(context, "web.test"))


def test_what_a_check_dials_is_verified_as_go_does() -> None:
    for http2 in (False, True):
        context = default_tls(False, http2)
        assert context.verify_mode is ssl.CERT_REQUIRED
        assert not context.verify_flags & ssl.VERIFY_X509_STRICT
        assert default_tls(True, http2).verify_mode is ssl.CERT_NONE


def test_the_authorities_of_the_system_count_where_no_file_is_named(authority: Authority) -> None:
    server = https_context(tls_keys(authority.pair("web", "web.test")))
    with pytest.raises(ssl.SSLError, match=r"self-signed certificate|unable to get local issuer"):
        shake_hands(server, ClientTls(client_context(), "web.test"))
