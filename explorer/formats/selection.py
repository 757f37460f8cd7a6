"""What a selection of a tensor takes, checked against the bytes there are before any is read."""

from __future__ import annotations

import math
import operator
from dataclasses import dataclass

import numpy as np

from explorer.formats.artifact import Selection, TensorUnreadable
from explorer.formats.text import bytes_text

UNQUESTIONED = 64 << 20
"""Bytes that may be allocated whatever a file stores: enough for a table or a picture."""

MOST_PACKED = 1100
"""Deflate packs at most 1032 to 1; a file that declares more than this holds fill values only."""


def selected_shape(shape: tuple[int, ...], selection: Selection) -> tuple[int, ...]:
    """The shape of ``array[selection]`` for an array of ``shape``.

    Raises `IndexError` as NumPy does.
    """
    if len(selection) > len(shape):
        raise IndexError(f"{len(selection)} indices for {len(shape)} dimensions")
    kept: list[int] = []
    for axis, (index, size) in enumerate(zip(selection, shape, strict=False)):
        if isinstance(index, slice):
            kept.append(len(range(*index.indices(size))))
        elif not -size <= operator.index(index) < size:
            raise IndexError(f"index {index} is out of bounds for axis {axis} with size {size}")
    return (*kept, *shape[len(selection) :])


@dataclass(frozen=True, slots=True)
class Run:
    """A selection as one run of elements: from element ``first``, of ``shape``, then ``rest``."""

    first: int
    shape: tuple[int, ...]
    rest: Selection

    @property
    def count(self) -> int:
        """How many elements it has."""
        return math.prod(self.shape)

    def taken(self, values: np.ndarray) -> np.ndarray:
        """The selection from the values of the run, of any shape."""
        return chosen(values.reshape(self.shape), self.rest)


def leading_run(shape: tuple[int, ...], selection: Selection) -> Run:
    """The shortest run of a row-major array that holds ``array[selection]``.

    Leading integers and the first slice narrow it; ``rest`` is what is left to take from the run.
    Raises `IndexError` as NumPy does.
    """
    if len(selection) > len(shape):
        raise IndexError(f"{len(selection)} indices for {len(shape)} dimensions")
    first = 0
    for depth, index in enumerate(selection):
        below = math.prod(shape[depth + 1 :])
        if isinstance(index, slice):
            rows = range(*index.indices(shape[depth]))
            low, high = sorted((rows[0], rows[-1])) if rows else (0, -1)
            rest = (slice(None, None, index.step), *selection[depth + 1 :])
            return Run(first + low * below, (high + 1 - low, *shape[depth + 1 :]), rest)
        first += range(shape[depth])[operator.index(index)] * below
    return Run(first, shape[len(selection) :], ())


def chosen(array: np.ndarray, selection: Selection) -> np.ndarray:
    """``array[selection]``, an array even where one value is left."""
    index = (*selection, Ellipsis)
    part: np.ndarray = array[index]
    return part


def is_inflated(wanted: int, stored: int, packed: bool = True) -> bool:
    """Whether ``wanted`` bytes cannot come from ``stored`` ones, compressed or not."""
    return wanted > UNQUESTIONED and wanted > stored * (MOST_PACKED if packed else 1)


def check_inflated(name: str, wanted: int, stored: int, packed: bool) -> None:
    """Raise `TensorUnreadable` where ``wanted`` bytes are declared, but hardly any stored."""
    if is_inflated(wanted, stored, packed):
        raise TensorUnreadable(
            f"{name} declares {bytes_text(wanted)} for this selection, but only "
            f"{bytes_text(stored)} are stored. It was not read; select a smaller part of it."
        )
