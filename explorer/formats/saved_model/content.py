"""What a SavedModel holds: meta graphs, objects, variables, assets and what tells of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TypeVar

from google.protobuf.message import DecodeError, Message

from explorer.formats.artifact import (
    Check,
    Config,
    Contents,
    GraphOp,
    Hazard,
    MetaGraphOps,
    Role,
    SavedFunction,
    Tensor,
    Tri,
    UnreadableArtifact,
)
from explorer.formats.checkpoint.stored_variables import OBJECT_GRAPH_KEY, StoredVariables
from explorer.formats.checkpoint.tensor_bundle import open_bundle
from explorer.formats.contents import yes_if
from explorer.formats.graph.checks import graph_structure
from explorer.formats.graph.stored_meta_graph import StoredMetaGraph, meta_graphs_of
from explorer.formats.protobuf.wire import ProtoFile
from explorer.formats.saved_model.checks import (
    asset_checks,
    fingerprint_checks,
    fingerprint_problem,
    has_member,
    hazards,
)
from explorer.formats.saved_model.fingerprint import RULE
from explorer.formats.saved_model.objects import SavedObjects
from explorer.formats.schema import keras_metadata_pb2
from explorer.formats.schema import saved_model_pb2 as pb
from explorer.formats.storage import Storage
from explorer.formats.text import count_text

GRAPH_FILE = "saved_model.pb"
VARIABLES_FOLDER = "variables"
VARIABLES_PREFIX = "variables/variables"
KERAS_METADATA = "keras_metadata.pb"
FINGERPRINT = "fingerprint.pb"
ASSETS_FOLDER = "assets"
_SMALLEST_LISTED = 1024

_Message = TypeVar("_Message", bound=Message)


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
class SavedModelContent:
    """An opened folder, or a graph file alone."""

    storage: Storage
    file: ProtoFile

    @cached_property
    def meta_graphs(self) -> Sequence[StoredMetaGraph]:
        """What is in the graph file."""
        try:
            graphs = meta_graphs_of(self.file)
            problem = "" if graphs else "it holds no meta graph"
        except UnreadableArtifact as error:
            if error.__cause__ is None:
                raise  # nothing in it is damaged
            problem = str(error.__cause__).removesuffix(".")
        if problem:
            raise UnreadableArtifact(
                f"{self.file.name} cannot be read: {problem}. The save or copy did not finish; "
                "save the model again, or copy the folder again from where it was written.",
                path=self.storage.uri,
                found=self.file.read(0, 16).hex(" "),
            )
        return graphs

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
        every = [graph.message.object_graph_def for graph in self.meta_graphs]
        graphs = [objects for objects in every if objects.nodes]
        nodes = self.described.nodes if self.described else ()
        metadata = {node.node_id: node.metadata for node in nodes}
        return SavedObjects(graphs[0] if graphs else pb.SavedObjectGraph(), metadata)

    @cached_property
    def _variables(self) -> StoredVariables | str:
        """The stored variables, or why they cannot be read; empty text where none were saved."""
        try:
            if not self.storage.has(f"{VARIABLES_PREFIX}.index"):
                return self._why_no_variables()
            bundle = open_bundle(self.storage, VARIABLES_PREFIX)
        except UnreadableArtifact as error:
            return str(error)
        return StoredVariables(bundle, self.objects.graph_for, self.objects.variable_details)

    def _why_no_variables(self) -> str:
        """TensorFlow 2 stores its object graph even where there is no variable beside it.

        Source: ``save_and_return_nodes`` in ``tensorflow/python/saved_model/save.py``.
        """
        count = self._declared_variables
        hashed = self.fingerprint is not None and self.fingerprint.checkpoint_hash
        if not self.storage.is_folder or not (count or self.objects.saved.nodes or hashed):
            return ""
        lost = (
            f"so the values of {count_text(count, 'variable')} are not here"
            if count
            else "which TensorFlow wrote though there are no variables, and needs to load the model"
        )
        return f"{VARIABLES_PREFIX}.index is missing, {lost}. Copy the folder variables as well."

    @property
    def variables(self) -> StoredVariables | None:
        """The stored variables, where they can be read."""
        return self._variables if isinstance(self._variables, StoredVariables) else None

    def tensors(self) -> Sequence[Tensor]:
        """The stored variables, and the constants of the graphs.

        Beside variables, small constants and texts are left out: they are the shapes and axes of
        operations, and the names under which the variables are saved.
        """
        stored = self.variables.tensors() if self.variables else ()
        if self._has_variables():
            found = self._constants(_SMALLEST_LISTED)
            return [*stored, *(tensor for tensor in found if tensor.dtype != "string")]
        return [*stored, *self._constants()]

    def _has_variables(self) -> bool:
        """Whether there are any beside the object graph."""
        stored = self.variables.tensors() if self.variables else ()
        named = any(tensor.path != OBJECT_GRAPH_KEY for tensor in stored)
        return named or bool(self._declared_variables)

    @cached_property
    def _declared_variables(self) -> int:
        """How many variables there should be: those of the objects, or those of TensorFlow 1."""
        graphs = [graph for graph in self.meta_graphs if not graph.message.object_graph_def.nodes]
        counts = (graph.variable_count for graph in graphs)
        return len(self.objects.graph.variables) or max(counts, default=0)

    def _constants(self, smallest: int = 0) -> Iterator[Tensor]:
        for graph in self.meta_graphs:
            yield from graph.graph.constants(smallest)

    def notes(self) -> list[str]:
        """What is missing or damaged."""
        found = self._variables
        notes = found.notes() if isinstance(found, StoredVariables) else [found] if found else []
        if self._is_metadata_lost:
            notes.append(
                f"{KERAS_METADATA} cannot be read, so layers have no classes and configs. Copy it "
                "again from where it was written."
            )
        notes += [self._fingerprint_problem] if self._fingerprint_problem else []
        if not self.storage.is_folder:
            notes.append(
                f"{self.storage.name} is the {GRAPH_FILE} of a SavedModel under another name. Its "
                f"variables and assets are in the folder it came from; to have them, put it back "
                f"there as {GRAPH_FILE}."
            )
        return notes + [f"{name} is missing." for name in self._missing_assets()]

    @property
    def _is_metadata_lost(self) -> bool:
        return self.described is None and self._is_listed(KERAS_METADATA)

    def _is_listed(self, name: str) -> bool:
        return any(entry.name == name for entry in self.storage.entries())

    def _missing_assets(self) -> list[str]:
        if not self.storage.is_folder:
            return []
        return [member for member in self.assets if not has_member(self.storage, member)]

    def tensorflow(self) -> str:
        """The version that wrote the first meta graph."""
        return self.meta_graphs[0].message.meta_info_def.tensorflow_version

    def contents(self) -> Contents:
        """What the folder holds."""
        stored = self.variables
        return Contents(
            weights=self._weights(),
            optimizer=stored.holds(Role.OPTIMIZER) if stored else Tri.NO,
            architecture=self.objects.architecture(),
            compile=yes_if(self.objects.has_training_config()),
            signatures=yes_if(any(graph.has_signatures() for graph in self.meta_graphs)),
        )

    def _weights(self) -> Tri:
        """Stored variables; without any, weights may have been frozen into constants."""
        if not self._has_variables():
            return yes_if(any(graph.graph.holds_weights() for graph in self.meta_graphs))
        return self.variables.holds(Role.WEIGHT) if self.variables else Tri.NO

    @cached_property
    def assets(self) -> Mapping[str, str]:
        """The asset files that the graphs ask for, each with the tensor that gets its path."""
        return {f"{ASSETS_FOLDER}/{name}": tensor for name, tensor in self._asset_names.items()}

    @property
    def _asset_names(self) -> Mapping[str, str]:
        every = (asset for graph in self.meta_graphs for asset in graph.assets)
        return {asset.filename: asset.tensor_info.name for asset in every}

    def functions(self) -> Sequence[SavedFunction]:
        """The functions of the object graph."""
        return self.objects.functions()

    def operations(self) -> Sequence[MetaGraphOps]:
        """The kinds of operations in each meta graph."""
        return [MetaGraphOps(graph.tags, graph.graph.used_ops) for graph in self.meta_graphs]

    def ops(self) -> Iterator[GraphOp]:
        """Every operation of every meta graph and function."""
        for graph in self.meta_graphs:
            yield from graph.ops()

    def configs(self) -> Iterator[Config]:
        """What Keras wrote of each of its objects."""
        if self._is_metadata_lost:
            yield Config(KERAS_METADATA, None)
        for node in self.objects.descriptions:
            place = self.objects.graph.path(node) or "root"
            file = KERAS_METADATA if node in self.objects.metadata else self.file.name
            yield Config(f"{file}, {place}", self.objects.describe(node) or None)

    def hazards(self) -> Iterator[Hazard]:
        """What leads out of the folder."""
        return hazards(self.storage, self._asset_names)

    def checks(self) -> Iterator[Check]:
        """Whether all is there and undamaged."""
        for graph in self.meta_graphs:
            yield from graph_structure(graph.graph)
        if self.storage.is_folder:
            yield from asset_checks(self.storage, self.assets)
            yield from self._variable_checks()
        yield from self._config_checks()
        if self._fingerprint_problem:
            yield Check(RULE, FINGERPRINT, self._fingerprint_problem)
        elif self.fingerprint is not None:
            index = f"{VARIABLES_PREFIX}.index"
            yield from fingerprint_checks(self.storage, self.file, index, self.fingerprint)

    def _config_checks(self) -> Iterator[Check]:
        """Whether what Keras wrote of its objects can be read."""
        for config in self.configs():
            problem = "It is damaged: Keras's description of the object in it cannot be read."
            yield Check("json", config.where, problem if config.value is None else "")

    def _variable_checks(self) -> Iterator[Check]:
        index = f"{VARIABLES_PREFIX}.index"
        if isinstance(self._variables, str):
            if self._variables:
                yield Check("variables", index, self._variables)
            return
        yield from self._variables.checks()

    @cached_property
    def fingerprint(self) -> pb.FingerprintDef | None:
        """``fingerprint.pb``, where it is there and readable."""
        return _parse_member(self.storage, FINGERPRINT, pb.FingerprintDef)

    @cached_property
    def _fingerprint_problem(self) -> str:
        return fingerprint_problem(self.fingerprint) if self._is_listed(FINGERPRINT) else ""
