"""Which operations of a graph only save and restore its variables, for nothing else runs them.

Every SavedModel has some. TensorFlow 1 keeps them in scopes ``save``, ``save_1`` … of the main
graph (``tensorflow/python/training/saver.py``); TensorFlow 2 traces two functions, each called by
one operation of the main graph (``tensorflow/python/checkpoint/functional_saver.py``).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Set
from dataclasses import replace

from explorer.formats.artifact import GraphOp
from explorer.formats.graph.stored_graph import StoredGraph, StoredNodes, node_at, producer

_SCOPE = re.compile(r"(save(?:_\d+)?)/")
_TRACED = re.compile(r"__inference_+traced_(save|restore)_\d+")
_LARGEST_CALL = 1 << 26


def ops_with_savers(graph: StoredGraph, run: Iterable[str] = ()) -> Iterator[GraphOp]:
    """Every operation of a graph and its functions, those marked that only the saver runs.

    ``run`` names what a loader runs or offers: tensors and operations of the main graph, and
    functions. Raises `UnreadableArtifact` where the graph is damaged.
    """
    started = {producer(name) for name in run}
    scopes = _saving_scopes(graph, started)
    functions = {graph.where_of(name) for name in _saving_functions(graph, started)}
    for op in graph.ops():
        in_scope = op.where == graph.where and _scope(op.name) in scopes
        yield replace(op, for_saving=True) if in_scope or op.where in functions else op


def _saving_scopes(graph: StoredGraph, started: Set[str]) -> Set[str]:
    """Scopes of the main graph, but those from which an operation outside takes anything."""
    scopes: set[str] = set()
    taken = {_scope(name) for name in started}
    for node in graph.nodes.messages():
        scope = _scope(node.name)
        scopes.add(scope)
        taken |= {_scope(producer(name)) for name in node.input} - {scope}
    return scopes - taken - {""}


def _scope(name: str) -> str:
    found = _SCOPE.match(name)
    return found[1] if found else ""


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
