"""Tree nodes that several formats have."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from explorer.formats.artifact import Node, NodeType, Signature, Tensor


def signature_node(signature: Signature) -> Node:
    """A signature with how much it takes and gives."""
    return Node(
        signature.key,
        NodeType.SIGNATURE,
        kind="signature",
        summary=f"{len(signature.inputs)} in → {len(signature.outputs)} out",
        signature=signature,
    )


class TensorNodes:
    """A `NodeSource` over tensors, whose nodes are made page by page."""

    def __init__(
        self,
        tensors: Sequence[Tensor],
        attributes: Callable[[Tensor], Sequence[tuple[str, str]]] = lambda _tensor: (),
    ) -> None:
        self._tensors = tensors
        self._attributes = attributes

    def __len__(self) -> int:
        return len(self._tensors)

    def page(self, start: int, stop: int) -> list[Node]:
        """Children ``start`` to ``stop`` (exclusive)."""
        return [self._node(tensor) for tensor in self._tensors[start:stop]]

    def _node(self, tensor: Tensor) -> Node:
        return Node(
            tensor.path,
            NodeType.TENSOR,
            kind=tensor.role.value,
            size=tensor.nbytes,
            tensor=tensor,
            attributes=lambda: self._attributes(tensor),
        )
