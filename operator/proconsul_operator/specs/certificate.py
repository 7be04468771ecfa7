"""The certificate of the members: its names, and the request to cert-manager.

Peers verify `server.<datacenter>.<domain>`, clients the name that they called.
"""

from typing import Final

from proconsul_operator.specs.labels import metadata
from proconsul_operator.specs.wanted import Manifest, Wanted

LEAF_DAYS: Final = 90  # of one that the operator signs itself
CLUSTER_DOMAIN: Final = "cluster.local"
ADDRESSES: Final = ("127.0.0.1", "::1")


def dns_names(wanted: Wanted) -> tuple[str, ...]:
    """All names by which a member is called."""
    names = [wanted.server_name, "localhost"]
    for domain in ("svc", f"svc.{CLUSTER_DOMAIN}"):
        names.append(f"*.{wanted.headless}.{wanted.namespace}.{domain}")
        names += [
            f"{service}.{wanted.namespace}.{domain}"
            for service in (wanted.name, wanted.headless, wanted.leader, wanted.stale)
        ]
    return tuple(names)


def certificate(wanted: Wanted) -> Manifest:
    """What cert-manager is asked for; only with an issuer."""
    tls = wanted.spec.tls
    assert tls is not None, "without TLS there is nothing to ask for"
    assert tls.issuer_ref is not None, "without an issuer there is nobody to ask"
    issuer = tls.issuer_ref
    return {
        "apiVersion": "cert-manager.io/v1",
        "kind": "Certificate",
        "metadata": metadata(wanted, f"{wanted.name}-tls"),
        "spec": {
            "secretName": wanted.tls_secret,
            "issuerRef": {"name": issuer.name, "kind": issuer.kind, "group": issuer.group},
            "renewBefore": tls.renew_before,
            "privateKey": {"algorithm": "ECDSA", "rotationPolicy": "Always"},
            "usages": ["digital signature", "server auth", "client auth"],
            "dnsNames": list(dns_names(wanted)),
            "ipAddresses": list(ADDRESSES),
        },
    }
