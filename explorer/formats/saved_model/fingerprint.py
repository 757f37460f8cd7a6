"""``fingerprint.pb``: hashes of a SavedModel, and whether the files still have them.

TensorFlow hashes messages that it has read and written again with their maps in order; where they
lie in order in the file, these are its bytes, otherwise see `canonical`. The hash of the graph is
of a copy that TensorFlow has simplified and is not made again here, but the checksum is of the
whole file, graph and all. Source:
``tensorflow/cc/saved_model/fingerprinting.cc``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import reduce
from operator import itemgetter

from google.protobuf.descriptor import Descriptor

from explorer.formats.artifact import Check
from explorer.formats.graph.stored_graph import map_entry
from explorer.formats.protobuf.wire import BYTES, ProtoFile, Span, Wire
from explorer.formats.saved_model.canonical import Pieces, ordered
from explorer.formats.saved_model.farmhash import fingerprint64, fingerprint64_of, fingerprint_cat64
from explorer.formats.saved_model.program import number_of, program, without_number
from explorer.formats.schema import saved_model_pb2 as pb

RULE = "fingerprint"
VERSIONS = (1, 4)
"""Those whose hashes are known. In version 0 the first hash is another, 2 is of split files."""

_META_GRAPHS = pb.SavedModel.META_GRAPHS_FIELD_NUMBER
_GRAPH = pb.MetaGraphDef.GRAPH_DEF_FIELD_NUMBER
_SIGNATURES = pb.MetaGraphDef.SIGNATURE_DEF_FIELD_NUMBER
_OBJECTS = pb.MetaGraphDef.OBJECT_GRAPH_DEF_FIELD_NUMBER
_FUNCTIONS = pb.SavedObjectGraph.CONCRETE_FUNCTIONS_FIELD_NUMBER

_Hashes = Iterator[int]
_Entries = list[tuple[str, Span]]
_Reading = Callable[[Wire, Span, Descriptor], int]


def graph_checks(file: ProtoFile, fingerprint: pb.FingerprintDef) -> Iterator[Check]:
    """Of the graph file: all of it, its main graph, the signatures and the concrete functions.

    Raises `UnreadableArtifact` where the file is damaged.
    """
    with file.wire() as wire:
        yield _check(file.name, _whole(wire, file.span), fingerprint.saved_model_checksum)
        graph, signatures, functions = _hashed_parts(wire, file.span)
        yield _check("graph", _program_hashes(wire, graph), fingerprint.graph_def_program_hash)
        hashes = _signature_hashes(wire, signatures)
        yield _check("signatures", hashes, fingerprint.signature_def_hash)
        hashes = _object_hashes(wire, functions)
        yield _check("concrete functions", hashes, fingerprint.saved_object_graph_hash)


def index_check(name: str, index: bytes, fingerprint: pb.FingerprintDef) -> Check:
    """Of the index of the variables."""
    return _check(name, iter([fingerprint64(index)]), fingerprint.checkpoint_hash)


def _check(where: str, hashes: _Hashes, stored: int) -> Check:
    """Holds where any of the hashes is the stored one; the later ones are made only if needed.

    The last is the one that TensorFlow makes today.
    """
    found = "none"
    for value in hashes:
        if value == stored:
            return Check(RULE, where)
        found = f"{value:016x}"
    return Check(
        RULE,
        where,
        f"fingerprint.pb says {stored:016x}, but the hash is {found}: these bytes or "
        "fingerprint.pb itself were changed or damaged after the model was saved.",
    )


def _as_it_lies(wire: Wire, span: Span, kind: Descriptor) -> int:
    def read(offset: int, length: int) -> bytes:
        return wire.bytes(Span(span.start + offset, span.start + offset + length))

    return fingerprint64_of(read, span.size)


def _in_order(wire: Wire, span: Span, kind: Descriptor) -> int:
    message = Pieces(wire, ordered(wire, span, kind))
    return fingerprint64_of(message.read, message.size)


_READINGS: tuple[_Reading, ...] = (_as_it_lies, _in_order)


def _whole(wire: Wire, span: Span) -> _Hashes:
    return (reading(wire, span, pb.SavedModel.DESCRIPTOR) for reading in _READINGS)


def _program_hashes(wire: Wire, graph: Span) -> _Hashes:
    message = Pieces(wire, program(wire, graph))
    yield fingerprint64_of(message.read, message.size)


def _hashed_parts(wire: Wire, span: Span) -> tuple[Span, _Entries, _Entries]:
    """Of the first meta graph the graph, and the signatures and concrete functions by name."""
    meta_graphs = (f for f in wire.fields(span) if f.tag == _META_GRAPHS and f.wire == BYTES)
    graph = Span(0, 0)
    signatures: _Entries = []
    functions: _Entries = []
    for field in wire.fields(next(meta_graphs).span):
        if field.tag == _GRAPH:
            graph = field.span
        elif field.tag == _SIGNATURES:
            signatures.append(_entry(wire, field.span))
        elif field.tag == _OBJECTS:
            below = wire.fields(field.span)
            functions += [_entry(wire, f.span) for f in below if f.tag == _FUNCTIONS]
    return graph, signatures, functions


def _entry(wire: Wire, span: Span) -> tuple[str, Span]:
    key, value = map_entry(wire, span)
    return key, value or Span(span.end, span.end)


def _signature_hashes(wire: Wire, signatures: _Entries) -> _Hashes:
    """Without their keys as TensorFlow's first versions did, and with them as it does today."""
    kind = pb.SignatureDef.DESCRIPTOR
    for reading in _READINGS:
        values = [
            (fingerprint64(k.encode()), reading(wire, s, kind)) for k, s in sorted(signatures)
        ]
        yield _joined([value for _, value in values])
        yield _joined([part for pair in values for part in pair])


def _object_hashes(wire: Wire, functions: _Entries) -> _Hashes:
    """Of the concrete functions in the order of the numbers that their names end in."""
    numbered = [(number_of(name), name, span) for name, span in functions]
    if any(number is None for number, _, _ in numbered):
        return
    kind = pb.SavedConcreteFunction.DESCRIPTOR
    numbered.sort(key=itemgetter(0))
    for reading in _READINGS:
        yield _joined(
            [
                part
                for _, name, span in numbered
                for part in (
                    fingerprint64(without_number(name).encode()),
                    reading(wire, span, kind),
                )
            ]
        )


def _joined(hashes: list[int]) -> int:
    return reduce(fingerprint_cat64, hashes, 0)
