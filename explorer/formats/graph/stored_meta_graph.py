"""Meta graphs: a graph with its tags, signatures, collections and objects.

Source: ``tensorflow/core/protobuf/meta_graph.proto``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence, Set
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cached_property

from explorer.formats.artifact import GraphOp, Shape, Signature, SignatureTensor
from explorer.formats.graph.savers import ops_with_savers
from explorer.formats.graph.stored_graph import StoredGraph, producer, reached
from explorer.formats.graph.tensor_proto import default_text
from explorer.formats.graph.tf_types import dtype_name, shape_of
from explorer.formats.protobuf.wire import ProtoFile, Span, Wire, WireError, parsed
from explorer.formats.schema import saved_model_pb2 as pb
from explorer.formats.schema.tensor_pb2 import TensorProto

INIT_SIGNATURE = "__saved_model_init_op"
_GRAPH = pb.MetaGraphDef.GRAPH_DEF_FIELD_NUMBER
_ASSETS = "saved_model_assets"
_VARIABLES = "variables"
_LOCAL_VARIABLES = "local_variables"
_TABLES = "table_initializer"
_GROUP = "NoOp"
_VARIABLE_OPS = ("Variable", "VariableV2", "VarHandleOp")
_MOST_META_GRAPHS = 1_000
_MOST_TAGS = 100
_MOST_SIGNATURES = 10_000
_MOST_SIGNATURE_TENSORS = 50_000
_MOST_ASSETS = 10_000
_INIT_COLLECTIONS = {"saved_model_main_op": "main op", "legacy_init_op": "legacy init op"}


@dataclass(frozen=True)
class StoredMetaGraph:
    """``message`` is all of it but the graph, which stays in the file.

    ``has_loader`` says whether anything but the person who opens it runs its initializers.
    """

    message: pb.MetaGraphDef
    graph: StoredGraph
    has_loader: bool

    @property
    def tags(self) -> tuple[str, ...]:
        """What it is for, such as ``serve``."""
        return tuple(self.message.meta_info_def.tags)

    @cached_property
    def signatures(self) -> list[Signature]:
        """The signatures by key."""
        return [
            Signature(
                key,
                signature.method_name,
                self.tags,
                _tensors(signature.inputs, signature.defaults),
                _tensors(signature.outputs),
            )
            for key, signature in sorted(self.message.signature_def.items())
        ]

    def has_signatures(self) -> bool:
        """Whether there is any that a person can call."""
        return any(key != INIT_SIGNATURE for key in self.message.signature_def)

    @property
    def assets(self) -> list[pb.AssetFileDef]:
        """The files in the folder ``assets`` that the graph reads, each with its tensor."""
        return _assets(self.message)

    @cached_property
    def variable_count(self) -> int:
        """How many variables TensorFlow 1 restores from a checkpoint.

        Those of its collection; a graph without collections has a saver of its variables instead.
        """
        collection = self.message.collection_def.get(_VARIABLES)
        listed = len(collection.bytes_list.value) if collection else 0
        if listed or not self.message.saver_def.restore_op_name:
            return listed
        return sum(node.op in _VARIABLE_OPS for node in self.graph.nodes.messages())

    def ops(self) -> Iterator[GraphOp]:
        """Every operation, those marked that only save and restore variables, or fill tables."""
        tables = set() if self.has_loader else self._tables_by_hand()
        restore = self.message.saver_def.restore_op_name
        for op in ops_with_savers(self.graph, self._started(), restore):
            by_hand = op.name in tables and op.where == self.graph.where
            yield replace(op, by_hand=True) if by_hand else op

    def _tables_by_hand(self) -> Set[str]:
        """The initializers of tables that nothing else needs, but to group them."""
        initializers = {producer(name) for name in self._table_initializers}
        if not initializers:
            return initializers
        inputs: dict[str, Sequence[str]] = {}
        needed = set(_returned(self.message))
        for node in self.graph.nodes.messages():
            inputs[node.name] = tuple(node.input)
            needed.update(node.input if node.op != _GROUP else ())
        return initializers - reached(needed, inputs)

    def _started(self) -> Iterator[str]:
        """What a loader runs or offers of the graph, the saver left out."""
        yield from (name for _, name in self.initializers())
        yield from self._local_initializers()
        yield from self.message.object_graph_def.concrete_functions
        yield from _returned(self.message)

    def _local_initializers(self) -> Iterator[str]:
        """What TensorFlow 2 runs to load a graph of TensorFlow 1 that names no such operation.

        Source: ``tensorflow/python/saved_model/load_v1_in_v2.py`` and ``default_local_init_op`` in
        ``tensorflow/python/training/monitored_session.py``.
        """
        collections = self.message.collection_def
        yield from self._table_initializers
        if _LOCAL_VARIABLES in collections:
            for item in collections[_LOCAL_VARIABLES].bytes_list.value:
                with suppress(WireError):
                    yield parsed(item, pb.VariableDef).initializer_name

    @property
    def _table_initializers(self) -> Sequence[str]:
        collections = self.message.collection_def
        return collections[_TABLES].node_list.value if _TABLES in collections else ()

    def initializers(self) -> list[tuple[str, str]]:
        """The operations that a loader runs before anything else: title and name."""
        found = [
            (title, name)
            for collection, title in _INIT_COLLECTIONS.items()
            if collection in self.message.collection_def
            for name in self.message.collection_def[collection].node_list.value
        ]
        if INIT_SIGNATURE in self.message.signature_def:
            outputs = self.message.signature_def[INIT_SIGNATURE].outputs
            found += [("main op", info.name) for _, info in sorted(outputs.items())]
        return found


def meta_graph_at(
    file: ProtoFile, wire: Wire, span: Span, prefix: str = "", *, has_loader: bool = False
) -> StoredMetaGraph:
    """The meta graph at ``span``; ``prefix`` begins the paths of its constants.

    ``has_loader`` says whether something loads it, which puts the paths of its assets into it and
    runs its initializers. Raises `WireError`.
    """
    message, apart = wire.split(span, pb.MetaGraphDef, (_GRAPH,))
    _check_counts(wire, message)
    where = f"meta graph [{', '.join(message.meta_info_def.tags)}]"
    assets = {producer(a.tensor_info.name) for a in _assets(message)} if has_loader else set()
    unfed = [message.saver_def.restore_op_name, *_returned(message, but=INIT_SIGNATURE)]
    graph = StoredGraph(file, apart[_GRAPH], where, prefix, assets, unfed)
    return StoredMetaGraph(message, graph, has_loader)


def _check_counts(wire: Wire, message: pb.MetaGraphDef) -> None:
    """Raise `OverLimit` where there is more to list than any model has."""
    signatures = message.signature_def.values()
    taken = sum(len(s.inputs) + len(s.outputs) + len(s.defaults) for s in signatures)
    packed = _ASSETS in message.collection_def and message.collection_def[_ASSETS].any_list.value
    assets = len(message.asset_file_def) + len(packed or ())
    wire.check_count(len(message.meta_info_def.tags), "tags", _MOST_TAGS)
    wire.check_count(len(signatures), "signatures", _MOST_SIGNATURES)
    wire.check_count(taken, "inputs and outputs of signatures", _MOST_SIGNATURE_TENSORS)
    wire.check_count(assets, "assets", _MOST_ASSETS)


def _returned(message: pb.MetaGraphDef, but: str = "") -> Iterator[str]:
    """The tensors that the signatures return, those of one key left out."""
    for key, signature in message.signature_def.items():
        for info in signature.outputs.values() if key != but else ():
            yield from tensor_names(info)


def _assets(message: pb.MetaGraphDef) -> list[pb.AssetFileDef]:
    """TensorFlow 1 packs assets into a collection, which is read only where no others are.

    What is damaged in it is left out. Source: ``get_asset_tensors`` in
    ``tensorflow/python/saved_model/loader_impl.py``.
    """
    found = list(message.asset_file_def)
    if not found and _ASSETS in message.collection_def:
        for item in message.collection_def[_ASSETS].any_list.value:
            with suppress(WireError):
                found.append(parsed(item.value, pb.AssetFileDef))
    return found


def meta_graphs_of(file: ProtoFile) -> list[StoredMetaGraph]:
    """The meta graphs of a ``SavedModel`` message. Raises `UnreadableArtifact`."""
    with file.wire() as wire:
        _, apart = wire.split(file.span, pb.SavedModel, (_META_GRAPHS,))
        spans = apart[_META_GRAPHS]
        wire.check_count(len(spans), "meta graphs", _MOST_META_GRAPHS)
        return [
            meta_graph_at(
                file, wire, span, f"meta graph {number}/" if len(spans) > 1 else "", has_loader=True
            )
            for number, span in enumerate(spans)
        ]


_META_GRAPHS = pb.SavedModel.META_GRAPHS_FIELD_NUMBER
_NO_DEFAULTS: Mapping[str, TensorProto] = {}


def _tensors(
    tensors: Mapping[str, pb.TensorInfo], defaults: Mapping[str, TensorProto] = _NO_DEFAULTS
) -> tuple[SignatureTensor, ...]:
    return tuple(
        SignatureTensor(
            name,
            *_type_and_shape(info),
            ", ".join(tensor_names(info)),
            default_text(defaults[name]) if name in defaults else "",
        )
        for name, info in sorted(tensors.items())
    )


def _type_and_shape(info: pb.TensorInfo) -> tuple[str, Shape]:
    """Of what is made of several tensors, such as a ragged one, those that its own type names."""
    if info.WhichOneof("encoding") != "composite_tensor":
        return dtype_name(info.dtype), shape_of(info.tensor_shape)
    state = info.composite_tensor.type_spec.type_state.tuple_value.values
    kinds = {value.WhichOneof("kind"): value for value in reversed(state)}
    dtype, shape = kinds.get("tensor_dtype_value"), kinds.get("tensor_shape_value")
    return (
        dtype_name(dtype.tensor_dtype_value) if dtype else "composite",
        shape_of(shape.tensor_shape_value) if shape else None,
    )


def tensor_names(info: pb.TensorInfo) -> Iterator[str]:
    """The tensor's name in the graph; a sparse or composite one is made of several."""
    sparse = info.coo_sparse
    if info.WhichOneof("encoding") == "coo_sparse":
        yield from (sparse.values_tensor_name, sparse.indices_tensor_name)
        yield sparse.dense_shape_tensor_name
    elif info.WhichOneof("encoding") == "composite_tensor":
        yield from (component.name for component in info.composite_tensor.components)
    else:
        yield info.name
