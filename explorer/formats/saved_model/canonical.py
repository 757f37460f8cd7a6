"""The bytes of a message with the entries of its maps in order, as TensorFlow hashes it.

TensorFlow reads a message and writes it again with ``SetSerializationDeterministic``, which sorts
maps by their keys. Python's protobuf, which wrote the file, may have them in another order.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator
from functools import cache
from itertools import accumulate, groupby
from operator import attrgetter

from google.protobuf.descriptor import Descriptor, FieldDescriptor

from explorer.formats.protobuf.wire import BYTES, Field, Span, Wire, WireError

_DEEPEST = 100
_KEY = 1
_TAG = attrgetter("tag")


class Pieces:
    """Bytes of ``wire`` and others, end to end; of those of ``wire`` only offsets are held."""

    def __init__(self, wire: Wire, pieces: Iterable[Span | bytes]) -> None:
        self._wire = wire
        self._pieces = list(_joined(pieces))
        self._starts = [0, *accumulate(map(_size, self._pieces))]
        self.size = self._starts[-1]

    def read(self, offset: int, length: int) -> bytes:
        """``length`` bytes from ``offset``."""
        end = offset + length
        first = bisect_right(self._starts, offset) - 1
        found = []
        for index in range(first, len(self._pieces)):
            start = self._starts[index]
            if start >= end:
                break
            low, high = max(offset, start), min(end, self._starts[index + 1])
            found.append(self._part(self._pieces[index], low - start, high - start))
        return b"".join(found)

    def _part(self, piece: Span | bytes, low: int, high: int) -> bytes:
        if isinstance(piece, bytes):
            return piece[low:high]
        return self._wire.bytes(Span(piece.start + low, piece.start + high))


def _size(piece: Span | bytes) -> int:
    return len(piece) if isinstance(piece, bytes) else piece.size


def _joined(pieces: Iterable[Span | bytes]) -> Iterator[Span | bytes]:
    """Spans that follow each other as one."""
    last = Span(0, 0)
    for piece in pieces:
        if isinstance(piece, Span) and piece.start == last.end:
            last = Span(last.start, piece.end)
            continue
        if last.size:
            yield last
        last = piece if isinstance(piece, Span) else Span(0, 0)
        if isinstance(piece, bytes):
            yield piece
    if last.size:
        yield last


def ordered(wire: Wire, span: Span, kind: Descriptor | None, deepest: int = _DEEPEST) -> list[Span]:
    """A message of ``kind`` with its maps in order. Raises `WireError` where it is none.

    What lies in order is one span, however much it is.
    """
    pieces: list[Span] = []
    _put(pieces, wire, span, kind, deepest)
    return pieces


def _put(pieces: list[Span], wire: Wire, span: Span, kind: Descriptor | None, deepest: int) -> None:
    if not deepest:
        raise WireError(f"messages are nested too deep at byte {span.start:,}")
    known = _fields_with_maps(kind) if kind else {}
    for tag, group in groupby(wire.fields(span), key=_TAG):
        about = known.get(tag)
        if about is None:
            for field in group:
                _append(pieces, field.at, field.end)
            continue
        for field in _entries(wire, group) if _is_map(about) else group:
            _append(pieces, field.at, field.start)
            _put(pieces, wire, field.span, about.message_type, deepest - 1)


def _append(pieces: list[Span], start: int, end: int) -> None:
    """Put a span at the end, as one with the last where it follows that."""
    if pieces and pieces[-1].end == start:
        start = pieces.pop().start
    pieces.append(Span(start, end))


def _entries(wire: Wire, fields: Iterable[Field]) -> list[Field]:
    keyed = [(_key(wire, field.span), field) for field in fields]
    return [field for _, field in sorted(keyed)]


def _key(wire: Wire, span: Span) -> tuple[int, bytes]:
    """What an entry is sorted by."""
    for field in wire.fields(span):
        if field.tag == _KEY and field.wire == BYTES:
            return 0, wire.bytes(field.span)
        if field.tag == _KEY:
            return field.number or int.from_bytes(wire.bytes(field.span), "little"), b""
    return 0, b""


@cache
def _is_map(field: FieldDescriptor) -> bool:
    return field.message_type is not None and field.message_type.GetOptions().map_entry


@cache
def _fields_with_maps(kind: Descriptor) -> dict[int, FieldDescriptor]:
    return {tag: field for tag, field in kind.fields_by_number.items() if _with_maps(field)}


def _with_maps(field: FieldDescriptor) -> bool:
    """Whether there is a map in a field, or anywhere in its messages."""
    seen: set[str] = set()
    waiting = [field]
    while waiting:
        about = waiting.pop()
        if _is_map(about):
            return True
        if about.message_type is not None and about.message_type.full_name not in seen:
            seen.add(about.message_type.full_name)
            waiting += about.message_type.fields
    return False
