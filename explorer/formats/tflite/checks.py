"""Whether a TensorFlow Lite model holds together: buffers, byte counts, and every index."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from explorer.formats.artifact import Check
from explorer.formats.tflite.buffers import Buffers
from explorer.formats.tflite.flatbuffer import INT32, UINT32, Budget, Table, Tables
from explorer.formats.tflite.graph import Graph
from explorer.formats.tflite.operators import OperatorKind, called_graphs
from explorer.formats.tflite.schema import Operator, SignatureDef, TensorField, TensorMap
from explorer.formats.tflite.tensor import dtype_of, is_sparse, shape_of
from explorer.formats.tflite.values import size_problem

_RANGE = "index range"
_LEFT_OUT = -1


@dataclass(frozen=True, slots=True)
class Checker:
    """Goes through a model once; ``entries`` are its metadata by name and buffer."""

    buffers: Buffers
    graphs: Sequence[Graph]
    kinds: Sequence[OperatorKind]
    signatures: Tables
    entries: Sequence[tuple[str, int]]
    budget: Budget

    def checks(self) -> Iterator[Check]:
        """One for each buffer, tensor, operator, signature and metadata entry."""
        yield from self._buffer_checks()
        for graph in self.graphs:
            yield from self._graph_checks(graph)
        for table in self.signatures:
            key = table.text(SignatureDef.SIGNATURE_KEY)
            yield Check(_RANGE, f"signature {key}", self._signature_problem(table))
        for name, index in self.entries:
            yield Check(_RANGE, f"metadata {name}", _outside("buffer", [index], len(self.buffers)))

    def _buffer_checks(self) -> Iterator[Check]:
        for index in range(len(self.buffers)):
            span = self.buffers.span(index)
            if span is not None:
                yield Check("buffer range", f"buffer {index}", self.buffers.problem(span))

    def _graph_checks(self, graph: Graph) -> Iterator[Check]:
        ends = [*graph.inputs, *graph.outputs]
        problem = _outside("tensor", ends, len(graph.tables))
        yield Check(_RANGE, f"{graph.name}, inputs and outputs", problem)
        for index, table in enumerate(graph.tables):
            yield from self._tensor_checks(graph.path(index), table)
        for index, table in enumerate(graph.operators):
            yield Check(
                _RANGE, f"{graph.name}, operator {index}", self._operator_problem(graph, table)
            )

    def _tensor_checks(self, path: str, table: Table) -> Iterator[Check]:
        index = table.number(TensorField.BUFFER, UINT32)
        external = table.number(TensorField.EXTERNAL_BUFFER, UINT32)
        problem = _outside("buffer", [index], len(self.buffers))
        if external and external not in self.buffers.externals:
            problem = f"It names external buffer {external}, which is not in the list."
        yield Check(_RANGE, path, problem)
        span = self.buffers.span(index)
        if span is None or external or is_sparse(table) or self.buffers.problem(span):
            return
        problem = size_problem(self.buffers, span, dtype_of(table), shape_of(table))
        yield Check("byte count", path, f"It {problem}" if problem else "")

    def _operator_problem(self, graph: Graph, table: Table) -> str:
        code = table.number(Operator.OPCODE_INDEX, UINT32)
        inputs = table.numbers(Operator.INPUTS, INT32)
        outputs = table.numbers(Operator.OUTPUTS, INT32)
        self.budget.spend(len(inputs) + len(outputs))
        called = [index for _, index in called_graphs(table)]
        return (
            _outside("operator code", [code], len(self.kinds))
            or _outside("tensor", inputs, len(graph.tables), _LEFT_OUT)
            or _outside("tensor", outputs, len(graph.tables), _LEFT_OUT)
            or _outside("subgraph", called, len(self.graphs), _LEFT_OUT)
        )

    def _signature_problem(self, table: Table) -> str:
        index = table.number(SignatureDef.SUBGRAPH_INDEX, UINT32)
        if problem := _outside("subgraph", [index], len(self.graphs)):
            return problem
        maps = (table.tables(SignatureDef.INPUTS), table.tables(SignatureDef.OUTPUTS))
        self.budget.spend(sum(map(len, maps)))
        tensors = [entry.number(TensorMap.TENSOR_INDEX, UINT32) for each in maps for entry in each]
        return _outside("tensor", tensors, len(self.graphs[index].tables))


def _outside(what: str, indices: Sequence[int], count: int, least: int = 0) -> str:
    """What is wrong where an index leads to nothing; empty where all lead to something."""
    wrong = next((index for index in indices if not least <= index < count), None)
    if wrong is None:
        return ""
    return f"It names {what} {wrong:,}, but there are {count:,}. The file is damaged."
