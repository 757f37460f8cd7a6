"""Which operations of a graph only save and restore its variables, for nothing else runs them.

Every SavedModel has some. TensorFlow 1 keeps those of each saver in a scope of the main graph,
``save`` where a person chose no other (``tensorflow/python/training/saver.py``); TensorFlow 2
traces two functions, each called by one operation of the main graph
(``tensorflow/python/checkpoint/functional_saver.py``).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Set
from dataclasses import replace

from explorer.formats.archives.member_index import stays_inside
from explorer.formats.artifact import GraphOp
from explorer.formats.graph.stored_graph import (
    StoredGraph,
    StoredNodes,
    data_inputs,
    node_at,
    producer,
)
from explorer.formats.schema import saved_model_pb2 as pb

_SAVERS = re.compile(r"(Save|Restore)(V2|Slices?)?|MergeV2Checkpoints")
_MERGE = "MergeV2Checkpoints"
_TRACED = re.compile(r"__inference_+traced_(save|restore)_\d+")
_LARGEST_CALL = 1 << 26
_FROM = {
    "Identity": slice(1),
    "Pack": slice(None),
    "Placeholder": slice(0),
    "PlaceholderWithDefault": slice(1),
    "Select": slice(1, 3),
    "ShardedFilename": slice(1),
    "StringJoin": slice(None),
}
"""The operations by which a saver makes the names of its files, and the inputs they make them of.

For ``sharded=True`` see ``BulkSaverBuilder._AddShardedSaveOpsForV2``.
"""


def ops_with_savers(graph: StoredGraph, run: Iterable[str] = ()) -> Iterator[GraphOp]:
    """Every operation of a graph and its functions, those marked that save or restore variables.

    ``run`` names what a loader runs or offers: tensors and operations of the main graph, and
    functions; what these reach is not marked. Raises `UnreadableArtifact` where the graph is
    damaged.
    """
    started = {producer(name) for name in run}
    scopes = _saving_scopes(graph, started)
    functions = {graph.where_of(name) for name in _saving_functions(graph, started)}
    for op in graph.ops():
        is_saver = _SAVERS.fullmatch(op.op) and (
            op.where in functions or (op.where == graph.where and _above(op.name) in scopes)
        )
        yield replace(op, for_saving=True) if is_saver else op


def _above(name: str) -> str:
    return name.rpartition("/")[0]


def _saving_scopes(graph: StoredGraph, started: Set[str]) -> Set[str]:
    """Scopes right above savers, from which nothing outside takes anything, and whose files are
    named relative to a folder that only whoever runs them chooses.
    """
    scopes = _Scopes(_above(n.name) for n in graph.nodes.messages() if _SAVERS.fullmatch(n.op))
    taken = {scopes.of(name) for name in started}
    made: dict[str, pb.NodeDef] = {}
    savers: list[pb.NodeDef] = []
    for node in graph.nodes.messages() if scopes.names else ():
        scope = scopes.of(node.name)
        taken |= {scopes.of(producer(name)) for name in node.input} - {scope}
        if scope and (node.op in _FROM or node.op == "Const"):
            made[node.name] = node
        if scope and _SAVERS.fullmatch(node.op):
            savers.append(node)
    taken |= {scopes.of(node.name) for node in savers if not _is_relative(node, made)}
    return scopes.names - taken


class _Scopes:
    """Scopes of a graph by name, that of all its operations left out."""

    def __init__(self, names: Iterable[str]) -> None:
        self.names = frozenset(names) - {""}
        self._longest = max(map(len, self.names), default=0)

    def of(self, name: str) -> str:
        """The outermost of the scopes that an operation lies in, empty where it lies in none."""
        end = name.find("/")
        while 0 <= end <= self._longest:
            if name[:end] in self.names:
                return name[:end]
            end = name.find("/", end + 1)
        return ""


def _is_relative(saver: pb.NodeDef, made: Mapping[str, pb.NodeDef]) -> bool:
    """Whether a saver's file, as far as the graph names it, lies below the current folder."""
    pending = data_inputs(saver.input)[: 2 if saver.op == _MERGE else 1]
    seen: set[str] = set()
    while pending:
        name = producer(pending.pop())
        node = made.get(name)
        if node is None or not (_is_file_name(node) if node.op == "Const" else _is_plain(node)):
            return False
        if name not in seen:
            seen.add(name)
            pending += data_inputs(node.input)[_FROM.get(node.op, slice(0))]
    return True


def _is_file_name(constant: pb.NodeDef) -> bool:
    texts = constant.attr["value"].tensor.string_val
    return bool(texts) and all(stays_inside(text.decode("utf-8", "replace")) for text in texts)


def _is_plain(node: pb.NodeDef) -> bool:
    """Whether it adds nothing of its own."""
    return not node.attr["separator"].s


def _saving_functions(graph: StoredGraph, started: Set[str]) -> Set[str]:
    """Functions that nothing calls but operations of the main graph whose result none takes."""
    traced = {f.name for f in graph.functions if _TRACED.fullmatch(f.name)}
    if not traced:
        return traced
    taken = {producer(n) for node in graph.nodes.messages() for n in node.input} | started
    called = [names for caller, names in _calls(graph.nodes, traced) if caller in taken]
    for function in graph.functions:
        called += [names for _, names in _calls(function.nodes, traced)]
    gradients = {gradient.gradient_func for gradient in graph.gradients}
    return traced - started - gradients - set().union(*called)


def _calls(nodes: StoredNodes, functions: Set[str]) -> Iterator[tuple[str, Set[str]]]:
    """Operations that name any of the functions, in whatever attribute, and which they name."""
    names = re.compile("|".join(map(re.escape, functions)).encode())
    with nodes.file.wire() as wire:
        for span in nodes.spans:
            if span.size > _LARGEST_CALL:
                node = node_at(wire, span)
                if node.op != "Const":
                    yield node.name, functions
            elif found := names.findall(wire.bytes(span)):
                yield node_at(wire, span).name, {name.decode() for name in found}
