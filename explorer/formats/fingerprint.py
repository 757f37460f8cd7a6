"""``fingerprint.pb``: hashes of a SavedModel, and whether the files still have them.

TensorFlow hashes messages that it has read and written again with maps in the order of their keys.
Its own files are written so, hence the bytes as they lie are hashed here. The hash of the graph is
of a copy that TensorFlow has simplified and is not made again here. Source:
``tensorflow/cc/saved_model/fingerprinting.cc``.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import reduce

from explorer.formats.artifact import Check
from explorer.formats.farmhash import fingerprint64, fingerprint64_of, fingerprint_cat64
from explorer.formats.schema import saved_model_pb2 as pb
from explorer.formats.stored_graph import map_entry
from explorer.formats.wire import ProtoFile, Span, Wire

RULE = "fingerprint"
PRODUCER = 1
"""The version of the hashes that are checked: TensorFlow 2.12 and later, for ``saved_model.pb``."""

_META_GRAPHS = pb.SavedModel.META_GRAPHS_FIELD_NUMBER
_SIGNATURES = pb.MetaGraphDef.SIGNATURE_DEF_FIELD_NUMBER
_OBJECTS = pb.MetaGraphDef.OBJECT_GRAPH_DEF_FIELD_NUMBER
_FUNCTIONS = pb.SavedObjectGraph.CONCRETE_FUNCTIONS_FIELD_NUMBER

_Entries = list[tuple[str, bytes]]


def graph_checks(file: ProtoFile, fingerprint: pb.FingerprintDef) -> Iterator[Check]:
    """Of the graph file: the whole of it, the signatures and the concrete functions.

    Raises `UnreadableArtifact` where the file is damaged.
    """
    with file.wire() as wire:
        whole = fingerprint64_of(wire.source.read, file.size)
        yield _check(file.name, [whole], fingerprint.saved_model_checksum)
        signatures, functions = _hashed_parts(wire, file.span)
    yield _check("signatures", signature_hashes(signatures), fingerprint.signature_def_hash)
    hashes = [object_graph_hash(functions)] if _numbered(functions) else []
    yield _check("concrete functions", hashes, fingerprint.saved_object_graph_hash)


def index_check(name: str, index: bytes, fingerprint: pb.FingerprintDef) -> Check:
    """Of the index of the variables."""
    return _check(name, [fingerprint64(index)], fingerprint.checkpoint_hash)


def _check(where: str, hashes: list[int], stored: int) -> Check:
    if stored in hashes:
        return Check(RULE, where)
    found = f"are {hashes[0]:016x}" if hashes else "cannot be made"
    return Check(
        RULE,
        where,
        f"fingerprint.pb says {stored:016x}, but the bytes {found}: they were changed or damaged "
        "after the model was saved.",
    )


def _hashed_parts(wire: Wire, span: Span) -> tuple[_Entries, _Entries]:
    """The signatures and the concrete functions of the first meta graph."""
    meta_graphs = (f.span for f in wire.fields(span) if f.tag == _META_GRAPHS)
    signatures: _Entries = []
    functions: _Entries = []
    for field in wire.fields(next(meta_graphs)):
        if field.tag == _SIGNATURES:
            signatures.append(_entry(wire, field.span))
        elif field.tag == _OBJECTS:
            below = wire.fields(field.span)
            functions += [_entry(wire, f.span) for f in below if f.tag == _FUNCTIONS]
    return signatures, functions


def _entry(wire: Wire, span: Span) -> tuple[str, bytes]:
    key, value = map_entry(wire, span)
    return key, b"" if value is None else wire.bytes(value)


def signature_hashes(signatures: _Entries) -> list[int]:
    """What the signatures may hash to: with their keys since TensorFlow 2.14, before without."""
    ordered = sorted(signatures)
    with_keys = [part for key, value in ordered for part in (key.encode(), value)]
    return [_joined(with_keys), _joined([value for _, value in ordered])]


def object_graph_hash(functions: _Entries) -> int:
    """Of the concrete functions in the order of the numbers that their names end in."""
    ordered = sorted(functions, key=lambda item: _number(item[0]))
    names = [(key.removesuffix(str(_number(key))).encode(), value) for key, value in ordered]
    return _joined([part for pair in names for part in pair])


def _numbered(functions: _Entries) -> bool:
    return all(_ending(name).isdecimal() for name, _ in functions)


def _number(name: str) -> int:
    return int(_ending(name))


def _ending(name: str) -> str:
    return name.rpartition("_")[2]


def _joined(parts: list[bytes]) -> int:
    return reduce(fingerprint_cat64, map(fingerprint64, parts), 0)
