"""One graph of a TensorFlow Lite model: its tensors and the operators between them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, partial

from explorer.formats.artifact import (
    GraphOp,
    Node,
    NodeList,
    NodeType,
    Role,
    SignatureTensor,
    Tensor,
)
from explorer.formats.nodes import Paged
from explorer.formats.text import count_text, tuple_text
from explorer.formats.tflite.buffers import Buffers
from explorer.formats.tflite.flatbuffer import BOOL, INT32, UINT32, Budget, Table
from explorer.formats.tflite.operators import (
    OperatorKind,
    called_graphs,
    flex_attributes,
    flex_ops,
    flex_options,
)
from explorer.formats.tflite.schema import Operator, SubGraph, TensorField, TensorMap
from explorer.formats.tflite.tensor import (
    attributes_of,
    dtype_of,
    name_of,
    shape_of,
    tensor_of,
)

_SHOWN = 100
_LONGEST_PREFIX = 100
_KINDS = {Role.WEIGHT: "weight", Role.CONSTANT: "constant"}


@dataclass(frozen=True, slots=True)
class Common:
    """What all graphs of a model share; ``graph_names`` tells them apart."""

    buffers: Buffers
    kinds: Sequence[OperatorKind]
    graph_names: Sequence[str]
    budget: Budget

    def kind(self, index: int) -> OperatorKind | None:
        """The kind of an operator, by its place in the list."""
        return self.kinds[index] if index < len(self.kinds) else None


class Graph:
    """One subgraph: its tensors and operators by index."""

    def __init__(self, common: Common, table: Table, index: int) -> None:
        self._common = common
        self.name = common.graph_names[index]
        self.tables = table.tables(SubGraph.TENSORS)
        self.operators = table.tables(SubGraph.OPERATORS)
        sizes = [table.count(field, 4) for field in (SubGraph.INPUTS, SubGraph.OUTPUTS)]
        common.budget.spend(1 + len(self.tables) + len(self.operators) + sum(sizes))
        self.inputs = table.numbers(SubGraph.INPUTS, INT32)
        self.outputs = table.numbers(SubGraph.OUTPUTS, INT32)

    @cached_property
    def names(self) -> list[str]:
        """A name for every tensor: its own, with its index where that is empty or taken."""
        names: dict[str, None] = {}
        for index, table in enumerate(self.tables):
            name = table.text(TensorField.NAME)
            self._common.budget.spend(len(name))
            names[untaken(name or f"tensor {index}", index, names)] = None
        return list(names)

    @cached_property
    def _ends(self) -> dict[int, str]:
        outputs = dict.fromkeys(self.outputs, "output")
        return outputs | dict.fromkeys(self.inputs, "input")

    def path(self, index: int) -> str:
        """The name of a tensor in the whole model."""
        above = f"{self.name}/" if len(self._common.graph_names) > 1 else ""
        return f"{above}{self.names[index]}"

    def tensor(self, index: int) -> Tensor:
        """One tensor by index."""
        return tensor_of(self.tables[index], self.path(index), self._common.buffers)

    def tensors(self) -> Iterator[Tensor]:
        """All of them."""
        return (self.tensor(index) for index in range(len(self.tables)))

    def ops(self, budget: Budget) -> Iterator[GraphOp]:
        """Every operator, by its first output; a Flex one by each name that it goes by."""
        for index, table in enumerate(self.operators):
            kind = self._common.kind(table.number(Operator.OPCODE_INDEX, UINT32))
            outputs = table.numbers(Operator.OUTPUTS, INT32, 1)
            name = name_of(self.names, outputs[0]) if outputs else f"operator {index}"
            is_flex = kind is not None and kind.is_flex
            options = flex_options(table, self._common.buffers) if is_flex else b""
            budget.spend(len(options))
            attributes = partial(flex_attributes, options)
            for op in _op_names(kind, options):
                yield GraphOp(op, name, f"subgraph {self.name}", attributes=attributes)

    def signature_tensor(self, entry: Table) -> SignatureTensor:
        """An input or output of a signature, with the tensor of this graph that it names."""
        index = entry.number(TensorMap.TENSOR_INDEX, UINT32)
        name = entry.text(TensorMap.NAME)
        self._common.budget.spend(1 + len(name))
        if index >= len(self.tables):
            return SignatureTensor(name, "unknown", None)
        table = self.tables[index]
        return SignatureTensor(name, dtype_of(table), shape_of(table), self.path(index))

    # The tree

    def node(self) -> Node:
        """The tree below the graph."""
        return Node(
            self.name,
            NodeType.GROUP,
            kind="subgraph",
            summary=_ends_text(self.inputs, self.outputs),
            attributes=lambda: [
                *self._tensor_texts("input", self.inputs),
                *self._tensor_texts("output", self.outputs),
            ],
            source=NodeList(
                [
                    group("operators", "operator", len(self.operators), self._operator_node),
                    group("tensors", "tensor", len(self.tables), self._tensor_node),
                ]
            ),
        )

    def _tensor_texts(self, label: str, indices: Sequence[int]) -> list[tuple[str, str]]:
        """A line for each, such as ``("input 0", "x, float32 (1, 3)")``."""
        lines = [(f"{label} {i}", self._text(index)) for i, index in enumerate(indices[:_SHOWN])]
        more = len(indices) - len(lines)
        return [*lines, (f"{label}s", f"{more:,} more")] if more else lines

    def _text(self, index: int) -> str:
        name = name_of(self.names, index)
        if not 0 <= index < len(self.tables):
            return name
        table = self.tables[index]
        return f"{name}, {dtype_of(table)} {tuple_text(shape_of(table))}"

    def _operator_node(self, index: int) -> Node:
        table = self.operators[index]
        number = table.number(Operator.OPCODE_INDEX, UINT32)
        kind = self._common.kind(number)
        inputs = table.numbers(Operator.INPUTS, INT32)
        outputs = table.numbers(Operator.OUTPUTS, INT32)
        return Node(
            f"unknown operator {number}" if kind is None else kind.name,
            NodeType.FUNCTION,
            kind=f"operator {index}",
            summary=_ends_text(inputs, outputs),
            attributes=lambda: [
                *self._kind_texts(kind, table),
                *self._tensor_texts("input", inputs),
                *self._tensor_texts("output", outputs),
                *self._tensor_texts("intermediate", table.numbers(Operator.INTERMEDIATES, INT32)),
            ],
        )

    def _kind_texts(self, kind: OperatorKind | None, table: Table) -> list[tuple[str, str]]:
        if kind is None:
            return []
        found = [("version", str(kind.version))]
        if kind.is_flex:
            ops = flex_ops(flex_options(table, self._common.buffers))
            found += [("TensorFlow operation", op.removeprefix("Flex")) for op in ops]
        names = self._common.graph_names
        found += [(label, _graph_text(names, called)) for label, called in called_graphs(table)]
        return found

    def _tensor_node(self, index: int) -> Node:
        tensor = self.tensor(index)
        table = self.tables[index]
        return Node(
            self.names[index],
            NodeType.TENSOR,
            kind=self._kind(index, tensor, table),
            size=tensor.nbytes or None,
            tensor=tensor,
            attributes=lambda: [
                ("index", str(index)),
                *attributes_of(table, self.names, self._common.buffers),
            ],
        )

    def _kind(self, index: int, tensor: Tensor, table: Table) -> str:
        if table.number(TensorField.IS_VARIABLE, BOOL):
            return "variable"
        return self._ends.get(index) or _KINDS.get(tensor.role, "activation")


def _op_names(kind: OperatorKind | None, options: bytes) -> list[str]:
    """Each name that an operator goes by."""
    if kind is None or not kind.is_flex:
        return [kind.op] if kind else []
    found = flex_ops(options) or [f"custom operator {kind.name}"]  # who knows what it runs
    return list(dict.fromkeys([kind.op, *found]))


def untaken(name: str, index: int, taken: dict[str, None]) -> str:
    """The name, with its index where another has it."""
    if name not in taken:
        return name
    name = f"{name[:_LONGEST_PREFIX]} #{index}"
    while name in taken:
        name += f" #{index}"
    return name


def group(name: str, singular: str, count: int, make: Callable[[int], Node]) -> Node:
    """A group of as many nodes, each made when it is shown."""
    source = Paged(range(count), make) if count else None
    return Node(name, NodeType.GROUP, kind=count_text(count, singular), source=source)


def _ends_text(inputs: Sequence[int], outputs: Sequence[int]) -> str:
    return f"{len(inputs)} in → {len(outputs)} out"


def _graph_text(names: Sequence[str], index: int) -> str:
    return names[index] if 0 <= index < len(names) else f"subgraph {index}, which is not there"
