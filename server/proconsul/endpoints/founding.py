"""`Proconsul.*`: servers say who they are, and agree on who founds the cluster.

Local methods that any server answers. A server of another kind refuses them ("rpc: can't find
service Proconsul.Found").
"""

from proconsul.endpoints.context import Context
from proconsul.endpoints.methods import Method
from proconsul.model.founding import FoundReply, FoundRequest, IdentifyReply, IdentifyRequest


async def identify(context: Context, request: IdentifyRequest) -> IdentifyReply:
    """`Proconsul.Identify`: who answers at this address."""
    return context.company.identify()


async def found(context: Context, request: FoundRequest) -> FoundReply:
    """`Proconsul.Found`: promise a founder to found with nobody else, or say why not."""
    return context.company.promise(request)


METHODS = {
    "Proconsul.Identify": Method(IdentifyRequest, identify, local=True),
    "Proconsul.Found": Method(FoundRequest, found, local=True),
}
