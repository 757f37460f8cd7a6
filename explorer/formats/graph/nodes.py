"""TensorFlow graphs as tree nodes: operations and the functions of a graph's library."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

from explorer.formats.artifact import Node, NodeType, Tensor
from explorer.formats.graph.stored_graph import StoredFunction, StoredGraph, StoredNodes
from explorer.formats.graph.tf_types import dtype_name, shape_of
from explorer.formats.nodes import Paged
from explorer.formats.schema import saved_model_pb2 as pb
from explorer.formats.text import count_text, tuple_text

_LISTED = 20
_LONGEST = 400


class Operations:
    """A `NodeSource` over the operations of a graph or function."""

    def __init__(self, nodes: StoredNodes) -> None:
        self._nodes = nodes

    def __len__(self) -> int:
        return len(self._nodes)

    def page(self, start: int, stop: int) -> list[Node]:
        """Children ``start`` to ``stop`` (exclusive)."""
        return [op_node(node, tensor) for node, tensor in self._nodes.page(start, stop)]


def graph_node(graph: StoredGraph, summary: str = "") -> Node:
    """The main graph, with its operations below it."""
    count = len(graph.nodes)
    return Node(
        "graph",
        NodeType.GROUP,
        kind=count_text(count, "operation"),
        summary=summary,
        attributes=partial(_graph_attributes, graph),
        source=Operations(graph.nodes) if count else None,
    )


def _graph_attributes(graph: StoredGraph) -> list[tuple[str, str]]:
    versions = graph.versions
    inputs, outputs = graph.ends
    found = [
        ("operations", f"{len(graph.nodes):,}"),
        ("graph version", f"{versions.producer} (readers from {versions.min_consumer})"),
        ("inputs", _some_nodes(graph, inputs, _placeholder_text)),
        ("outputs", _some_nodes(graph, outputs, lambda node: f"{node.name}: {node.op}")),
        ("kinds of operations", ", ".join(graph.used_ops)),
    ]
    return [(name, text) for name, text in found if text]


def _some_nodes(
    graph: StoredGraph, numbers: Sequence[int], text: Callable[[pb.NodeDef], str]
) -> str:
    return _some([text(graph.nodes.at(number)) for number in numbers[:_LISTED]], len(numbers))


def _placeholder_text(node: pb.NodeDef) -> str:
    shape = shape_of(node.attr["shape"].shape) if "shape" in node.attr else None
    return f"{node.name}: {dtype_name(node.attr['dtype'].type)} {tuple_text(shape)}"


def functions_node(graph: StoredGraph) -> Node:
    """The function library."""
    functions = graph.functions
    return Node(
        "functions",
        NodeType.FUNCTION,
        kind=count_text(len(functions), "function"),
        attributes=lambda: [
            ("functions", f"{len(functions):,}"),
            ("gradients", f"{len(graph.gradients):,}"),
        ],
        source=Paged(functions, function_node) if functions else None,
    )


def function_node(function: StoredFunction) -> Node:
    """One function of a library, with its operations below it."""
    signature = function.header.signature
    count = len(function.nodes)
    return Node(
        signature.name,
        NodeType.FUNCTION,
        kind=f"function · {count_text(count, 'operation')}",
        summary=f"{len(signature.input_arg)} in → {len(signature.output_arg)} out",
        attributes=partial(_function_attributes, function),
        source=Operations(function.nodes) if count else None,
    )


def _function_attributes(function: StoredFunction) -> list[tuple[str, str]]:
    signature = function.header.signature
    return [
        ("operations", f"{len(function.nodes):,}"),
        ("inputs", _some([_argument(a) for a in signature.input_arg])),
        ("outputs", _some([_argument(a) for a in signature.output_arg])),
        ("stateful", "yes" if signature.is_stateful else "no"),
        *((name, attribute_text(value)) for name, value in sorted(function.header.attr.items())),
    ]


def _argument(argument: pb.OpDef.ArgDef) -> str:
    return f"{argument.name}: {argument.type_attr or dtype_name(argument.type)}"


def op_node(node: pb.NodeDef, tensor: Tensor | None = None) -> Node:
    """One operation of a graph or function; a constant with its tensor."""
    return Node(
        node.name,
        NodeType.OBJECT if tensor is None else NodeType.TENSOR,
        kind=node.op,
        size=None if tensor is None else tensor.nbytes,
        tensor=tensor,
        summary=f"{len(node.input)} in" if node.input else "",
        attributes=partial(_op_attributes, node),
    )


def _op_attributes(node: pb.NodeDef) -> list[tuple[str, str]]:
    return [
        ("operation", node.op),
        ("inputs", _some(list(node.input))),
        *([("device", node.device)] if node.device else []),
        *((name, attribute_text(value)) for name, value in sorted(node.attr.items())),
    ]


def attribute_text(value: pb.AttrValue) -> str:
    """An attribute of an operation or function, cut where it is long."""
    kind = value.WhichOneof("value")
    if kind is None:
        return ""
    if kind == "list":
        return _some(
            [_value_text(name.name, v) for name, values in value.list.ListFields() for v in values]
        )
    return _value_text(kind, getattr(value, kind))


def _value_text(kind: str, value: object) -> str:
    texts: dict[str, Callable[..., str]] = {
        "s": _bytes_text,
        "type": dtype_name,
        "shape": lambda shape: tuple_text(shape_of(shape)),
        "tensor": lambda t: f"{dtype_name(t.dtype)} {tuple_text(shape_of(t.tensor_shape))}",
        "func": lambda function: str(function.name),
        "f": lambda number: f"{number:.9g}",
    }
    return texts.get(kind, str)(value)


def _bytes_text(value: bytes) -> str:
    text = value[:_LONGEST].decode("utf-8", "backslashreplace")
    return text if len(value) <= _LONGEST else f"{text} … ({len(value):,} bytes)"


def _some(texts: Sequence[str], count: int | None = None) -> str:
    """The first of ``count`` texts, or of all that are given."""
    more = (len(texts) if count is None else count) - _LISTED
    shown = ", ".join(texts[:_LISTED])
    return f"{shown} and {more:,} more" if more > 0 else shown
