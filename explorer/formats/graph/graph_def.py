"""Graphs alone: a ``GraphDef`` in a ``.pb`` or ``.pbtxt`` file, often with its weights frozen in.

Source: ``tensorflow/core/framework/graph.proto``.
"""

from __future__ import annotations

from functools import cache

from explorer.formats.artifact import Artifact, Contents, MetaGraphOps, Node, NodeList, NodeType
from explorer.formats.contents import yes_if
from explorer.formats.graph.checks import graph_structure
from explorer.formats.graph.kind import Kind, match_kind
from explorer.formats.graph.nodes import functions_node, graph_node
from explorer.formats.graph.savers import ops_with_savers
from explorer.formats.graph.stored_graph import StoredGraph
from explorer.formats.protobuf.wire import ProtoFile
from explorer.formats.registry import Match
from explorer.formats.storage import Storage
from explorer.formats.text import count_text


def match(storage: Storage) -> Match | None:
    """A file whose first fields are operations or functions of a graph."""
    file = match_kind(storage, Kind.GRAPH)
    return Match(storage, file) if file else None


def open(match: Match) -> Artifact:
    """Open a graph. Raises `UnreadableArtifact` where it is damaged."""
    file: ProtoFile = match.detail
    graph = StoredGraph(file, (file.span,))
    weights = yes_if(graph.holds_weights())
    return Artifact(
        path=match.storage.uri,
        name=match.storage.name,
        format="graph_def",
        format_name="TensorFlow graph",
        size=match.storage.size() or 0,
        root=_root(match.storage, graph),
        contents=Contents(weights=weights),
        tensors=cache(lambda: tuple(graph.constants())),
        operations=lambda: [MetaGraphOps((), graph.used_ops)],
        ops=lambda: ops_with_savers(graph),
        checks=lambda: graph_structure(graph),
    )


def _root(storage: Storage, graph: StoredGraph) -> Node:
    count = count_text(len(graph.nodes), "operation")
    return Node(
        storage.name,
        NodeType.FILE,
        kind=f"graph · {count}",
        size=storage.size(),
        source=NodeList(lambda: _children(graph)),
    )


def _children(graph: StoredGraph) -> list[Node]:
    inputs, outputs = graph.ends
    main = graph_node(graph, f"{len(inputs)} in → {len(outputs)} out")
    return [functions_node(graph), main] if graph.functions else [main]
