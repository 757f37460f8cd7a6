"""Which TensorFlow message a file is. They have no magic number, so the first fields tell."""

from __future__ import annotations

import enum
import re
from contextlib import suppress
from itertools import islice

from explorer.formats.artifact import UnreadableArtifact
from explorer.formats.protobuf.text_file import first_field, text_file
from explorer.formats.protobuf.wire import BYTES, VARINT, Field, ProtoFile, Span, Wire, WireError
from explorer.formats.schema import saved_model_pb2 as pb
from explorer.formats.storage import Storage

_LOOKED_AT = 20
_NAME = re.compile(r"[A-Za-z0-9.][A-Za-z0-9_.\\/>-]*")
_OP = re.compile(r"[A-Za-z_][A-Za-z0-9_.>:]*")


class Kind(enum.Enum):
    """The messages that TensorFlow writes graphs in."""

    GRAPH = "GraphDef"
    META_GRAPH = "MetaGraphDef"
    SAVED_MODEL = "SavedModel"


_MESSAGES = {
    Kind.GRAPH: pb.GraphDef,
    Kind.META_GRAPH: pb.MetaGraphDef,
    Kind.SAVED_MODEL: pb.SavedModel,
}
_TEXT = {
    Kind.GRAPH: ("node", "library", "versions"),
    Kind.META_GRAPH: ("meta_info_def", "graph_def", "saver_def", "collection_def", "signature_def"),
    Kind.SAVED_MODEL: ("saved_model_schema_version", "meta_graphs"),
}
_STARTS = {Kind.GRAPH: b"\x0a\x12\x22", Kind.META_GRAPH: b"\x0a\x12", Kind.SAVED_MODEL: b"\x08"}
_GRAPH_FIELDS = {1: BYTES, 2: BYTES, 3: VARINT, 4: BYTES, 5: BYTES}
_META_GRAPH_FIELDS = dict.fromkeys(range(1, 8), BYTES)
_SAVED_MODEL_FIELDS = {1: VARINT, 2: BYTES}


def match_kind(storage: Storage, kind: Kind) -> ProtoFile | None:
    """The file, if it is a message of this kind, in binary or text. Raises `UnreadableArtifact`."""
    if storage.is_folder:
        return None
    if first_field(storage) in _TEXT[kind]:
        return text_file(storage, "", _MESSAGES[kind])
    start = storage.read("", 0, 1)
    return _binary(storage, kind) if start and start in _STARTS[kind] else None


def _binary(storage: Storage, kind: Kind) -> ProtoFile | None:
    file = ProtoFile(storage)
    tests = {Kind.GRAPH: _is_graph, Kind.META_GRAPH: _is_meta_graph}
    try:
        with file.wire() as wire:
            return file if tests.get(kind, _is_saved_model)(wire, file.span) else None
    except UnreadableArtifact:
        return None


def _first(wire: Wire, span: Span, known: dict[int, int]) -> list[Field] | None:
    """The first fields of a message; ``None`` where there is one that it cannot have."""
    found: list[Field] = []
    with suppress(WireError):  # one that begins well is opened, and what is damaged told then
        for field in islice(wire.fields(span), _LOOKED_AT):
            found.append(field)
    return found if all(known.get(field.tag) == field.wire for field in found) else None


def _is_graph(wire: Wire, span: Span) -> bool:
    fields = _first(wire, span, _GRAPH_FIELDS) or []
    nodes = [_is_node(wire, field.span) for field in fields if field.tag == 1]
    libraries = [_is_library(wire, field.span) for field in fields if field.tag == 2]
    return bool(nodes or libraries) and all(nodes) and all(libraries)


def _is_node(wire: Wire, span: Span) -> bool:
    node, _ = wire.split(span, pb.NodeDef, (pb.NodeDef.ATTR_FIELD_NUMBER,))
    return bool(_NAME.fullmatch(node.name) and _OP.fullmatch(node.op))


def _is_library(wire: Wire, span: Span) -> bool:
    fields = _first(wire, span, {1: BYTES, 2: BYTES, 3: BYTES}) or []
    functions = [field.span for field in fields if field.tag == 1]
    return bool(functions) and all(_is_function(wire, span) for span in functions[:1])


def _is_function(wire: Wire, span: Span) -> bool:
    function, _ = wire.split(span, pb.FunctionDef, (pb.FunctionDef.NODE_DEF_FIELD_NUMBER,))
    return bool(_NAME.fullmatch(function.signature.name))


def _is_meta_graph(wire: Wire, span: Span) -> bool:
    fields = _first(wire, span, _META_GRAPH_FIELDS) or []
    return any(field.tag == 2 and _is_graph(wire, field.span) for field in fields)


def _is_saved_model(wire: Wire, span: Span) -> bool:
    fields = _first(wire, span, _SAVED_MODEL_FIELDS) or []
    return any(field.tag == 2 and _is_meta_graph(wire, field.span) for field in fields)
