"""TensorFlow Lite models: graphs, operators, tensors with their quantization, signatures."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import cache, cached_property

from explorer.formats.artifact import (
    Artifact,
    Contents,
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
from explorer.formats.flatbuffer import INT8, INT32, UINT32, FlatBuffer, Table
from explorer.formats.registry import Match
from explorer.formats.storage import Pages, Storage
from explorer.formats.text import count_text
from explorer.formats.tflite_schema import (
    CUSTOM_OPERATOR,
    IDENTIFIER,
    OPERATORS,
    ConversionMetadata,
    Environment,
    Metadata,
    Model,
    Operator,
    OperatorCode,
    SignatureDef,
    SubGraph,
    TensorField,
    TensorMap,
)
from explorer.formats.tflite_tensor import Buffers, quantization_of, tensor_of

_LARGEST_NOTE = 1 << 20
_KINDS = {Role.WEIGHT: "weight", Role.CONSTANT: "constant"}


def match(storage: Storage) -> Match | None:
    """Look for the identifier behind the first offset."""
    if storage.is_folder or storage.read("", 4, 4) != IDENTIFIER:
        return None
    return Match(storage)


def open(match: Match) -> Artifact:
    """Open the model and keep the file open until the artifact is closed."""
    pages = Pages(match.storage)
    try:
        return _Reading(match.storage, pages).artifact()
    except BaseException:
        pages.close()
        raise


class _Graph:
    """One subgraph: its tensors and operators by index."""

    def __init__(self, model: _Reading, table: Table, index: int) -> None:
        self._model = model
        self.table = table
        self.name = table.text(SubGraph.NAME) or f"subgraph {index}"
        self.inputs = table.numbers(SubGraph.INPUTS, INT32)
        self.outputs = table.numbers(SubGraph.OUTPUTS, INT32)
        self.tensor_count = table.count(SubGraph.TENSORS)
        self.operator_count = table.count(SubGraph.OPERATORS)

    @cached_property
    def names(self) -> list[str]:
        """A name for every tensor: its own, with its index where that is empty or taken."""
        names: dict[str, int] = {}
        for index, table in enumerate(self.table.items(SubGraph.TENSORS)):
            name = table.text(TensorField.NAME) or f"tensor {index}"
            names[name if name not in names else f"{name} #{index}"] = index
        return list(names)

    def name_of(self, index: int) -> str:
        """The name of an operator's input or output; -1 stands for one left out."""
        return self.names[index] if 0 <= index < len(self.names) else "none"

    def tensor(self, index: int) -> Tensor:
        """One tensor by index."""
        above = f"{self.name}/" if self._model.graph_count > 1 else ""
        path = f"{above}{self.names[index]}"
        return tensor_of(self.table.item(SubGraph.TENSORS, index), path, self._model.buffers)

    def tensors(self) -> Iterator[Tensor]:
        """All of them."""
        return (self.tensor(index) for index in range(self.tensor_count))

    def node(self) -> Node:
        """The tree below the subgraph."""
        return Node(
            self.name,
            NodeType.GROUP,
            kind="subgraph",
            summary=f"{len(self.inputs)} in → {len(self.outputs)} out",
            attributes=self._attributes,
            source=NodeList(
                [
                    _group("operators", "operator", self.operator_count, self._operator_node),
                    _group("tensors", "tensor", self.tensor_count, self._tensor_node),
                ]
            ),
        )

    def _attributes(self) -> list[tuple[str, str]]:
        return [("inputs", self._listed(self.inputs)), ("outputs", self._listed(self.outputs))]

    def _listed(self, indices: Sequence[int]) -> str:
        return ", ".join(map(self.name_of, indices))

    def _operator_node(self, index: int) -> Node:
        table = self.table.item(SubGraph.OPERATORS, index)
        name, version = self._model.operator_kind(table.number(Operator.OPCODE_INDEX, UINT32))
        inputs = table.numbers(Operator.INPUTS, INT32)
        outputs = table.numbers(Operator.OUTPUTS, INT32)
        return Node(
            name,
            NodeType.FUNCTION,
            kind=f"operator {index}",
            summary=f"{len(inputs)} in → {len(outputs)} out",
            attributes=lambda: [
                ("version", str(version)),
                ("inputs", self._listed(inputs)),
                ("outputs", self._listed(outputs)),
            ],
        )

    def _tensor_node(self, index: int) -> Node:
        tensor = self.tensor(index)
        table = self.table.item(SubGraph.TENSORS, index)
        return Node(
            self.names[index],
            NodeType.TENSOR,
            kind=self._kind(index, tensor),
            size=tensor.nbytes or None,
            tensor=tensor,
            attributes=lambda: [("index", str(index)), *quantization_of(table)],
        )

    def _kind(self, index: int, tensor: Tensor) -> str:
        if index in self.inputs:
            return "input"
        if index in self.outputs:
            return "output"
        return _KINDS.get(tensor.role, "activation")

    def signature_tensors(self, maps: Iterator[Table]) -> tuple[SignatureTensor, ...]:
        """A signature's inputs or outputs, each with the tensor of this graph that it names."""
        return tuple(self._signature_tensor(entry) for entry in maps)

    def _signature_tensor(self, entry: Table) -> SignatureTensor:
        index = entry.number(TensorMap.TENSOR_INDEX, UINT32)
        name = entry.text(TensorMap.NAME)
        if index >= self.tensor_count:
            return SignatureTensor(name, "unknown", None)
        tensor = self.tensor(index)
        return SignatureTensor(name, tensor.dtype, tensor.shape, self.names[index])


class _Reading:
    """One open model on its way to an `Artifact`."""

    def __init__(self, storage: Storage, pages: Pages) -> None:
        self._storage = storage
        self._pages = pages
        self._root_table = FlatBuffer(pages).root()
        self.buffers = Buffers(pages, self._root_table)
        self.buffers.check()
        kinds = self._root_table.items(Model.OPERATOR_CODES)
        self._operator_kinds = [_operator_kind(table) for table in kinds]
        self.graph_count = self._root_table.count(Model.SUBGRAPHS)
        self.tensors: Callable[[], tuple[Tensor, ...]] = cache(self._stored)

    @cached_property
    def graphs(self) -> list[_Graph]:
        """The subgraphs; the first is the main one."""
        tables = self._root_table.items(Model.SUBGRAPHS)
        graphs = [_Graph(self, table, index) for index, table in enumerate(tables)]
        if sum(graph.tensor_count for graph in graphs) > self._pages.size:
            raise UnreadableArtifact(
                f"{self._pages.name} is damaged: it lists more tensors than it has bytes. Copy or "
                "download it again."
            )
        return graphs

    def operator_kind(self, index: int) -> tuple[str, int]:
        """An operator's name and version, by its place in the list of kinds."""
        kinds = self._operator_kinds
        return kinds[index] if index < len(kinds) else (f"unknown operator {index}", 0)

    def _stored(self) -> tuple[Tensor, ...]:
        """Every tensor with values, once per buffer: graphs may share them."""
        found: dict[object, Tensor] = {}
        for graph in self.graphs:
            for tensor in graph.tensors():
                if tensor.location is not None:
                    found.setdefault(tensor.location, tensor)
        return tuple(found.values())

    def artifact(self) -> Artifact:
        signatures = tuple(self._signatures())
        return Artifact(
            path=self._storage.uri,
            name=self._storage.name,
            format="tflite",
            format_name="TensorFlow Lite",
            size=self._pages.size,
            root=self._root(signatures),
            producer=Producer(tensorflow=self._converter()),
            contents=Contents(
                weights=yes_if(has_role(self.tensors(), Role.WEIGHT)),
                architecture=Tri.YES,
                signatures=yes_if(bool(signatures)),
            ),
            signatures=signatures,
            tensors=self.tensors,
            close=self._pages.close,
        )

    def _signatures(self) -> Iterator[Signature]:
        for table in self._root_table.items(Model.SIGNATURE_DEFS):
            index = table.number(SignatureDef.SUBGRAPH_INDEX, UINT32)
            if index < len(self.graphs):
                graph = self.graphs[index]
                yield Signature(
                    table.text(SignatureDef.SIGNATURE_KEY),
                    "",
                    (),
                    graph.signature_tensors(table.items(SignatureDef.INPUTS)),
                    graph.signature_tensors(table.items(SignatureDef.OUTPUTS)),
                )

    def _metadata(self) -> list[tuple[str, int]]:
        """Name and buffer of each entry."""
        return [
            (table.text(Metadata.NAME), table.number(Metadata.BUFFER, UINT32))
            for table in self._root_table.items(Model.METADATA)
        ]

    def _converter(self) -> str:
        """The TensorFlow version that the converter noted down, empty without a readable note."""
        index = dict(self._metadata()).get("CONVERSION_METADATA")
        span = None if index is None else self.buffers.span(index)
        if span is None:
            return ""
        try:
            note = FlatBuffer(self._pages, span.start, span.count).root()
            environment = note.table(ConversionMetadata.ENVIRONMENT)
            return environment.text(Environment.TENSORFLOW_VERSION) if environment else ""
        except UnreadableArtifact:
            return ""

    # The tree

    def _root(self, signatures: tuple[Signature, ...]) -> Node:
        return Node(
            self._storage.name,
            NodeType.FILE,
            kind="TensorFlow Lite",
            size=self._pages.size,
            attributes=lambda: [
                ("description", self._root_table.text(Model.DESCRIPTION)),
                ("schema version", str(self._root_table.number(Model.VERSION, UINT32))),
            ],
            source=NodeList(lambda: [*map(_signature_node, signatures), *self._parts()]),
        )

    def _parts(self) -> list[Node]:
        metadata = self._metadata()
        parts = [graph.node() for graph in self.graphs]
        if metadata:
            nodes = NodeList(lambda: [self._metadata_node(*entry) for entry in metadata])
            count = count_text(len(metadata), "entry", "entries")
            parts.append(Node("metadata", NodeType.GROUP, kind=count, source=nodes))
        return [*parts, _group("buffers", "buffer", self.buffers.count, self._buffer_node)]

    def _metadata_node(self, name: str, index: int) -> Node:
        span = self.buffers.span(index)
        size = 0 if span is None else span.count
        return Node(
            name,
            NodeType.ATTRIBUTE,
            kind="metadata",
            size=size,
            attributes=lambda: [("buffer", str(index)), ("value", self._note(index))],
        )

    def _note(self, index: int) -> str:
        """A buffer as text where it is text, else its first bytes."""
        data = self.buffers.read(index, _LARGEST_NOTE).rstrip(b"\0")
        try:
            return data.decode("utf-8")
        except UnicodeDecodeError:
            return data[:64].hex(" ") + (" …" if len(data) > 64 else "")

    def _buffer_node(self, index: int) -> Node:
        span = self.buffers.span(index)
        if span is None:
            return Node(f"buffer {index}", NodeType.ATTRIBUTE, kind="empty")
        return Node(
            f"buffer {index}",
            NodeType.ATTRIBUTE,
            kind="bytes",
            size=span.count,
            attributes=lambda: [("offset", f"{span.start:,}"), ("bytes", f"{span.count:,}")],
        )


def _operator_kind(code: Table) -> tuple[str, int]:
    """An operator's name and version. The newer code field counts where it is larger."""
    builtin = max(
        code.number(OperatorCode.BUILTIN_CODE, INT32),
        code.number(OperatorCode.DEPRECATED_BUILTIN_CODE, INT8),
    )
    version = code.number(OperatorCode.VERSION, INT32, 1)
    if builtin == CUSTOM_OPERATOR:
        return code.text(OperatorCode.CUSTOM_CODE) or "CUSTOM", version
    known = 0 <= builtin < len(OPERATORS)
    return OPERATORS[builtin] if known else f"operator {builtin}", version


def _signature_node(signature: Signature) -> Node:
    return Node(
        signature.key,
        NodeType.SIGNATURE,
        kind="signature",
        summary=f"{len(signature.inputs)} in → {len(signature.outputs)} out",
        signature=signature,
    )


def _group(name: str, singular: str, count: int, make: Callable[[int], Node]) -> Node:
    source = _Indexed(count, make) if count else None
    return Node(name, NodeType.GROUP, kind=count_text(count, singular), source=source)


class _Indexed:
    """A `NodeSource` over ``make(0)`` to ``make(count - 1)``."""

    def __init__(self, count: int, make: Callable[[int], Node]) -> None:
        self._count = count
        self._make = make

    def __len__(self) -> int:
        return self._count

    def page(self, start: int, stop: int) -> list[Node]:
        """Children ``start`` to ``stop`` (exclusive)."""
        return [self._make(index) for index in range(self._count)[start:stop]]
