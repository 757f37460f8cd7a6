"""The values of TensorFlow Lite tensors from the bytes of their buffers."""

from __future__ import annotations

import math
import struct
from functools import partial
from itertools import pairwise

import ml_dtypes
import numpy as np

from explorer.formats.artifact import Selection, Shape, TensorUnreadable, UnreadableArtifact
from explorer.formats.selection import chosen, leading_run
from explorer.formats.text import bytes_text, tuple_text
from explorer.formats.tflite.buffers import Buffers
from explorer.formats.tflite.flatbuffer import Vector
from explorer.formats.tflite.schema import DTYPES

_PACKED = {"int4": 4, "uint4": 4, "int2": 2}
_WITHOUT_VALUES = ("resource", "variant")
_MORE_DTYPES = ("bfloat16", "float8_e4m3fn", "float8_e5m2")


def read(
    buffers: Buffers, span: Vector, path: str, dtype: str, shape: Shape, selection: Selection
) -> np.ndarray:
    """The selected values of a tensor. Raises `TensorUnreadable`."""
    try:
        return _values(buffers, span, path, dtype, shape, selection)
    except (OSError, ValueError, struct.error, UnreadableArtifact) as error:
        raise TensorUnreadable(
            f"The values of {path} cannot be read: {error}. The file was changed, closed or "
            "damaged; open it again."
        ) from error


def size_problem(buffers: Buffers, span: Vector, dtype: str, shape: Shape) -> str:
    """Whether a buffer holds what dtype and shape say; empty where it does or nobody can say."""
    if shape is None or None in shape or dtype not in DTYPES or dtype in _WITHOUT_VALUES:
        return ""
    known = tuple(size or 0 for size in shape)
    if dtype == "string":
        return _strings_problem(buffers.load(span.start, min(span.count, 4)), span, known)
    needed = -(-math.prod(known) * _bits(dtype) // 8)
    if needed == span.count:
        return ""
    return (
        f"declares {dtype} {tuple_text(shape)}, which takes {needed:,} bytes, but "
        f"{bytes_text(span.count)} are stored. The file is damaged; copy or download it again."
    )


def _strings_problem(head: bytes, span: Vector, shape: tuple[int, ...]) -> str:
    count = int.from_bytes(head, "little", signed=True)
    if count == math.prod(shape) and 4 + 4 * (count + 1) <= span.count:
        return ""
    return (
        f"declares {math.prod(shape):,} strings, but its buffer holds {count:,}. The file is "
        "damaged; copy or download it again."
    )


def _values(
    buffers: Buffers, span: Vector, path: str, dtype: str, shape: Shape, selection: Selection
) -> np.ndarray:
    if shape is None or None in shape:
        raise TensorUnreadable(f"{path} has no complete shape, so its values cannot be told apart.")
    if dtype not in DTYPES or dtype in _WITHOUT_VALUES:
        raise TensorUnreadable(f"{path} is of {dtype}, which has no values to show.")
    if problem := size_problem(buffers, span, dtype, shape):
        raise TensorUnreadable(f"{path} {problem}")
    known = tuple(size or 0 for size in shape)
    load = partial(buffers.load, span.start, span.count)
    if dtype == "string":
        return chosen(_strings(load()).reshape(known), selection)
    if dtype in _PACKED:
        return chosen(_unpacked(load(), dtype, known), selection)
    kind = _numpy_dtype(dtype)
    run = leading_run(known, selection)
    data = buffers.load(span.start + run.first * kind.itemsize, run.count * kind.itemsize)
    return run.taken(np.frombuffer(data, kind))


def _bits(dtype: str) -> int:
    return _PACKED.get(dtype) or _numpy_dtype(dtype).itemsize * 8


def _numpy_dtype(dtype: str) -> np.dtype:
    if dtype in _MORE_DTYPES:
        special: np.dtype = np.dtype(getattr(ml_dtypes, dtype))
        return special
    little: np.dtype = np.dtype(dtype).newbyteorder("<")
    return little


def _unpacked(data: bytes, dtype: str, shape: tuple[int, ...]) -> np.ndarray:
    """Two or four values to a byte, the first in the lowest bits, as one byte each."""
    bits = _PACKED[dtype]
    shifts = np.arange(0, 8, bits, dtype=np.uint8)
    raw = np.frombuffer(data, np.uint8)[:, None] >> shifts & (1 << bits) - 1
    values: np.ndarray = raw.reshape(-1)[: math.prod(shape)].reshape(shape)
    if dtype == "uint4":
        return values
    sign = 1 << (bits - 1)
    signed: np.ndarray = (values ^ sign).astype(np.int8) - np.int8(sign)
    return signed


def _strings(data: bytes) -> np.ndarray:
    """A count, one more offsets than strings, then the strings (``string_util.h``)."""
    (count,) = struct.unpack_from("<i", data)
    offsets = struct.unpack_from(f"<{count + 1}i", data, 4)
    if list(offsets) != sorted(offsets) or offsets[0] < 0 or offsets[-1] > len(data):
        raise ValueError("the offsets of its strings lead out of its buffer")
    found = np.empty(count, dtype=object)
    found[:] = [data[a:b] for a, b in pairwise(offsets)]
    return found
