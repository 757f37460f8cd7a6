"""The tree of a SavedModel: its files, and what is in ``saved_model.pb``."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial

from explorer.formats.artifact import Node, NodeList, NodeType, Signature, SignatureTensor
from explorer.formats.checkpoint.stored_variables import StoredVariables
from explorer.formats.graph.nodes import functions_node, graph_node
from explorer.formats.graph.stored_meta_graph import StoredMetaGraph
from explorer.formats.graph.tf_types import dtype_name, shape_of
from explorer.formats.json_tree import json_children, json_text, parse_json
from explorer.formats.nodes import Paged
from explorer.formats.saved_model.collections_tree import collections_node
from explorer.formats.saved_model.functions import function_variants
from explorer.formats.saved_model.objects import SavedObjects
from explorer.formats.schema import keras_metadata_pb2
from explorer.formats.schema import saved_model_pb2 as pb
from explorer.formats.text import count_text, tuple_text

Attributes = list[tuple[str, str]]

_LISTS = ("trackable_list_wrapper", "trackable_tuple_wrapper")
_KINDS = {
    "trackable_dict_wrapper": "dictionary",
    "signature_map": "signatures",
    "experimentalOptimizer": "optimizer",
    "_tf_keras_metric": "metric",
    "_generic_user_object": "object",
}


def meta_graph_node(
    meta_graph: StoredMetaGraph, objects: SavedObjects, variables: StoredVariables | None
) -> Node:
    """One meta graph: signatures, functions, objects, collections and the main graph."""
    version = meta_graph.message.meta_info_def.tensorflow_version
    return Node(
        f"MetaGraph [{', '.join(meta_graph.tags)}]",
        NodeType.GROUP,
        kind=f"TensorFlow {version}" if version else "meta graph",
        attributes=partial(meta_graph_attributes, meta_graph),
        source=NodeList(lambda: meta_graph_children(meta_graph, objects, variables)),
    )


def meta_graph_attributes(meta_graph: StoredMetaGraph) -> Attributes:
    """What is said of a meta graph as a whole."""
    info, saver = meta_graph.message.meta_info_def, meta_graph.message.saver_def
    found = [
        ("tags", ", ".join(info.tags)),
        ("TensorFlow version", info.tensorflow_version),
        ("TensorFlow git version", info.tensorflow_git_version),
        ("default attributes stripped", "yes" if info.stripped_default_attrs else "no"),
        ("meta graph version", info.meta_graph_version),
        *meta_graph.initializers(),
        ("save operation", saver.save_tensor_name),
        ("restore operation", saver.restore_op_name),
        *((f"asset {asset.filename}", asset.tensor_info.name) for asset in meta_graph.assets),
        *((f"alias of {name}", alias) for name, alias in sorted(info.function_aliases.items())),
    ]
    return [(name, text) for name, text in found if text]


def meta_graph_children(
    meta_graph: StoredMetaGraph, objects: SavedObjects, variables: StoredVariables | None
) -> list[Node]:
    """The nodes of the parts of a meta graph."""
    graph = meta_graph.graph
    children = list(map(signature_node, meta_graph.signatures))
    if graph.functions:
        children.append(functions_node(graph))
    if objects.saved.nodes:
        children.append(ObjectNodes(objects, variables).root())
    if meta_graph.message.collection_def:
        children.append(collections_node(meta_graph.message.collection_def))
    return [*children, graph_node(graph)]


# Signatures


def signature_node(signature: Signature) -> Node:
    """A signature, with its inputs and outputs below it."""
    sides = [("input", signature.inputs), ("output", signature.outputs)]
    method = signature.method.rpartition("/")[2]
    return Node(
        signature.key,
        NodeType.SIGNATURE,
        kind=f"signature · {method}" if method else "signature",
        summary=f"{len(signature.inputs)} in → {len(signature.outputs)} out",
        signature=signature,
        attributes=lambda: [
            ("key", signature.key),
            ("method", signature.method),
            ("tag set", ", ".join(signature.tag_set)),
            *((f"{s} {t.name}", _tensor_text(t)) for s, tensors in sides for t in tensors),
            *((f"default of {t.name}", t.default) for t in signature.inputs if t.default),
        ],
        source=NodeList([_tensor_node(s, t) for s, tensors in sides for t in tensors]),
    )


def _tensor_node(side: str, tensor: SignatureTensor) -> Node:
    return Node(
        tensor.name,
        NodeType.ATTRIBUTE,
        kind=f"{side} · {tensor.dtype}",
        summary=tuple_text(tensor.shape),
        attributes=lambda: [
            ("name", tensor.name),
            ("dtype", tensor.dtype),
            ("shape", tuple_text(tensor.shape)),
            ("graph tensor", tensor.graph_tensor),
        ],
    )


def _tensor_text(tensor: SignatureTensor) -> str:
    return f"{tensor.dtype} {tuple_text(tensor.shape)} · {tensor.graph_tensor}"


# Objects


@dataclass(frozen=True)
class ObjectNodes:
    """The object graph as a tree: each object stands once, by its path; elsewhere is a link."""

    objects: SavedObjects
    variables: StoredVariables | None

    def root(self) -> Node:
        """The node of the whole graph."""
        about = self.objects.model
        count = count_text(len(self.objects.graph), "object")
        name = str(about.get("class_name") or "")
        return Node(
            "object graph",
            NodeType.OBJECT,
            kind=f"{count} · {name}" if name else count,
            attributes=partial(self._attributes, 0),
            source=NodeList(self._top),
        )

    def _top(self) -> list[Node]:
        """What the root holds, then what only functions hold, such as captured constants."""
        graph = self.objects.graph
        held = [self._child((0, name, child)) for name, child in graph.edges(0)]
        return held + [
            Node(
                f"object {node}",
                self._type(node),
                kind=f"{self._kind(node)} · unnamed",
                attributes=partial(self._attributes, node),
            )
            for node in range(len(graph))
            if node not in graph.parents
        ]

    def _children(self, node: int) -> Paged[tuple[int, str, int]] | None:
        edges = [(node, name, child) for name, child in self.objects.graph.edges(node)]
        return Paged(edges, self._child) if edges else None

    def _child(self, edge: tuple[int, str, int]) -> Node:
        parent, name, node = edge
        graph = self.objects.graph
        if graph.parents[node] != (parent, name):
            return Node(
                name,
                NodeType.OBJECT,
                kind=f"same as {graph.path(node) or 'object graph'}",
                attributes=partial(self._attributes, node),
            )
        variable = self.variables.by_node.get(node) if self.variables else None
        if variable is not None and self.variables is not None:
            return self.variables.node_of(variable, name)
        return Node(
            name,
            self._type(node),
            kind=self._kind(node),
            attributes=partial(self._attributes, node),
            source=self._children(node),
        )

    def _type(self, node: int) -> NodeType:
        if self.objects.is_layer(node):
            return NodeType.LAYER
        return NodeType.FUNCTION if self.objects.is_function(node) else NodeType.OBJECT

    def _kind(self, node: int) -> str:
        saved = self.objects.saved.nodes[node]
        kind = saved.WhichOneof("kind") or "object"
        if kind == "function":
            count = count_text(len(saved.function.concrete_functions), "concrete function")
            return f"function · {count}"
        if kind != "user_object":
            return kind.replace("bare_", "").replace("_", " ")
        class_name = str(self.objects.describe(node).get("class_name") or "")
        text = self._user_kind(saved, node)
        return f"{text} · {class_name}" if class_name else text

    def _user_kind(self, saved: pb.SavedObject, node: int) -> str:
        identifier = saved.user_object.identifier
        if identifier in _LISTS:
            return f"list · {count_text(len(saved.children), 'item')}"
        if self.objects.is_layer(node):
            return "model" if self.objects.is_model(node) else "layer"
        return _KINDS.get(identifier, identifier) or "object"

    def _attributes(self, node: int) -> Attributes:
        saved = self.objects.saved.nodes[node]
        found = [
            ("path", self.objects.graph.path(node)),
            ("kind", (saved.WhichOneof("kind") or "object").replace("_", " ")),
            ("identifier", saved.user_object.identifier),
            ("registered name", saved.registered_name),
            *self._kind_attributes(saved),
            *self.objects.variable_details(node),
            *((key, json_text(value)) for key, value in self.objects.describe(node).items()),
        ]
        return [(name, text) for name, text in found if text]

    def _kind_attributes(self, saved: pb.SavedObject) -> Attributes:
        kind = saved.WhichOneof("kind")
        if kind == "variable":
            return [
                ("variable name", saved.variable.name),
                ("dtype", dtype_name(saved.variable.dtype)),
                ("shape", tuple_text(shape_of(saved.variable.shape))),
            ]
        if kind in ("function", "bare_concrete_function"):
            return [
                (variant.concrete_name, _call_text(variant.arguments, variant.returns))
                for variant in function_variants(self.objects.saved, saved)
            ]
        details = {
            "asset": ("asset number", str(saved.asset.asset_file_def_index)),
            "constant": ("operation", saved.constant.operation),
            "resource": ("device", saved.resource.device),
            "captured_tensor": ("tensor", saved.captured_tensor.name),
        }
        return [details[kind]] if kind in details else []


def _call_text(arguments: Iterable[str], returns: Iterable[str]) -> str:
    return f"({', '.join(arguments)}) → {', '.join(returns) or 'nothing'}"


# Other files


def keras_metadata_node(name: str, size: int, metadata: keras_metadata_pb2.SavedMetadata) -> Node:
    """``keras_metadata.pb``: one node for each object that Keras describes."""
    return Node(
        name,
        NodeType.FILE,
        kind="Keras 2 layer configs",
        size=size,
        attributes=lambda: [("objects", f"{len(metadata.nodes):,}")],
        source=Paged(metadata.nodes, _described_node) if metadata.nodes else None,
    )


def _described_node(described: keras_metadata_pb2.SavedObject) -> Node:
    value = parse_json(described.metadata)
    class_name = value.get("class_name") if isinstance(value, dict) else None
    return Node(
        described.node_path,
        NodeType.LAYER,
        kind=str(class_name or described.identifier),
        attributes=lambda: [
            ("object number", str(described.node_id)),
            ("identifier", described.identifier),
            ("metadata", json_text(value) if value is not None else described.metadata),
        ],
        source=json_children(value),
    )


def fingerprint_node(name: str, size: int, fingerprint: pb.FingerprintDef) -> Node:
    """``fingerprint.pb``: hashes by which two SavedModels can be told apart."""
    hashes: list[tuple[str, Callable[[], int]]] = [
        ("saved_model.pb checksum", lambda: fingerprint.saved_model_checksum),
        ("graph hash", lambda: fingerprint.graph_def_program_hash),
        ("signatures hash", lambda: fingerprint.signature_def_hash),
        ("object graph hash", lambda: fingerprint.saved_object_graph_hash),
        ("checkpoint hash", lambda: fingerprint.checkpoint_hash),
    ]
    return Node(
        name,
        NodeType.FILE,
        kind="fingerprint",
        size=size,
        attributes=lambda: [
            ("uuid", fingerprint.uuid),
            *((title, f"{value():016x}") for title, value in hashes),
            ("format version", str(fingerprint.version.producer)),
        ],
    )
