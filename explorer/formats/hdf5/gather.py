"""A selection put together from blocks of an array, each loaded only where it is needed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

import numpy as np

from explorer.formats.artifact import Selection
from explorer.formats.selection import chosen, selected_shape


class Block(NamedTuple):
    """A part of an array: where it begins, its sizes (it may reach beyond), and its values."""

    origin: tuple[int, ...]
    shape: tuple[int, ...]
    load: Callable[[], np.ndarray]


def gathered(
    shape: tuple[int, ...],
    selection: Selection,
    fill: np.ndarray,
    blocks: Callable[[Sequence[range]], Iterable[Block]],
) -> np.ndarray:
    """``array[selection]`` of an array of ``shape``, which is ``fill`` where no block lies.

    ``fill`` may have dimensions, the last ones of the array. ``blocks`` is asked with what is
    wanted of each axis, in steps above 0, and may leave out blocks that lie beside it.
    """
    axes, flips = _axes(shape, selection)
    out = np.empty([len(axis) for axis in axes], fill.dtype)
    last = axes[len(axes) - fill.ndim :]
    out[...] = fill[tuple(_slice(axis, 0) for axis in last)]
    for block in blocks(axes):
        parts = [_overlap(*one) for one in zip(axes, block.origin, block.shape, strict=True)]
        if all(part is not None for part in parts):
            targets, sources = zip(*(part for part in parts if part), strict=True)
            out[targets] = block.load()[sources]
    return chosen(out.reshape(selected_shape(shape, selection)), flips)


def _axes(shape: tuple[int, ...], selection: Selection) -> tuple[list[range], tuple[slice, ...]]:
    """What is wanted of each axis, forwards, and the slices that turn the result around."""
    axes: list[range] = []
    flips: list[slice] = []
    for index, size in zip(selection, shape, strict=False):
        if isinstance(index, slice):
            axis = range(*index.indices(size))
            flips.append(slice(None, None, -1 if axis.step < 0 else 1))
            axes.append(axis[::-1] if axis.step < 0 else axis)
        else:
            axes.append(range(size)[index : index + 1 or None])
    return axes + [range(size) for size in shape[len(selection) :]], tuple(flips)


def _overlap(axis: range, origin: int, size: int) -> tuple[slice, slice] | None:
    """Which of the wanted indices lie in a block, and where in the block; ``None`` for none."""
    first = max(0, -((axis.start - origin) // axis.step))
    stop = min(len(axis), -((axis.start - origin - size) // axis.step))
    if first >= stop:
        return None
    return slice(first, stop), _slice(axis[first:stop], origin)


def _slice(axis: range, origin: int) -> slice:
    """The same indices counted from ``origin``; none of them is below it."""
    return slice(axis.start - origin, axis.stop - origin, axis.step)
