"""The tensors of a TensorFlow Lite model: type, shape, quantization, and how values are stored."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np

from explorer.formats.artifact import Location, Role, Selection, Shape, Tensor, TensorUnreadable
from explorer.formats.text import tuple_text
from explorer.formats.tflite.buffers import Buffers
from explorer.formats.tflite.flatbuffer import (
    BOOL,
    FLOAT32,
    INT8,
    INT32,
    INT64,
    UINT8,
    UINT32,
    Table,
)
from explorer.formats.tflite.schema import (
    DTYPES,
    BlockwiseQuantization,
    DimensionMetadata,
    Quantization,
    QuantizationDetails,
    SparsityParameters,
    TensorField,
    VariantSubType,
)
from explorer.formats.tflite.values import read

_FLOATS = ("float32", "float16", "float64", "bfloat16", "float8_e4m3fn", "float8_e5m2")
_MOST_DIMENSIONS = 64
_SHOWN = 100


def tensor_of(table: Table, path: str, buffers: Buffers) -> Tensor:
    """One tensor; without a reader where the model computes it."""
    dtype = dtype_of(table)
    shape = shape_of(table)
    role = _role(table, dtype, shape)
    span = buffers.span(table.number(TensorField.BUFFER, UINT32))
    reason = _why_not_here(table, buffers)
    if span is None:
        reader = partial(_refuse, f"{path} {reason}") if reason else None
        return Tensor(path, dtype, shape, 0, role if reason else Role.OTHER, None, reader)
    if problem := buffers.problem(span):
        refusal = f"The values of {path} are not all there. {problem}"
        return Tensor(path, dtype, shape, 0, role, None, partial(_refuse, refusal))
    place = Location(buffers.file, span.start, span.count)
    reader = partial(read, buffers, span, path, dtype, shape)
    if reason:
        reader = partial(_refuse, f"{path} {reason}")
    return Tensor(path, dtype, shape, span.count, role, place, reader)


def dtype_of(table: Table) -> str:
    """The name of a tensor's type."""
    code = table.number(TensorField.TYPE, INT8)
    return _dtype_name(code)


def _dtype_name(code: int) -> str:
    return DTYPES[code] if 0 <= code < len(DTYPES) else f"type {code}"


def shape_of(table: Table) -> Shape:
    """The signature, which keeps unknown dimensions, before the shape, which has 1 for them."""
    dims = _dimensions(table, TensorField.SHAPE_SIGNATURE) or _dimensions(table, TensorField.SHAPE)
    has_values = table.number(TensorField.BUFFER, UINT32) > 0
    if not dims and not has_values and not table.number(TensorField.HAS_RANK, BOOL):
        return None
    return dims


def _dimensions(table: Table, field: int) -> tuple[int | None, ...]:
    sizes = table.numbers(field, INT32, _MOST_DIMENSIONS)
    return tuple(None if size < 0 else size for size in sizes)


def is_sparse(table: Table) -> bool:
    """Whether only some of the values are stored."""
    return table.table(TensorField.SPARSITY) is not None


def _why_not_here(table: Table, buffers: Buffers) -> str:
    if number := table.number(TensorField.EXTERNAL_BUFFER, UINT32):
        external = buffers.externals.get(number)
        place = "another file" if external is None else external.place
        return (
            f"keeps its values in another file: {place}. A model file that reads other files can "
            "be a trap, so it is not followed."
        )
    if is_sparse(table):
        return "is stored as a sparse tensor, whose values only TensorFlow Lite can expand."
    return ""


def _refuse(reason: str, selection: Selection) -> np.ndarray:
    raise TensorUnreadable(reason)


def _role(table: Table, dtype: str, shape: Shape) -> Role:
    """A weight is an array of real numbers, also quantized ones; the rest are constants."""
    quantization = table.table(TensorField.QUANTIZATION)
    scaled = quantization is not None and bool(
        quantization.count(Quantization.SCALE, 4)
        or quantization.number(Quantization.DETAILS_TYPE, UINT8)
    )
    return Role.WEIGHT if shape and (dtype in _FLOATS or scaled) else Role.CONSTANT


# What a tensor says of itself


def attributes_of(table: Table, names: Sequence[str], buffers: Buffers) -> list[tuple[str, str]]:
    """Buffer, quantization, sparsity and the rest; ``names`` are those of the graph's tensors."""
    found = [("buffer", f"{table.number(TensorField.BUFFER, UINT32):,}")]
    if number := table.number(TensorField.EXTERNAL_BUFFER, UINT32):
        external = buffers.externals.get(number)
        place = "not in the list" if external is None else external.place
        found.append((f"external buffer {number}", place))
    if table.number(TensorField.IS_VARIABLE, BOOL):
        found.append(("variable", "keeps its values from one run to the next"))
    return [*found, *_quantization(table, names), *_sparsity(table), *_variants(table)]


def _quantization(table: Table, names: Sequence[str]) -> list[tuple[str, str]]:
    """Empty where it has none; per axis where there are several scales."""
    found = table.table(TensorField.QUANTIZATION)
    if found is None:
        return []
    fields = (
        ("scale", Quantization.SCALE, FLOAT32),
        ("zero point", Quantization.ZERO_POINT, INT64),
        ("minimum", Quantization.MIN, FLOAT32),
        ("maximum", Quantization.MAX, FLOAT32),
    )
    texts = [(name, _numbers_text(found, field, form)) for name, field, form in fields]
    shown = [(name, text) for name, text in texts if text]
    if found.count(Quantization.SCALE, 4) > 1:
        dimension = found.number(Quantization.QUANTIZED_DIMENSION, INT32)
        shown.append(("quantized dimension", str(dimension)))
    return [*shown, *_details(found, names)]


def _details(quantization: Table, names: Sequence[str]) -> list[tuple[str, str]]:
    """Scales and zero points that are tensors of the same graph, each for a block of values."""
    kind = quantization.number(Quantization.DETAILS_TYPE, UINT8)
    if kind == 0:
        return []
    details = quantization.table(Quantization.DETAILS)
    if kind == QuantizationDetails.CUSTOM_QUANTIZATION or details is None:
        return [("quantization", "custom")]
    if kind not in list(QuantizationDetails):
        return [("quantization", f"kind {kind}")]
    scales = details.number(BlockwiseQuantization.SCALES, INT32)
    zeros = details.number(BlockwiseQuantization.ZERO_POINTS, INT32)
    blockwise = kind == QuantizationDetails.BLOCKWISE_QUANTIZATION
    return [
        ("quantization", "in blocks" if blockwise else "over several axes"),
        ("block size", str(details.number(BlockwiseQuantization.BLOCK_SIZE, INT32))),
        ("scales", name_of(names, scales)),
        ("zero points", name_of(names, zeros)),
    ]


def name_of(names: Sequence[str], index: int) -> str:
    """The name of a tensor by its index; -1 stands for one left out."""
    if 0 <= index < len(names):
        return names[index]
    return "none" if index == -1 else f"tensor {index}, which is not there"


def _sparsity(table: Table) -> list[tuple[str, str]]:
    """TensorFlow Lite's sparse format: dimensions in an order, dense or compressed, and blocks."""
    found = table.table(TensorField.SPARSITY)
    if found is None:
        return []
    shown = [("stored as", "sparse tensor")]
    for name, field in (
        ("traversal order", SparsityParameters.TRAVERSAL_ORDER),
        ("block map", SparsityParameters.BLOCK_MAP),
    ):
        if text := _numbers_text(found, field, INT32):
            shown.append((name, text))
    dimensions = found.tables(SparsityParameters.DIM_METADATA)
    for index in range(min(len(dimensions), _SHOWN)):
        shown.append((f"dimension {index}", _dimension_text(dimensions[index])))
    return shown


def _dimension_text(dimension: Table) -> str:
    if dimension.number(DimensionMetadata.FORMAT, INT8):
        return "compressed rows"
    return f"dense, {dimension.number(DimensionMetadata.DENSE_SIZE, INT32):,}"


def _variants(table: Table) -> list[tuple[str, str]]:
    """What a variant tensor holds, such as the elements of a list."""
    held = table.tables(TensorField.VARIANT_TENSORS)
    return [("holds", _variant_text(held[index])) for index in range(min(len(held), _SHOWN))]


def _variant_text(held: Table) -> str:
    dtype = _dtype_name(held.number(VariantSubType.TYPE, INT8))
    dims = _dimensions(held, VariantSubType.SHAPE)
    ranked = bool(dims) or bool(held.number(VariantSubType.HAS_RANK, BOOL))
    return f"{dtype} {tuple_text(dims if ranked else None)}"


def _numbers_text(table: Table, field: int, form: str) -> str:
    values = table.numbers(field, form, _SHOWN)
    more = table.count(field, 1) - len(values)
    text = ", ".join(f"{value:.9g}" for value in values)
    return f"{text}, … and {more:,} more" if more > 0 else text
