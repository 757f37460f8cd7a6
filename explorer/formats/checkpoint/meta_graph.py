"""The graph that TensorFlow 1 writes beside a checkpoint, in a file that ends with ``.meta``."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace

from explorer.formats.artifact import Check, GraphOp, Hazard, HazardKind, UnreadableArtifact
from explorer.formats.checkpoint.folder import CheckpointFolder
from explorer.formats.graph.checks import graph_structure
from explorer.formats.graph.kind import Kind, match_kind
from explorer.formats.graph.stored_meta_graph import StoredMetaGraph, meta_graph_at

GRAPH_ENDING = ".meta"


def graph_checks(folder: CheckpointFolder, prefix: str) -> Iterator[Check]:
    """Whether the graph of a checkpoint, where there is one, can be read."""
    name = prefix + GRAPH_ENDING
    try:
        stored = _graph(folder, name)
        if stored is not None:
            yield Check("meta graph", name)
            yield from graph_structure(stored.graph)
    except UnreadableArtifact as error:
        yield Check("meta graph", name, str(error))


def _graph(folder: CheckpointFolder, name: str) -> StoredMetaGraph | None:
    """The meta graph of that name, ``None`` where there is none. Raises `UnreadableArtifact`."""
    if not any(entry.name == name for entry in folder.entries):
        return None
    is_file = folder.storage.has(name)
    file = match_kind(folder.storage.below(name), Kind.META_GRAPH) if is_file else None
    if file is None:
        problem = "is empty or damaged" if is_file else "is not a file"
        raise UnreadableArtifact(f"It holds no meta graph: it {problem}.")
    with file.wire() as wire:
        return meta_graph_at(file, wire, file.span)


def graph_ops(folder: CheckpointFolder, prefix: str) -> Iterator[GraphOp]:
    """The operations of the graph of a checkpoint, as far as it can be read."""
    name = prefix + GRAPH_ENDING
    with suppress(UnreadableArtifact):  # which `graph_hazards` tells
        stored = _graph(folder, name)
        for op in stored.ops() if stored else ():
            yield replace(op, where=f"{name}, {op.where}")


def graph_hazards(folder: CheckpointFolder, prefix: str) -> Iterator[Hazard]:
    """That there is a graph of a checkpoint whose operations cannot be looked at."""
    for check in graph_checks(folder, prefix):
        if check.problem:
            target = f"Not all of its operations could be looked at. {check.problem}"
            yield Hazard(HazardKind.NOT_SCANNED, prefix + GRAPH_ENDING, target)
