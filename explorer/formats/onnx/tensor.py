"""The tensors of an ONNX model, found by range; their values are read when asked for.

Source: ``onnx/onnx.proto``, the comments of ``TensorProto``.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from typing import Any

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
from explorer.formats.protobuf.wire import ProtoFile, Span, Spans, Wire
from explorer.formats.raw_tensor import RawValues
from explorer.formats.schema.onnx_pb2 import TensorProto
from explorer.formats.selection import chosen
from explorer.formats.text import tuple_text

FLOATS, INT32, STRINGS, INT64, RAW, DOUBLES, UINT64 = 4, 5, 6, 7, 9, 10, 11
_VALUES = (FLOATS, INT32, STRINGS, INT64, RAW, DOUBLES, UINT64)
_LARGEST_PARSED = 64 << 20
_MOST_DIMENSIONS = 254
"""The most that any program takes: those of TensorFlow."""

_NUMPY: dict[str, Any] = {
    "FLOAT": "<f4",
    "DOUBLE": "<f8",
    "BFLOAT16": ml_dtypes.bfloat16,
    "FLOAT8E4M3FN": ml_dtypes.float8_e4m3fn,
    "FLOAT8E4M3FNUZ": ml_dtypes.float8_e4m3fnuz,
    "FLOAT8E5M2": ml_dtypes.float8_e5m2,
    "FLOAT8E5M2FNUZ": ml_dtypes.float8_e5m2fnuz,
    "FLOAT8E8M0": ml_dtypes.float8_e8m0fnu,
}
_PACKED: dict[str, tuple[int, Any]] = {
    "UINT4": (4, ml_dtypes.uint4),
    "INT4": (4, ml_dtypes.int4),
    "FLOAT4E2M1": (4, ml_dtypes.float4_e2m1fn),
    "UINT2": (2, ml_dtypes.uint2),
    "INT2": (2, ml_dtypes.int2),
}
"""Several values to a byte, the first in the lowest bits."""


_TYPE_NAMES: dict[int, str] = {code: name for name, code in TensorProto.DataType.items()}


@lru_cache
def dtype_name(code: int) -> str:
    """``1`` (``FLOAT``) becomes ``float32``; ``type 99`` where ONNX has no such type."""
    if code not in _TYPE_NAMES:
        return f"type {code}"
    name = _TYPE_NAMES[code]
    kind = _numpy(name)
    return name.lower() if kind is None else np.dtype(kind).name


def _numpy(name: str) -> Any:
    """The NumPy type of the values, ``None`` for texts and what is undefined."""
    if name in ("UNDEFINED", "STRING"):
        return None
    if name in _PACKED:
        return _PACKED[name][1]
    return _NUMPY.get(name) or np.dtype(name.lower()).newbyteorder("<")


@dataclass(frozen=True, slots=True)
class StoredTensor:
    """A tensor, what is wrong with it, and the file its values lie in where that is another."""

    tensor: Tensor
    problem: str = ""
    external: str = ""


def stored_tensor(
    file: ProtoFile,
    wire: Wire,
    span: Span,
    path: str = "",
    role: Role = Role.WEIGHT,
    prefix: str = "",
) -> StoredTensor:
    """The tensor whose message is ``span``: by ``path``, or by its own name after ``prefix``.

    Raises `WireError` where it is no message.
    """
    header, spans = wire.split(span, TensorProto, _VALUES)
    path = path or prefix + (header.name or f"tensor at byte {span.start}")
    dtype = dtype_name(header.data_type)
    if len(header.dims) > _MOST_DIMENSIONS:
        problem = f"it declares {len(header.dims):,} dimensions, as no tensor has."
        return StoredTensor(Tensor(path, dtype, None, 0, role), problem, _place(header))
    shape = tuple(header.dims)
    if header.data_location == TensorProto.EXTERNAL:
        return _external(header, path, dtype, shape, role)
    if any(size < 0 for size in shape):
        problem = f"its shape {tuple_text(shape)} has a negative dimension."
        return StoredTensor(Tensor(path, dtype, None, 0, role), problem)
    role = role if header.data_type in _NUMBERS else Role.CONSTANT
    if (raw := _raw(file, header, spans, shape)) is not None:
        location = Location(file.name, raw.start, raw.stored)
        tensor = Tensor(path, dtype, shape, raw.stored, role, location)
        return _of_raw(raw, tensor, _type_name(header))
    stored = sum(part.size for tag in _VALUES for part in spans[tag])
    reader = partial(_parsed_values, file, span, path, shape)
    location = Location(file.name, None, stored)
    return StoredTensor(
        Tensor(path, dtype, shape, stored, role, location, reader),
        "" if stored or not math.prod(shape) else "its values are missing.",
    )


_NUMBERS = _TYPE_NAMES.keys() - {TensorProto.STRING, TensorProto.UNDEFINED}


def _of_raw(raw: RawValues, tensor: Tensor, name: str) -> StoredTensor:
    """``tensor`` with its values; those of a type in ``_PACKED`` are so many bytes."""
    reader: Callable[[Selection], np.ndarray] = partial(raw.read, tensor.path)
    if name in _PACKED:
        bits = _PACKED[name][0]
        raw = replace(raw, shape=(-(-math.prod(raw.shape) * bits // 8),))
        reader = partial(_unpacked, raw, tensor, name)
    return StoredTensor(replace(tensor, reader=reader), raw.problem)


def _raw(
    file: ProtoFile, header: TensorProto, spans: Mapping[int, Spans], shape: tuple[int, ...]
) -> RawValues | None:
    """Where the values are, if they lie there as in memory."""
    name = _type_name(header)
    kind = np.uint8 if name in _PACKED else _numpy(name)
    tags = {"FLOAT": (RAW, FLOATS), "DOUBLE": (RAW, DOUBLES)}.get(name, (RAW,))
    found = [part for tag in tags for part in spans[tag]]
    if kind is None or len(found) != 1 or not file.stored:
        return None
    (span,) = found
    return RawValues(file.storage, file.member, span.start, span.size, np.dtype(kind), shape)


def _type_name(header: TensorProto) -> str:
    return _TYPE_NAMES.get(header.data_type, "UNDEFINED")


def _unpacked(raw: RawValues, tensor: Tensor, name: str, selection: Selection) -> np.ndarray:
    bits, kind = _PACKED[name]
    shifts = np.arange(0, 8, bits, dtype=np.uint8)
    values = raw.read(tensor.path, ())[:, None] >> shifts & (1 << bits) - 1
    values = values.reshape(-1)[: tensor.element_count]
    return chosen(_as_kind(values, bits, kind).reshape(_known(tensor.shape)), selection)


def _known(shape: Shape) -> tuple[int, ...]:
    return tuple(size or 0 for size in shape or ())


def _as_kind(values: np.ndarray, bits: int, kind: Any) -> np.ndarray:
    """The low bits of bytes as a type of so many; ml_dtypes keeps one value to a byte."""
    if kind in (ml_dtypes.int4, ml_dtypes.int2):
        sign = 1 << (bits - 1)
        signed: np.ndarray = (values ^ sign).astype(np.int8) - np.int8(sign)
        return signed.astype(kind)
    plain: np.ndarray = np.ascontiguousarray(values, np.uint8).view(kind)
    return plain.reshape(values.shape)


# Values in another file


def _external(header: TensorProto, path: str, dtype: str, shape: Shape, role: Role) -> StoredTensor:
    entries = {entry.key: entry.value for entry in header.external_data}
    where = entries.get("location", "")
    nbytes, needed = _number(entries.get("length", "")), _needed(header)
    location = Location(where, _number(entries.get("offset", "")), nbytes or needed or 0)
    reader = partial(_refuse, path, where)
    tensor = Tensor(path, dtype, shape, nbytes, role, location, reader)
    if not nbytes or needed in (None, nbytes):
        return StoredTensor(tensor, external=where or "?")
    problem = (
        f"{dtype} {tuple_text(shape)} takes {needed:,} bytes, but {nbytes:,} are said to be in "
        f"{where or 'another file'}."
    )
    return StoredTensor(tensor, problem, where or "?")


def _place(header: TensorProto) -> str:
    """The file that the values lie in where it is another."""
    if header.data_location != TensorProto.EXTERNAL:
        return ""
    return {entry.key: entry.value for entry in header.external_data}.get("location") or "?"


def _needed(header: TensorProto) -> int | None:
    """The bytes that its values take where they lie as in memory, ``None`` if that is not known."""
    name = _type_name(header)
    kind = np.uint8 if name in _PACKED else _numpy(name)
    if kind is None or any(size < 0 for size in header.dims):
        return None
    bits = _PACKED[name][0] if name in _PACKED else 8 * np.dtype(kind).itemsize
    return -(-math.prod(header.dims) * bits // 8)


def _number(text: str) -> int:
    return int(text) if text.isdecimal() and len(text) < 19 else 0


def _refuse(path: str, where: str, _selection: Selection) -> np.ndarray:
    raise TensorUnreadable(
        f"{path} keeps its values in another file, {where!r}. A model file that reads other files "
        "can be a trap, so it is not followed."
    )


# Values as fields of the message


def _parsed_values(
    file: ProtoFile, span: Span, path: str, shape: tuple[int, ...], selection: Selection
) -> np.ndarray:
    if span.size > _LARGEST_PARSED:
        raise TensorUnreadable(f"{path} is stored number by number, and too long to be read here.")
    try:
        with file.wire() as wire:
            values = _typed(wire.message(span, TensorProto))
        return chosen(values.reshape(shape), selection)
    except (OSError, ValueError, OverflowError, UnreadableArtifact) as error:
        raise TensorUnreadable(
            f"The values of {path} cannot be read: {error}. The file is damaged; copy or download "
            "it again."
        ) from error


def _typed(message: TensorProto) -> np.ndarray:
    """The values in the field that the type has, one after another. Raises ``ValueError``."""
    name = _type_name(message)
    kind = _numpy(name)
    if name == "STRING":
        texts = np.empty(len(message.string_data), object)
        texts[:] = list(message.string_data)
        return texts
    if kind is None:
        raise ValueError("its type is not known")
    if name in ("COMPLEX64", "FLOAT"):
        return np.array(message.float_data, "<f4").view(kind)
    if name in ("COMPLEX128", "DOUBLE"):
        return np.array(message.double_data, "<f8").view(kind)
    if name in ("INT64", "UINT32", "UINT64"):
        numbers: Sequence[int] = message.int64_data if name == "INT64" else message.uint64_data
        return np.array(numbers, "<u8" if name != "INT64" else "<i8").astype(kind)
    return _of_int32(np.array(message.int32_data, "<i4"), name, kind, math.prod(message.dims))


def _of_int32(numbers: np.ndarray, name: str, kind: Any, count: int) -> np.ndarray:
    """Small types lie in 32 bits each: integers by value, floats by their bits."""
    if name in _PACKED:
        bits, kind = _PACKED[name]
        shifts = np.arange(0, 8, bits)
        parts = numbers[:, None] >> shifts & (1 << bits) - 1
        return _as_kind(parts.reshape(-1)[:count].astype(np.uint8), bits, kind)
    dtype = np.dtype(kind)
    if dtype.kind in "iub":
        return numbers.astype(dtype)
    return numbers.astype(f"<u{dtype.itemsize}").view(dtype)
