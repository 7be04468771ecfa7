"""All rows of the method table."""

from proconsul.endpoints import (
    acl,
    auto_config,
    catalog,
    config_entries,
    connect,
    coordinate,
    federation_states,
    founding,
    health,
    intentions,
    internal,
    keyring,
    kv,
    operator,
    prepared_queries,
    read_index,
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
        **keyring.METHODS,
        **founding.METHODS,
        **read_index.METHODS,
        **config_entries.METHODS,
        **federation_states.METHODS,
        **acl.METHODS,
        **intentions.METHODS,
        **prepared_queries.METHODS,
        **connect.METHODS,
    }
)
# For agents that have no certificate yet: they may call these, and nothing else.
INSECURE_METHODS = Methods(auto_config.METHODS)
