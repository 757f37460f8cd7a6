"""ONNX models: operators, tensors, inputs and outputs. Files beside them are never followed.

Source: ``onnx/onnx.proto`` of https://github.com/onnx/onnx.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import islice

from explorer.formats.archives.member_index import stays_inside
from explorer.formats.artifact import (
    Artifact,
    Check,
    Contents,
    GraphOp,
    Hazard,
    HazardKind,
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
    INITIALIZERS,
    NODES,
    SUBGRAPH,
    SUBGRAPHS,
    Body,
    node_name,
    with_inner,
)
from explorer.formats.onnx.tensor import StoredTensor, dtype_name, stored_tensor
from explorer.formats.protobuf.wire import BYTES, VARINT, ProtoFile, Span, Spans, Wire, WireError
from explorer.formats.registry import Match
from explorer.formats.schema.onnx_pb2 import (
    AttributeProto,
    FunctionProto,
    GraphProto,
    ModelProto,
    NodeProto,
    TensorShapeProto,
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
_TENSOR, _TENSORS = 5, 10
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
        ops=model.ops,
        hazards=model.hazards,
        checks=model.checks,
        notes=tuple(model.notes()),
    )


def _model(file: ProtoFile) -> _Model:
    with file.wire() as wire:
        header, spans = wire.split(file.span, ModelProto, (_GRAPH, _TRAINING, _FUNCTIONS))
        graph, parts = wire.split(spans[_GRAPH][-1], GraphProto, GRAPH_PARTS)
        return _Model(file, header, spans[_FUNCTIONS], graph, parts[NODES], parts[INITIALIZERS])


@dataclass(frozen=True)
class _Model:
    """An opened model: ``nodes`` and ``initializers`` are where those of the main graph lie."""

    file: ProtoFile
    header: ModelProto
    functions: Spans
    graph: GraphProto
    nodes: Spans
    initializers: Spans

    @cached_property
    def stored(self) -> Sequence[StoredTensor]:
        """The initializers, and the constants among the operators, of every graph."""
        with self.file.wire() as wire:
            return [tensor for body in self._bodies(wire) for tensor in self._stored(wire, body)]

    def _stored(self, wire: Wire, body: Body) -> Iterator[StoredTensor]:
        for span in body.initializers:
            yield stored_tensor(self.file, wire, span, prefix=body.prefix)
        for span in body.nodes:
            node, parts = wire.split(span, NodeProto, (ATTRIBUTES,))
            if node.op_type == "Constant" and node.output:
                path = body.prefix + node.output[0]
                for attribute in parts[ATTRIBUTES]:
                    _, values = wire.split(attribute, AttributeProto, (_TENSOR,))
                    for tensor in values[_TENSOR]:
                        yield stored_tensor(self.file, wire, tensor, path, Role.CONSTANT)

    def _bodies(self, wire: Wire) -> Iterator[Body]:
        """The graph, the functions, and the bodies of the loops and branches in them."""
        yield from with_inner(wire, Body("graph", "", self.nodes, self.initializers))
        for span in self.functions:
            function, parts = wire.split(span, FunctionProto, (_FUNCTION_NODES,))
            name = _qualified(function.domain, function.name)
            body = Body(f"function {name}", f"{name}/", parts[_FUNCTION_NODES], Spans())
            yield from with_inner(wire, body)

    def tensors(self) -> Sequence[Tensor]:
        """Those of ``stored``."""
        return [stored.tensor for stored in self.stored]

    def producer(self) -> str:
        """Who wrote it, such as ``pytorch 2.1.0``."""
        return f"{self.header.producer_name} {self.header.producer_version}".strip()

    def signature(self) -> Signature:
        """What the graph takes and gives; old models list their initializers as inputs too."""
        own = {stored.tensor.path for stored in self.stored}
        inputs = [value for value in self.graph.input if value.name not in own]
        return Signature(
            self.graph.name or "main",
            "",
            (),
            tuple(map(_signature_tensor, inputs)),
            tuple(map(_signature_tensor, self.graph.output)),
        )

    def ops(self) -> Iterator[GraphOp]:
        """Every operator: of the graph, of the bodies of its loops and branches, of functions."""
        with self.file.wire() as wire:
            for body in self._bodies(wire):
                for span in body.nodes:
                    node, _ = wire.split(span, NodeProto, (ATTRIBUTES,))
                    yield GraphOp(self._op(node), node_name(node), body.where)

    def _op(self, node: NodeProto) -> str:
        """The name for whoever judges it: one that no runtime brings is native code of somebody's.

        The model's own functions are made of other operators.
        """
        op = _qualified(node.domain, node.op_type)
        is_known = node.domain in _DOMAINS or op in self._function_names
        return op if is_known else f"custom operator {op}"

    @cached_property
    def _function_names(self) -> frozenset[str]:
        with self.file.wire() as wire:
            headers = (wire.split(s, FunctionProto, (_FUNCTION_NODES,))[0] for s in self.functions)
            return frozenset(_qualified(header.domain, header.name) for header in headers)

    def hazards(self) -> Iterator[Hazard]:
        """Tensors whose values are to be read from outside the model's folder."""
        for stored in self.stored:
            if stored.external and not stays_inside(posixpath.normpath(stored.external)):
                yield Hazard(HazardKind.EXTERNAL_STORAGE, stored.tensor.path, stored.external)

    def checks(self) -> Iterator[Check]:
        """Whether each tensor has the bytes that its type and shape take, here or in its file."""
        sizes = {name: self._size_of(name) for name in self._files()}
        for stored in self.stored:
            problem = stored.problem or _cut_short(stored, sizes.get(stored.external))
            yield Check("byte count", stored.tensor.path, problem)
        for name, size in sizes.items():
            missing = f"{name}, which holds values of tensors, is not beside the model."
            yield Check("shard present", name, missing if size is None else "")

    def _files(self) -> list[str]:
        """The files beside the model that it names, none of them outside its folder."""
        names = sorted({stored.external for stored in self.stored if stored.external})
        return [name for name in names if stays_inside(name)]

    def _size_of(self, name: str) -> int | None:
        """The bytes of a file beside the model, ``None`` where it is not there."""
        folder = self.file.storage.parent()
        return None if folder is None else folder.size(name)

    def notes(self) -> Iterator[str]:
        """What is damaged, and what lies in other files."""
        for stored in self.stored:
            if stored.problem:
                yield f"{stored.tensor.path} cannot be read: {stored.problem}"
        count = sum(bool(stored.external) for stored in self.stored)
        if count:
            yield (
                f"{count_text(count, 'tensor')} lie in other files: "
                f"{', '.join(sorted({s.external for s in self.stored if s.external})[:5])}. They "
                "are named here, and not read."
            )

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


def _cut_short(stored: StoredTensor, size: int | None) -> str:
    """What is wrong where its values go beyond the file of ``size`` bytes that they lie in."""
    place = stored.tensor.location
    end = 0 if place is None else (place.offset or 0) + place.nbytes
    if place is None or size is None or end <= size:
        return ""
    return f"Its values end at byte {end:,} of {place.file}, which has {size:,} bytes."


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
        with self._file.wire() as wire:
            return [_operator_node(wire, span) for span in self._spans[start:stop]]


def _operator_node(wire: Wire, span: Span) -> Node:
    node, parts = wire.split(span, NodeProto, (ATTRIBUTES,))
    apart = (_TENSOR, SUBGRAPH, _TENSORS, SUBGRAPHS)
    attributes = [wire.split(part, AttributeProto, apart)[0] for part in parts[ATTRIBUTES]]
    return Node(
        node_name(node) or node.op_type,
        NodeType.FUNCTION,
        kind=_qualified(node.domain, node.op_type),
        summary=f"{len(node.input)} in → {len(node.output)} out",
        attributes=lambda: [
            ("inputs", ", ".join(node.input)),
            ("outputs", ", ".join(node.output)),
            *((a.name, _attribute_text(a)) for a in attributes),
        ],
    )


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
