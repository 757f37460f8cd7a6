"""TensorFlow.js models: ``model.json`` with the topology, and files of weights beside it.

Source: ``tfjs-core/src/io/types.ts`` (``ModelJSON``) and the converter's ``write_weights.py``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from explorer.formats.artifact import (
    Artifact,
    Check,
    Config,
    Contents,
    GraphOp,
    Hazard,
    HazardKind,
    Layer,
    Node,
    NodeList,
    NodeType,
    OverLimit,
    Producer,
    Role,
    Signature,
    SignatureTensor,
    Tensor,
    Tri,
    UnreadableArtifact,
)
from explorer.formats.contents import has_role, yes_if
from explorer.formats.graph.tf_types import dtype_name
from explorer.formats.json_tree import (
    LARGEST_JSON,
    as_mapping,
    as_text,
    excess,
    json_children,
    json_text,
    parse_object,
)
from explorer.formats.keras.config import (
    LayerConfig,
    architecture,
    read_config,
)
from explorer.formats.keras.layers import make_layers
from explorer.formats.keras.scopes import counts_by_scope
from explorer.formats.nodes import signature_node, tensor_nodes
from explorer.formats.registry import Match
from explorer.formats.schema import tensor_pb2
from explorer.formats.storage import Storage, stays_inside
from explorer.formats.text import count_text, listed
from explorer.formats.tfjs.weights import Group, file_names

MODEL_FILE = "model.json"

_PEEK = 4096
_KEYS = (b'"modelTopology"', b'"weightsManifest"')
_MOST = 10_000
_MOST_NOTED = 3


def match(storage: Storage) -> Match | None:
    """The JSON file of a model, whatever its name, or a folder with ``model.json``."""
    member = MODEL_FILE if storage.is_folder else ""
    if not storage.has(member):
        return None
    head = storage.read(member, 0, _PEEK)
    is_model = head.lstrip()[:1] == b"{" and any(key in head for key in _KEYS)
    return Match(storage, member) if is_model else None


def open(match: Match) -> Artifact:
    """Read the topology and the manifest. Raises `UnreadableArtifact` where they are damaged."""
    model = _Model(match.storage, match.detail, _model_json(match.storage, match.detail))
    signatures = tuple(model.signatures())
    kind = "graph" if model.is_graph else "layers"
    return Artifact(
        path=match.storage.uri,
        name=match.storage.name,
        format="tfjs",
        format_name=f"TensorFlow.js {kind} model",
        size=model.size,
        root=model.root(signatures),
        producer=model.producer(),
        contents=model.contents(signatures),
        signatures=signatures,
        tensors=lambda: model.tensors,
        layers=model.layers,
        ops=model.ops,
        configs=model.configs,
        hazards=model.hazards,
        checks=model.checks,
        notes=tuple(model.notes()),
    )


def _model_json(storage: Storage, member: str) -> Mapping[str, Any]:
    name = member or storage.name
    text = storage.read(member, 0, LARGEST_JSON + 1)
    if much := excess(text):
        raise OverLimit(f"{name} has {much}, as no model's topology takes, so it is not read.")
    found = parse_object(text)
    if found is None:
        raise UnreadableArtifact(
            f"{name} looks like a TensorFlow.js model, but is no complete JSON. Copy or download "
            "it again."
        )
    return found


def _objects(value: Any) -> Iterator[Mapping[str, Any]]:
    """The objects of a list."""
    items = value if isinstance(value, list) else ()
    return (item for item in items if isinstance(item, dict))


@dataclass(frozen=True)
class _Model:
    """An opened model: ``member`` is the JSON file, empty where ``storage`` is that file."""

    storage: Storage
    member: str
    value: Mapping[str, Any]

    @cached_property
    def topology(self) -> Mapping[str, Any]:
        """The architecture: a Keras model's JSON, or a graph's."""
        return as_mapping(self.value.get("modelTopology"))

    @cached_property
    def groups(self) -> Sequence[Group]:
        """The weights. Raises `OverLimit`."""
        folder = self.storage if self.storage.is_folder else self.storage.parent()
        entries = list(_objects(self.value.get("weightsManifest")))
        self._check_count(len(entries), "groups")
        self._check_count(sum(len(file_names(entry)) for entry in entries), "files")
        return [Group(folder, entry) for entry in entries]

    def _check_count(self, count: int, what: str) -> None:
        if count > _MOST:
            raise OverLimit(
                f"{self.member or self.storage.name} lists {count:,} {what} of weights, and no "
                f"more than {_MOST:,} are read, as no model has so many; be careful with this file."
            )

    @cached_property
    def tensors(self) -> tuple[Tensor, ...]:
        """The weights of all groups."""
        return tuple(weight.tensor for group in self.groups for weight in group.weights)

    @property
    def is_graph(self) -> bool:
        """Whether it is a graph rather than layers, also where it does not say so."""
        return self.value.get("format") == "graph-model" or "node" in self.topology

    @property
    def config(self) -> Any:
        """The Keras config: under a name of its own, or the whole topology."""
        return self.topology.get("model_config", None if self.is_graph else self.topology)

    @cached_property
    def model(self) -> LayerConfig | None:
        """The layers of the config."""
        return read_config(self.config)

    @property
    def size(self) -> int:
        """Bytes of the JSON and the weights."""
        own = self.storage.size(self.member) or 0
        return own + sum(group.shards.total for group in self.groups)

    def producer(self) -> Producer:
        """``keras v2.4.0`` wrote layers; of a graph, the bare version is TensorFlow's.

        The program is the converter, or where nothing was converted, what else is named.
        """
        written = as_text(self.value.get("generatedBy"))
        keras = as_text(self.topology.get("keras_version"))
        is_keras, is_version = written.lower().startswith("keras"), written[:1].isdigit()
        if is_keras:
            keras = keras or written.rpartition("v")[2]
        program = "" if is_keras or is_version else written
        return Producer(
            tensorflow=written if is_version else "",
            keras=keras.removeprefix("tfjs-layers ").strip(),
            backend=as_text(self.topology.get("backend")),
            program=as_text(self.value.get("convertedBy")) or program,
        )

    def contents(self, signatures: Sequence[Signature]) -> Contents:
        """What the two parts hold."""
        missing = any(weight.problem for group in self.groups for weight in group.weights)
        weights = has_role(self.tensors, Role.WEIGHT)
        compiled = bool(self.topology.get("training_config"))
        return Contents(
            weights=(Tri.PARTLY if missing else Tri.YES) if weights else Tri.NO,
            architecture=yes_if(self.is_graph, architecture(self.model)),
            optimizer=yes_if(has_role(self.tensors, Role.OPTIMIZER)),
            compile=yes_if(compiled),
            signatures=yes_if(bool(signatures)),
        )

    def layers(self) -> tuple[Layer, ...]:
        """The layers with the numbers of the weights called after them, ``dense/kernel``."""
        if self.model is None:
            return ()
        return _layers(self.model, [t for t in self.tensors if t.role is not Role.OPTIMIZER])

    def configs(self) -> Iterator[Config]:
        """The Keras config, where it is a model of layers."""
        if self.model is not None:
            yield Config(self.member or self.storage.name, self.config)

    def ops(self) -> Iterator[GraphOp]:
        """The operations of the graph and its functions."""
        yield from _ops(self.topology.get("node"), "graph")
        for function in _objects(as_mapping(self.topology.get("library")).get("function")):
            name = as_text(as_mapping(function.get("signature")).get("name"))
            yield from _ops(function.get("nodeDef"), f"graph, function {name}")

    def hazards(self) -> Iterator[Hazard]:
        """Files of weights that are to be read from outside the model's folder."""
        for group in self.groups:
            for name in group.shards.names:
                if not stays_inside(name):
                    yield Hazard(
                        HazardKind.EXTERNAL_STORAGE, self.member or self.storage.name, name
                    )

    def signatures(self) -> Iterator[Signature]:
        """The one that a graph has; older converters keep it with what users may add."""
        described = as_mapping(self.value.get("userDefinedMetadata")).get("signature")
        found = as_mapping(self.value.get("signature") or described)
        if found:
            inputs, outputs = as_mapping(found.get("inputs")), as_mapping(found.get("outputs"))
            yield Signature(
                "serving_default",
                as_text(found.get("methodName")),
                (),
                tuple(map(_signature_tensor, inputs, inputs.values())),
                tuple(map(_signature_tensor, outputs, outputs.values())),
            )

    def checks(self) -> Iterator[Check]:
        """Those of every group of weights."""
        for group in self.groups:
            yield from group.checks()

    def notes(self) -> Iterator[str]:
        """What is missing or damaged."""
        for group in self.groups:
            yield from _missing(group.shards.missing)
            if not group.shards.missing:
                damaged = [weight for weight in group.weights if weight.problem]
                yield from (f"{w.tensor.path} cannot be read: {w.problem}" for w in damaged)

    # The tree

    def root(self, signatures: Sequence[Signature]) -> Node:
        """The JSON file, or the folder, with topology and weights."""
        return Node(
            self.storage.name,
            NodeType.DIRECTORY if self.storage.is_folder else NodeType.FILE,
            kind="TensorFlow.js",
            size=self.size,
            attributes=lambda: [
                (key, value) for key, value in self.value.items() if isinstance(value, str)
            ],
            source=NodeList(lambda: self._parts(signatures)),
        )

    def _parts(self, signatures: Sequence[Signature]) -> list[Node]:
        nodes = [signature_node(signature) for signature in signatures]
        nodes.append(_json_node("modelTopology", self.topology))
        nodes += [_group_node(group) for group in self.groups]
        rest = {k: v for k, v in self.value.items() if isinstance(v, dict) and k != "modelTopology"}
        return [*nodes, *(_json_node(key, value) for key, value in rest.items())]


def _missing(names: Sequence[str]) -> Iterator[str]:
    if len(names) > _MOST_NOTED:
        yield (
            f"{len(names):,} files, which hold weights, are not there: {listed(names)}. Copy them "
            "beside the model."
        )
        return
    for name in names:
        yield f"{name}, which holds weights, is not there. Copy it beside the model."


def _json_node(name: str, value: Any) -> Node:
    return Node(
        name,
        NodeType.GROUP,
        kind="JSON",
        summary=count_text(len(value), "entry", "entries"),
        attributes=lambda: [("value", json_text(value))],
        source=json_children(value),
    )


def _group_node(group: Group) -> Node:
    quantized = {w.tensor.path: w.quantization for w in group.weights if w.quantization}
    names = group.shards.names
    return Node(
        names[0] if len(names) == 1 else f"{names[0] if names else 'weights'} …",
        NodeType.FILE,
        kind=count_text(len(names), "shard"),
        size=group.shards.total,
        attributes=lambda: [("files", ", ".join(names))],
        source=tensor_nodes(
            [weight.tensor for weight in group.weights],
            lambda t: [("stored as", quantized[t.path].text())] if t.path in quantized else [],
        ),
    )


def _ops(nodes: Any, where: str) -> Iterator[GraphOp]:
    for node in _objects(nodes):
        yield GraphOp(as_text(node.get("op")), as_text(node.get("name")), where)


def _signature_tensor(name: str, value: Any) -> SignatureTensor:
    """TensorFlow's ``TensorInfo`` as JSON; a dimension of -1 is unknown."""
    info = as_mapping(value)
    code = as_text(info.get("dtype"))
    number = dict(tensor_pb2.DataType.items()).get(code)
    dtype = code or "unknown" if number is None else dtype_name(number)
    shape = as_mapping(info.get("tensorShape"))
    if "tensorShape" not in info or shape.get("unknownRank"):
        return SignatureTensor(name, dtype, None, as_text(info.get("name")))
    sizes = tuple(_size(dimension.get("size")) for dimension in _objects(shape.get("dim")))
    return SignatureTensor(name, dtype, sizes, as_text(info.get("name")))


def _size(value: Any) -> int | None:
    """A number, which JSON of Protocol Buffers writes as text."""
    text = str(value)
    return int(text) if text.isdecimal() and len(text) < 19 else None


def _layers(model: LayerConfig, tensors: Sequence[Tensor]) -> tuple[Layer, ...]:
    named = [("", tensor.path, tensor.element_count) for tensor in tensors]
    total = sum(count for _, _, count in named)
    return make_layers(model, counts_by_scope(model, named), total)
