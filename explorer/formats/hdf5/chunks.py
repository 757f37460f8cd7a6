"""The chunks that a dataset has in the file, by each of the ways to index them."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np

from explorer.formats.hdf5 import btree1, btree2
from explorer.formats.hdf5.arrays import Elements, extensible_array, fixed_array
from explorer.formats.hdf5.dataspace import Dataspace
from explorer.formats.hdf5.errors import DamagedHdf5
from explorer.formats.hdf5.layout import Index, Layout
from explorer.formats.hdf5.source import Source, numbers, rows_of


class Chunks(NamedTuple):
    """Some chunks, a row each: address, bytes stored, filters left out, place in the grid."""

    address: np.ndarray
    size: np.ndarray
    mask: np.ndarray
    place: np.ndarray


class Grid(NamedTuple):
    """A chunked dataset: how it is laid out, its shape, and the bytes of a whole chunk."""

    layout: Layout
    space: Dataspace
    chunk_bytes: int
    filtered: bool


def stored_chunks(source: Source, grid: Grid) -> Iterator[Chunks]:
    """All chunks there are in the file, some at a time; raises `DamagedHdf5`.

    Together they never take more bytes than the file has: each lies in a place of its own.
    """
    if grid.layout.address == source.undefined:
        return
    left = source.size
    for some in _INDEXES[grid.layout.chunk_index](source, grid):
        too_large = bool((some.size > source.size).any())
        left -= 0 if too_large else int(some.size.sum())
        if left < 0 or too_large:
            raise DamagedHdf5("its chunks are larger than the file")
        yield some


def _btree_1(source: Source, grid: Grid) -> Iterator[Chunks]:
    """Keys: size and filter mask of 4 bytes, then where the chunk begins, with a last 0."""
    rank = len(grid.layout.chunk)
    key = 8 + 8 * (rank + 1)
    root = grid.layout.address
    for block in btree1.leaves(source, root, btree1.CHUNK_NODES, key):
        rows = rows_of(block, key + source.offset_size)
        begins = np.ascontiguousarray(rows[:, 8 : key - 8]).view("<u8")
        yield Chunks(
            numbers(rows[:, key:]),
            numbers(rows[:, :4]),
            numbers(rows[:, 4:8]),
            begins // np.array(grid.layout.chunk, np.uint64),
        )


def _single(source: Source, grid: Grid) -> Iterator[Chunks]:
    size = grid.chunk_bytes if grid.layout.size is None else grid.layout.size
    row = [np.array([value], np.uint64) for value in (grid.layout.address, size, grid.layout.mask)]
    yield Chunks(row[0], row[1], row[2], np.zeros((1, len(grid.layout.chunk)), np.uint64))


def _implicit(source: Source, grid: Grid) -> Iterator[Chunks]:
    """All chunks of the largest shape, one after another."""
    count = math.prod(_grid_shape(grid))
    if count * grid.chunk_bytes > source.size:
        raise DamagedHdf5("its chunks are larger than the file")
    places = np.arange(count, dtype=np.uint64)
    address = np.uint64(grid.layout.address) + places * np.uint64(grid.chunk_bytes)
    size = np.full(count, grid.chunk_bytes, np.uint64)
    yield Chunks(address, size, np.zeros(count, np.uint64), _places(grid, places))


def _btree_2(source: Source, grid: Grid) -> Iterator[Chunks]:
    """Records: address, then size and filter mask where there are filters, then the place."""
    rank = len(grid.layout.chunk)
    tree = btree2.read_tree(source, grid.layout.address, btree2.CHUNKS[grid.filtered])
    begin = tree.record_size - 8 * rank
    if begin < source.offset_size + (5 if grid.filtered else 0):
        raise DamagedHdf5("its index declares impossible nodes")
    for block in btree2.records(source, tree):
        rows = rows_of(block, tree.record_size)
        places = np.ascontiguousarray(rows[:, begin:]).view("<u8")
        yield _elements(source, grid, rows[:, :begin], places)


def _elements(source: Source, grid: Grid, rows: np.ndarray, places: np.ndarray) -> Chunks:
    """Rows of an address and, with filters, a size and a mask; undefined ones are left out."""
    address = numbers(rows[:, : source.offset_size])
    there = address != source.undefined
    size = np.full(len(rows), grid.chunk_bytes, np.uint64)
    mask = np.zeros(len(rows), np.uint64)
    if grid.filtered:
        size = numbers(rows[:, source.offset_size : -4])
        mask = numbers(rows[:, -4:])
    return Chunks(address[there], size[there], mask[there], places[there])


def _fixed_array(source: Source, grid: Grid) -> Iterator[Chunks]:
    return _of_array(source, grid, fixed_array(source, grid.layout.address))


def _extensible_array(source: Source, grid: Grid) -> Iterator[Chunks]:
    return _of_array(source, grid, extensible_array(source, grid.layout.address))


def _of_array(source: Source, grid: Grid, elements: Iterator[Elements]) -> Iterator[Chunks]:
    """The chunks of an array with one element per place of the grid, in row-major order."""
    width = source.offset_size + (5 if grid.filtered else 0)
    for first, size, block in elements:
        if size < width:
            raise DamagedHdf5("its index declares impossible elements")
        rows = rows_of(block, size)
        places = np.arange(first, first + len(rows), dtype=np.uint64)
        yield _elements(source, grid, rows, _places(grid, places))


def _grid_shape(grid: Grid) -> tuple[int, ...]:
    """How many chunks each dimension has at its largest; 1 for one without a largest size."""
    most = grid.space.most
    return tuple(
        1 if size is None else -(-size // chunk)
        for size, chunk in zip(most, grid.layout.chunk, strict=True)
    )


def _places(grid: Grid, indices: np.ndarray) -> np.ndarray:
    """Where in the grid the chunks of these indices are.

    They count along the last dimension first; a dimension without a largest size comes before
    all others.
    """
    shape = _grid_shape(grid)
    order = sorted(range(len(shape)), key=lambda axis: grid.space.most[axis] is not None)
    places = np.zeros((len(indices), len(shape)), np.uint64)
    left = indices
    for axis in reversed(order[1:]):
        size = np.uint64(max(1, shape[axis]))
        places[:, axis] = left % size
        left = left // size
    places[:, order[0]] = left
    return places


_INDEXES: dict[Index, Callable[[Source, Grid], Iterator[Chunks]]] = {
    Index.BTREE_1: _btree_1,
    Index.SINGLE: _single,
    Index.IMPLICIT: _implicit,
    Index.FIXED_ARRAY: _fixed_array,
    Index.EXTENSIBLE_ARRAY: _extensible_array,
    Index.BTREE_2: _btree_2,
}
