"""`Proconsul.ReadIndex`: what a follower's state must hold to be read in the leader's stead.

The leader vouches for the moment of its answer just as if it read its own state for the client:
by its lease, or by a majority. A state that holds the same entries is the same, so a follower
may read its own from there on (thesis, 6.4). A server of another kind refuses the method ("rpc:
can't find service Proconsul.ReadIndex"); then the reads themselves go to the leader.
"""

from proconsul.endpoints.blocking import check_datacenter, require_leadership
from proconsul.endpoints.context import Context
from proconsul.endpoints.methods import Method
from proconsul.model.read_index import ReadIndexReply, ReadIndexRequest


async def read_index(context: Context, request: ReadIndexRequest) -> ReadIndexReply:
    """Raises NoLeaderError, NotReadyError where this server cannot vouch for anything."""
    check_datacenter(context, request.datacenter)
    if request.consistent:
        await context.log.confirm_leadership()
    else:
        await require_leadership(context)
    return ReadIndexReply(index=context.log.read_index())


METHODS = {"Proconsul.ReadIndex": Method(ReadIndexRequest, read_index, local=True)}
