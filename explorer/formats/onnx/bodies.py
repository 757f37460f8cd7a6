"""What the graphs of an ONNX model hold, those in its loops, branches and training included.

Source: ``GraphProto``, ``NodeProto``, ``AttributeProto`` and ``SparseTensorProto`` of
``onnx/onnx.proto``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass

from explorer.formats.artifact import GraphOp, Role
from explorer.formats.onnx.bounded import BoundedWire
from explorer.formats.onnx.tensor import StoredTensor, stored_tensor
from explorer.formats.protobuf.wire import BYTES, ProtoFile, Span, Spans, WireError
from explorer.formats.schema.onnx_pb2 import (
    AttributeProto,
    GraphProto,
    NodeProto,
    SparseTensorProto,
)

NODES, INITIALIZERS, SPARSE = 1, 5, 15
GRAPH_PARTS = (NODES, INITIALIZERS, SPARSE)
ATTRIBUTES = 5
_NAME = 1
_TENSOR, _GRAPH, _TENSORS, _GRAPHS, _SPARSE_TENSOR, _SPARSE_TENSORS = 5, 6, 10, 11, 22, 23
HELD = (_TENSOR, _GRAPH, _TENSORS, _GRAPHS, _SPARSE_TENSOR, _SPARSE_TENSORS)
"""The fields of an attribute that hold tensors and graphs."""
_VALUES, _INDICES = 1, 2
_SMALL = 1 << 16
_LONGEST_PLACE = 1_000


@dataclass(frozen=True, slots=True)
class Body:
    """A graph or function: ``where`` names it to people, ``prefix`` begins its tensors' paths."""

    where: str
    prefix: str
    parts: Mapping[int, Spans]
    role: Role = Role.WEIGHT


@dataclass(frozen=True, slots=True)
class _Held:
    """An attribute by name, with the spans of its tensors, sparse tensors and graphs."""

    name: str
    tensors: list[Span]
    sparse: list[Span]
    graphs: list[Span]


def graph_body(
    wire: BoundedWire, span: Span, where: str, prefix: str, role: Role = Role.WEIGHT
) -> Body:
    """The graph that lies in ``span``. Raises `WireError`."""
    if max(len(where), len(prefix)) > _LONGEST_PLACE:
        raise wire.over(
            "has graphs that lie so deep in each other that the names on the way to one take more "
            f"than {_LONGEST_PLACE:,} letters"
        )
    _, parts = wire.split(span, GraphProto, GRAPH_PARTS)
    wire.take(1)
    return Body(where, prefix, parts, role)


class Survey:
    """The operators and tensors of ``bodies`` and of all graphs in them, from one walk.

    ``op_of`` names an operator. Raises `WireError`.
    """

    def __init__(
        self,
        file: ProtoFile,
        wire: BoundedWire,
        bodies: Iterable[Body],
        op_of: Callable[[NodeProto], str],
    ) -> None:
        self.ops: list[GraphOp] = []
        self.tensors: list[StoredTensor] = []
        self._file = file
        self._wire = wire
        self._op_of = op_of
        pending = [*bodies][::-1]
        while pending:
            pending += [*self._read(pending.pop())][::-1]

    def _read(self, body: Body) -> list[Body]:
        """Take in a graph; the graphs in it are what comes next."""
        self._wire.take(sum(map(len, body.parts.values())))
        for span in body.parts.get(INITIALIZERS, ()):
            self._add(span, "", body.role, body.prefix)
        for span in body.parts.get(SPARSE, ()):
            self._add_sparse(span, "", body.role, body.prefix)
        return [inner for span in body.parts[NODES] for inner in self._read_node(span, body)]

    def _read_node(self, span: Span, body: Body) -> Iterator[Body]:
        node, attributes = operator_at(self._wire, span)
        name = node_name(node)
        self.ops.append(GraphOp(self._op_of(node), name, body.where))
        for attribute in attributes:
            self._wire.take(len(attribute.tensors) + len(attribute.sparse))
            self._add_constants(node, attribute, body.prefix)
            where = f"{body.where}, {attribute.name} of {name}"
            prefix = f"{body.prefix}{name}/{attribute.name}/"
            for graph in attribute.graphs:
                yield graph_body(self._wire, graph, where, prefix, body.role)

    def _add_constants(self, node: NodeProto, attribute: _Held, prefix: str) -> None:
        """A ``Constant`` is known by what it gives, all else by operator and attribute."""
        path = f"{prefix}{node_name(node) or node.op_type}/{attribute.name}"
        if node.op_type == "Constant" and node.output:
            path = prefix + node.output[0]
        is_only = len(attribute.tensors) + len(attribute.sparse) == 1
        for number, span in enumerate(attribute.tensors):
            self._add(span, path if is_only else f"{path}/{number}", Role.CONSTANT)
        for number, span in enumerate(attribute.sparse):
            self._add_sparse(span, path if is_only else f"{path}/{number}", Role.CONSTANT)

    def _add(self, span: Span, path: str, role: Role, prefix: str = "") -> None:
        self.tensors.append(stored_tensor(self._file, self._wire, span, path, role, prefix))

    def _add_sparse(self, span: Span, path: str, role: Role, prefix: str = "") -> None:
        """Its values, which bear its name, and their places."""
        _, parts = self._wire.split(span, SparseTensorProto, (_VALUES, _INDICES))
        self._wire.take(sum(map(len, parts.values())))
        for values in parts[_VALUES]:
            self._add(values, path, role, prefix)
            path = path or self.tensors[-1].tensor.path
        for indices in parts[_INDICES]:
            self._add(indices, f"{path}/indices", Role.CONSTANT)


def node_name(node: NodeProto) -> str:
    """Its name, or without one what it gives."""
    return node.name or ", ".join(node.output)


def operator_at(wire: BoundedWire, span: Span) -> tuple[NodeProto, Iterable[_Held]]:
    """An operator with its attributes, if any of these holds tensors or graphs."""
    if span.size <= _SMALL:
        with suppress(WireError):  # of graphs in graphs too deep to be parsed at once
            whole = wire.message(span, NodeProto)
            wire.walked(len(whole.attribute))
            if not any(map(_holds, whole.attribute)):
                return whole, ()
    node, parts = wire.split(span, NodeProto, (ATTRIBUTES,))
    return node, (_held(wire, part) for part in parts[ATTRIBUTES])


def _holds(attribute: AttributeProto) -> bool:
    """Whether there is a tensor or graph in it."""
    return bool(
        attribute.HasField("t")
        or attribute.HasField("g")
        or attribute.HasField("sparse_tensor")
        or attribute.tensors
        or attribute.graphs
        or attribute.sparse_tensors
    )


def _held(wire: BoundedWire, span: Span) -> _Held:
    name = ""
    found: dict[int, list[Span]] = {tag: [] for tag in HELD}
    for field in wire.attribute_fields(span):
        if field.wire != BYTES:
            continue
        if field.tag == _NAME:
            name = wire.text(field.span)
        elif field.tag in found:
            found[field.tag].append(field.span)
    return _Held(
        name,
        found[_TENSOR] + found[_TENSORS],
        found[_SPARSE_TENSOR] + found[_SPARSE_TENSORS],
        found[_GRAPH] + found[_GRAPHS],
    )
