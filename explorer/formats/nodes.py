"""Tree nodes that several formats have."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

from explorer.formats.artifact import Node, NodeType, Signature, Tensor

_Item = TypeVar("_Item")


def signature_node(signature: Signature) -> Node:
    """A signature with how much it takes and gives."""
    return Node(
        signature.key,
        NodeType.SIGNATURE,
        kind="signature",
        summary=f"{len(signature.inputs)} in → {len(signature.outputs)} out",
        signature=signature,
    )


class Paged(Generic[_Item]):
    """A `NodeSource` that makes a node of each item when its page is asked for."""

    def __init__(self, items: Sequence[_Item], node: Callable[[_Item], Node]) -> None:
        self._items = items
        self._node = node

    def __len__(self) -> int:
        return len(self._items)

    def page(self, start: int, stop: int) -> list[Node]:
        """Children ``start`` to ``stop`` (exclusive)."""
        return [self._node(item) for item in self._items[start:stop]]


def tensor_nodes(
    tensors: Sequence[Tensor],
    attributes: Callable[[Tensor], Sequence[tuple[str, str]]] = lambda _tensor: (),
) -> Paged[Tensor]:
    """A node for each tensor, with further attributes."""

    def node(tensor: Tensor) -> Node:
        return Node(
            tensor.path,
            NodeType.TENSOR,
            kind=tensor.role.value,
            size=tensor.nbytes,
            tensor=tensor,
            attributes=lambda: attributes(tensor),
        )

    return Paged(tensors, node)
