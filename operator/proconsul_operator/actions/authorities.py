"""How strictly an authority's own certificate is judged: as other clients of Kubernetes do it.

From Python 3.13 on a default context refuses an authority that says nothing of its key's usage, as
RFC 5280 asks. Clusters of years ago, and those made by hand, have such ones; Go takes them, and so
do we. Everything else is verified.
"""

import ssl


def lenient(context: ssl.SSLContext) -> ssl.SSLContext:
    """The same context, without that rule."""
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    return context
