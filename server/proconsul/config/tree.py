"""A parsed file as a tree in which every value knows its line.

Both formats end here. As HCL1's own decoder has it, a block is a list of one map per time it
was written; the JSON form of the same thing is a plain map. Readers that want one map take
either (`Node.single`).
"""

from __future__ import annotations

from msgspec import Struct

Scalar = str | bool | int | float | None


class Node(Struct, frozen=True):
    """A value at a line (from 1) of its file."""

    value: Scalar | list[Node] | dict[str, Node]
    line: int

    def single(self) -> Node:
        """The one element of a list of one, else the node itself."""
        if isinstance(self.value, list) and len(self.value) == 1:
            return self.value[0]
        return self


def plain(node: Node) -> object:
    """The tree without its lines, lists of one map kept as such."""
    if isinstance(node.value, dict):
        return {key: plain(child) for key, child in node.value.items()}
    if isinstance(node.value, list):
        return [plain(child) for child in node.value]
    return node.value


def unwrapped(node: Node) -> object:
    """The tree without its lines, each list of one taken as what it contains.

    For free-form settings: in HCL `config { a = 1 }` must give what `{"config": {"a": 1}}` gives.
    Consul does it to every list of one, in JSON too, so who reads such settings must expect it.
    """
    if isinstance(node.value, dict):
        return {key: unwrapped(child) for key, child in node.value.items()}
    if isinstance(node.value, list):
        if len(node.value) == 1:
            return unwrapped(node.value[0])
        return [unwrapped(child) for child in node.value]
    return node.value
