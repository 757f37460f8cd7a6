"""The copy of a graph that TensorFlow hashes: without what differs from one saving to the next.

Its functions and versions are left out, of the texts that are constants the values, and of calls
their settings and the number that the name of the function ends in. Source:
``tensorflow/core/graph/regularization/simple_delete.cc``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from operator import attrgetter

from explorer.formats.graph.stored_graph import CALLS, map_entry, node_at
from explorer.formats.protobuf.varint import varint_of
from explorer.formats.protobuf.wire import BYTES, Field, Span, Wire
from explorer.formats.saved_model.canonical import ordered
from explorer.formats.schema import saved_model_pb2 as pb
from explorer.formats.schema.tensor_pb2 import DT_STRING

_NODE, _ATTR = pb.GraphDef.NODE_FIELD_NUMBER, pb.NodeDef.ATTR_FIELD_NUMBER
_EMPTIED = (pb.GraphDef.LIBRARY_FIELD_NUMBER, pb.GraphDef.VERSIONS_FIELD_NUMBER)
_NUMBER = re.compile(r"(?:^|_)([0-9]{1,18})$")


def program(wire: Wire, graph: Span) -> Iterator[Span | bytes]:
    """The bytes of the copy of the ``GraphDef`` at ``graph``, its fields and maps in order.

    Raises `WireError` where it is damaged.
    """
    kept = [field for field in wire.fields(graph) if field.tag not in _EMPTIED]
    emptied = [Field(tag, BYTES, 0, 0, 0) for tag in _EMPTIED]
    for field in sorted([*kept, *emptied], key=attrgetter("tag")):
        changed = _changed(wire, field.span) if field.tag == _NODE else None
        if changed is not None:
            yield _written(field.tag, changed.SerializeToString(deterministic=True))
        elif field.tag in _EMPTIED:
            yield _written(field.tag, b"")
        else:
            yield from ordered(wire, Span(field.at, field.end), pb.GraphDef.DESCRIPTOR)


def _written(tag: int, message: bytes) -> bytes:
    return varint_of(tag << 3 | BYTES) + varint_of(len(message)) + message


def _changed(wire: Wire, span: Span) -> pb.NodeDef | None:
    """A call or a text as it is hashed, ``None`` for any other operation."""
    node = node_at(wire, span)
    if node.op in CALLS:
        node = _whole(wire, span)
        node.attr["f"].func.name = without_number(node.attr["f"].func.name)
        if "config_proto" in node.attr:
            node.attr["config_proto"].s = b""
        return node
    if node.op == "Const" and node.attr["dtype"].type == DT_STRING:
        node = _whole(wire, span, but="value")
        node.attr["value"].Clear()
        return node
    return None


def _whole(wire: Wire, span: Span, but: str = "") -> pb.NodeDef:
    """An operation with all attributes ``but`` one."""
    node, apart = wire.split(span, pb.NodeDef, (_ATTR,))
    for entry in apart[_ATTR]:
        key, value = map_entry(wire, entry)
        if value is not None and key != but:
            node.attr[key].CopyFrom(wire.message(value, pb.AttrValue))
    return node


def number_of(name: str) -> int | None:
    """The number that the name of a function ends in, ``None`` where it does not."""
    found = _NUMBER.search(name)
    return int(found[1]) if found else None


def without_number(name: str) -> str:
    """The name of a function without the number that it ends in."""
    number = number_of(name)
    return name if number is None else name.removesuffix(str(number))
