"""Whether a graph is all there: its operations, and the values of its constants."""

from __future__ import annotations

from collections.abc import Iterator

from explorer.formats.artifact import Check, Tensor, TensorUnreadable, UnreadableArtifact
from explorer.formats.graph.stored_graph import StoredGraph

_OPAQUE = ("resource", "variant")


def graph_structure(graph: StoredGraph) -> Iterator[Check]:
    """Whether every operation can be read, and every constant has the bytes its shape takes."""
    try:
        for _ in graph.ops():
            pass
        yield Check("operations", graph.where)
        problems = filter(None, map(_values_problem, graph.constants()))
        yield Check("byte count", graph.where, next(problems, ""))
    except UnreadableArtifact as error:
        yield Check("operations", graph.where, str(error))


def _values_problem(constant: Tensor) -> str:
    """Nothing of an array is read, but its size is held against its shape."""
    if constant.dtype in _OPAQUE:
        return ""
    try:
        constant.read((slice(0, 0),) if constant.shape else ())
    except TensorUnreadable as error:
        return str(error)
    return ""
