"""Constants: tensors that lie in a graph as ``TensorProto`` messages, read by range.

The values are the raw bytes in ``tensor_content``, or numbers in the field for their type, where
the last one stands for all that are left out. Source: ``tensorflow/core/framework/tensor.proto``
and ``MakeNdarray`` in ``tensorflow/python/framework/tensor_util.py``.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import partial

import numpy as np
from google.protobuf.message import DecodeError

from explorer.formats.artifact import (
    Location,
    Role,
    Selection,
    Shape,
    Tensor,
    TensorUnreadable,
    UnreadableArtifact,
)
from explorer.formats.graph.tf_types import MOST_DIMENSIONS, dtype_name, numpy_dtype, shape_of
from explorer.formats.protobuf.wire import BYTES, FIXED32, FIXED64, Field, ProtoFile, Span, Wire
from explorer.formats.schema import tensor_pb2 as pb
from explorer.formats.selection import check_inflated, leading_run
from explorer.formats.text import tuple_text, value_text

_CONTENT = pb.TensorProto.TENSOR_CONTENT_FIELD_NUMBER
_STRINGS = pb.TensorProto.STRING_VAL_FIELD_NUMBER
VALUE_FIELDS = frozenset(
    field.number
    for field in pb.TensorProto.DESCRIPTOR.fields
    if field.name not in ("dtype", "tensor_shape")
)
"""The numbers of the fields of `TensorProto` that hold values."""

_FIELDS = {
    "float32": "float_val",
    "float64": "double_val",
    "int64": "int64_val",
    "uint32": "uint32_val",
    "uint64": "uint64_val",
    "bool": "bool_val",
    "float16": "half_val",
    "bfloat16": "half_val",
    "complex64": "scomplex_val",
    "complex128": "dcomplex_val",
}
_BITS = ("half_val",)
_PAIRS = ("scomplex_val", "dcomplex_val")
_AS_READ = {"float_val": "<f4", "double_val": "<f8", "uint64_val": "<u8"}
_AS_READ |= {"scomplex_val": "<f4", "dcomplex_val": "<f8"}
_KEPT = 1 << 7
_FEW = 1 << 10
"""Bytes that are sooner parsed than stepped over."""
_AGAIN = "The file is damaged; copy it again from where it was written."


@dataclass(frozen=True, slots=True)
class _Stored:
    """Where a tensor's message and, if it has any, its ``tensor_content`` are in a file.

    A very small message is ``kept``: a graph has many, and each read opens the file again.
    """

    file: ProtoFile
    path: str
    code: int
    shape: Shape
    message: Span
    content: Span | None
    kept: bytes | None


def tensor_at(wire: Wire, file: ProtoFile, span: Span, path: str) -> Tensor:
    """The tensor whose ``TensorProto`` is at ``span``. Raises `WireError`."""
    values = [field for field in wire.fields(span) if field.tag in VALUE_FIELDS]
    about = _described(wire, span)
    content = next((f.span for f in values if f.tag == _CONTENT and f.wire == BYTES), None)
    kept = wire.bytes(span) if span.size <= _KEPT else None
    stored = _Stored(file, path, about.dtype, shape_of(about.tensor_shape), span, content, kept)
    size = sum(field.span.size for field in values)
    return Tensor(
        path,
        dtype_name(about.dtype),
        stored.shape,
        _whole_size(stored, values, size),
        Role.CONSTANT,
        _location(file, values, size),
        partial(_read, stored),
        packed=size,
    )


def _described(wire: Wire, span: Span) -> pb.TensorProto:
    """A tensor's type and shape, and its values too where they are few."""
    if span.size <= _FEW:
        return wire.message(span, pb.TensorProto)
    return wire.split(span, pb.TensorProto, VALUE_FIELDS)[0]


def _whole_size(stored: _Stored, fields: list[Field], size: int) -> int:
    """The bytes that all values take, of texts their lengths; ``size`` are stored in ``fields``.

    This is what is stored where that cannot be told.
    """
    if stored.shape is None or None in stored.shape:
        return size
    count = math.prod(n or 0 for n in stored.shape)
    texts = [field for field in fields if field.tag == _STRINGS]
    if texts:
        return size + max(count - len(texts), 0) * texts[-1].span.size
    dtype = numpy_dtype(stored.code)
    return size if dtype is None else count * dtype.itemsize


def _location(file: ProtoFile, values: list[Field], size: int) -> Location | None:
    """Where the bytes of the values begin, if they lie together."""
    if not file.stored:
        return None
    plain = len(values) == 1 and values[0].wire in (BYTES, FIXED32, FIXED64)
    return Location(file.member, values[0].start if plain else None, size)


def _read(stored: _Stored, selection: Selection) -> np.ndarray:
    try:
        return _selected(stored, selection)
    except (OSError, ValueError, DecodeError, OverflowError, UnreadableArtifact) as error:
        raise TensorUnreadable(f"The values of {stored.path} cannot be read: {error}.") from error


def _selected(stored: _Stored, selection: Selection) -> np.ndarray:
    shape = stored.shape
    if shape is None or None in shape:
        raise TensorUnreadable(
            f"{stored.path} has no complete shape, or one of more than {MOST_DIMENSIONS} "
            f"dimensions. {_AGAIN}"
        )
    known = tuple(size or 0 for size in shape)
    if stored.content is not None and stored.content.size:
        return _raw(stored, stored.content, known, selection)
    values = _values(stored)
    if values.size > math.prod(known):
        raise TensorUnreadable(
            f"{stored.path} declares {tuple_text(known)}, but {values.size:,} values are stored. "
            f"{_AGAIN}"
        )
    run = leading_run(known, selection)
    check_inflated(stored.path, run.count * values.itemsize, stored.message.size, packed=False)
    return run.taken(_repeated(values, run.first, run.count))


def _raw(
    stored: _Stored, content: Span, shape: tuple[int, ...], selection: Selection
) -> np.ndarray:
    dtype = numpy_dtype(stored.code)
    if dtype is None:
        raise TensorUnreadable(f"{stored.path} is of {dtype_name(stored.code)}, kept as one block.")
    needed = math.prod(shape) * dtype.itemsize
    if content.size != needed:
        raise TensorUnreadable(
            f"{stored.path} declares {dtype_name(stored.code)} {tuple_text(shape)}, which takes "
            f"{needed:,} bytes, but {content.size:,} are stored. {_AGAIN}"
        )
    run = leading_run(shape, selection)
    start = content.start + run.first * dtype.itemsize
    return run.taken(np.frombuffer(stored.file.read(start, run.count * dtype.itemsize), dtype))


def _values(stored: _Stored) -> np.ndarray:
    """The values that are in the field for the type, one after another."""
    data = stored.kept
    if data is None:
        data = stored.file.read(stored.message.start, stored.message.size)
    values = _listed(pb.TensorProto.FromString(data))
    if values is None:
        raise TensorUnreadable(
            f"{stored.path} is of {dtype_name(stored.code)}, which has no values to show."
        )
    return values


def _listed(message: pb.TensorProto) -> np.ndarray | None:
    if message.dtype == pb.DT_STRING:
        strings = np.empty(len(message.string_val), object)
        strings[:] = message.string_val
        return strings
    dtype = numpy_dtype(message.dtype)
    return None if dtype is None else _numbers(message, dtype_name(message.dtype), dtype)


def default_text(message: pb.TensorProto) -> str:
    """A tensor as text, one that is a single value with it: ``float32 () = 0.5000``."""
    shape = shape_of(message.tensor_shape)
    text = f"{dtype_name(message.dtype)} {tuple_text(shape)}"
    if shape != ():
        return text
    dtype = numpy_dtype(message.dtype)
    if dtype is not None and len(message.tensor_content) == dtype.itemsize:
        return f"{text} = {value_text(np.frombuffer(message.tensor_content, dtype)[0])}"
    values = _listed(message)
    return text if values is None or not values.size else f"{text} = {value_text(values[0])}"


def _numbers(message: pb.TensorProto, name: str, dtype: np.dtype) -> np.ndarray:
    if name.startswith(("float8", "float4")):
        return np.frombuffer(message.float8_val, dtype)
    field = _FIELDS.get(name, "int_val")
    read = np.fromiter(getattr(message, field), _AS_READ.get(field, "<i8"))
    if field in _BITS:
        return read.astype("<u2").view(dtype)
    if field in _PAIRS:
        return read[: read.size // 2 * 2].view(dtype)
    converted: np.ndarray = read.astype(dtype)
    return converted


def _repeated(values: np.ndarray, first: int, count: int) -> np.ndarray:
    """Values ``first`` to ``first + count``, where the last one stands for all that follow it."""
    part = values[first : first + count]
    if part.size == count:
        return part
    filler = values[-1] if values.size else b"" if values.dtype == object else 0
    whole = np.empty(count, values.dtype)
    whole[: part.size] = part
    whole[part.size :] = filler
    return whole
