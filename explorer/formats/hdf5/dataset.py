"""One dataset: described by its header alone, its values read by selection."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from functools import partial
from typing import NamedTuple

import numpy as np

from explorer.formats.artifact import Selection
from explorer.formats.hdf5.chunks import Grid, stored_chunks
from explorer.formats.hdf5.dataspace import Dataspace, parse_dataspace
from explorer.formats.hdf5.datatypes import Datatype, parse_datatype
from explorer.formats.hdf5.errors import DamagedHdf5, NotReadHdf5, parses
from explorer.formats.hdf5.filters import Filter, parse_filters, undone
from explorer.formats.hdf5.gather import Block, gathered
from explorer.formats.hdf5.heaps import GlobalHeap
from explorer.formats.hdf5.layout import (
    Layout,
    LayoutClass,
    external_names,
    parse_layout,
    virtual_names,
)
from explorer.formats.hdf5.object_header import Message, MessageType, own_body
from explorer.formats.hdf5.source import Fields, Source
from explorer.formats.hdf5.values import finished, stored_dtype
from explorer.formats.selection import check_inflated, chosen, leading_run, selected_shape

_BLOCK = 8 << 20
"""Bytes of contiguous values read at once where only some of them are wanted."""

_LARGEST_CHUNK = (1 << 63) - 1
_TOO_FEW = "fewer of its values are stored than its shape says"


class _Chunk(NamedTuple):
    """A chunk in the file: where it begins in the array, its place, and filters left out."""

    origin: tuple[int, ...]
    address: int
    size: int
    mask: int


class Dataset:
    """What a dataset's messages say; making one reads nothing but them.

    ``datatype`` is of one element. Raises `DamagedHdf5` where they are damaged, or `NotReadHdf5`.
    """

    __slots__ = ("_messages", "_source", "datatype", "layout", "space")

    def __init__(self, source: Source, messages: list[Message]) -> None:
        self._source = source
        self._messages = {message[0]: message for message in messages}
        self.datatype: Datatype = parse_datatype(self._body(MessageType.DATATYPE))
        dataspace = self._body(MessageType.DATASPACE)
        self.space: Dataspace = parse_dataspace(dataspace, source.length_size)
        self.layout: Layout = parse_layout(source, self._body(MessageType.LAYOUT))

    def _body(self, kind: MessageType) -> bytes:
        message = self._messages.get(kind)
        if message is None:
            raise DamagedHdf5(f"its object header has no {kind.name.lower()}")
        return own_body(self._source, message)

    @property
    def shape(self) -> tuple[int, ...]:
        """The dimensions, those of array types last; ``(0,)`` where there is nothing."""
        return (0,) if self.space.shape is None else (*self.space.shape, *self.datatype.shape)

    @property
    def is_virtual(self) -> bool:
        """Whether the values are parts of other datasets."""
        return self.layout.kind is LayoutClass.VIRTUAL

    @property
    def is_external(self) -> bool:
        """Whether the values are in other files."""
        return MessageType.EXTERNAL_FILES in self._messages

    def outside(self) -> list[bytes]:
        """The first few files that hold the values, or ``file:dataset`` where virtual."""
        if self.is_virtual:
            return virtual_names(self._source, self.layout)
        return external_names(self._source, self._body(MessageType.EXTERNAL_FILES))

    @property
    def filters(self) -> tuple[Filter, ...]:
        """What each chunk went through, in that order."""
        message = self._messages.get(MessageType.FILTERS)
        if message is None:
            return ()
        return parse_filters(self._source, own_body(self._source, message))

    @property
    def offset(self) -> int | None:
        """Where contiguous values begin in the file; ``None`` for all others."""
        layout = self.layout
        if layout.kind is not LayoutClass.CONTIGUOUS or layout.address == self._source.undefined:
            return None
        return self._source.base + layout.address

    @parses("its index")
    def stored_size(self) -> int:
        """How many bytes the values take in the file, compressed where they are."""
        layout = self.layout
        if layout.kind is LayoutClass.CHUNKED:
            return sum(int(some.size.sum()) for some in stored_chunks(self._source, self._grid()))
        if layout.kind is LayoutClass.COMPACT:
            return len(layout.data)
        return 0 if self.offset is None else self._contiguous_size()

    def _contiguous_size(self) -> int:
        size = self.layout.size
        return math.prod(self.shape) * self._item if size is None else size

    @property
    def _item(self) -> int:
        """Bytes of one value; an element of an array type holds several."""
        return self.datatype.size // (math.prod(self.datatype.shape) or 1)

    def _grid(self) -> Grid:
        layout = self.layout
        if len(layout.chunk) != len(self.space.shape or ()):
            raise DamagedHdf5("its chunks have other dimensions than itself")
        size = math.prod(layout.chunk) * self.datatype.size
        if size > _LARGEST_CHUNK:
            raise DamagedHdf5("its chunks are larger than HDF5 allows")
        return Grid(layout, self.space, size, bool(self.filters))

    # Values

    def read(self, name: str, selection: Selection) -> np.ndarray:
        """``array[selection]``, with no more memory than the bytes there are can fill.

        Raises `DamagedHdf5`, `NotReadHdf5`, `IndexError` as NumPy does, and `TensorUnreadable`,
        about ``name``, where far more is declared than stored.
        """
        if self.datatype.refused:
            raise NotReadHdf5(self.datatype.refused)
        wanted = selected_shape(self.shape, selection)
        self._check_sizes(name, math.prod(wanted))
        return self._values(selection, wanted)

    @parses("what it holds")
    def verify(self, name: str) -> None:
        """Unpack every chunk, its checksums included, and see that other values are all there.

        Raises `DamagedHdf5`, `NotReadHdf5` for unknown filters, and `TensorUnreadable`, about
        ``name``, where a chunk declares far more than is stored.
        """
        if self.layout.kind is LayoutClass.CHUNKED:
            self._check_sizes(name, 0)
            if 0 not in self.shape:
                for chunk in self._wanted([range(size) for size in self.space.shape or ()]):
                    self._unpacked(chunk)
        elif self.layout.kind is LayoutClass.COMPACT or self.offset is not None:
            self._check_count()

    def _check_count(self) -> None:
        """That contiguous values are as many as the shape says, and within the file."""
        needed = math.prod(self.shape) * self._item if self.space.shape is not None else 0
        if self.stored_size() < needed:
            raise DamagedHdf5(_TOO_FEW)
        if self.layout.kind is LayoutClass.CONTIGUOUS and (
            self.layout.address + needed > self._source.size
        ):
            raise DamagedHdf5("its values reach beyond the end of the file")

    @parses("what it holds")
    def _values(self, selection: Selection, wanted: tuple[int, ...]) -> np.ndarray:
        stored = self._stored(selection, wanted)
        return finished(GlobalHeap(self._source), self.datatype, stored)

    def _check_sizes(self, name: str, wanted: int) -> None:
        """Neither the result nor one chunk may be larger than what is stored can fill."""
        kept = min(self.stored_size(), self._source.size)
        filtered = bool(self.filters)
        check_inflated(name, wanted * self._item, kept, filtered)
        if self.layout.kind is LayoutClass.CHUNKED:
            check_inflated(name, self._grid().chunk_bytes, kept, filtered)

    def _stored(self, selection: Selection, wanted: tuple[int, ...]) -> np.ndarray:
        layout = self.layout
        if 0 in wanted:
            return np.empty(wanted, stored_dtype(self.datatype))
        if layout.kind is LayoutClass.CHUNKED:
            return gathered(self.shape, selection, self._fill(), self._chunks)
        if layout.kind is LayoutClass.COMPACT:
            return chosen(self._array(layout.data, self.shape), selection)
        if self.offset is None:
            return gathered(self.shape, selection, self._fill(), lambda _: ())
        return self._contiguous(selection)

    def _array(self, data: bytes, shape: tuple[int, ...]) -> np.ndarray:
        count = math.prod(shape)
        if len(data) < count * self._item:
            raise DamagedHdf5(_TOO_FEW)
        return np.frombuffer(data, stored_dtype(self.datatype), count).reshape(shape)

    def _contiguous(self, selection: Selection) -> np.ndarray:
        """The run of values that holds the selection, by blocks where most are not wanted."""
        run = leading_run(self.shape, selection)
        count = run.count
        if (run.first + count) * self._item > self._contiguous_size():
            raise DamagedHdf5(_TOO_FEW)
        start = self.layout.address + run.first * self._item
        if count * self._item > _BLOCK and math.prod(selected_shape(run.shape, run.rest)) < count:
            blocks = partial(self._rows, start, run.shape)
            return gathered(run.shape, run.rest, self._fill(), blocks)
        return run.taken(self._at(start, run.shape))

    def _at(self, address: int, shape: tuple[int, ...]) -> np.ndarray:
        return self._array(self._source.data(address, math.prod(shape) * self._item), shape)

    def _rows(self, start: int, shape: tuple[int, ...], _: Sequence[range]) -> Iterator[Block]:
        """An array that begins at ``start``, a few rows of its first axis at a time."""
        row = math.prod(shape[1:]) * self._item
        height = max(1, _BLOCK // row)
        for first in range(0, shape[0], height):
            part = (min(height, shape[0] - first), *shape[1:])
            origin = (first, *(0 for _ in shape[1:]))
            yield Block(origin, part, partial(self._at, start + first * row, part))

    def _chunks(self, axes: Sequence[range]) -> Iterator[Block]:
        """The chunks in the file that hold something of what is wanted of each axis."""
        sizes, inner = self.layout.chunk, self.datatype.shape
        for chunk in self._wanted(axes[: len(sizes)]):
            origin = (*chunk.origin, *(0 for _ in inner))
            yield Block(origin, (*sizes, *inner), partial(self._chunk, chunk))

    def _wanted(self, axes: Sequence[range]) -> Iterator[_Chunk]:
        sizes = self.layout.chunk
        first, last = (
            np.array([axis[end] // s for axis, s in zip(axes, sizes, strict=True)], np.uint64)
            for end in (0, -1)
        )
        for some in stored_chunks(self._source, self._grid()):
            inside = ((some.place >= first) & (some.place <= last)).all(axis=1)
            for at in np.flatnonzero(inside).tolist():
                origin = tuple(p * s for p, s in zip(some.place[at].tolist(), sizes, strict=True))
                yield _Chunk(origin, int(some.address[at]), int(some.size[at]), int(some.mask[at]))

    def _chunk(self, chunk: _Chunk) -> np.ndarray:
        return self._array(self._unpacked(chunk), (*self.layout.chunk, *self.datatype.shape))

    def _unpacked(self, chunk: _Chunk) -> bytes:
        """A chunk with its filters undone."""
        data = self._source.data(chunk.address, chunk.size)
        ends = zip(chunk.origin, self.layout.chunk, self.shape, strict=False)
        is_edge = any(start + size > end for start, size, end in ends)
        filters = () if is_edge and self.layout.unfiltered_edges else self.filters
        return undone(data, filters, chunk.mask, self._grid().chunk_bytes)

    def _fill(self) -> np.ndarray:
        """What stands where nothing was written; as large as the type's own dimensions."""
        shape = self.datatype.shape
        new, old = MessageType.FILL_VALUE, MessageType.OLD_FILL_VALUE
        value = fill_value(self._body(new)) if new in self._messages else b""
        if not value and old in self._messages:
            value = fill_value(self._body(old), is_old=True)
        if len(value) != self.datatype.size:
            value = bytes(self.datatype.size)
        return self._array(value, shape)


@parses("its fill value")
def fill_value(body: bytes, is_old: bool = False) -> bytes:
    """The bytes of one element (IV.A.2.e and IV.A.2.f); empty where there are none."""
    fields = Fields(body)
    version = 0 if is_old else fields.number(1)
    if version in (1, 2):
        fields.skip(2)
        has_value = fields.number(1) or version == 1
    else:
        has_value = version == 0 or fields.number(1) & 0x20
    return fields.take(fields.number(4)) if has_value else b""
