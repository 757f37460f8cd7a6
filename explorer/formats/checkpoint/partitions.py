"""The parts of a partitioned tensor: boxes that must fill its shape, each place once."""

from __future__ import annotations

import math
import operator
from collections.abc import Sequence

import numpy as np

from explorer.formats.artifact import Selection, Shape
from explorer.formats.schema import tensor_pb2
from explorer.formats.text import tuple_text

Box = tuple[range, ...]
"""Where a part is: the indices that it takes along each dimension."""


def box_of(piece: tensor_pb2.TensorSliceProto, shape: Shape) -> Box | None:
    """Where a slice is in a tensor of ``shape``; ``None`` where it does not lie within."""
    if not shape or None in shape or len(piece.extent) != len(shape):
        return None
    box = tuple(
        range(extent.start, extent.start + extent.length)
        if extent.HasField("length")
        else range(size or 0)
        for extent, size in zip(piece.extent, shape, strict=True)
    )
    inside = (0 <= r.start <= r.stop <= (size or 0) for r, size in zip(box, shape, strict=True))
    return box if all(inside) else None


def box_around(shape: tuple[int, ...], selection: Selection) -> tuple[Box, Selection]:
    """The smallest box that holds ``array[selection]``, and what is left to take from it.

    Raises `IndexError` as NumPy does.
    """
    if len(selection) > len(shape):
        raise IndexError(f"{len(selection)} indices for {len(shape)} dimensions")
    box: list[range] = []
    rest: list[int | slice] = []
    for index, size in zip(selection, shape, strict=False):
        if isinstance(index, slice):
            chosen = range(size)[index]
            box.append(range(min(chosen), max(chosen) + 1) if chosen else range(0))
            rest.append(slice(None, None, index.step))
        else:
            at = range(size)[operator.index(index)]
            box.append(range(at, at + 1))
            rest.append(0)
    return (*box, *map(range, shape[len(selection) :])), tuple(rest)


def common(one: Box, other: Box) -> Box:
    """What two boxes share; empty along a dimension where they share nothing."""
    pairs = zip(one, other, strict=True)
    return tuple(range(max(a.start, b.start), min(a.stop, b.stop)) for a, b in pairs)


def within(outer: Box, box: Box) -> tuple[slice, ...]:
    """A box inside of another as an index into the values of that."""
    pairs = zip(outer, box, strict=True)
    return tuple(slice(r.start - out.start, r.stop - out.start) for out, r in pairs)


def box_text(box: Box) -> str:
    """``[0:6, 0:4]``."""
    return f"[{', '.join(f'{r.start}:{r.stop}' for r in box)}]"


def partition_problem(boxes: Sequence[Box | None], shape: Shape) -> str:
    """What keeps ``boxes`` from being a partition of ``shape``, empty text where nothing does."""
    known = [box for box in boxes if box is not None]
    if len(known) < len(boxes):
        return f"a part lies outside of its shape {tuple_text(shape)}"
    held = sum(math.prod(len(r) for r in box) for box in known)
    if held != math.prod(size or 0 for size in shape or ()):
        return f"its parts hold {held:,} values, but its shape {tuple_text(shape)} takes more"
    return "two of its parts hold the same values" if _overlap(known) else ""


def _overlap(boxes: Sequence[Box]) -> bool:
    """Whether any two boxes share a place. Sorted by the dimension that tells most apart."""
    full = [box for box in boxes if all(box)]
    if len(full) < 2:
        return False
    starts = np.array([[r.start for r in box] for box in full], np.int64)
    stops = np.array([[r.stop for r in box] for box in full], np.int64)
    axis = max(range(starts.shape[1]), key=lambda a: len(np.unique(starts[:, a])))
    order = np.argsort(starts[:, axis], kind="stable")
    starts, stops = starts[order], stops[order]
    until = np.searchsorted(starts[:, axis], stops[:, axis])
    return any(
        bool(np.any(np.all((starts[later] < stops[i]) & (stops[later] > starts[i]), axis=1)))
        for i, end in enumerate(until)
        if (later := slice(i + 1, end)).stop > i + 1
    )
