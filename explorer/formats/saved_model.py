"""SavedModel folders: ``saved_model.pb`` with meta graphs, ``variables`` and what lies beside."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TypeVar

from google.protobuf.message import DecodeError, Message

from explorer.formats.artifact import (
    Artifact,
    Contents,
    MetaGraphOps,
    Node,
    NodeList,
    NodeType,
    Role,
    SavedFunction,
    Signature,
    SignatureTensor,
    Tensor,
    Tri,
    UnreadableArtifact,
)
from explorer.formats.files import file_node
from explorer.formats.graph_nodes import used_ops
from explorer.formats.registry import Match
from explorer.formats.saved_model_tree import (
    fingerprint_node,
    keras_metadata_node,
    meta_graph_node,
)
from explorer.formats.saved_objects import SavedObjects
from explorer.formats.schema import keras_metadata_pb2
from explorer.formats.schema import saved_model_pb2 as pb
from explorer.formats.storage import Entry, Storage
from explorer.formats.stored_variables import StoredVariables
from explorer.formats.tensor_bundle import open_bundle
from explorer.formats.text import count_text
from explorer.formats.tf_types import dtype_name, shape_of

GRAPH_FILE = "saved_model.pb"
VARIABLES_FOLDER = "variables"
VARIABLES_PREFIX = "variables/variables"
KERAS_METADATA = "keras_metadata.pb"
FINGERPRINT = "fingerprint.pb"
INIT_SIGNATURE = "__saved_model_init_op"

_Message = TypeVar("_Message", bound=Message)


def match(storage: Storage) -> Match | None:
    """A folder that holds ``saved_model.pb``."""
    return Match(storage) if storage.is_folder and storage.has(GRAPH_FILE) else None


def open(match: Match) -> Artifact:
    """Open a SavedModel. Raises `UnreadableArtifact` where ``saved_model.pb`` is damaged.

    Damaged or missing variables leave the rest readable and are told in the artifact's notes.
    """
    model = _SavedModel(match.storage, _graphs(match.storage))
    return Artifact(
        path=match.storage.uri,
        name=match.storage.name,
        format="saved_model",
        format_name="SavedModel",
        size=model.size,
        root=model.root(),
        producer=replace(model.objects.producer(), tensorflow=model.tensorflow()),
        contents=model.contents(),
        signatures=tuple(s for signatures in model.signatures for s in signatures),
        functions=model.functions,
        tensors=model.tensors,
        layers=lambda: model.objects.layers(model.variables),
        operations=model.operations,
        notes=tuple(model.notes()),
    )


def _graphs(storage: Storage) -> Sequence[pb.MetaGraphDef]:
    data = storage.read(GRAPH_FILE)
    message = _parse(data, pb.SavedModel)
    if message is None or not message.meta_graphs:
        what = "it is empty" if not data else "it is not a complete SavedModel message"
        raise UnreadableArtifact(
            f"{GRAPH_FILE} cannot be read: {what}. The save or copy did not finish; save the model "
            "again, or copy the folder again from where it was written.",
            path=storage.uri,
            found=data[:16].hex(" "),
        )
    return message.meta_graphs


def _parse(data: bytes, kind: type[_Message]) -> _Message | None:
    try:
        return kind.FromString(data)
    except DecodeError:
        return None


def _parse_member(storage: Storage, name: str, kind: type[_Message]) -> _Message | None:
    """A file beside the graph, ``None`` where it is not there or not readable."""
    try:
        return _parse(storage.read(name), kind) if storage.has(name) else None
    except UnreadableArtifact:
        return None


@dataclass(frozen=True)
class _SavedModel:
    """An opened folder."""

    storage: Storage
    meta_graphs: Sequence[pb.MetaGraphDef]

    @cached_property
    def size(self) -> int:
        """Bytes of all files in the folder."""
        return self.storage.total_size()

    @cached_property
    def described(self) -> keras_metadata_pb2.SavedMetadata | None:
        """``keras_metadata.pb``, where it is there and readable."""
        return _parse_member(self.storage, KERAS_METADATA, keras_metadata_pb2.SavedMetadata)

    @cached_property
    def objects(self) -> SavedObjects:
        """The objects of the first meta graph that has any; TensorFlow writes only one."""
        graphs = [g.object_graph_def for g in self.meta_graphs if g.object_graph_def.nodes]
        nodes = self.described.nodes if self.described else ()
        metadata = {node.node_id: node.metadata for node in nodes}
        return SavedObjects(graphs[0] if graphs else pb.SavedObjectGraph(), metadata)

    @cached_property
    def _variables(self) -> StoredVariables | str:
        """The stored variables, or why they cannot be read; empty text where there are none."""
        try:
            if not self.storage.has(f"{VARIABLES_PREFIX}.index"):
                return self._why_no_variables()
            bundle = open_bundle(self.storage, VARIABLES_PREFIX)
        except UnreadableArtifact as error:
            return str(error)
        return StoredVariables(bundle, self.objects.graph_for, self.objects.variable_details)

    def _why_no_variables(self) -> str:
        count = len(self.objects.graph.variables)
        if not count:
            return ""
        return (
            f"{VARIABLES_PREFIX}.index is missing, so the values of "
            f"{count_text(count, 'variable')} are not here. Copy the folder variables as well."
        )

    @property
    def variables(self) -> StoredVariables | None:
        """The stored variables, where they can be read."""
        return self._variables if isinstance(self._variables, StoredVariables) else None

    def tensors(self) -> Sequence[Tensor]:
        """The stored tensors."""
        return self.variables.tensors() if self.variables else ()

    def notes(self) -> list[str]:
        """What is missing or damaged."""
        found = self._variables
        notes = found.notes() if isinstance(found, StoredVariables) else [found] if found else []
        there = any(entry.name == KERAS_METADATA for entry in self.storage.entries())
        if there and self.described is None:
            notes.append(
                f"{KERAS_METADATA} cannot be read, so layers have no classes and configs. Copy it "
                "again from where it was written."
            )
        return notes

    def tensorflow(self) -> str:
        """The version that wrote the first meta graph."""
        return self.meta_graphs[0].meta_info_def.tensorflow_version

    def contents(self) -> Contents:
        """What the folder holds."""
        declared = bool(self.objects.graph.variables)
        stored = self.variables
        keys = {key for graph in self.meta_graphs for key in graph.signature_def}
        return Contents(
            weights=stored.holds(Role.WEIGHT) if stored else Tri.PARTLY if declared else Tri.NO,
            optimizer=stored.holds(Role.OPTIMIZER) if stored else Tri.NO,
            architecture=self.objects.architecture(),
            compile=_yes(self.objects.has_training_config()),
            signatures=_yes(bool(keys - {INIT_SIGNATURE})),
        )

    @cached_property
    def signatures(self) -> Sequence[Sequence[Signature]]:
        """The signatures of each meta graph, by key."""
        return [_signatures(graph) for graph in self.meta_graphs]

    def functions(self) -> Sequence[SavedFunction]:
        """The functions of the object graph."""
        return self.objects.functions()

    def operations(self) -> Sequence[MetaGraphOps]:
        """The kinds of operations in each meta graph."""
        return [
            MetaGraphOps(tuple(graph.meta_info_def.tags), used_ops(graph.graph_def))
            for graph in self.meta_graphs
        ]

    # The tree

    def root(self) -> Node:
        """The folder: the graph file first, then the variables, then the rest."""
        entries = {entry.name: entry for entry in self.storage.entries()}
        first = [GRAPH_FILE, VARIABLES_FOLDER]
        ordered = [entries.pop(name) for name in first if name in entries] + list(entries.values())
        return Node(
            self.storage.name,
            NodeType.DIRECTORY,
            kind="SavedModel folder",
            size=self.size,
            source=NodeList(lambda: [self._member(entry) for entry in ordered]),
        )

    def _member(self, entry: Entry) -> Node:
        if entry.name == GRAPH_FILE:
            return self._graph_file(entry)
        if entry.name == VARIABLES_FOLDER and self.variables:
            return self._variables_folder(entry, self.variables)
        if entry.name == KERAS_METADATA and self.described is not None:
            return keras_metadata_node(entry.name, entry.size, self.described)
        if entry.name == FINGERPRINT:
            fingerprint = _parse_member(self.storage, FINGERPRINT, pb.FingerprintDef)
            if fingerprint is not None:
                return fingerprint_node(entry.name, entry.size, fingerprint)
        return file_node(self.storage, entry)

    def _graph_file(self, entry: Entry) -> Node:
        return Node(
            entry.name,
            NodeType.FILE,
            kind=count_text(len(self.meta_graphs), "meta graph"),
            size=entry.size,
            source=NodeList(lambda: list(self._meta_graph_nodes())),
        )

    def _meta_graph_nodes(self) -> Iterator[Node]:
        for graph, signatures in zip(self.meta_graphs, self.signatures, strict=True):
            ours = graph.object_graph_def is self.objects.saved
            objects = self.objects if ours else SavedObjects(graph.object_graph_def, {})
            yield meta_graph_node(graph, signatures, objects, self.variables if ours else None)

    def _variables_folder(self, entry: Entry, variables: StoredVariables) -> Node:
        shown = {variables.bundle.index_file, *variables.bundle.shard_files}
        members = self.storage.entries(VARIABLES_FOLDER)
        others = [e for e in members if f"{VARIABLES_FOLDER}/{e.name}" not in shown]
        shards = count_text(variables.bundle.header.num_shards, "shard")
        return Node(
            entry.name,
            NodeType.DIRECTORY,
            kind=f"TensorBundle · {shards}",
            size=sum(member.size for member in members),
            source=NodeList(
                lambda: (
                    variables.file_nodes()
                    + [file_node(self.storage, other, VARIABLES_FOLDER) for other in others]
                )
            ),
        )


def _yes(answer: bool) -> Tri:
    return Tri.YES if answer else Tri.NO


def _signatures(graph: pb.MetaGraphDef) -> list[Signature]:
    return [
        Signature(
            key,
            signature.method_name,
            tuple(graph.meta_info_def.tags),
            _signature_tensors(signature.inputs),
            _signature_tensors(signature.outputs),
        )
        for key, signature in sorted(graph.signature_def.items())
    ]


def _signature_tensors(tensors: Mapping[str, pb.TensorInfo]) -> tuple[SignatureTensor, ...]:
    return tuple(
        SignatureTensor(
            name, dtype_name(info.dtype), shape_of(info.tensor_shape), _graph_tensor(info)
        )
        for name, info in sorted(tensors.items())
    )


def _graph_tensor(info: pb.TensorInfo) -> str:
    """The tensor's name in the graph; a sparse or composite one is made of several."""
    sparse = info.coo_sparse
    if info.WhichOneof("encoding") == "coo_sparse":
        names = [sparse.values_tensor_name, sparse.indices_tensor_name]
        return ", ".join([*names, sparse.dense_shape_tensor_name])
    if info.WhichOneof("encoding") == "composite_tensor":
        return ", ".join(component.name for component in info.composite_tensor.components)
    return info.name
