"""`Internal.KeyringOperation`: the gossip keys of all members of this datacenter.

Any server answers. There is no pool of all datacenters, so there is one response where Consul,
which has two pools, gives two.
"""

from proconsul.endpoints.blocking import check_datacenter
from proconsul.endpoints.context import Context
from proconsul.endpoints.methods import Method
from proconsul.errors import RpcError
from proconsul.model.keyring import INSTALL, LIST, REMOVE, USE, KeyringRequest, KeyringResponses

OPERATIONS = (LIST, INSTALL, USE, REMOVE)


async def operate(context: Context, request: KeyringRequest) -> KeyringResponses:
    """`Internal.KeyringOperation`. What members refused stands in the responses."""
    check_datacenter(context, request.datacenter)
    if request.operation not in OPERATIONS:
        raise RpcError(
            f'Invalid keyring operation "{request.operation}": it is one of {", ".join(OPERATIONS)}'
        )
    response = await context.lan.keyring(request.operation, request.key, request.relay_factor)
    log = context.log
    return KeyringResponses(
        responses=[response], known_leader=log.is_leader() or log.leader_known()
    )


METHODS = {"Internal.KeyringOperation": Method(KeyringRequest, operate, local=True)}
