"""ONNX models: operators, tensors, inputs and outputs. Files beside them are never followed.

Source: ``onnx/onnx.proto`` of https://github.com/onnx/onnx.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from functools import partial
from itertools import islice

from explorer.formats.artifact import (
    Artifact,
    Contents,
    GraphOp,
    Node,
    NodeList,
    NodeType,
    Producer,
    Role,
    Signature,
    SignatureTensor,
    Tensor,
    Tri,
    UnreadableArtifact,
)
from explorer.formats.contents import has_role, yes_if
from explorer.formats.nodes import Paged, signature_node, tensor_nodes
from explorer.formats.onnx.bodies import (
    ATTRIBUTES,
    GRAPH_PARTS,
    HELD,
    NODES,
    Body,
    Survey,
    graph_body,
    node_name,
    operator_at,
)
from explorer.formats.onnx.bounded import BoundedWire
from explorer.formats.onnx.external import ExternalFiles
from explorer.formats.onnx.tensor import StoredTensor, dtype_name
from explorer.formats.protobuf.wire import BYTES, VARINT, ProtoFile, Span, Spans, Wire, WireError
from explorer.formats.registry import Match
from explorer.formats.schema.onnx_pb2 import (
    AttributeProto,
    FunctionProto,
    GraphProto,
    ModelProto,
    NodeProto,
    TensorShapeProto,
    TrainingInfoProto,
    ValueInfoProto,
)
from explorer.formats.storage import Storage
from explorer.formats.text import count_text

_MODEL_FIELDS = {1: VARINT, 5: VARINT}
_MODEL_TAGS = frozenset((*range(1, 9), 14, 20, 25, 26))
_VERSION, _GRAPH, _TRAINING, _FUNCTIONS = 1, 7, 20, 25
_NEWEST_VERSION = 100
_FIELDS_LOOKED_AT = 1_000
_FUNCTION_NODES = 7
_INPUTS, _OUTPUTS = 11, 12
_TRAINING_GRAPHS = {1: "initialization", 2: "algorithm"}
_ENDING = ".onnx"
_DOMAINS = frozenset(
    """
    ai.onnx ai.onnx.ml ai.onnx.preview ai.onnx.preview.training ai.onnx.training com.microsoft
    com.microsoft.dml com.microsoft.experimental com.microsoft.nchwc com.ms.internal.nhwc
    """.split()  # noqa: SIM905
) | {""}
"""Those of operators that ONNX defines or ONNX Runtime brings along.

Source: ``onnx/common/constants.h`` and ``include/onnxruntime/core/graph/constants.h``.
"""


def match(storage: Storage) -> Match | None:
    """ONNX has no magic number: all fields are a model's, the graph and the versions among them."""
    if storage.is_folder or not storage.read("", 0, 1):
        return None
    file = ProtoFile(storage)
    try:
        with file.wire() as wire:
            is_model = _is_model(wire, file.span, storage.name.lower().endswith(_ENDING))
            return Match(storage, file) if is_model else None
    except UnreadableArtifact:
        return None


def _is_model(wire: Wire, span: Span, is_called_so: bool) -> bool:
    """Whether all that can be read is a model's; one cut short is known by its name as well."""
    seen: set[int] = set()
    try:
        for field in islice(wire.fields(span), _FIELDS_LOOKED_AT):
            expected = _MODEL_FIELDS.get(field.tag, BYTES)
            if field.tag not in _MODEL_TAGS or field.wire != expected:
                return False
            if field.tag == _VERSION and not 0 < field.number <= _NEWEST_VERSION:
                return False
            seen.add(field.tag)
    except WireError:
        return is_called_so and _VERSION in seen
    return {_VERSION, _GRAPH} <= seen


def open(match: Match) -> Artifact:
    """Open the model; its graph is read piece by piece. Raises `UnreadableArtifact`."""
    model = _model(match.detail)
    signature = model.signature()
    return Artifact(
        path=match.storage.uri,
        name=match.storage.name,
        format="onnx",
        format_name="ONNX",
        size=match.storage.size() or 0,
        root=model.root(signature),
        producer=Producer(program=model.producer()),
        contents=Contents(
            weights=yes_if(has_role(model.tensors(), Role.WEIGHT)),
            architecture=Tri.YES,
            signatures=Tri.YES,
        ),
        signatures=(signature,),
        tensors=model.tensors,
        ops=lambda: model.operators,
        hazards=model.external.hazards,
        checks=model.external.checks,
        notes=tuple(model.notes()),
    )


def _model(file: ProtoFile) -> _Model:
    with file.wire() as plain:
        wire = BoundedWire(plain.source)
        header, spans = wire.split(file.span, ModelProto, (_GRAPH, _TRAINING, _FUNCTIONS))
        graph, parts = wire.split(spans[_GRAPH][-1], GraphProto, (*GRAPH_PARTS, _INPUTS, _OUTPUTS))
        values = [parts.pop(_INPUTS), parts.pop(_OUTPUTS)]
        wire.take(sum(map(len, values)) + len(spans[_FUNCTIONS]))
        inputs, outputs = ([wire.message(v, ValueInfoProto) for v in part] for part in values)
        functions = [
            wire.split(span, FunctionProto, (_FUNCTION_NODES,)) for span in spans[_FUNCTIONS]
        ]
        known = frozenset(_qualified(function.domain, function.name) for function, _ in functions)
        bodies = [
            *(graph_body(wire, span, "graph", "") for span in spans[_GRAPH][:-1]),
            Body("graph", "", parts),
            *(_function_body(function, found) for function, found in functions),
            *_training(wire, spans[_TRAINING]),
        ]
        survey = Survey(file, wire, bodies, partial(_op, known))
        return _Model(
            file,
            header,
            graph.name,
            inputs,
            outputs,
            parts[NODES],
            spans[_FUNCTIONS],
            survey.tensors,
            survey.ops,
            ExternalFiles(file, survey.tensors),
        )


def _function_body(function: FunctionProto, found: Mapping[int, Spans]) -> Body:
    name = _qualified(function.domain, function.name)
    return Body(f"function {name}", f"{name}/", {NODES: found[_FUNCTION_NODES]})


def _training(wire: BoundedWire, steps: Spans) -> Iterator[Body]:
    """The graphs that a training step runs: what it starts from, and what it repeats."""
    for number, span in enumerate(steps):
        _, found = wire.split(span, TrainingInfoProto, _TRAINING_GRAPHS)
        for tag, name in _TRAINING_GRAPHS.items():
            for graph in found[tag]:
                where, prefix = f"training {number}, {name}", f"training/{number}/{name}/"
                yield graph_body(wire, graph, where, prefix, Role.OPTIMIZER)


def _op(known: Set[str], node: NodeProto) -> str:
    """The name for whoever judges it: one that no runtime brings is native code of somebody's.

    The model's own functions, which are ``known``, are made of other operators.
    """
    op = _qualified(node.domain, node.op_type)
    return op if node.domain in _DOMAINS or op in known else f"custom operator {op}"


@dataclass(frozen=True)
class _Model:
    """An opened model: ``nodes`` are where the operators of the main graph lie.

    ``stored`` and ``operators`` are those of every graph.
    """

    file: ProtoFile
    header: ModelProto
    graph: str
    inputs: Sequence[ValueInfoProto]
    outputs: Sequence[ValueInfoProto]
    nodes: Spans
    functions: Spans
    stored: Sequence[StoredTensor]
    operators: Sequence[GraphOp]
    external: ExternalFiles

    def tensors(self) -> Sequence[Tensor]:
        """Those of ``stored``."""
        return [stored.tensor for stored in self.stored]

    def producer(self) -> str:
        """Who wrote it, such as ``pytorch 2.1.0``."""
        return f"{self.header.producer_name} {self.header.producer_version}".strip()

    def signature(self) -> Signature:
        """What the graph takes and gives; old models list their initializers as inputs too."""
        own = {stored.tensor.path for stored in self.stored}
        inputs = [value for value in self.inputs if value.name not in own]
        return Signature(
            self.graph or "main",
            "",
            (),
            tuple(map(_signature_tensor, inputs)),
            tuple(map(_signature_tensor, self.outputs)),
        )

    def notes(self) -> Iterator[str]:
        """What is damaged, and what lies in other files."""
        for stored in self.stored:
            if stored.problem:
                yield f"{stored.tensor.path} cannot be read: {stored.problem}"
        yield from self.external.notes()

    # The tree

    def root(self, signature: Signature) -> Node:
        """The file with its signature, operators, tensors and functions."""
        return Node(
            self.file.name,
            NodeType.FILE,
            kind="ONNX",
            size=self.file.size,
            attributes=self._attributes,
            source=NodeList(lambda: self._parts(signature)),
        )

    def _attributes(self) -> list[tuple[str, str]]:
        header = self.header
        described = [
            ("producer", self.producer()),
            ("IR version", str(header.ir_version)),
            *((f"operators {o.domain or 'ai.onnx'}", str(o.version)) for o in header.opset_import),
            ("domain", header.domain),
            ("description", header.doc_string),
            *((entry.key, entry.value) for entry in header.metadata_props),
        ]
        return [(name, text) for name, text in described if text]

    def _parts(self, signature: Signature) -> list[Node]:
        parts = [signature_node(signature), _group("operators", _Operators(self.file, self.nodes))]
        parts.append(_group("tensors", tensor_nodes(self.tensors(), _kept_in)))
        if self.functions:
            parts.append(_group("functions", NodeList(self._function_nodes)))
        return parts

    def _function_nodes(self) -> list[Node]:
        with self.file.wire() as wire:
            return [_function_node(self.file, wire, span) for span in self.functions]


def _group(name: str, source: _Operators | Paged[Tensor] | NodeList) -> Node:
    count = len(source)
    kind = count_text(count, name.removesuffix("s"))
    return Node(name, NodeType.GROUP, kind=kind, source=source if count else None)


def _kept_in(tensor: Tensor) -> list[tuple[str, str]]:
    return [("file", tensor.location.file)] if tensor.location else []


def _function_node(file: ProtoFile, wire: Wire, span: Span) -> Node:
    function, parts = wire.split(span, FunctionProto, (_FUNCTION_NODES,))
    return Node(
        _qualified(function.domain, function.name),
        NodeType.FUNCTION,
        kind="function",
        summary=f"{len(function.input)} in → {len(function.output)} out",
        source=_Operators(file, parts[_FUNCTION_NODES]),
    )


class _Operators:
    """A `NodeSource` over operators, parsed page by page."""

    def __init__(self, file: ProtoFile, spans: Spans) -> None:
        self._file = file
        self._spans = spans

    def __len__(self) -> int:
        return len(self._spans)

    def page(self, start: int, stop: int) -> list[Node]:
        """Children ``start`` to ``stop`` (exclusive)."""
        with self._file.wire() as plain:
            wire = BoundedWire(plain.source)
            spans = self._spans[start:stop]
            return [_operator_node(self._file, operator_at(wire, s)[0], s) for s in spans]


def _operator_node(file: ProtoFile, node: NodeProto, span: Span) -> Node:
    return Node(
        node_name(node) or node.op_type,
        NodeType.FUNCTION,
        kind=_qualified(node.domain, node.op_type),
        summary=f"{len(node.input)} in → {len(node.output)} out",
        attributes=partial(_operator_attributes, file, span),
    )


def _operator_attributes(file: ProtoFile, span: Span) -> list[tuple[str, str]]:
    with file.wire() as wire:
        node, parts = wire.split(span, NodeProto, (ATTRIBUTES,))
        attributes = [wire.split(part, AttributeProto, HELD)[0] for part in parts[ATTRIBUTES]]
    return [
        ("inputs", ", ".join(node.input)),
        ("outputs", ", ".join(node.output)),
        *((attribute.name, _attribute_text(attribute)) for attribute in attributes),
    ]


def _attribute_text(attribute: AttributeProto) -> str:
    """Its value; that of a tensor or graph stands elsewhere in the tree."""
    many = [*attribute.floats, *attribute.ints, *attribute.strings]
    texts = [v.decode("utf-8", "replace") if isinstance(v, bytes) else f"{v:g}" for v in many]
    if texts:
        return ", ".join(texts)
    if attribute.s:
        return attribute.s.decode("utf-8", "replace")
    return f"{attribute.f:g}" if attribute.f else str(attribute.i)


def _qualified(domain: str, name: str) -> str:
    """ONNX's own operators by name alone, others as ``domain.name``."""
    return name if domain in ("", "ai.onnx") else f"{domain}.{name}"


def _signature_tensor(value: ValueInfoProto) -> SignatureTensor:
    kind = value.type.WhichOneof("value")
    if kind == "tensor_type":
        tensor = value.type.tensor_type
        shape = _shape(tensor.shape) if tensor.HasField("shape") else None
        return SignatureTensor(value.name, dtype_name(tensor.elem_type), shape, value.name)
    named = (kind or "unknown").removesuffix("_type")
    return SignatureTensor(value.name, named.replace("_", " "), None, value.name)


def _shape(shape: TensorShapeProto) -> tuple[int | None, ...]:
    """A dimension without a number, or with a name instead of one, is unknown."""
    known = ((d.WhichOneof("value") == "dim_value", d.dim_value) for d in shape.dim)
    return tuple(size if is_number and size >= 0 else None for is_number, size in known)
