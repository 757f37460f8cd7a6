"""Fixed and extensible arrays, the indexes of chunks by number (sections VII.C and VII.D)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from explorer.formats.hdf5.errors import DamagedHdf5, parses
from explorer.formats.hdf5.source import Source

_CHECKSUM = 4
_MOST_BITS = 64


class Elements(NamedTuple):
    """Consecutive elements: the number of the first, bytes of each, and all their bytes."""

    first: int
    size: int
    block: bytes


@parses("its index")
def _fixed_header(source: Source, address: int) -> tuple[int, int, int, int]:
    """Element size, elements in a page, how many elements there are, and their block's address."""
    length = 8 + source.length_size + source.offset_size
    fields = source.fields(address, length)
    fields.expect(b"FAHD", 0)
    source.verify(address, length + _CHECKSUM)
    fields.skip(1)
    size, bits = fields.number(1), fields.number(1)
    return size, 1 << min(bits, _MOST_BITS), fields.length(), fields.address()


def fixed_array(source: Source, address: int) -> Iterator[Elements]:
    """The elements of the array whose header is at ``address``; raises `DamagedHdf5`.

    More than a page of them is kept by pages, those never written left out.
    """
    size, page, count, block = _fixed_header(source, address)
    if block == source.undefined:
        return
    head = 6 + source.offset_size
    source.fields(block, head).expect(b"FADB", 0)
    if count <= page:
        yield Elements(0, size, source.read(block + head, count * size))
        source.verify(block, head + count * size + _CHECKSUM)
        return
    bitmap = source.read(block + head, (-(-count // page) + 7) // 8)
    source.verify(block, head + len(bitmap) + _CHECKSUM)
    pages = _Pages(block + head + len(bitmap) + _CHECKSUM, page, size, _bits(bitmap))
    yield from _written(source, pages, 0, count)


class _Pages(NamedTuple):
    """Pages of ``held`` elements of ``size`` bytes, one after another from ``start``."""

    start: int
    held: int
    size: int
    is_written: list[bool]


def _bits(bitmap: bytes) -> list[bool]:
    """The bits of each byte, the highest first."""
    return [bool(byte << bit & 0x80) for byte in bitmap for bit in range(8)]


def _written(source: Source, pages: _Pages, first: int, count: int) -> Iterator[Elements]:
    """The written ones of the pages that hold ``count`` elements; a checksum ends each page."""
    step = pages.held * pages.size + _CHECKSUM
    for number, is_written in zip(range(-(-count // pages.held)), pages.is_written, strict=False):
        if is_written:
            left = min(pages.held, count - number * pages.held)
            start = pages.start + number * step
            data = source.read(start, left * pages.size)
            source.verify(start, len(data) + _CHECKSUM)
            yield Elements(first + number * pages.held, pages.size, data)


class _Array(NamedTuple):
    """The header of an extensible array; ``bits`` bound its numbers of elements."""

    size: int
    bits: int
    in_index: int
    smallest: int
    direct_pointers: int
    page: int
    root: int

    def blocks(self, level: int) -> int:
        """How many data blocks a super block has."""
        return 1 << level // 2

    def elements(self, level: int) -> int:
        """How many elements each of its data blocks has."""
        return self.smallest << (level + 1) // 2


@parses("its index")
def _extensible_header(source: Source, address: int) -> _Array:
    length = 12 + 6 * source.length_size + source.offset_size
    fields = source.fields(address, length)
    fields.expect(b"EAHD", 0)
    source.verify(address, length + _CHECKSUM)
    fields.skip(1)
    size, bits, in_index, smallest, pointers, page_bits = (fields.number(1) for _ in range(6))
    fields.skip(6 * source.length_size)
    found = _Array(size, bits, in_index, smallest, pointers, 1 << page_bits, fields.address())
    if bits > _MOST_BITS or page_bits > bits or any(n < 1 or n & n - 1 for n in found[3:5]):
        raise DamagedHdf5("its index declares impossible blocks")
    return found


def extensible_array(source: Source, address: int) -> Iterator[Elements]:
    """The elements of the array whose header is at ``address``; raises `DamagedHdf5`.

    The first ones are in the index block, then data blocks follow whose sizes double every other
    time; super blocks hold the addresses of the later ones.
    """
    array = _extensible_header(source, address)
    if array.root == source.undefined:
        return
    levels = 1 + array.bits - (array.smallest.bit_length() - 1)
    direct = min(levels, 2 * (array.direct_pointers.bit_length() - 1))
    blocks = sum(array.blocks(level) for level in range(direct))
    head = 6 + source.offset_size
    length = head + array.in_index * array.size + (blocks + levels - direct) * source.offset_size
    fields = source.fields(array.root, length)
    fields.expect(b"EAIB", 0)
    source.verify(array.root, length + _CHECKSUM)
    fields.skip(1 + source.offset_size)
    yield Elements(0, array.size, fields.take(array.in_index * array.size))
    first = array.in_index
    for level in range(levels):
        if level < direct:
            addresses = [fields.address() for _ in range(array.blocks(level))]
            yield from _data_blocks(source, array, level, first, addresses, b"")
        else:
            yield from _super_block(source, array, level, first, fields.address())
        first += array.blocks(level) * array.elements(level)


def _super_block(
    source: Source, array: _Array, level: int, first: int, address: int
) -> Iterator[Elements]:
    if address == source.undefined:
        return
    blocks = array.blocks(level)
    head = 6 + source.offset_size + (array.bits + 7) // 8
    bitmaps = blocks * ((_page_count(array, level) + 7) // 8)
    length = head + bitmaps + blocks * source.offset_size
    fields = source.fields(address, length)
    fields.expect(b"EASB", 0)
    source.verify(address, length + _CHECKSUM)
    fields.skip(head - 5)
    bitmap = fields.take(bitmaps)
    addresses = [fields.address() for _ in range(blocks)]
    yield from _data_blocks(source, array, level, first, addresses, bitmap)


def _page_count(array: _Array, level: int) -> int:
    """How many pages a data block has; 0 where it is not kept by pages."""
    count = array.elements(level)
    return 0 if count <= array.page else count // array.page


def _data_blocks(
    source: Source, array: _Array, level: int, first: int, addresses: list[int], bitmap: bytes
) -> Iterator[Elements]:
    count = array.elements(level)
    head = 6 + source.offset_size + (array.bits + 7) // 8
    pages = _page_count(array, level)
    written = _bits(bitmap)
    for number, address in enumerate(addresses):
        begin = first + number * count
        if address == source.undefined:
            continue
        source.fields(address, head).expect(b"EADB", 0)
        if pages:
            source.verify(address, head + _CHECKSUM)
            bits = written[number * pages :][:pages]
            kept = _Pages(address + head + _CHECKSUM, array.page, array.size, bits)
            yield from _written(source, kept, begin, count)
        else:
            source.verify(address, head + count * array.size + _CHECKSUM)
            yield Elements(begin, array.size, source.read(address + head, count * array.size))
