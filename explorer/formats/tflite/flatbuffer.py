"""A FlatBuffer read by field number, every step checked against the bytes there are.

A table starts with the distance back to its vtable, which holds its own size, the table's size and
one 16-bit offset per field, 0 for a field left out. Vectors and strings start with a 32-bit count.
All offsets point forward, so nothing can form a circle; but many may point to the same place.
Source: https://flatbuffers.dev/internals.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from explorer.formats.artifact import UnreadableArtifact
from explorer.formats.storage import Pages

INT8, UINT8, BOOL = "<b", "<B", "<?"
INT16, UINT16 = "<h", "<H"
INT32, UINT32, FLOAT32 = "<i", "<I", "<f"
INT64, UINT64 = "<q", "<Q"

_LONGEST_TEXT = 1 << 20
_MOST_FIELDS = 64
_VTABLES_KEPT = 1024


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
        self._fields = lru_cache(maxsize=_VTABLES_KEPT)(self._vtable)

    def root(self) -> Table:
        """The table that the first four bytes lead to."""
        return self.table(self.number(0, UINT32))

    def table(self, position: int) -> Table:
        """The table at a position."""
        return Table(self, position, self._fields(position - self.number(position, INT32)))

    def _vtable(self, position: int) -> tuple[int, ...]:
        """Where the fields of a table are; tables of the same kind share their vtable."""
        count = min(max(self.number(position, UINT16) - 4, 0) // 2, _MOST_FIELDS)
        return struct.unpack(f"<{count}H", self.bytes(position + 4, 2 * count))

    def number(self, position: int, form: str) -> int:
        """One number, by its `struct` form; a float too, for the type checker an integer."""
        value: int = struct.unpack(form, self.bytes(position, struct.calcsize(form)))[0]
        return value

    def vector(self, position: int, item_size: int) -> Vector:
        """Where the items of the vector at a position are, checked to lie inside the buffer."""
        count = self.number(position, UINT32)
        if position + 4 + count * item_size > self.size:
            raise self._outside(position + 4 + count * item_size)
        return Vector(position + 4, count)

    def text(self, position: int) -> str:
        """The string at a position; cut where it is longer than any name."""
        vector = self.vector(position, 1)
        data = self.bytes(vector.start, min(vector.count, _LONGEST_TEXT))
        return data.decode("utf-8", "replace")

    def bytes(self, position: int, length: int) -> bytes:
        """Bytes of the buffer. Raises `UnreadableArtifact` where they are outside it."""
        if position < 0 or length < 0 or position + length > self.size:
            raise self._outside(position + length)
        return self._pages.read(self._start + position, length)

    def _outside(self, end: int) -> UnreadableArtifact:
        return UnreadableArtifact(
            f"{self._pages.name} is damaged: something in it points to byte {end:,}, but there "
            f"are {self.size:,}. Copy or download it again."
        )


class Table:
    """One table; fields are numbered from 0 in the order of the schema."""

    __slots__ = ("_buffer", "_fields", "position")

    def __init__(self, buffer: FlatBuffer, position: int, fields: tuple[int, ...]) -> None:
        self._buffer = buffer
        self._fields = fields
        self.position = position

    def _at(self, field: int) -> int:
        """Where a field's value is, 0 where it is left out."""
        offset = self._fields[field] if field < len(self._fields) else 0
        return self.position + offset if offset else 0

    def _target(self, field: int) -> int:
        """Where a field's offset leads, 0 where it is left out."""
        at = self._at(field)
        return at + self._buffer.number(at, UINT32) if at else 0

    def number(self, field: int, form: str, default: int = 0) -> int:
        """A number, or the schema's default."""
        at = self._at(field)
        return self._buffer.number(at, form) if at else default

    def text(self, field: int) -> str:
        """A string, empty where it is left out; cut where it is longer than any name."""
        target = self._target(field)
        return self._buffer.text(target) if target else ""

    def table(self, field: int) -> Table | None:
        """A table that a field leads to."""
        target = self._target(field)
        return self._buffer.table(target) if target else None

    def vector(self, field: int, item_size: int) -> Vector | None:
        """Where a vector's items are, checked to lie inside the buffer."""
        target = self._target(field)
        return self._buffer.vector(target, item_size) if target else None

    def tables(self, field: int) -> Tables:
        """A vector of tables, empty where it is left out."""
        return Tables(self._buffer, self.vector(field, 4))

    def texts(self, field: int, most: int) -> list[str]:
        """A vector of strings, at most so many."""
        vector = self.vector(field, 4) or Vector(0, 0)
        places = [vector.start + 4 * index for index in range(min(vector.count, most))]
        return [self._buffer.text(at + self._buffer.number(at, UINT32)) for at in places]

    def count(self, field: int, item_size: int) -> int:
        """How many items a vector has."""
        vector = self.vector(field, item_size)
        return 0 if vector is None else vector.count

    def numbers(self, field: int, form: str, most: int | None = None) -> tuple[int, ...]:
        """The numbers of a vector, at most so many; empty where it is left out."""
        size = struct.calcsize(form)
        vector = self.vector(field, size)
        if vector is None:
            return ()
        count = vector.count if most is None else min(vector.count, most)
        return struct.unpack(f"<{count}{form[1]}", self._buffer.bytes(vector.start, count * size))


class Tables:
    """A vector of tables, each found when asked for."""

    __slots__ = ("_buffer", "_vector")

    def __init__(self, buffer: FlatBuffer, vector: Vector | None) -> None:
        self._buffer = buffer
        self._vector = vector or Vector(0, 0)

    def __len__(self) -> int:
        return self._vector.count

    def __getitem__(self, index: int) -> Table:
        """One of them. Raises ``IndexError`` beyond the end."""
        if not 0 <= index < self._vector.count:
            raise IndexError(index)
        at = self._vector.start + 4 * index
        return self._buffer.table(at + self._buffer.number(at, UINT32))

    def __iter__(self) -> Iterator[Table]:
        return (self[index] for index in range(self._vector.count))


class Budget:
    """How much may still be listed: a sound file lists no more things than it has bytes.

    Offsets that all lead to the same table would make a small file look endless.
    """

    def __init__(self, pages: Pages) -> None:
        self._name = pages.name
        self._left = pages.size

    def spend(self, count: int) -> None:
        """Take so many away. Raises `UnreadableArtifact` where there are fewer."""
        self._left -= count
        if self._left < 0:
            raise UnreadableArtifact(
                f"{self._name} is damaged: it lists more than it has bytes for. Copy or download "
                "it again."
            )
