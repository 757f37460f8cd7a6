"""TensorFlow graphs as tree nodes: operations and the functions of a graph's library."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Generic, TypeVar

from explorer.formats.artifact import Node, NodeType
from explorer.formats.schema import saved_model_pb2 as pb
from explorer.formats.text import count_text, tuple_text
from explorer.formats.tf_types import dtype_name, shape_of

_Item = TypeVar("_Item")
_CALLS = ("PartitionedCall", "StatefulPartitionedCall")
_LISTED = 20
_LONGEST = 400


class Paged(Generic[_Item]):
    """A `NodeSource` that makes a node of each item when its page is asked for."""

    def __init__(self, items: Sequence[_Item], node: Callable[[_Item], Node]) -> None:
        self._items = items
        self._node = node

    def __len__(self) -> int:
        return len(self._items)

    def page(self, start: int, stop: int) -> list[Node]:
        """Children ``start`` to ``stop`` (exclusive)."""
        return [self._node(item) for item in self._items[start:stop]]


def used_ops(graph: pb.GraphDef) -> tuple[str, ...]:
    """The operations that running the graph can reach, sorted, as ``saved_model_cli`` counts them.

    Functions are followed where an operation is called like them or is a partitioned call.
    """
    functions = {function.signature.name: function for function in graph.library.function}
    used: set[str] = set()
    waiting = list(dict.fromkeys(_called(graph.node)))
    while waiting:
        name = waiting.pop()
        if name not in used:
            used.add(name)
            if name in functions:
                waiting += dict.fromkeys(_called(functions[name].node_def))
    return tuple(sorted(used - functions.keys()))


def _called(nodes: Sequence[pb.NodeDef]) -> Iterator[str]:
    for node in nodes:
        yield node.op
        if node.op in _CALLS and "f" in node.attr:
            yield node.attr["f"].func.name


def graph_node(graph: pb.GraphDef) -> Node:
    """The main graph, with its operations below it."""
    versions = graph.versions
    return Node(
        "graph",
        NodeType.GROUP,
        kind=count_text(len(graph.node), "operation"),
        attributes=lambda: [
            ("operations", f"{len(graph.node):,}"),
            ("graph version", f"{versions.producer} (readers from {versions.min_consumer})"),
            ("kinds of operations", ", ".join(used_ops(graph))),
        ],
        source=Paged(graph.node, op_node) if graph.node else None,
    )


def functions_node(library: pb.FunctionDefLibrary) -> Node:
    """The function library."""
    count = len(library.function)
    return Node(
        "functions",
        NodeType.FUNCTION,
        kind=count_text(count, "function"),
        attributes=lambda: [
            ("functions", f"{count:,}"),
            ("gradients", f"{len(library.gradient):,}"),
        ],
        source=Paged(library.function, function_node) if count else None,
    )


def function_node(function: pb.FunctionDef) -> Node:
    """One function of a library, with its operations below it."""
    signature = function.signature
    ops = count_text(len(function.node_def), "operation")
    return Node(
        signature.name,
        NodeType.FUNCTION,
        kind=f"function · {ops}",
        summary=f"{len(signature.input_arg)} in → {len(signature.output_arg)} out",
        attributes=partial(_function_attributes, function),
        source=Paged(function.node_def, op_node) if function.node_def else None,
    )


def _function_attributes(function: pb.FunctionDef) -> list[tuple[str, str]]:
    signature = function.signature
    return [
        ("operations", f"{len(function.node_def):,}"),
        ("inputs", _some([_argument(a) for a in signature.input_arg])),
        ("outputs", _some([_argument(a) for a in signature.output_arg])),
        ("stateful", "yes" if signature.is_stateful else "no"),
        *((name, attribute_text(value)) for name, value in sorted(function.attr.items())),
    ]


def _argument(argument: pb.OpDef.ArgDef) -> str:
    return f"{argument.name}: {argument.type_attr or dtype_name(argument.type)}"


def op_node(node: pb.NodeDef) -> Node:
    """One operation of a graph or function."""
    return Node(
        node.name,
        NodeType.OBJECT,
        kind=node.op,
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


def _some(texts: Sequence[str]) -> str:
    more = len(texts) - _LISTED
    shown = ", ".join(texts[:_LISTED])
    return f"{shown} and {more:,} more" if more > 0 else shown
