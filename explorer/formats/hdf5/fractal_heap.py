"""Fractal heaps, which hold the links and attributes of objects with many (section III.G)."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from typing import NamedTuple

from explorer.formats.hdf5 import btree2
from explorer.formats.hdf5.errors import DamagedHdf5, NotReadHdf5, parses
from explorer.formats.hdf5.source import Fields, Source, width_of

_MANAGED, _HUGE, _TINY = 0, 1, 2
_CHECKSUM = 4


class _Shape(NamedTuple):
    """The doubling table: ``width`` blocks in a row, each row's twice as large from the third on.

    Sizes are in bytes; ``offset_size`` is the width of an offset in the heap.
    """

    width: int
    smallest: int
    largest_direct: int
    offset_size: int

    def block_size(self, row: int) -> int:
        return self.smallest << max(0, row - 1)

    def rows_of(self, size: int) -> int:
        """How many rows an indirect block of ``size`` bytes has."""
        return (size // (self.smallest * self.width)).bit_length()


class _Direct(NamedTuple):
    """A block with objects: where it begins in the heap's own space, and in the file."""

    start: int
    size: int
    address: int


class FractalHeap:
    """The heap whose header is at ``address``; raises `DamagedHdf5`.

    Its blocks are listed at once and read when an object of theirs is asked for.
    """

    @parses("its heap")
    def __init__(self, source: Source, address: int) -> None:
        self._source = source
        size = 22 + 12 * source.length_size + 3 * source.offset_size
        fields = source.fields(address, size)
        fields.expect(b"FRHP", 0)
        source.verify(address, size + _CHECKSUM)
        self.id_size = fields.number(2)
        if fields.number(2):
            raise NotReadHdf5("its heap is compressed, which is not read")
        self._has_checksums = bool(fields.number(1) & 2)
        largest_object = fields.number(4)
        fields.skip(source.length_size)
        self._huge_tree = fields.address()
        fields.skip(source.length_size + source.offset_size + 8 * source.length_size)
        width, smallest, largest = fields.number(2), fields.length(), fields.length()
        bits = fields.number(2)
        fields.skip(2)
        self._shape = _checked(_Shape(width, smallest, largest, (bits + 7) // 8))
        self._length_size = min(width_of(largest - 1), width_of(largest_object))
        self._blocks = self._listed(fields.address(), fields.number(2))
        self._starts = [block.start for block in self._blocks]
        self._data: list[bytes | None] = [None] * len(self._blocks)

    def object(self, identifier: bytes) -> bytes:
        """The object that a heap ID means (section III.G.4); raises `DamagedHdf5`."""
        kind = identifier[0] >> 4 & 3
        if kind == _MANAGED:
            cut = 1 + self._shape.offset_size
            offset = int.from_bytes(identifier[1:cut], "little")
            length = int.from_bytes(identifier[cut : cut + self._length_size], "little")
            return self._managed(offset, length)
        if kind == _TINY:
            return self._tiny(identifier)
        if kind == _HUGE:
            return self._huge_object(self._source.parse(identifier[1:]))
        raise DamagedHdf5("its heap has an object of an unknown kind")

    def _managed(self, offset: int, length: int) -> bytes:
        place = bisect_right(self._starts, offset) - 1
        if place < 0:
            raise DamagedHdf5("an object of its heap is not where it was")
        block = self._blocks[place]
        at = offset - block.start
        if at + length > block.size:
            raise DamagedHdf5("an object of its heap is not where it was")
        data = self._data[place]
        if data is None:
            data = self._data[place] = self._source.read(block.address, block.size)
            if self._has_checksums:
                head = 5 + self._source.offset_size + self._shape.offset_size
                self._source.verify(block.address, block.size, head)
        return data[at : at + length]

    def _tiny(self, identifier: bytes) -> bytes:
        """An object within its ID; IDs of more than 18 bytes have a second byte of the length."""
        length = identifier[0] & 15
        if self.id_size > 18:
            return identifier[2 : 3 + (length << 8 | identifier[1])]
        return identifier[1 : 2 + length]

    def _huge_object(self, fields: Fields) -> bytes:
        """An object outside the blocks: its place in its ID, or in a B-tree by its number."""
        if self.id_size >= 1 + self._source.offset_size + self._source.length_size:
            return self._source.read(fields.address(), fields.length())
        number = fields.number(min(self.id_size - 1, self._source.length_size))
        tree = btree2.read_tree(self._source, self._huge_tree, btree2.HUGE_OBJECTS)
        for block in btree2.records(self._source, tree):
            for record in btree2.split(block, tree.record_size):
                found = self._source.parse(record)
                address, length = found.address(), found.length()
                if found.length() == number:
                    return self._source.read(address, length)
        raise DamagedHdf5("a large object of its heap is not where it was")

    def _listed(self, root: int, rows: int) -> list[_Direct]:
        """All blocks with objects, by where they begin; ``rows`` of 0 means the root is one."""
        if root == self._source.undefined:
            return []
        if rows == 0:
            return [_Direct(0, self._shape.smallest, root)]
        found: list[_Direct] = []
        pending = [(root, 0, rows)]
        seen: set[int] = set()
        while pending:
            address, start, count = pending.pop()
            if address in seen:
                raise DamagedHdf5("its heap refers to itself")
            seen.add(address)
            pending += self._indirect(address, start, count, found)
        return sorted(found)

    def _indirect(
        self, address: int, start: int, rows: int, found: list[_Direct]
    ) -> list[tuple[int, int, int]]:
        """Add the direct children of an indirect block; the result are the indirect ones."""
        shape, source = self._shape, self._source
        head = 5 + source.offset_size + shape.offset_size
        size = head + rows * shape.width * source.offset_size
        fields = source.fields(address, size)
        fields.expect(b"FHIB", 0)
        source.verify(address, size + _CHECKSUM)
        fields.skip(source.offset_size + shape.offset_size)
        further: list[tuple[int, int, int]] = []
        for row in range(rows):
            length = shape.block_size(row)
            for _ in range(shape.width):
                child = fields.address()
                if child != source.undefined and length <= shape.largest_direct:
                    found.append(_Direct(start, length, child))
                elif child != source.undefined:
                    further.append((child, start, shape.rows_of(length)))
                start += length
        return further


def _checked(shape: _Shape) -> _Shape:
    sizes = (shape.smallest, shape.largest_direct)
    if shape.width == 0 or any(size == 0 or size & size - 1 for size in sizes):
        raise DamagedHdf5("its heap declares impossible blocks")
    return shape


def indexed_objects(source: Source, heap: int, tree: int, kind: int, id_at: int) -> Iterator[bytes]:
    """All objects of the heap that a B-tree of ``kind`` lists, with the ID at a byte of a record.

    Raises `DamagedHdf5`; nothing where there is no heap.
    """
    if heap == source.undefined:
        return
    objects = FractalHeap(source, heap)
    index = btree2.read_tree(source, tree, kind)
    end = id_at + objects.id_size
    left = source.size
    for block in btree2.records(source, index):
        for record in btree2.split(block, index.record_size):
            found = objects.object(record[id_at:end])
            left -= len(found)
            if left < 0:
                raise DamagedHdf5("its heap holds the same objects over and over")
            yield found
