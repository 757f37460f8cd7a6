"""Ways through an artifact that several tests take."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np

from explorer.formats.artifact import Artifact, Layer, Node, Role, Tensor


def below(node: Node, *names: str) -> Node:
    """The node that a path of names leads to."""
    for name in names:
        node = next(child for child in node.children() if child.name == name)
    return node


def flat(layers: Iterable[Layer]) -> Iterator[Layer]:
    """Layers and those nested in them."""
    for layer in layers:
        yield layer
        yield from flat(layer.children)


def tensor(artifact: Artifact, path: str) -> Tensor:
    """The tensor of a path."""
    return next(t for t in artifact.tensors() if t.path == path)


def values(artifact: Artifact, role: Role = Role.WEIGHT) -> list[np.ndarray]:
    """The values of all tensors that play a part."""
    return [t.read() for t in artifact.tensors() if t.role is role]


def by_path(artifact: Artifact) -> dict[str, Tensor]:
    """The tensors that are stored; a SavedModel has constants in its graph as well."""
    return {t.path: t for t in artifact.tensors() if t.role is not Role.CONSTANT}
