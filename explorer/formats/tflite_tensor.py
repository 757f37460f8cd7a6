"""The tensors of a TensorFlow Lite model and the buffers that hold their values."""

from __future__ import annotations

import math
import struct
from collections.abc import Sequence
from functools import partial
from itertools import pairwise

import ml_dtypes
import numpy as np

from explorer.formats.artifact import (
    Location,
    Role,
    Selection,
    Shape,
    Tensor,
    TensorUnreadable,
    UnreadableArtifact,
)
from explorer.formats.flatbuffer import (
    BOOL,
    FLOAT32,
    INT8,
    INT32,
    INT64,
    UINT32,
    UINT64,
    Table,
    Vector,
)
from explorer.formats.selection import chosen, leading_run
from explorer.formats.storage import Pages
from explorer.formats.text import bytes_text, tuple_text
from explorer.formats.tflite_schema import DTYPES, Buffer, Model, Quantization, TensorField

_FLOATS = ("float32", "float16", "float64", "bfloat16")
_PACKED = {"int4": 4, "uint4": 4, "int2": 2}
_SHOWN = 100


class Buffers:
    """The buffers of a model by index; what is in them is read only when asked for."""

    def __init__(self, pages: Pages, model: Table) -> None:
        self._pages = pages
        self._model = model
        self.count = model.count(Model.BUFFERS)
        self.file = pages.name

    def span(self, index: int) -> Vector | None:
        """Where a buffer's bytes are in the file, ``None`` where it is empty or not there.

        Raises `UnreadableArtifact` where they end after the file.
        """
        if not 0 <= index < self.count:
            return None
        table = self._model.item(Model.BUFFERS, index)
        start, size = table.number(Buffer.OFFSET, UINT64), table.number(Buffer.SIZE, UINT64)
        if start <= 1:  # the schema's default is 0, the converter writes 1 before it knows better
            vector = table.vector(Buffer.DATA, 1)
            return vector if vector is not None and vector.count else None
        if start + size > self._pages.size:
            raise UnreadableArtifact(
                f"{self.file} is cut short: buffer {index} ends at byte {start + size:,}, but "
                f"there are {self._pages.size:,}. Copy or download it again."
            )
        return Vector(start, size)

    def check(self) -> None:
        """Raise `UnreadableArtifact` where any buffer ends after the file."""
        for index in range(self.count):
            self.span(index)

    def read(self, index: int, most: int) -> bytes:
        """The first bytes of a buffer, at most so many."""
        span = self.span(index)
        return b"" if span is None else self._pages.read(span.start, min(span.count, most))

    def bytes(self, start: int, length: int) -> bytes:
        """Bytes of the file."""
        return self._pages.read(start, length)


def tensor_of(table: Table, path: str, buffers: Buffers) -> Tensor:
    """One tensor; without a reader where the model computes it."""
    dtype = _dtype_name(table.number(TensorField.TYPE, INT8))
    shape = _shape(table)
    span = buffers.span(table.number(TensorField.BUFFER, UINT32))
    elsewhere = _elsewhere(table)
    if elsewhere:
        reader = partial(_refuse, f"{path} {elsewhere}")
        return Tensor(path, dtype, shape, 0, Role.OTHER, None, reader)
    if span is None:
        return Tensor(path, dtype, shape, 0, Role.OTHER)
    return Tensor(
        path,
        dtype,
        shape,
        span.count,
        _role(table, dtype, shape),
        Location(buffers.file, span.start, span.count),
        partial(_read, buffers, span, path, dtype, shape),
    )


def _dtype_name(code: int) -> str:
    return DTYPES[code] if 0 <= code < len(DTYPES) else f"type {code}"


def _shape(table: Table) -> Shape:
    """The signature, which keeps unknown dimensions, before the shape, which has 1 for them."""
    dims = table.numbers(TensorField.SHAPE_SIGNATURE, INT32) or table.numbers(
        TensorField.SHAPE, INT32
    )
    has_values = table.number(TensorField.BUFFER, UINT32) > 0
    if not dims and not has_values and not table.number(TensorField.HAS_RANK, BOOL):
        return None
    return tuple(None if d < 0 else d for d in dims)


def _elsewhere(table: Table) -> str:
    if table.number(TensorField.EXTERNAL_BUFFER, UINT32):
        return (
            "keeps its values in another file. A model file that reads other files can be a trap, "
            "so it is not followed."
        )
    if table.table(TensorField.SPARSITY) is not None:
        return "is stored as a sparse tensor, whose values only TensorFlow Lite can expand."
    return ""


def _refuse(reason: str, selection: Selection) -> np.ndarray:
    raise TensorUnreadable(reason)


def _role(table: Table, dtype: str, shape: Shape) -> Role:
    """A weight is an array of real numbers, also quantized ones; the rest are constants."""
    quantization = table.table(TensorField.QUANTIZATION)
    scaled = quantization is not None and bool(quantization.vector(Quantization.SCALE, 4))
    return Role.WEIGHT if shape and (dtype in _FLOATS or scaled) else Role.CONSTANT


def quantization_of(table: Table) -> list[tuple[str, str]]:
    """The quantization of a tensor as name and text, empty where it has none."""
    found = table.table(TensorField.QUANTIZATION)
    if found is None:
        return []
    fields: list[tuple[str, Sequence[float]]] = [
        ("scale", found.numbers(Quantization.SCALE, FLOAT32)),
        ("zero point", found.numbers(Quantization.ZERO_POINT, INT64)),
        ("minimum", found.numbers(Quantization.MIN, FLOAT32)),
        ("maximum", found.numbers(Quantization.MAX, FLOAT32)),
    ]
    shown = [(name, _numbers_text(values)) for name, values in fields if values]
    if len(fields[0][1]) > 1:
        dimension = found.number(Quantization.QUANTIZED_DIMENSION, INT32)
        shown.append(("quantized dimension", str(dimension)))
    return shown


def _numbers_text(values: Sequence[float]) -> str:
    more = len(values) - _SHOWN
    text = ", ".join(f"{value:.9g}" for value in values[:_SHOWN])
    return f"{text}, … and {more:,} more" if more > 0 else text


# Values


def _read(
    buffers: Buffers, span: Vector, path: str, dtype: str, shape: Shape, selection: Selection
) -> np.ndarray:
    try:
        return _values(buffers, span, path, dtype, shape, selection)
    except (OSError, ValueError, struct.error, UnreadableArtifact) as error:
        raise TensorUnreadable(
            f"The values of {path} cannot be read: {error}. The file was changed, closed or "
            "damaged; open it again."
        ) from error


def _values(
    buffers: Buffers, span: Vector, path: str, dtype: str, shape: Shape, selection: Selection
) -> np.ndarray:
    if shape is None or None in shape:
        raise TensorUnreadable(f"{path} has no complete shape, so its values cannot be told apart.")
    known = tuple(size or 0 for size in shape)
    if dtype == "string":
        data = buffers.bytes(span.start, span.count)
        return chosen(_strings(data, path, known), selection)
    _check_size(span, path, dtype, known)
    if dtype in _PACKED:
        data = buffers.bytes(span.start, span.count)
        return chosen(_unpacked(data, dtype, known), selection)
    kind = _numpy_dtype(dtype)
    run = leading_run(known, selection)
    count = math.prod(run.shape)
    data = buffers.bytes(span.start + run.first * kind.itemsize, count * kind.itemsize)
    return chosen(np.frombuffer(data, kind).reshape(run.shape), run.rest)


def _numpy_dtype(dtype: str) -> np.dtype:
    little: np.dtype = np.dtype(dtype if dtype != "bfloat16" else ml_dtypes.bfloat16)
    return little.newbyteorder("<") if little.kind != "V" else little


def _check_size(span: Vector, path: str, dtype: str, shape: tuple[int, ...]) -> None:
    if dtype not in DTYPES or dtype in ("resource", "variant"):
        raise TensorUnreadable(f"{path} is of {dtype}, which has no values to show.")
    bits = _PACKED.get(dtype) or _numpy_dtype(dtype).itemsize * 8
    needed = -(-math.prod(shape) * bits // 8)
    if needed != span.count:
        raise TensorUnreadable(
            f"{path} declares {dtype} {tuple_text(shape)}, which takes {needed:,} bytes, but "
            f"{bytes_text(span.count)} are stored. The file is damaged; copy or download it again."
        )


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


def _strings(data: bytes, path: str, shape: tuple[int, ...]) -> np.ndarray:
    """A count, one more offsets than strings, then the strings (``string_util.h``)."""
    (count,) = struct.unpack_from("<i", data)
    if count != math.prod(shape) or 4 + 4 * (count + 1) > len(data):
        raise TensorUnreadable(
            f"{path} declares {math.prod(shape):,} strings, but its buffer holds {count:,}. The "
            "file is damaged; copy or download it again."
        )
    offsets = struct.unpack_from(f"<{count + 1}i", data, 4)
    found = np.empty(count, dtype=object)
    found[:] = [data[a:b] for a, b in pairwise(offsets)]
    return found.reshape(shape)
