"""Whom connections of the operator and of its Jobs trust: what Go trusts, and so Consul's users.

Since 3.13 Python's default context refuses a CA without the extension for key usage. Go's verifier
does not ask for it, and Consul's own CAs, many clusters' and home-made ones lack it. Go also takes
any certificate that it is given as an anchor, a root or not. Every context is made here, or passes
through `as_go`.
"""

import ssl
from collections.abc import Sequence
from pathlib import Path


def as_go(context: ssl.SSLContext) -> ssl.SSLContext:
    """The same context, which verifies what Go verifies."""
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    return context


def trust_only(certificates: Sequence[str]) -> ssl.SSLContext:
    """Trusts these authorities (PEM) and no other. Raises ssl.SSLError for what is none."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(cadata="\n".join(certificates))
    return as_go(context)


def trust_file(ca_file: Path) -> ssl.SSLContext:
    """Trusts the authorities in that file and no other. Raises OSError."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(cafile=ca_file)
    return as_go(context)


def trust_usual(*, more: Path | None = None) -> ssl.SSLContext:
    """Trusts the system's authorities, and those in that file. Raises OSError."""
    context = ssl.create_default_context()
    if more is not None:
        context.load_verify_locations(cafile=more)
    return as_go(context)
