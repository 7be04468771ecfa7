"""What one server encrypts with and whom it trusts: the document of `GET /v1/proconsul/tls`.

Certificates are named by the SHA-256 of their DER form, in hex. What is told is in use, for the
connections that begin from now on; files that were changed since are not. JSON, with these names:

| field | |
|---|---|
| `Certificate` | that it shows; "" without one |
| `Authorities` | those of `ca_file` or `ca_path` |
"""

from proconsul.wire.gostruct import GoStruct


class TlsLocal(GoStruct, frozen=True, kw_only=True):
    """See above."""

    certificate: str
    authorities: list[str]
