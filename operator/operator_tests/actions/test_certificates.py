"""Certificates of the operator's own CA, as OpenSSL sees them, and as a Secret is read."""

import base64
import ssl
import time
from typing import Any

from operator_tests.specs.clusters import wanted as cluster
from proconsul_operator.actions.certificates import (
    authority_secret,
    data_of,
    leaf_secret,
    next_authority,
    signer_of,
    trusted_text,
)
from proconsul_operator.actions.reading import authority_of, secret_text, tls_of

NOW_S = 1_764_151_200.0


def stored(manifest: dict[str, Any]) -> dict[str, Any]:
    """As the API server gives it back."""
    meta = {**manifest["metadata"], "resourceVersion": "7"}
    return {"metadata": meta, "data": data_of(manifest["stringData"])}


def leaf_by(authority: dict[str, Any], now_s: float, named: str = "") -> dict[str, Any]:
    """A leaf that trusts its own CA, the newest unless another is named."""
    ca = authority_of(authority)
    assert ca is not None
    named = named or ca.fingerprint
    signer, trusted = signer_of(authority, named), trusted_text([named], authority)
    assert signer is not None
    assert trusted is not None
    return leaf_secret(cluster(tls={}), "c-tls", signer, trusted, now_s)


def test_a_leaf_is_signed_by_its_authority_and_read_back_so() -> None:
    wanted = cluster(tls={})
    authority = stored(authority_secret(wanted, "c-ca", NOW_S))
    leaf = stored(leaf_by(authority, NOW_S))
    ca, tls = authority_of(authority), tls_of(leaf)
    assert ca is not None
    assert tls is not None
    assert tls.issuer == ca.fingerprint
    assert tls.authorities == (ca.fingerprint,)
    assert tls.not_after_s == NOW_S + 90 * 86400
    assert "tls.key" in leaf["data"]
    assert (
        secret_text(authority, "tls.key") not in base64.b64decode(leaf["data"]["ca.crt"]).decode()
    )


def test_a_handshake_holds_for_every_name_of_a_member(tmp_path: Any) -> None:
    wanted = cluster(tls={})
    authority = stored(authority_secret(wanted, "c-ca", time.time()))
    leaf = stored(leaf_by(authority, time.time()))
    for name in ("tls.crt", "tls.key"):
        (tmp_path / name).write_text(secret_text(leaf, name))
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(tmp_path / "tls.crt", tmp_path / "tls.key")
    client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client.load_verify_locations(cadata=secret_text(leaf, "ca.crt"))
    for name in (wanted.server_name, f"{wanted.name}-0.{wanted.headless}.{wanted.namespace}.svc"):
        handshake(client, server, name)


def test_both_authorities_sign_while_one_follows_the_other() -> None:
    wanted = cluster(tls={})
    first = stored(authority_secret(wanted, "c-ca", NOW_S))
    before = authority_of(first)
    both = {**first, "data": {**first["data"], **data_of(next_authority(wanted, first, NOW_S))}}
    after = authority_of(both)
    assert before is not None
    assert after is not None
    assert (before.previous, after.previous) == ("", before.fingerprint)
    assert after.fingerprint != before.fingerprint
    for named in (before.fingerprint, after.fingerprint):
        tls = tls_of(stored(leaf_by(both, NOW_S, named)))
        assert tls is not None
        assert (tls.issuer, tls.authorities) == (named, (named,))
    trusted = trusted_text([before.fingerprint, after.fingerprint], first, both)
    assert trusted is not None
    assert trusted.count("BEGIN CERTIFICATE") == 2
    assert "PRIVATE" not in trusted


def test_a_ca_that_is_in_no_secret_signs_nothing_and_is_not_trusted() -> None:
    authority = stored(authority_secret(cluster(tls={}), "c-ca", NOW_S))
    assert signer_of(authority, "ab" * 32) is None
    assert trusted_text(["ab" * 32], authority) is None


def handshake(client: ssl.SSLContext, server: ssl.SSLContext, name: str) -> None:
    """In memory; raises if the certificate does not hold."""
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    ours = client.wrap_bio(to_client, to_server, server_hostname=name)
    theirs = server.wrap_bio(to_server, to_client, server_side=True)
    done: set[int] = set()
    while len(done) < 2:
        for number, side in enumerate((ours, theirs)):
            try:
                side.do_handshake()
                done.add(number)
            except ssl.SSLWantReadError:
                pass
