"""Fractal heaps, which hold the links and attributes of objects with many (section III.G)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from explorer.formats.hdf5 import btree2
from explorer.formats.hdf5.errors import DamagedHdf5, NotReadHdf5, parses
from explorer.formats.hdf5.source import Fields, Source, numbers, rows_of, width_of

_MANAGED, _HUGE, _TINY = 0, 1, 2
_CHECKSUM = 4
_LARGEST_HEAP = 1 << 60
_AT_ONCE = 1 << 20


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
        fields.skip(source.length_size)
        if (free_space := fields.address()) != source.undefined:
            source.verify_free_space(free_space)
        fields.skip(8 * source.length_size)
        width, smallest, largest = fields.number(2), fields.length(), fields.length()
        bits = fields.number(2)
        fields.skip(2)
        self._shape = _checked(_Shape(width, smallest, largest, (bits + 7) // 8))
        self._length_size = min(width_of(largest - 1), width_of(largest_object))
        self._blocks = self._listed(fields.address(), fields.number(2))
        self._starts = np.array([block.start for block in self._blocks], np.uint64)
        self._sizes = np.array([block.size for block in self._blocks], np.uint64)
        self._data: list[bytes] = [b""] * len(self._blocks)

    def objects(self, identifiers: np.ndarray) -> Iterator[bytes]:
        """The objects that heap IDs mean, one in each row, in no order (section III.G.4).

        Raises `DamagedHdf5`.
        """
        is_managed = identifiers[:, 0] >> 4 & 3 == _MANAGED
        yield from self._managed(identifiers[is_managed])
        for identifier in identifiers[~is_managed]:
            yield self._unmanaged(identifier.tobytes())

    def _managed(self, identifiers: np.ndarray) -> Iterator[bytes]:
        """The objects in blocks, in the heap's order: they were often made in that of names."""
        cut = 1 + self._shape.offset_size
        offsets = numbers(identifiers[:, 1:cut])
        lengths = numbers(identifiers[:, cut : cut + self._length_size])
        order = np.argsort(offsets)
        offsets, lengths = offsets[order], lengths[order]
        places = np.searchsorted(self._starts, offsets, side="right") - 1
        if (places < 0).any():
            raise DamagedHdf5("an object of its heap is not where it was")
        at, room = offsets - self._starts[places], self._sizes[places]
        if ((at > room) | (lengths > room - at)).any():
            raise DamagedHdf5("an object of its heap is not where it was")
        data = self._data
        for place, start, end in zip(
            places.tolist(), at.tolist(), (at + lengths).tolist(), strict=True
        ):
            yield (data[place] or self._block(place))[start:end]

    def _block(self, place: int) -> bytes:
        block = self._blocks[place]
        self._data[place] = self._source.read(block.address, block.size)
        if self._has_checksums:
            head = 5 + self._source.offset_size + self._shape.offset_size
            self._source.verify(block.address, block.size, head)
        return self._data[place]

    def _unmanaged(self, identifier: bytes) -> bytes:
        kind = identifier[0] >> 4 & 3
        if kind == _TINY:
            return self._tiny(identifier)
        if kind == _HUGE:
            return self._huge_object(self._source.parse(identifier[1:]))
        raise DamagedHdf5("its heap has an object of an unknown kind")

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
        found.sort()
        if found and found[-1].start + found[-1].size > _LARGEST_HEAP:
            raise DamagedHdf5("its heap declares impossible blocks")
        return found

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
    if (
        shape.width == 0
        or shape.offset_size > 8
        or any(size == 0 or size & size - 1 for size in sizes)
    ):
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
    if end > index.record_size:
        raise DamagedHdf5("its index declares impossible nodes")
    left = source.size
    for records in _in_batches(btree2.records(source, index)):
        rows = rows_of(records, index.record_size)
        for found in objects.objects(rows[:, id_at:end]):
            left -= len(found)
            if left < 0:
                raise DamagedHdf5("its heap holds the same objects over and over")
            yield found


def _in_batches(blocks: Iterator[bytes]) -> Iterator[bytes]:
    """Blocks joined to few that are not too large."""
    joined = bytearray()
    for block in blocks:
        joined += block
        if len(joined) >= _AT_ONCE:
            yield bytes(joined)
            joined.clear()
    yield bytes(joined)
