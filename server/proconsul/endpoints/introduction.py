"""`Proconsul.*`: servers meet, and agree on who founds the cluster.

Local methods that any server answers. A server of another kind refuses them ("rpc: can't find
service Proconsul.Introduce"), and that says that it lives.
"""

from proconsul.endpoints.context import Context
from proconsul.endpoints.methods import Method
from proconsul.model.introduction import (
    FoundReply,
    FoundRequest,
    IntroduceReply,
    IntroduceRequest,
    LeaveRequest,
)


async def introduce(context: Context, request: IntroduceRequest) -> IntroduceReply:
    """`Proconsul.Introduce`: meet a server. RpcError for one that cannot be a member."""
    return context.introductions.introduce(request)


async def found(context: Context, request: FoundRequest) -> FoundReply:
    """`Proconsul.Found`: promise a founder to found with nobody else, or say why not."""
    return context.introductions.promise(request)


async def leave(context: Context, request: LeaveRequest) -> bool:
    """`Proconsul.Leave`: take note that a server has left; False if it is seen alive."""
    return context.introductions.left(request)


METHODS = {
    "Proconsul.Introduce": Method(IntroduceRequest, introduce, local=True),
    "Proconsul.Found": Method(FoundRequest, found, local=True),
    "Proconsul.Leave": Method(LeaveRequest, leave, local=True),
}
