"""Which operations of a graph only save and restore its variables, for nothing else runs them.

Every SavedModel has some. TensorFlow 1 keeps those of each saver in a scope of the main graph,
``save`` where a person chose no other (``tensorflow/python/training/saver.py``); TensorFlow 2
traces two functions, each called by one operation of the main graph, which hands it the name of
the files (``tensorflow/python/checkpoint/functional_saver.py``).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import replace

from explorer.formats.artifact import GraphOp
from explorer.formats.graph.stored_graph import (
    CALLS,
    StoredFunction,
    StoredGraph,
    StoredNodes,
    data_inputs,
    node_at,
    producer,
    reached,
)
from explorer.formats.schema import saved_model_pb2 as pb
from explorer.formats.storage import stays_inside

_SAVERS = re.compile(r"(Save|Restore)(V2|Slices?)?|MergeV2Checkpoints")
_MERGE = "MergeV2Checkpoints"
_RESTORES = "Restore"
_TRACED = re.compile(r"__inference_+traced_(save|restore)_\d+")
_TRACED_BYTES = re.compile(_TRACED.pattern.encode())
_IMPLEMENTS = "api_implements"
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


def ops_with_savers(
    graph: StoredGraph, run: Iterable[str] = (), restore: str = ""
) -> Iterator[GraphOp]:
    """Every operation of a graph and its functions, those marked that save or restore variables.

    ``run`` names what a loader runs or offers: tensors and operations of the main graph, and
    functions; what these reach is not marked. By the operation ``restore`` it restores the
    variables; what that reaches and saves is not marked either. Raises `UnreadableArtifact` where
    the graph is damaged.
    """
    started = {producer(name) for name in run}
    restore = producer(restore)
    scopes = _saving_scopes(graph, started, restore)
    functions = {graph.where_of(name) for name in _saving_functions(graph, started, restore)}
    for op in graph.ops():
        is_saver = _SAVERS.fullmatch(op.op) and (
            op.where in functions or (op.where == graph.where and _above(op.name) in scopes)
        )
        yield replace(op, for_saving=True) if is_saver else op


def _above(name: str) -> str:
    return name.rpartition("/")[0]


def _saving_scopes(graph: StoredGraph, started: Set[str], restore: str) -> Set[str]:
    """Scopes right above savers, from which nothing outside takes anything, where restoring saves
    nothing, and whose files are named relative to a folder that only whoever runs them chooses.
    """
    scopes = _Scopes(_above(n.name) for n in graph.nodes.messages() if _SAVERS.fullmatch(n.op))
    taken = {scopes.of(name) for name in started}
    inside: dict[str, pb.NodeDef] = {}
    for node in graph.nodes.messages() if scopes.names else ():
        scope = scopes.of(node.name)
        taken |= {scopes.of(producer(name)) for name in node.input} - {scope}
        if scope:
            inside[node.name] = node
    savers = [node for node in inside.values() if _SAVERS.fullmatch(node.op)]
    restoring = reached((restore,), {name: node.input for name, node in inside.items()})
    misused = (
        node.name
        for node in savers
        if (node.name in restoring and not _restores(node))
        or any(_made_of(name, inside) is None for name in _file_names(node))
    )
    return scopes.names - taken - set(map(scopes.of, misused))


def _restores(saver: pb.NodeDef) -> bool:
    return saver.op.startswith(_RESTORES)


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


def _file_names(saver: pb.NodeDef) -> list[str]:
    """The inputs of a saver that name its files."""
    return data_inputs(saver.input)[: 2 if saver.op == _MERGE else 1]


def _made_of(
    name: str, nodes: Mapping[str, pb.NodeDef], arguments: Set[str] = frozenset()
) -> Set[str] | None:
    """Which arguments of a function a file's name is made of, beside relative paths.

    ``None`` where it is made of anything else.
    """
    found: set[str] = set()
    seen: set[str] = set()
    pending = [name]
    while pending:
        name = pending.pop()
        maker = producer(name)
        if name in arguments:
            found.add(name)
        elif maker not in seen:
            seen.add(maker)
            node = nodes.get(maker)
            if node is None or not (_is_file_name(node) or _is_plain(node)):
                return None
            pending += data_inputs(node.input)[_FROM.get(node.op, slice(0))]
    return found


def _is_file_name(node: pb.NodeDef) -> bool:
    """Whether it is a relative path, also with what is joined to it."""
    texts = node.attr["value"].tensor.string_val if node.op == "Const" else ()
    return bool(texts) and all(
        stays_inside(text.decode("utf-8", "replace")) and not text.endswith(b".") for text in texts
    )


def _is_plain(node: pb.NodeDef) -> bool:
    """Whether it makes names, and adds nothing of its own."""
    separator = node.attr["separator"]
    return node.op in _FROM and not (separator.s or separator.placeholder)


def _saving_functions(graph: StoredGraph, started: Set[str], restore: str) -> Set[str]:
    """Functions that nothing calls but operations of the main graph whose result none takes, and
    whose files only whoever runs these names.
    """
    files = {f.name: _file_arguments(f) for f in graph.functions if _is_traced(f)}
    traced = {name: places for name, places in files.items() if places is not None}
    if not traced:
        return traced.keys()
    taken = set(started)
    chosen: set[str] = set()
    for node in graph.nodes.messages():
        taken.update(map(producer, node.input))
        if node.op == "Placeholder":
            chosen.add(node.name)
    misused = {gradient.gradient_func for gradient in graph.gradients} | started
    for function in graph.functions:
        misused.update(*(names for _, names in _calls(function.nodes, traced.keys())))
    for caller, names in _calls(graph.nodes, traced.keys()):
        is_run = caller.name in taken
        for name in names:
            saves_on_loading = caller.name == restore and _TRACED.sub(r"\1", name) == "save"
            if is_run or saves_on_loading or not _hands(caller, name, traced[name], chosen):
                misused.add(name)
    return traced.keys() - misused


def _is_traced(function: StoredFunction) -> bool:
    """Whether it looks like one that saves or restores, and nothing takes it for another.

    A call to one function may run any other of the same ``api_implements``. Source:
    ``tensorflow/core/grappler/optimizers/implementation_selector.cc``.
    """
    return bool(_TRACED.fullmatch(function.name)) and _IMPLEMENTS not in function.header.attr


def _hands(caller: pb.NodeDef, function: str, places: Sequence[int], chosen: Set[str]) -> bool:
    """Whether the inputs at these places, which name files, are what one must choose to run it."""
    inputs = data_inputs(caller.input)
    is_call = caller.op == function or caller.op in CALLS
    return is_call and all(i < len(inputs) and producer(inputs[i]) in chosen for i in places)


def _file_arguments(function: StoredFunction) -> Sequence[int] | None:
    """The numbers of the arguments that name the files of a function that saves or restores.

    ``None`` where it does the one as well as the other, or names files itself.
    """
    arguments = [argument.name for argument in function.header.signature.input_arg]
    nodes = {node.name: node for node in function.nodes.messages()}
    is_restoring = _TRACED.sub(r"\1", function.name) == "restore"
    found: set[str] = set()
    for node in nodes.values():
        if not _SAVERS.fullmatch(node.op):
            continue
        made_of = [_made_of(name, nodes, function.nodes.given) for name in _file_names(node)]
        if _restores(node) != is_restoring or not all(made_of):
            return None
        found.update(*filter(None, made_of))
    return [arguments.index(name) for name in found]


def _calls(nodes: StoredNodes, functions: Set[str]) -> Iterator[tuple[pb.NodeDef, Set[str]]]:
    """Operations that name any of the functions, in whatever attribute, and which they name.

    What comes after a name may look like more of its number, so it may be any that it begins with.
    """
    lengths = set(map(len, functions))
    with nodes.file.wire() as wire:
        for span in nodes.spans:
            if span.size > _LARGEST_CALL:
                node = node_at(wire, span)
                if node.op != "Const":
                    yield node, functions
            elif found := list(_TRACED_BYTES.finditer(wire.bytes(span))):
                names = {match[0][:size].decode() for match in found for size in lengths}
                yield node_at(wire, span), names & functions
