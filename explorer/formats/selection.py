"""What a selection of a tensor takes, checked against the bytes there are before any is read."""

from __future__ import annotations

from explorer.formats.artifact import Selection, TensorUnreadable
from explorer.formats.text import bytes_text

UNQUESTIONED = 64 << 20
"""Bytes that may be allocated whatever a file stores: enough for a table or a picture."""

MOST_PACKED = 1100
"""Deflate packs at most 1032 to 1; a file that declares more than this holds fill values only."""


def selected_shape(shape: tuple[int, ...], selection: Selection) -> tuple[int, ...]:
    """The shape of ``array[selection]`` for an array of ``shape``.

    Raises `TensorUnreadable` where the selection does not fit.
    """
    if len(selection) > len(shape):
        raise TensorUnreadable(
            f"The selection names {len(selection)} dimensions, but there are {len(shape)}."
        )
    kept: list[int] = []
    for index, size in zip(selection, shape, strict=False):
        if isinstance(index, slice):
            kept.append(len(range(*index.indices(size))))
        elif not -size <= index < size:
            raise TensorUnreadable(f"The index {index} is outside a dimension of {size}.")
    return (*kept, *shape[len(selection) :])


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
