"""A leader without room for its log or its state gives way: the others may have some.

What it hands over is in their logs already, for entries leave before the own disk has them. A
follower without room cannot vote for itself, so leadership does not come back before there is.
"""

from collections.abc import Callable

from proconsul.raft.effects import RefusedError
from proconsul.raft.node import Node


def give_way(node: Node, tell: Callable[[str, str], None]) -> None:
    """Begin to hand over, if this node leads and is not alone.

    Where that comes to nothing it leads on, and refuses writes. `tell` is Hooks.log.
    """
    if not node.is_leader or node.is_only_voter:
        return
    try:
        node.transfer(None)
    except RefusedError as refused:
        tell("INFO", f"leadership stays with a server without room: {refused}")
    else:
        tell("INFO", "leadership is handed over to a server that may have room")
