"""What stands before the values of an array in a ``.npy`` file.

Source: ``numpy/lib/_format_impl.py`` (NEP 1).
"""

from __future__ import annotations

import ast
from collections.abc import Mapping
from functools import lru_cache

import numpy as np

from explorer.formats.raw_tensor import RawValues
from explorer.formats.storage import Storage

MAGIC = b"\x93NUMPY"

_LENGTH_BYTES = {1: 2, 2: 4, 3: 4}
_USUAL_HEADER = 256
_LONGEST_HEADER = 10_000
"""As much as NumPy itself parses of a file that it does not trust."""

_KEYS = {"descr", "fortran_order", "shape"}
_DEEPEST_PARSE_ERRORS = (ValueError, SyntaxError, TypeError, MemoryError, RecursionError)


def array_values(storage: Storage, member: str) -> RawValues:
    """Where the values are, by the header. Raises ``ValueError``."""
    head = storage.read(member, 0, _USUAL_HEADER)
    length_bytes = _LENGTH_BYTES.get(head[6]) if len(head) >= 12 else None
    if length_bytes is None:
        raise ValueError("its version is not 1, 2 or 3")
    start = 8 + length_bytes
    length = int.from_bytes(head[8:start], "little")
    if length > _LONGEST_HEADER:
        raise ValueError(f"it declares a header of {length:,} bytes")
    whole = start + length <= len(head)
    header = head[start : start + length] if whole else storage.read(member, start, length)
    found = _parsed(header.decode("utf-8" if head[6] == 3 else "latin-1"))
    stored = (storage.size(member) or 0) - start - length
    if stored < 0:
        raise ValueError("it ends before its header does")
    dtype, shape = _dtype(found["descr"]), _shape(found["shape"])
    return RawValues(
        storage, member, start + length, stored, dtype, shape, found["fortran_order"] is True
    )


@lru_cache(maxsize=256)
def _parsed(text: str) -> Mapping[str, object]:
    """What a header says; many arrays of one archive have the same."""
    try:
        found = ast.literal_eval(text.strip())
    except _DEEPEST_PARSE_ERRORS as error:
        raise ValueError("it is no dictionary of plain values") from error
    if not isinstance(found, dict) or not found.keys() >= _KEYS:
        raise ValueError("type, order or shape is missing")
    return found


def _dtype(descr: object) -> np.dtype:
    try:
        dtype: np.dtype = np.lib.format.descr_to_dtype(descr)  # type: ignore[arg-type]
    except Exception as error:
        raise ValueError("its type is none of NumPy's") from error
    return dtype


def _shape(value: object) -> tuple[int, ...]:
    if not isinstance(value, tuple) or len(value) > 64:
        raise ValueError("its shape is no tuple")
    if not all(type(size) is int and size >= 0 for size in value):
        raise ValueError("a dimension is no number")
    return value
