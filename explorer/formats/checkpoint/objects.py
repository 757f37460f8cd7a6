"""The object graph of a checkpoint as a tree: which Python objects held which variables.

The graph has cycles and objects held from several places: each stands once, by its shortest path,
and elsewhere as a link to that.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from explorer.formats.artifact import Node, NodeList, NodeType
from explorer.formats.checkpoint.object_graph import ObjectGraph
from explorer.formats.checkpoint.stored_variables import StoredVariables
from explorer.formats.nodes import Paged
from explorer.formats.text import count_text

ROOT = "object graph"


def objects_node(variables: StoredVariables) -> Node | None:
    """The node of the whole graph, or ``None`` where the checkpoint goes by names alone."""
    graph = variables.graph
    if graph is None or not len(graph):
        return None
    tree = _Tree(graph, variables)
    return Node(
        ROOT,
        NodeType.OBJECT,
        kind=count_text(len(graph), "object"),
        attributes=partial(tree.attributes, 0),
        source=tree.source(0),
    )


@dataclass(frozen=True)
class _Tree:
    graph: ObjectGraph
    variables: StoredVariables

    def source(self, node: int) -> Paged[tuple[int, str, int]] | NodeList | None:
        """What an object holds: values of its own, then other objects."""
        edges = [(node, name, child) for name, child in self.graph.edges(node)]
        stored = self.variables.all_by_node.get(node, ())
        if not stored:
            return Paged(edges, self._child) if edges else None
        own = [self.variables.node_of(v, _last_part(v.tensor.path)) for v in stored]
        return NodeList(lambda: own + [self._child(edge) for edge in edges])

    def _child(self, edge: tuple[int, str, int]) -> Node:
        parent, name, node = edge
        if self.graph.parents[node] != (parent, name):
            return Node(
                name,
                NodeType.OBJECT,
                kind=f"same as {self.graph.path(node) or ROOT}",
                attributes=partial(self.attributes, node),
            )
        stored = self.variables.all_by_node.get(node, ())
        held = self.graph.edges(node)
        if len(stored) == 1 and not held:
            return self.variables.node_of(stored[0], name)
        return Node(
            name,
            NodeType.OBJECT,
            kind=f"object · {count_text(len(held) + len(stored), 'part')}",
            attributes=partial(self.attributes, node),
            source=self.source(node),
        )

    def attributes(self, node: int) -> list[tuple[str, str]]:
        """The path and number of an object, and what is stored of it."""
        stored = self.variables.all_by_node.get(node, ())
        found = [
            ("path", self.graph.path(node)),
            ("object number", str(node)),
            ("variable name", self.graph.variables.get(node, "")),
            *(("checkpoint key", variable.tensor.path) for variable in stored),
        ]
        return [(name, text) for name, text in found if text]


def _last_part(key: str) -> str:
    return key.rpartition("/")[2]
