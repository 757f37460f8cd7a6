"""Local heaps, which hold the names of a group, and the global heap (III.D and III.E)."""

from __future__ import annotations

from explorer.formats.hdf5.errors import DamagedHdf5, parses
from explorer.formats.hdf5.source import Source

_OBJECT_HEAD = 8


@parses("its heap of names")
def local_heap(source: Source, address: int) -> bytes:
    """The data segment of the local heap at ``address``."""
    fields = source.fields(address, 8 + 2 * source.length_size + source.offset_size)
    fields.expect(b"HEAP", 0)
    fields.skip(3)
    size = fields.length()
    fields.length()
    return source.read(fields.address(), size)


def local_name(heap: bytes, offset: int) -> bytes:
    """The name at an offset of a local heap, up to its NUL; raises `DamagedHdf5`."""
    end = heap.find(b"\0", offset)
    if end < 0 or offset > len(heap):
        raise DamagedHdf5("one of its names is not where it was")
    return heap[offset:end]


class GlobalHeap:
    """Objects by the address of their collection and their index in it.

    All that is read from one may not be larger than the file: each object has one owner, so more
    means objects that are named over and over.
    """

    def __init__(self, source: Source) -> None:
        self.source = source
        self._left = source.size
        self._collections: dict[int, dict[int, tuple[int, int]]] = {}

    def read(self, address: int, index: int) -> bytes:
        """One object; raises `DamagedHdf5` where there is none."""
        if address not in self._collections:
            self._collections[address] = _collection(self.source, address)
        try:
            start, size = self._collections[address][index]
        except KeyError:
            raise DamagedHdf5("a value of varying length is not where it was") from None
        self._left -= size
        if self._left < 0:
            raise DamagedHdf5("its values of varying length are named over and over")
        return self.source.data(start, size)


@parses("a collection of the global heap")
def _collection(source: Source, address: int) -> dict[int, tuple[int, int]]:
    """Address and size of each object, by index; index 0 is the free space at the end."""
    head_size = _OBJECT_HEAD + source.length_size
    fields = source.fields(address, head_size)
    fields.expect(b"GCOL", 1)
    fields.skip(3)
    end = fields.length()
    block = source.read(address, end)
    found: dict[int, tuple[int, int]] = {}
    at = head_size
    while at + head_size <= end:
        index = int.from_bytes(block[at : at + 2], "little")
        size = int.from_bytes(block[at + _OBJECT_HEAD : at + head_size], "little")
        if index == 0:
            break
        if at + head_size + size > end:
            raise DamagedHdf5("an object of the global heap is longer than its collection")
        found[index] = (address + at + head_size, size)
        at += head_size + -(-size // 8) * 8
    return found
