"""Whether what lies beside the tables of checkpoints is sound: the state file and the graphs."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace

from explorer.formats.artifact import Check, GraphOp, Hazard, HazardKind, UnreadableArtifact
from explorer.formats.checkpoint.folder import STATE_FILE, CheckpointFolder
from explorer.formats.graph.checks import graph_structure
from explorer.formats.graph.kind import Kind, match_kind
from explorer.formats.graph.stored_meta_graph import StoredMetaGraph, meta_graph_at
from explorer.formats.storage import Storage

GRAPH_ENDING = ".meta"
_LARGEST_STATE = 1 << 20
_LINE = re.compile(
    r"""\s*((all_)?model_checkpoint_paths?\s*:\s*("(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')"""
    r"|(all_model_checkpoint_timestamps|last_preserved_timestamp)\s*:\s*[-+.\w]+)?\s*"
)
"""A line of ``CheckpointState`` (``tensorflow/python/training/checkpoint_state.proto``)."""


def state_checks(folder: CheckpointFolder) -> Iterator[Check]:
    """Whether the state file, where there is one, says what the checkpoints are."""
    if any(entry.name == STATE_FILE for entry in folder.entries):
        yield Check("state file", STATE_FILE, _state_problem(folder.storage))


def _state_problem(storage: Storage) -> str:
    size = storage.size(STATE_FILE)
    if size is None:
        return "It is no file, but TensorFlow keeps its list of checkpoints in a file so called."
    if size > _LARGEST_STATE:
        return f"It has {size:,} bytes, far more than a list of checkpoints takes."
    lines = storage.read(STATE_FILE).decode("utf-8", "replace").splitlines()
    if not any(line.lstrip().startswith("model_checkpoint_path") for line in lines):
        return "It does not name the latest checkpoint: it is empty or damaged."
    damaged = (n for n, line in enumerate(lines, 1) if not _LINE.fullmatch(line))
    number = next(damaged, 0)
    return f"Its line {number} is cut short or damaged." if number else ""


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
