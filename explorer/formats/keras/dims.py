"""Shapes of tensors by their dimensions, and how several go together."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from explorer.formats.artifact import Shape

Config = Mapping[str, Any]
Dims = tuple[int | None, ...]
Rule = Callable[[Config, Dims], Shape]
"""The shape that a layer gives for what it takes first."""

LINE = "line of Keras"
"""Added to the config of a layer: 2 or 3, as its model was saved by; ``None`` if that is open."""


def product(dims: Dims) -> int | None:
    """How many numbers a shape holds, ``None`` where a size is not known."""
    return None if None in dims else math.prod(d or 0 for d in dims)


def axis_of(axis: Any, rank: int) -> int:
    """An axis counted from the start; raises `ValueError` where there is none such."""
    if not isinstance(axis, int) or not -rank <= axis < rank:
        raise ValueError("no axis of the shape")
    return axis % rank


def axes_of(axes: Any, rank: int) -> set[int]:
    """Several axes, one, or all for ``None``."""
    listed = range(rank) if axes is None else axes if isinstance(axes, list) else [axes]
    return {axis_of(axis, rank) for axis in listed}


def broadcast(shapes: Sequence[Dims]) -> Dims:
    """The shape that several have together, as NumPy, TensorFlow and Keras 3 have it."""
    rank = max(len(shape) for shape in shapes)
    padded = [(1,) * (rank - len(shape)) + shape for shape in shapes]
    return tuple(_broadcast(sizes) for sizes in zip(*padded, strict=True))


def _broadcast(sizes: Iterable[int | None]) -> int | None:
    """One of several sizes; 1 goes with any."""
    known = {size for size in sizes if size != 1}
    certain = known - {None}
    if len(certain) > 1:
        raise ValueError("sizes that do not go together")
    return certain.pop() if certain else None if known else 1


def merged(config: Config, shapes: Sequence[Dims]) -> Dims:
    """What the merging layers give: shorter shapes grow behind the batch.

    Where a size that is not known meets one that is, Keras 2 takes the latter, Keras 3 neither;
    raises `ValueError` if it is not known which it was.
    """
    rank = max(len(shape) for shape in shapes)
    padded = [(*shape[:1], *(1,) * (rank - len(shape)), *shape[1:]) for shape in shapes]
    together, line = broadcast(padded), config.get(LINE)
    mixed = [None in sizes and len(set(sizes)) > 1 for sizes in zip(*padded, strict=True)]
    if mixed[0] or (any(mixed) and line is None):
        raise ValueError("Keras 2 and 3 do not agree")
    return tuple(
        None if line == 3 and differ else size for size, differ in zip(together, mixed, strict=True)
    )


def concatenated(shapes: Sequence[Dims], axis: Any) -> Dims:
    """Shapes joined along an axis; raises `ValueError` where they differ elsewhere."""
    along = axis_of(axis, len(shapes[0]))
    rests = {(*shape[:along], *shape[along + 1 :]) for shape in shapes}
    if len(rests) > 1:
        raise ValueError("shapes that do not go together")
    sizes = tuple(shape[along] for shape in shapes)
    joined = None if None in sizes else sum(size or 0 for size in sizes)
    return (*shapes[0][:along], joined, *shapes[0][along + 1 :])


def reshaped(shape: Dims, target: Sequence[Any]) -> Dims:
    """``target`` with the one size of -1 that makes both hold as many numbers."""
    if any(size is not None and not isinstance(size, int) for size in target):
        raise ValueError("a size that is no number")
    if -1 not in target:
        return tuple(target)
    rest = math.prod(size for size in target if size is not None and size != -1)
    size = None if None in target else product(shape)
    found = None if size is None else size // rest
    return tuple(found if size == -1 else size for size in target)
