"""The collections of a TensorFlow 1 meta graph as tree nodes, with the messages in them decoded.

Source: ``CollectionDef`` in ``tensorflow/core/protobuf/meta_graph.proto``, and the places in
TensorFlow that register a message for a collection (``ops.register_proto_function``).
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.message import DecodeError, Message

from explorer.formats.artifact import Node, NodeList, NodeType
from explorer.formats.schema import saved_model_pb2 as pb
from explorer.formats.text import count_text

_SHOWN = 20
_LONGEST = 400
_VARIABLES = ("variables", "global_step", "moving_average_variables", "model_variables")
_MESSAGES: dict[str, type[Message]] = {
    "cond_context": pb.CondContextDef,
    "while_context": pb.WhileContextDef,
    "queue_runners": pb.QueueRunnerDef,
    "savers": pb.SaverDef,
}
_PACKED: dict[str, type[Message]] = {"tensorflow.AssetFileDef": pb.AssetFileDef}


def collections_node(collections: Mapping[str, pb.CollectionDef]) -> Node:
    """All collections by name."""
    return Node(
        "collections",
        NodeType.GROUP,
        kind=count_text(len(collections), "collection"),
        source=NodeList(
            lambda: [_collection_node(name, c) for name, c in sorted(collections.items())]
        ),
    )


def _collection_node(name: str, collection: pb.CollectionDef) -> Node:
    return Node(
        name,
        NodeType.ATTRIBUTE,
        kind=f"collection · {count_text(len(_values(collection)), 'item')}",
        attributes=partial(_items, name, collection),
    )


def _values(collection: pb.CollectionDef) -> list[object]:
    kind = collection.WhichOneof("kind")
    return list(getattr(collection, kind).value) if kind else []


def _items(name: str, collection: pb.CollectionDef) -> list[tuple[str, str]]:
    values = _values(collection)
    shown = [(str(i), _item_text(name, value)) for i, value in enumerate(values[:_SHOWN])]
    more = len(values) - _SHOWN
    return [*shown, ("and", f"{more:,} more")] if more > 0 else shown


def _item_text(collection: str, value: object) -> str:
    """An item, as text of what its bytes are where that is known."""
    if isinstance(value, AnyMessage):
        return _packed_text(value)
    if not isinstance(value, bytes):
        return str(value)
    variable = collection.endswith(_VARIABLES)
    kind = pb.VariableDef if variable else _MESSAGES.get(collection)
    decoded = _message_text(value, kind) if kind else ""
    return decoded or _cut(value.decode("utf-8", "backslashreplace"))


def _packed_text(value: AnyMessage) -> str:
    name = value.type_url.rpartition("/")[2]
    decoded = _message_text(value.value, _PACKED[name]) if name in _PACKED else ""
    return decoded or f"{name}, {len(value.value):,} bytes"


def _message_text(data: bytes, kind: type[Message]) -> str:
    """The first field, which is a name, then the others; empty where it is no such message."""
    try:
        message = kind.FromString(data)
    except DecodeError:
        return ""
    if isinstance(message, pb.AssetFileDef):
        return f"{message.filename} · {message.tensor_info.name}"
    texts = [(field.name, value) for field, value in message.ListFields()]
    first = [str(value) for _, value in texts[:1]]
    rest = [f"{name.replace('_', ' ')}: {_plain(value)}" for name, value in texts[1:]]
    return _cut(" · ".join(first + rest))


def _plain(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return value if isinstance(value, str) else ", ".join(map(str, value))  # type: ignore[call-overload]


def _cut(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]} …"
