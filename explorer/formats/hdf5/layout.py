"""Where the values of a dataset are (sections IV.A.2.h and IV.A.2.i)."""

from __future__ import annotations

from enum import Enum, IntEnum
from typing import NamedTuple

from explorer.formats.hdf5.errors import DamagedHdf5, NotReadHdf5, parses
from explorer.formats.hdf5.heaps import GlobalHeap, local_heap, local_name
from explorer.formats.hdf5.source import Fields, Source

_MOST_NAMED = 3
_CONTIGUOUS = (b"\x03\x01", b"\x04\x01")
"""Versions and class of nearly all layouts in a model's file."""


class LayoutClass(IntEnum):
    """How values are laid out."""

    COMPACT = 0
    CONTIGUOUS = 1
    CHUNKED = 2
    VIRTUAL = 3


class Index(Enum):
    """How chunks are found."""

    BTREE_1 = 0
    SINGLE = 1
    IMPLICIT = 2
    FIXED_ARRAY = 3
    EXTENSIBLE_ARRAY = 4
    BTREE_2 = 5


class Layout(NamedTuple):
    """``address`` is of the values, of the chunk index or, virtual, of the mapping in the heap.

    ``size`` is in bytes: of contiguous values, ``None`` where only shape and type say it, and of
    a single chunk with filters. ``chunk`` are the sizes of a chunk. ``mask`` are the filters left
    out of a single chunk, ``unfiltered_edges`` says that chunks which reach beyond the shape went
    through none.
    """

    kind: LayoutClass
    address: int = 0
    size: int | None = None
    data: bytes = b""
    chunk: tuple[int, ...] = ()
    chunk_index: Index = Index.BTREE_1
    mask: int = 0
    unfiltered_edges: bool = False
    heap_index: int = 0


@parses("its layout")
def parse_layout(source: Source, body: bytes) -> Layout:
    """A layout message; raises `DamagedHdf5`, `NotReadHdf5` for versions newer than this."""
    if body.startswith(_CONTIGUOUS):
        return Layout(LayoutClass.CONTIGUOUS, *source.extent.unpack_from(body, 2))
    fields = source.parse(body)
    version = fields.number(1)
    if version in (1, 2):
        return _old(fields)
    if version not in (3, 4):
        raise NotReadHdf5(f"its layout is of version {version}, which is not read")
    kind = fields.number(1)
    if kind == LayoutClass.COMPACT:
        data = fields.take(fields.number(2))
        return Layout(LayoutClass.COMPACT, size=len(data), data=data)
    if kind == LayoutClass.CHUNKED:
        return _chunked_3(fields) if version == 3 else _chunked_4(fields)
    if kind == LayoutClass.VIRTUAL:
        return Layout(LayoutClass.VIRTUAL, fields.address(), heap_index=fields.number(4))
    raise DamagedHdf5("its layout is of an unknown kind")


def _old(fields: Fields) -> Layout:
    """Versions 1 and 2 list the dimensions of everything, chunks with the element size last."""
    rank, kind = fields.number(1), fields.number(1)
    fields.skip(5)
    address = 0 if kind == LayoutClass.COMPACT else fields.address()
    sizes = [fields.number(4) for _ in range(rank)]
    if kind == LayoutClass.COMPACT:
        data = fields.take(fields.number(4))
        return Layout(LayoutClass.COMPACT, size=len(data), data=data)
    if kind == LayoutClass.CONTIGUOUS:
        return Layout(LayoutClass.CONTIGUOUS, address)
    if kind == LayoutClass.CHUNKED:
        return Layout(LayoutClass.CHUNKED, address, chunk=_checked(sizes[: rank - 1]))
    raise DamagedHdf5("its layout is of an unknown kind")


def _chunked_3(fields: Fields) -> Layout:
    rank = fields.number(1)
    address = fields.address()
    sizes = [fields.number(4) for _ in range(rank - 1)]
    return Layout(LayoutClass.CHUNKED, address, chunk=_checked(sizes))


def _chunked_4(fields: Fields) -> Layout:
    flags, rank, width = (fields.number(1) for _ in range(3))
    sizes = [fields.number(width) for _ in range(rank)][:-1]
    kind = fields.number(1)
    if kind not in _INDEX_INFO:
        raise DamagedHdf5("its chunks are indexed in an unknown way")
    index = Index(kind)
    size, mask = None, 0
    if index is Index.SINGLE and flags & 2:
        size, mask = fields.length(), fields.number(4)
    fields.skip(_INDEX_INFO[kind])
    return Layout(
        LayoutClass.CHUNKED,
        fields.address(),
        size,
        chunk=_checked(sizes),
        chunk_index=index,
        mask=mask,
        unfiltered_edges=bool(flags & 1),
    )


_INDEX_INFO = {1: 0, 2: 0, 3: 1, 4: 5, 5: 6}
"""How many bytes each index says of itself here, which its own header says again."""


def _checked(sizes: list[int]) -> tuple[int, ...]:
    if not sizes or 0 in sizes:
        raise DamagedHdf5("its chunks have no size")
    return tuple(sizes)


@parses("its list of external files")
def external_names(source: Source, body: bytes) -> list[bytes]:
    """The first few files that hold values outside this one (section IV.A.2.h)."""
    fields = source.parse(body)
    fields.skip(6)
    used = fields.number(2)
    heap = local_heap(source, fields.address())
    names: list[bytes] = []
    for _ in range(min(used, _MOST_NAMED)):
        names.append(local_name(heap, fields.length()))
        fields.skip(2 * source.length_size)
    return names


@parses("its virtual mapping")
def virtual_names(source: Source, layout: Layout) -> list[bytes]:
    """The first few sources of a virtual dataset as ``file:dataset`` (section III.E, VDS)."""
    if layout.address == source.undefined:
        return []
    block = source.parse(GlobalHeap(source).read(layout.address, layout.heap_index))
    if block.number(1) != 0:
        return []
    names: set[bytes] = set()
    for _ in range(min(block.length(), _MOST_NAMED)):
        names.add(block.text() + b":" + block.text())
        if not all(_skip_selection(block) for _ in range(2)):
            break
    return sorted(names)


_NOTHING, _HYPERSLAB, _EVERYTHING = 0, 2, 3


def _skip_selection(fields: Fields) -> bool:
    """Go past a stored selection; ``False`` where its length does not stand in it."""
    kind, version = fields.number(4), fields.number(4)
    if kind in (_NOTHING, _EVERYTHING):
        fields.skip(8)
        return True
    if kind != _HYPERSLAB or version > 2:
        return False
    fields.skip(4 if version == 1 else 1)
    fields.skip(fields.number(4))
    return True
