"""Certificates of the operator's own CA, as OpenSSL sees them, and as a Secret is read."""

import base64
import ssl
import time
from typing import Any

from operator_tests.specs.clusters import wanted as cluster
from proconsul_operator.actions.certificates import authority_secret, data_of, leaf_secret
from proconsul_operator.actions.reading import secret_text, tls_of

NOW_S = 1_764_151_200.0


def stored(manifest: dict[str, Any]) -> dict[str, Any]:
    """As the API server gives it back."""
    meta = {**manifest["metadata"], "resourceVersion": "7"}
    return {"metadata": meta, "data": data_of(manifest)}


def test_a_leaf_is_signed_by_its_authority_and_read_back_so() -> None:
    wanted = cluster(tls={})
    authority = stored(authority_secret(wanted, "c-ca", NOW_S))
    leaf = stored(leaf_secret(wanted, "c-tls", authority, NOW_S))
    ca, tls = tls_of(authority), tls_of(leaf)
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
    leaf = stored(leaf_secret(wanted, "c-tls", authority, time.time()))
    for name in ("tls.crt", "tls.key"):
        (tmp_path / name).write_text(secret_text(leaf, name))
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(tmp_path / "tls.crt", tmp_path / "tls.key")
    client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client.load_verify_locations(cadata=secret_text(leaf, "ca.crt"))
    for name in (wanted.server_name, f"{wanted.name}-0.{wanted.headless}.{wanted.namespace}.svc"):
        handshake(client, server, name)


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
