"""The graphs in an ONNX graph: the bodies of its loops and branches, which are attributes.

Source: ``GraphProto``, ``NodeProto`` and ``AttributeProto`` of ``onnx/onnx.proto``.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from explorer.formats.protobuf.wire import Spans, Wire
from explorer.formats.schema.onnx_pb2 import AttributeProto, GraphProto, NodeProto

NODES, INITIALIZERS, _SPARSE = 1, 5, 15
GRAPH_PARTS = (NODES, INITIALIZERS, _SPARSE)
ATTRIBUTES = 5
SUBGRAPH, SUBGRAPHS = 6, 11
_DEEPEST = 20
"""How many graphs may lie in each other."""


@dataclass(frozen=True, slots=True)
class Body:
    """A graph or function: ``where`` names it to people, ``prefix`` begins its tensors' paths."""

    where: str
    prefix: str
    nodes: Spans
    initializers: Spans


def with_inner(wire: Wire, body: Body, deepest: int = _DEEPEST) -> Iterator[Body]:
    """A graph and those in it. Raises `WireError`."""
    yield body
    for span in body.nodes if deepest > 1 else ():
        node, parts = wire.split(span, NodeProto, (ATTRIBUTES,))
        for part in parts[ATTRIBUTES]:
            attribute, graphs = wire.split(part, AttributeProto, (SUBGRAPH, SUBGRAPHS))
            for graph in (*graphs[SUBGRAPH], *graphs[SUBGRAPHS]):
                _, below = wire.split(graph, GraphProto, GRAPH_PARTS)
                name = node_name(node)
                inner = Body(
                    f"{body.where}, {attribute.name} of {name}",
                    f"{body.prefix}{name}/{attribute.name}/",
                    below[NODES],
                    below[INITIALIZERS],
                )
                yield from with_inner(wire, inner, deepest - 1)


def node_name(node: NodeProto) -> str:
    """Its name, or without one what it gives."""
    return node.name or ", ".join(node.output)
