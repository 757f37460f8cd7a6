"""Selections of a tensor as people write them: ``0,:,3`` or ``-1,::2``."""

from __future__ import annotations

import re

from explorer.formats.artifact import Selection, Shape
from explorer.formats.selection import selected_shape
from explorer.formats.text import tuple_text

_INDEX = re.compile(r"[+-]?\d+")
_SLICE = re.compile(r"([+-]?\d+)?:([+-]?\d+)?(?::([+-]?\d+)?)?")


def parse_slice(text: str, shape: Shape) -> Selection:
    """One index or slice per leading dimension of ``shape``, as NumPy reads them.

    Raises ``ValueError`` with what is wrong and what would be right.
    """
    inner = text.strip().removeprefix("[").removesuffix("]").strip().removesuffix(",")
    selection = tuple(_part(part.strip(), text) for part in inner.split(","))
    if shape is None or None in shape:
        raise ValueError("the shape of the tensor is not known, so no part of it can be selected")
    try:
        selected_shape(tuple(int(size or 0) for size in shape), selection)
    except IndexError as error:
        raise ValueError(f"{text} is outside the shape {tuple_text(shape)}: {error}") from error
    return selection


def _part(part: str, text: str) -> int | slice:
    if _INDEX.fullmatch(part):
        return int(part)
    found = _SLICE.fullmatch(part)
    if found is None or (found[3] is not None and int(found[3]) == 0):
        raise ValueError(
            f"{part!r} in {text!r} is no index and no slice; write one of 3, -1, :, 2:5 or ::2 for "
            "each dimension, such as 0,:,3"
        )
    start, stop, step = (None if number is None else int(number) for number in found.groups())
    return slice(start, stop, step)
