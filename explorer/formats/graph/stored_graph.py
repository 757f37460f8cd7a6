"""TensorFlow graphs in a file: where their operations are, each read only when asked for.

A graph may hold gigabytes of constants, so nothing but offsets is kept. Source:
``tensorflow/core/framework/graph.proto``, ``node_def.proto`` and ``function.proto``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, replace
from functools import cached_property, partial

from explorer.formats.artifact import GraphOp, Tensor
from explorer.formats.graph.tensor_proto import VALUE_FIELDS, tensor_at
from explorer.formats.graph.tf_types import dtype_name
from explorer.formats.protobuf.wire import BYTES, ProtoFile, Span, Spans, Wire
from explorer.formats.schema import saved_model_pb2 as pb
from explorer.formats.schema.tensor_pb2 import TensorProto, VersionDef

_WHOLE = 1 << 14
_MOST_FUNCTIONS = 50_000
"""The largest models have a few thousand; each of them takes memory before it is looked at."""
_MOST_ATTRIBUTES = 10_000

CALLS = ("PartitionedCall", "StatefulPartitionedCall")
_NODE, _LIBRARY = pb.GraphDef.NODE_FIELD_NUMBER, pb.GraphDef.LIBRARY_FIELD_NUMBER
_FUNCTION = pb.FunctionDefLibrary.FUNCTION_FIELD_NUMBER
_NODE_DEF = pb.FunctionDef.NODE_DEF_FIELD_NUMBER
_FLOATS = ("float32", "float64", "float16", "bfloat16")
_OP, _ATTR = pb.NodeDef.OP_FIELD_NUMBER, pb.NodeDef.ATTR_FIELD_NUMBER
_KEY, _VALUE = 1, 2
_TENSOR = pb.AttrValue.TENSOR_FIELD_NUMBER
_CONST = b"Const"


@dataclass(frozen=True)
class StoredNodes:
    """The operations of a graph or function. ``prefix`` begins the paths of its constants.

    What is called like one of ``given`` gets its value from whoever runs it.
    """

    file: ProtoFile
    spans: Spans
    prefix: str
    given: Set[str] = frozenset()

    def __len__(self) -> int:
        return len(self.spans)

    def messages(self) -> Iterator[pb.NodeDef]:
        """Every operation, large values left out. Raises `UnreadableArtifact`."""
        with self.file.wire() as wire:
            for span in self.spans:
                yield node_at(wire, span)

    def at(self, index: int) -> pb.NodeDef:
        """The operation of that number, large values left out. Raises `UnreadableArtifact`."""
        with self.file.wire() as wire:
            return node_at(wire, self.spans[index])

    def page(self, start: int, stop: int) -> list[tuple[pb.NodeDef, Tensor | None]]:
        """Some operations, each with its tensor where it is a constant."""
        with self.file.wire() as wire:
            return [(node_at(wire, s), self._constant(wire, s)) for s in self.spans[start:stop]]

    def constants(self, smallest: int = 0) -> Iterator[Tensor]:
        """The constants among the operations that are stored in ``smallest`` bytes or more."""
        with self.file.wire() as wire:
            for span in self._likely_constants:
                if span.size >= smallest:
                    tensor = self._constant(wire, span)
                    if tensor is not None:
                        yield tensor

    def holds_weights(self) -> bool:
        """Whether any constant is an array of real numbers."""
        with self.file.wire() as wire:
            nodes = (node_at(wire, span) for span in self._likely_constants)
            values = (node.attr["value"].tensor for node in nodes if node.op == "Const")
            return any(t.tensor_shape.dim and dtype_name(t.dtype) in _FLOATS for t in values)

    def ops(self, where: str) -> Iterator[GraphOp]:
        """The operations. Raises `UnreadableArtifact`."""
        for node in self.messages():
            yield GraphOp(
                node.op,
                node.name,
                where,
                texts=partial(self._texts_of, node.input),
                supplied=partial(self._supplied, node.input),
                attributes=partial(text_attributes, node),
            )

    def _texts_of(self, inputs: Sequence[str]) -> Sequence[str | None]:
        return [self._texts.get(producer(name)) for name in data_inputs(inputs)]

    def _supplied(self, inputs: Sequence[str]) -> Set[int]:
        """In a function ``name`` is an argument, and ``name:output:0`` what an operation gives."""
        return {i for i, name in enumerate(data_inputs(inputs)) if name in self.given}

    @cached_property
    def _texts(self) -> Mapping[str, str]:
        """The constants that are one text each, by name."""
        found = {}
        for node in self.messages():
            if node.op == "Const" and node.name not in self.given:
                texts = node.attr["value"].tensor.string_val
                if len(texts) == 1:
                    found[node.name] = _decoded(texts[0])
        return found

    @cached_property
    def _likely_constants(self) -> Spans:
        """Where the constants are; what is too large to be looked through may be one."""
        found = Spans()
        with self.file.wire() as wire:
            for span in self.spans:
                if span.size > _WHOLE or _CONST in wire.bytes(span):
                    found.append(*span)
        return found

    def _constant(self, wire: Wire, span: Span) -> Tensor | None:
        found = _constant_at(wire, span)
        if found is None:
            return None
        name, value = found
        return tensor_at(wire, self.file, value, self.prefix + name)


@dataclass(frozen=True)
class StoredFunction:
    """A function of a library: ``header`` is all of it but the operations."""

    header: pb.FunctionDef
    nodes: StoredNodes

    @property
    def name(self) -> str:
        """What the graph calls it."""
        return self.header.signature.name


class StoredGraph:
    """A ``GraphDef`` at ``spans`` of a file. ``where`` names it, ``prefix`` begins the paths in it.

    ``assets`` are the constants in whose place a loader puts the paths of a model's own files, but
    not where it runs what ``unfed`` names. Reading it raises `UnreadableArtifact` where it is
    damaged.
    """

    def __init__(
        self,
        file: ProtoFile,
        spans: Iterable[Span],
        where: str = "graph",
        prefix: str = "",
        assets: Set[str] = frozenset(),
        unfed: Iterable[str] = (),
    ) -> None:
        self.file = file
        self._assets = assets
        self._unfed = unfed
        self.where = where
        self._spans = spans
        self._prefix = prefix

    @cached_property
    def _parts(self) -> tuple[pb.GraphDef, dict[int, Spans]]:
        with self.file.wire() as wire:
            return wire.merged(self._spans, pb.GraphDef, (_NODE, _LIBRARY))

    @property
    def versions(self) -> VersionDef:
        """Of the graph format."""
        return self._parts[0].versions

    @cached_property
    def nodes(self) -> StoredNodes:
        """The operations of the main graph."""
        return StoredNodes(self.file, self._parts[1][_NODE], self._prefix)

    @cached_property
    def _given(self) -> Set[str]:
        """The assets whose own value nothing that is run without them can read."""
        if not self._assets:
            return self._assets
        inputs = {node.name: tuple(node.input) for node in self.nodes.messages()}
        return self._assets - reached(self._unfed, inputs)

    @cached_property
    def _libraries(self) -> list[tuple[pb.FunctionDefLibrary, Spans]]:
        stored = self._parts[1][_LIBRARY]
        with self.file.wire() as wire:
            wire.check_count(len(stored), "function libraries", _MOST_FUNCTIONS)
            found = [wire.split(span, pb.FunctionDefLibrary, (_FUNCTION,)) for span in stored]
            wire.check_count(sum(len(s[_FUNCTION]) for _, s in found), "functions", _MOST_FUNCTIONS)
        return [(library, spans[_FUNCTION]) for library, spans in found]

    @property
    def gradients(self) -> Sequence[pb.GradientDef]:
        """Which functions have a gradient function of their own."""
        return [gradient for library, _ in self._libraries for gradient in library.gradient]

    @cached_property
    def functions(self) -> Sequence[StoredFunction]:
        """The function library."""
        with self.file.wire() as wire:
            return [self._function(wire, s) for _, spans in self._libraries for s in spans]

    def _function(self, wire: Wire, span: Span) -> StoredFunction:
        header, spans = wire.split(span, pb.FunctionDef, (_NODE_DEF,))
        prefix = f"{self._prefix}{header.signature.name}/"
        arguments = {argument.name for argument in header.signature.input_arg}
        return StoredFunction(header, StoredNodes(self.file, spans[_NODE_DEF], prefix, arguments))

    def constants(self, smallest: int = 0) -> Iterator[Tensor]:
        """Those of the main graph and the functions, stored in at least so many bytes each."""
        yield from self.nodes.constants(smallest)
        for function in self.functions:
            yield from function.nodes.constants(smallest)

    def holds_weights(self) -> bool:
        """Whether any constant is an array of real numbers."""
        parts = [self.nodes, *(function.nodes for function in self.functions)]
        return any(nodes.holds_weights() for nodes in parts)

    def ops(self) -> Iterator[GraphOp]:
        """Every operation of the main graph and the functions."""
        yield from replace(self.nodes, given=self._given).ops(self.where)
        for function in self.functions:
            yield from function.nodes.ops(self.where_of(function.name))

    def where_of(self, function: str) -> str:
        """How people find a function of the library."""
        return f"{self.where}, function {function}"

    @cached_property
    def used_ops(self) -> tuple[str, ...]:
        """The operations that running the graph can reach, sorted, as ``saved_model_cli`` counts.

        Functions are followed where an operation is called like them or is a partitioned call.
        """
        functions = {function.name: function for function in self.functions}
        used: set[str] = set()
        waiting = list(_called(self.nodes.messages()))
        while waiting:
            name = waiting.pop()
            if name not in used:
                used.add(name)
                if name in functions:
                    waiting += _called(functions[name].nodes.messages())
        return tuple(sorted(used - functions.keys()))

    @cached_property
    def ends(self) -> tuple[Sequence[int], Sequence[int]]:
        """The placeholders of the main graph, and the operations whose result none of it takes.

        Both by their numbers.
        """
        inputs: list[int] = []
        others: dict[str, int] = {}
        taken: set[str] = set()
        for number, node in enumerate(self.nodes.messages()):
            op = node.op
            if op in _UNSEEN:
                continue
            taken.update(map(producer, node.input))
            if op in _PLACEHOLDERS:
                inputs.append(number)
            else:
                others[node.name] = number
        return inputs, [number for name, number in others.items() if name not in taken]


_PLACEHOLDERS = ("Placeholder", "PlaceholderV2", "PlaceholderWithDefault")
_UNSEEN = ("Const", "NoOp")


def producer(name: str) -> str:
    """The operation of an input: ``before`` of ``^before``, ``split`` of ``split:1``."""
    return name.removeprefix("^").partition(":")[0]


def reached(starts: Iterable[str], inputs: Mapping[str, Sequence[str]]) -> Set[str]:
    """The operations that run with these, themselves among them.

    ``inputs`` has those of each operation by its name; what is not in it is not followed.
    """
    found: set[str] = set()
    pending = [producer(name) for name in starts]
    while pending:
        name = pending.pop()
        if name in inputs and name not in found:
            found.add(name)
            pending += map(producer, inputs[name])
    return found


def data_inputs(names: Iterable[str]) -> list[str]:
    """The inputs that are tensors; the others just say what is to run before."""
    return [name for name in names if not name.startswith("^")]


def _called(nodes: Iterable[pb.NodeDef]) -> Mapping[str, None]:
    """What operations are called like, and the functions of partitioned calls, each once."""
    found: dict[str, None] = {}
    for node in nodes:
        found[node.op] = None
        if node.op in CALLS and "f" in node.attr:
            found[node.attr["f"].func.name] = None
    return found


def text_attributes(node: pb.NodeDef) -> Mapping[str, Sequence[str | None]]:
    """The texts among an operation's attributes, ``None`` for what is not known.

    That is what a function's caller fills in, whatever name it has, and what is too large.
    """
    found: dict[str, Sequence[str | None]] = {}
    for key, value in node.attr.items():
        kind = value.WhichOneof("value")
        if kind == "placeholder":
            found[key] = [None]
        elif kind == "s" or (kind == "list" and value.list.s):
            found[key] = [_decoded(text) for text in value.list.s or [value.s]]
    return found


def _decoded(text: bytes) -> str:
    return text.decode("utf-8", "backslashreplace")


def node_at(wire: Wire, span: Span) -> pb.NodeDef:
    """The operation at ``span``; of an attribute too large to be shown, just what it is.

    Raises `WireError`.
    """
    if span.size <= _WHOLE:
        return wire.message(span, pb.NodeDef)
    node, apart = wire.split(span, pb.NodeDef, (_ATTR,))
    wire.check_count(len(apart[_ATTR]), "attributes of one operation", _MOST_ATTRIBUTES)
    for entry in apart[_ATTR]:
        key, value = map_entry(wire, entry)
        if value is not None:
            node.attr[key].CopyFrom(_shown(wire, value))
    return node


def map_entry(wire: Wire, span: Span) -> tuple[str, Span | None]:
    """The key of a map's entry and where its value is. Raises `WireError`."""
    key, value = "", None
    for field in wire.fields(span):
        if field.tag == _KEY and field.wire == BYTES:
            key = wire.text(field.span)
        elif field.tag == _VALUE and field.wire == BYTES:
            value = field.span
    return key, value


def _shown(wire: Wire, span: Span) -> pb.AttrValue:
    if span.size <= _WHOLE:
        return wire.message(span, pb.AttrValue)
    for field in wire.fields(span):
        if field.tag == _TENSOR and field.wire == BYTES:
            tensor, _ = wire.split(field.span, TensorProto, VALUE_FIELDS)
            return pb.AttrValue(tensor=tensor)
    return pb.AttrValue(placeholder=f"{span.size:,} bytes")


def _constant_at(wire: Wire, span: Span) -> tuple[str, Span] | None:
    """The name of a constant and where its tensor is, ``None`` for any other operation."""
    name, tensor = "", None
    for field in wire.fields(span):
        if field.wire != BYTES:
            continue
        if field.tag == pb.NodeDef.NAME_FIELD_NUMBER:
            name = wire.text(field.span)
        elif field.tag == _OP and wire.bytes(field.span) != _CONST:
            return None
        elif field.tag == _ATTR:
            tensor = _tensor_attribute(wire, field.span) or tensor
    return None if tensor is None else (name, tensor)


def _tensor_attribute(wire: Wire, span: Span) -> Span | None:
    key, value = map_entry(wire, span)
    if key != "value" or value is None:
        return None
    fields = wire.fields(value)
    return next((f.span for f in fields if f.tag == _TENSOR and f.wire == BYTES), None)
