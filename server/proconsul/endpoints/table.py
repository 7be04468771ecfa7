"""All rows of the method table."""

from proconsul.endpoints import kv, operator, session, status
from proconsul.endpoints.methods import Methods

METHODS = Methods({**kv.METHODS, **operator.METHODS, **session.METHODS, **status.METHODS})
