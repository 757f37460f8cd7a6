"""``.meta`` files: the graph that TensorFlow 1 wrote beside a checkpoint, with its collections."""

from __future__ import annotations

from functools import partial

from explorer.formats.artifact import (
    Artifact,
    Contents,
    MetaGraphOps,
    Node,
    NodeList,
    NodeType,
    Producer,
    Tri,
)
from explorer.formats.contents import yes_if
from explorer.formats.graph.checks import graph_structure
from explorer.formats.graph.kind import Kind, match_kind
from explorer.formats.graph.stored_meta_graph import StoredMetaGraph, meta_graph_at
from explorer.formats.protobuf.wire import ProtoFile
from explorer.formats.registry import Match
from explorer.formats.saved_model.objects import SavedObjects
from explorer.formats.saved_model.tree import meta_graph_attributes, meta_graph_children
from explorer.formats.storage import Storage
from explorer.formats.text import count_text

_ENDING = ".meta"


def match(storage: Storage) -> Match | None:
    """A file that holds a meta graph and nothing else."""
    file = match_kind(storage, Kind.META_GRAPH)
    return Match(storage, file) if file else None


def open(match: Match) -> Artifact:
    """Open a meta graph. Raises `UnreadableArtifact` where it is damaged."""
    file: ProtoFile = match.detail
    with file.wire() as wire:
        stored = meta_graph_at(file, wire, file.span)
    objects = SavedObjects(stored.message.object_graph_def, {})
    graph = stored.graph
    return Artifact(
        path=match.storage.uri,
        name=match.storage.name,
        format="meta_graph",
        format_name="TensorFlow meta graph",
        size=match.storage.size() or 0,
        root=_root(match.storage, stored, objects),
        producer=Producer(stored.message.meta_info_def.tensorflow_version),
        contents=Contents(weights=_weights(stored), signatures=yes_if(stored.has_signatures())),
        signatures=tuple(stored.signatures),
        functions=objects.functions,
        tensors=lambda: list(graph.constants()),
        operations=lambda: [MetaGraphOps(stored.tags, graph.used_ops)],
        ops=stored.ops,
        checks=lambda: graph_structure(graph),
        notes=_notes(match.storage, stored),
    )


def _root(storage: Storage, stored: StoredMetaGraph, objects: SavedObjects) -> Node:
    return Node(
        storage.name,
        NodeType.FILE,
        kind=f"meta graph · {count_text(len(stored.graph.nodes), 'operation')}",
        size=storage.size(),
        attributes=partial(meta_graph_attributes, stored),
        source=NodeList(lambda: meta_graph_children(stored, objects, None)),
    )


def _weights(stored: StoredMetaGraph) -> Tri:
    """Where there are variables, their values are in the checkpoint, and constants begin them."""
    return Tri.NO if stored.variable_count else yes_if(stored.graph.holds_weights())


def _notes(storage: Storage, stored: StoredMetaGraph) -> tuple[str, ...]:
    count = stored.variable_count
    if not count:
        return ()
    index = f"{storage.name.removesuffix(_ENDING)}.index"
    folder = storage.parent()
    beside = folder is not None and folder.has(index)
    where = f"in {index} beside it" if beside else "in the checkpoint it was saved with"
    return (
        f"This is the graph alone: the values of its {count_text(count, 'variable')} are {where}.",
    )
