"""A FlatBuffer read by field number, every step checked against the bytes there are.

A table starts with the distance back to its vtable, which holds its own size, the table's size and
one 16-bit offset per field, 0 for a field left out. Vectors and strings start with a 32-bit count.
All offsets point forward, so nothing can form a circle.
Source: https://flatbuffers.dev/internals.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from explorer.formats.artifact import UnreadableArtifact
from explorer.formats.storage import Pages

INT8, UINT8, BOOL = "<b", "<B", "<?"
INT16, UINT16 = "<h", "<H"
INT32, UINT32, FLOAT32 = "<i", "<I", "<f"
INT64, UINT64 = "<q", "<Q"

_LONGEST_TEXT = 1 << 20


@dataclass(frozen=True, slots=True)
class Vector:
    """Where a vector's items are: ``count`` of them from byte ``start``."""

    start: int
    count: int


class FlatBuffer:
    """The bytes of one buffer, which begins at ``start`` of a file and takes ``size`` bytes."""

    def __init__(self, pages: Pages, start: int = 0, size: int | None = None) -> None:
        self._pages = pages
        self._start = start
        self.size = pages.size - start if size is None else size

    def root(self) -> Table:
        """The table that the first four bytes lead to."""
        return self.table(self.number(0, UINT32))

    def table(self, position: int) -> Table:
        """The table at a position."""
        vtable = position - int(self.number(position, INT32))
        length = int(self.number(vtable, UINT16))
        return Table(self, position, vtable, length)

    def number(self, position: int, form: str) -> int:
        """One number, by its `struct` form; a float too, for the type checker an integer."""
        value: int = struct.unpack(form, self.bytes(position, struct.calcsize(form)))[0]
        return value

    def bytes(self, position: int, length: int) -> bytes:
        """Bytes of the buffer. Raises `UnreadableArtifact` where they are outside it."""
        if position < 0 or length < 0 or position + length > self.size:
            raise UnreadableArtifact(
                f"{self._pages.name} is damaged: something in it points to byte "
                f"{position + length:,}, but there are {self.size:,}. Copy or download it again."
            )
        return self._pages.read(self._start + position, length)


class Table:
    """One table; fields are numbered from 0 in the order of the schema."""

    __slots__ = ("_buffer", "_length", "_vtable", "position")

    def __init__(self, buffer: FlatBuffer, position: int, vtable: int, length: int) -> None:
        self._buffer = buffer
        self.position = position
        self._vtable = vtable
        self._length = length

    def _at(self, field: int) -> int:
        """Where a field's value is, 0 where it is left out."""
        entry = 4 + 2 * field
        if entry + 2 > self._length:
            return 0
        offset = int(self._buffer.number(self._vtable + entry, UINT16))
        return self.position + offset if offset else 0

    def _target(self, field: int) -> int:
        """Where a field's offset leads, 0 where it is left out."""
        at = self._at(field)
        return at + int(self._buffer.number(at, UINT32)) if at else 0

    def number(self, field: int, form: str, default: int = 0) -> int:
        """A number, or the schema's default."""
        at = self._at(field)
        return self._buffer.number(at, form) if at else default

    def text(self, field: int) -> str:
        """A string, empty where it is left out; cut where it is longer than any name."""
        vector = self.vector(field, 1)
        if vector is None:
            return ""
        data = self._buffer.bytes(vector.start, min(vector.count, _LONGEST_TEXT))
        return data.decode("utf-8", "replace")

    def table(self, field: int) -> Table | None:
        """A table that a field leads to."""
        target = self._target(field)
        return self._buffer.table(target) if target else None

    def vector(self, field: int, item_size: int) -> Vector | None:
        """Where a vector's items are, checked to lie inside the buffer."""
        target = self._target(field)
        if not target:
            return None
        count = int(self._buffer.number(target, UINT32))
        if target + 4 + count * item_size > self._buffer.size:
            self._buffer.bytes(target + 4, count * item_size)  # raises and says where it points
        return Vector(target + 4, count)

    def count(self, field: int) -> int:
        """How many tables a vector of tables holds."""
        vector = self.vector(field, 4)
        return 0 if vector is None else vector.count

    def item(self, field: int, index: int) -> Table:
        """One table of a vector of tables. Raises `IndexError` beyond its end."""
        vector = self.vector(field, 4)
        if vector is None or not 0 <= index < vector.count:
            raise IndexError(index)
        at = vector.start + 4 * index
        return self._buffer.table(at + int(self._buffer.number(at, UINT32)))

    def items(self, field: int) -> Iterator[Table]:
        """The tables of a vector of tables."""
        return (self.item(field, index) for index in range(self.count(field)))

    def numbers(self, field: int, form: str) -> tuple[int, ...]:
        """The numbers of a vector, empty where it is left out."""
        size = struct.calcsize(form)
        vector = self.vector(field, size)
        if vector is None:
            return ()
        data = self._buffer.bytes(vector.start, vector.count * size)
        return struct.unpack(f"<{vector.count}{form[1]}", data)
