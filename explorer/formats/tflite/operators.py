"""The kinds of operators in a TensorFlow Lite model, built-in, custom and TensorFlow's own."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from flatbuffers import flexbuffers

from explorer.formats.artifact import Node, NodeType
from explorer.formats.graph.stored_graph import text_attributes
from explorer.formats.protobuf.wire import WireError, parsed
from explorer.formats.schema.saved_model_pb2 import NodeDef
from explorer.formats.tflite.buffers import Buffers
from explorer.formats.tflite.flatbuffer import INT8, INT32, UINT8, UINT64, Budget, Table, Vector
from explorer.formats.tflite.schema import (
    CALLED_GRAPHS,
    CALLED_GRAPHS_2,
    CUSTOM_OPERATOR,
    OPERATORS,
    Operator,
    OperatorCode,
)

_FLEX = "Flex"
_LONGEST_NAME = 1024
_LARGEST_OPTIONS = 16 << 20


@dataclass(frozen=True, slots=True)
class OperatorKind:
    """One entry of the list of operator codes.

    ``builtin`` is the code that counts: the newer field where it is larger. ``custom`` names an
    operator that TensorFlow Lite does not bring along; TensorFlow's own start with ``Flex``.
    """

    builtin: int
    deprecated: int
    custom: str
    version: int

    @property
    def name(self) -> str:
        """What the operator is called."""
        if self.builtin == CUSTOM_OPERATOR:
            return self.custom or "CUSTOM"
        known = 0 <= self.builtin < len(OPERATORS)
        return OPERATORS[self.builtin] if known else f"operator {self.builtin}"

    @property
    def is_flex(self) -> bool:
        """Whether TensorFlow runs it."""
        return self.builtin == CUSTOM_OPERATOR and self.custom.startswith(_FLEX)

    @property
    def op(self) -> str:
        """The name for whoever judges it: a custom one is native code of somebody's."""
        if self.builtin == CUSTOM_OPERATOR and not self.is_flex:
            return f"custom operator {self.name}"
        return self.name

    def node(self, index: int) -> Node:
        """The tree node of the code."""
        return Node(
            self.name,
            NodeType.ATTRIBUTE,
            kind=f"operator code {index}",
            summary=f"version {self.version}",
            attributes=self._attributes,
        )

    def _attributes(self) -> list[tuple[str, str]]:
        found = [
            ("built-in code", str(self.builtin)),
            ("deprecated code", str(self.deprecated)),
            ("custom code", self.custom),
            ("version", str(self.version)),
            ("runs in", self._runs_in()),
        ]
        return [(name, text) for name, text in found if text]

    def _runs_in(self) -> str:
        if self.is_flex:
            return "TensorFlow, by the Flex delegate"
        return "code that must be registered" if self.builtin == CUSTOM_OPERATOR else ""


def operator_kind(code: Table, budget: Budget) -> OperatorKind:
    """An entry of the list of operator codes."""
    custom = code.text(OperatorCode.CUSTOM_CODE)
    budget.spend(1 + len(custom))
    deprecated = code.number(OperatorCode.DEPRECATED_BUILTIN_CODE, INT8)
    return OperatorKind(
        max(code.number(OperatorCode.BUILTIN_CODE, INT32), deprecated),
        deprecated,
        custom,
        code.number(OperatorCode.VERSION, INT32, 1),
    )


def called_graphs(operator: Table) -> Iterator[tuple[str, int]]:
    """The graphs that an operator runs, such as a loop's condition and body, by index."""
    for kind, options, calls in (
        (Operator.BUILTIN_OPTIONS_TYPE, Operator.BUILTIN_OPTIONS, CALLED_GRAPHS),
        (Operator.BUILTIN_OPTIONS_2_TYPE, Operator.BUILTIN_OPTIONS_2, CALLED_GRAPHS_2),
    ):
        fields = calls.get(operator.number(kind, UINT8), ())
        table = operator.table(options) if fields else None
        if table is not None:
            yield from ((name, table.number(field, INT32)) for name, field in fields)


def flex_options(operator: Table, buffers: Buffers) -> bytes:
    """The options of a Flex operator, empty where they are too large, or not all there."""
    span = _custom_options(operator)
    if span is None or span.count > _LARGEST_OPTIONS or buffers.problem(span):
        return b""
    return buffers.load(span.start, span.count)


def _custom_options(operator: Table) -> Vector | None:
    """Where the options of a custom operator are, also those behind the FlatBuffer."""
    start = operator.number(Operator.LARGE_CUSTOM_OPTIONS_OFFSET, UINT64)
    if start > 1:
        return Vector(start, operator.number(Operator.LARGE_CUSTOM_OPTIONS_SIZE, UINT64))
    return operator.vector(Operator.CUSTOM_OPTIONS, 1)


def flex_ops(options: bytes) -> list[str]:
    """The operations that a Flex operator's options name, in the form ``FlexName``.

    The delegate takes the operation from there, whatever the operator is called: a FlexBuffer of
    the operation's name and its ``NodeDef`` (``tensorflow/lite/delegates/flex/kernel.cc``).
    """
    parts = _flexbuffer_texts(options)
    named = [part.decode("utf-8", "replace") for part in parts[:1]]
    node = _flex_node(parts)
    named += [] if node is None else [node.op]
    return [f"{_FLEX}{name[:_LONGEST_NAME]}" for name in dict.fromkeys(named) if name]


def flex_attributes(options: bytes) -> Mapping[str, Sequence[str | None]] | None:
    """The texts among the settings of a Flex operator's operation, ``None`` where not known."""
    node = _flex_node(_flexbuffer_texts(options))
    return None if node is None else text_attributes(node)


def _flex_node(parts: Sequence[bytes]) -> NodeDef | None:
    try:
        return parsed(parts[1], NodeDef) if parts else None
    except WireError:
        return None


def _flexbuffer_texts(data: bytes) -> list[bytes]:
    """The first two parts of a FlexBuffer that is a list of texts; empty for any other."""
    try:
        root = flexbuffers.GetRoot(data)
        if not root.IsVector or len(root.AsVector) < 2:
            return []
        return [bytes(root.AsVector[index].AsStringBytes) for index in range(2)]
    except (ValueError, LookupError, TypeError, struct.error):
        return []
