"""SavedModel folders: ``saved_model.pb`` with meta graphs, ``variables`` and what lies beside."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from explorer.formats.artifact import (
    Artifact,
    Node,
    NodeList,
    NodeType,
    UnreadableArtifact,
)
from explorer.formats.checkpoint.stored_variables import StoredVariables
from explorer.formats.files import file_node
from explorer.formats.graph.kind import Kind, match_kind
from explorer.formats.protobuf.text_file import text_file
from explorer.formats.protobuf.wire import ProtoFile
from explorer.formats.registry import Match
from explorer.formats.saved_model.content import (
    ASSETS_FOLDER,
    FINGERPRINT,
    GRAPH_FILE,
    KERAS_METADATA,
    VARIABLES_FOLDER,
    SavedModelContent,
)
from explorer.formats.saved_model.objects import SavedObjects
from explorer.formats.saved_model.tree import (
    fingerprint_node,
    keras_metadata_node,
    meta_graph_node,
)
from explorer.formats.schema import saved_model_pb2 as pb
from explorer.formats.storage import Entry, Storage
from explorer.formats.text import count_text

TEXT_FILE = "saved_model.pbtxt"
SPLIT_FILE = "saved_model.cpb"


def match(storage: Storage) -> Match | None:
    """A folder with ``saved_model.pb`` or ``.pbtxt``, or that file alone under another name."""
    if storage.is_folder:
        files = [name for name in (GRAPH_FILE, TEXT_FILE) if storage.has(name)]
        if not files and storage.has(SPLIT_FILE):
            raise UnreadableArtifact(
                f"{SPLIT_FILE} is a SavedModel in TensorFlow's experimental split form, which is "
                "not read here. Load it with TensorFlow and save it again without "
                "experimental_image_format.",
                path=storage.uri,
            )
        return Match(storage, files[0]) if files else None
    file = match_kind(storage, Kind.SAVED_MODEL)
    return Match(storage, file) if file else None


def open(match: Match) -> Artifact:
    """Open a SavedModel. Raises `UnreadableArtifact` where ``saved_model.pb`` is damaged.

    Damaged or missing variables leave the rest readable and are told in the artifact's notes.
    """
    model = SavedModelContent(match.storage, _file(match))
    return Artifact(
        path=match.storage.uri,
        name=match.storage.name,
        format="saved_model",
        format_name="SavedModel",
        size=model.size,
        root=_Tree(model).root(),
        producer=replace(model.objects.producer(), tensorflow=model.tensorflow()),
        contents=model.contents(),
        signatures=tuple(s for graph in model.meta_graphs for s in graph.signatures),
        functions=model.functions,
        tensors=model.tensors,
        layers=lambda: model.objects.layers(model.variables),
        operations=model.operations,
        ops=model.ops,
        configs=model.configs,
        hazards=model.hazards,
        checks=model.checks,
        notes=tuple(model.notes()),
    )


def _file(match: Match) -> ProtoFile:
    if isinstance(match.detail, ProtoFile):
        return match.detail
    if match.detail == TEXT_FILE:
        return text_file(match.storage, TEXT_FILE, pb.SavedModel)
    return ProtoFile(match.storage, GRAPH_FILE)


@dataclass(frozen=True)
class _Tree:
    """The folder as tree nodes."""

    content: SavedModelContent

    def root(self) -> Node:
        """The folder: the graph file first, then the variables, then the rest."""
        if not self.content.storage.is_folder:
            return self._graph_file(
                Entry(self.content.storage.name, is_folder=False, size=self.content.size)
            )
        entries = {entry.name: entry for entry in self.content.storage.entries()}
        first = [self.content.file.member, VARIABLES_FOLDER]
        ordered = [entries.pop(name) for name in first if name in entries] + list(entries.values())
        return Node(
            self.content.storage.name,
            NodeType.DIRECTORY,
            kind="SavedModel folder",
            size=self.content.size,
            source=NodeList(lambda: [self._member(entry) for entry in ordered]),
        )

    def _member(self, entry: Entry) -> Node:
        if entry.name == self.content.file.member:
            return self._graph_file(entry)
        if entry.name == VARIABLES_FOLDER and self.content.variables:
            return self._variables_folder(entry, self.content.variables)
        if entry.name == ASSETS_FOLDER:
            return self._assets_folder(entry)
        if entry.name == KERAS_METADATA and self.content.described is not None:
            return keras_metadata_node(entry.name, entry.size, self.content.described)
        if entry.name == FINGERPRINT and self.content.fingerprint is not None:
            return fingerprint_node(entry.name, entry.size, self.content.fingerprint)
        return file_node(self.content.storage, entry)

    def _graph_file(self, entry: Entry) -> Node:
        return Node(
            entry.name,
            NodeType.FILE,
            kind=count_text(len(self.content.meta_graphs), "meta graph"),
            size=entry.size,
            source=NodeList(lambda: list(self._meta_graph_nodes())),
        )

    def _meta_graph_nodes(self) -> Iterator[Node]:
        for graph in self.content.meta_graphs:
            saved = graph.message.object_graph_def
            ours = saved is self.content.objects.saved
            objects = self.content.objects if ours else SavedObjects(saved, {})
            yield meta_graph_node(graph, objects, self.content.variables if ours else None)

    def _assets_folder(self, entry: Entry) -> Node:
        node = file_node(self.content.storage, entry)
        return replace(node, source=NodeList(self._asset_nodes)) if node.has_children else node

    def _asset_nodes(self) -> list[Node]:
        return [
            file_node(self.content.storage, entry, ASSETS_FOLDER, kind=self._asset_kind(entry.name))
            for entry in self.content.storage.entries(ASSETS_FOLDER)
        ]

    def _asset_kind(self, name: str) -> str:
        tensor = self.content.assets.get(f"{ASSETS_FOLDER}/{name}")
        return f"asset · {tensor}" if tensor else ""

    def _variables_folder(self, entry: Entry, variables: StoredVariables) -> Node:
        shown = {variables.bundle.index_file, *variables.bundle.shard_files}
        members = self.content.storage.entries(VARIABLES_FOLDER)
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
                    + [file_node(self.content.storage, other, VARIABLES_FOLDER) for other in others]
                )
            ),
        )
