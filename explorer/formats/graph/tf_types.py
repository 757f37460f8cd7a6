"""TensorFlow's data types and shapes as this program names them, and as NumPy holds them.

Source: ``tensorflow/core/framework/types.proto`` and ``tensorflow/python/framework/dtypes.py``.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from explorer.formats.artifact import Shape
from explorer.formats.schema import tensor_pb2

_RENAMED = {"FLOAT": "float32", "DOUBLE": "float64", "HALF": "float16"}
_NAMES: dict[int, str] = {
    code: _RENAMED.get(name[3:], name[3:].lower()) for name, code in tensor_pb2.DataType.items()
}
_FIRST_REFERENCE = 100
MOST_DIMENSIONS = 254
"""``TensorShape::MaxDimensions`` in ``tensorflow/core/framework/tensor_shape.h``."""
_WITH_ML_DTYPES = ("bfloat16", "float8", "float4", "int4", "uint4", "int2", "uint2")
_WITHOUT_NUMBERS = ("invalid", "string", "resource", "variant")


def dtype_name(code: int) -> str:
    """``1`` (``DT_FLOAT``) becomes ``float32``; TensorFlow 1's reference types end in ``_ref``."""
    if code - _FIRST_REFERENCE in _NAMES:
        return f"{_NAMES[code - _FIRST_REFERENCE]}_ref"
    return _NAMES.get(code, f"type {code}")


def numpy_dtype(code: int) -> np.dtype | None:
    """The NumPy type with the same bytes, little-endian; ``None`` for strings and other types.

    Quantized types become the integers they are stored as. The 4-bit and 2-bit types take one byte
    per element, as in TensorFlow's memory.
    """
    name = _NAMES.get(code)
    if name is None or name in _WITHOUT_NUMBERS:
        return None
    if name.startswith(_WITH_ML_DTYPES):
        import ml_dtypes  # only these types need it

        return _dtype(getattr(ml_dtypes, name))
    return _dtype("<" + np.dtype(name.removeprefix("q")).str[1:])


def _dtype(name: Any) -> np.dtype:
    dtype: np.dtype = np.dtype(name)
    return dtype


def shape_of(shape: tensor_pb2.TensorShapeProto) -> Shape:
    """The dimensions of a message, ``None`` for an unknown one or for an unknown rank.

    More than TensorFlow itself takes are no shape either.
    """
    if shape.unknown_rank or len(shape.dim) > MOST_DIMENSIONS:
        return None
    return tuple(dim.size if dim.size >= 0 else None for dim in shape.dim)
