"""All rows of the method table."""

from proconsul.endpoints import (
    catalog,
    coordinate,
    health,
    internal,
    introduction,
    kv,
    operator,
    session,
    status,
    txn,
)
from proconsul.endpoints.methods import Methods

METHODS = Methods(
    {
        **kv.METHODS,
        **operator.METHODS,
        **session.METHODS,
        **status.METHODS,
        **catalog.METHODS,
        **health.METHODS,
        **txn.METHODS,
        **coordinate.METHODS,
        **internal.METHODS,
        **introduction.METHODS,
    }
)
