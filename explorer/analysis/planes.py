"""Two-dimensional cuts through a tensor, for tables and pictures."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from explorer.analysis.plain_types import plain_dtype
from explorer.formats.artifact import Shape, Tensor


@dataclass(frozen=True, slots=True)
class Plane:
    """Which axis runs down, which across, and where the other axes stand.

    ``down`` or ``across`` is ``None`` where the tensor has fewer than two axes; that side then has
    one row or column. ``at`` has one index per axis; those of ``down`` and ``across`` do not count.
    """

    shape: tuple[int, ...]
    down: int | None
    across: int | None
    at: tuple[int, ...]

    @property
    def rows(self) -> int:
        """How many rows there are."""
        return 1 if self.down is None else self.shape[self.down]

    @property
    def columns(self) -> int:
        """How many columns there are."""
        return 1 if self.across is None else self.shape[self.across]

    @property
    def fixed_axes(self) -> list[int]:
        """The axes that stand at one index."""
        return [axis for axis in range(len(self.shape)) if axis not in (self.down, self.across)]

    @property
    def text(self) -> str:
        """``[0, :, 0, :]``."""
        fixed = self.fixed_axes
        parts = (str(at) if axis in fixed else ":" for axis, at in enumerate(self.at))
        return f"[{', '.join(parts)}]"

    def read(self, tensor: Tensor, rows: slice, columns: slice) -> np.ndarray:
        """The values of these rows and columns, always with two axes, in types that NumPy has.

        Raises `TensorUnreadable`.
        """
        chosen: list[int | slice] = list(self.at)
        for axis, part in ((self.down, rows), (self.across, columns)):
            if axis is not None:
                chosen[axis] = part
        values = np.asarray(tensor.read(tuple(chosen)), _dtype_of(tensor))
        values = values.astype(plain_dtype(values.dtype), copy=False)
        if self.down is not None and self.across is not None:
            return values.T if self.down > self.across else values
        return values.reshape((-1, 1) if self.across is None else (1, -1))


def _dtype_of(tensor: Tensor) -> type | None:
    return object if tensor.dtype == "string" else None


def known_shape(shape: Shape) -> tuple[int, ...] | None:
    """The shape, if every dimension is known."""
    if shape is None or None in shape:
        return None
    return tuple(int(d or 0) for d in shape)


def table_plane(shape: tuple[int, ...]) -> Plane:
    """The last two axes, at the start of the others; one axis alone runs down."""
    rank = len(shape)
    down = None if rank == 0 else max(rank - 2, 0)
    return Plane(shape, down, rank - 1 if rank > 1 else None, (0,) * rank)


def picture_plane(shape: tuple[int, ...]) -> Plane:
    """The two longest axes in order, at the start of the others; one axis alone runs across."""
    longest = sorted(range(len(shape)), key=lambda axis: (-shape[axis], -axis))[:2]
    axes = sorted(longest)
    down = axes[0] if len(axes) == 2 else None
    return Plane(shape, down, axes[-1] if axes else None, (0,) * len(shape))


@dataclass(frozen=True, slots=True)
class Sample:
    """Values of a plane, of every ``row_step``-th row and ``column_step``-th column."""

    values: np.ndarray
    row_step: int
    column_step: int


def sample(tensor: Tensor, plane: Plane, limit: int) -> Sample:
    """At most ``limit`` × ``limit`` numbers of a plane as float64, evenly spread.

    Raises `TensorUnreadable`.
    """
    row_step = -(-plane.rows // limit) or 1
    column_step = -(-plane.columns // limit) or 1
    columns = slice(0, plane.columns, column_step)
    if row_step == 1:
        values = plane.read(tensor, slice(0, plane.rows), columns)
    else:  # row by row: a reader may read everything between the rows of a stepped slice
        rows = range(0, plane.rows, row_step)
        values = np.concatenate([plane.read(tensor, slice(r, r + 1), columns) for r in rows])
    return Sample(values.astype(np.float64), row_step, column_step)
