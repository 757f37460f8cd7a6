"""The numbers of TensorFlow Lite's schemas compared with TensorFlow's own."""

from __future__ import annotations

import struct
import sys
from enum import IntEnum
from typing import Any

import flatbuffers
import pytest
from tensorflow.lite.python import conversion_metadata_schema_py_generated as conversion
from tensorflow.lite.python import schema_py_generated as schema

from explorer.formats.tflite import schema as tflite_schema

_OF_LITERT_2 = ("float8_e4m3fn", "float8_e5m2")


def test_enumerations_are_the_schemas() -> None:
    types = {k: v for k, v in vars(schema.TensorType).items() if k.isupper()}
    numbered = {name.upper(): number for number, name in enumerate(tflite_schema.DTYPES)}
    assert {k: v for k, v in numbered.items() if k.lower() not in _OF_LITERT_2} == types
    operators = {k: v for k, v in vars(schema.BuiltinOperator).items() if k[0].isupper()}
    assert {name: i for i, name in enumerate(tflite_schema.OPERATORS)} == operators
    assert operators["CUSTOM"] == tflite_schema.CUSTOM_OPERATOR
    details = vars(schema.QuantizationDetails)
    assert details["CustomQuantization"] == tflite_schema.QuantizationDetails.CUSTOM_QUANTIZATION
    assert (
        details["BlockwiseQuantization"] == tflite_schema.QuantizationDetails.BLOCKWISE_QUANTIZATION
    )
    modes = vars(conversion.ModelOptimizationMode)
    assert set(tflite_schema.OPTIMIZATION_MODES) == {v for k, v in modes.items() if k.isupper()}
    kinds = [v for k, v in vars(conversion.ModelType).items() if k.isupper()]
    assert kinds == list(range(len(tflite_schema.MODEL_TYPES)))


_CALLS = {
    "CallOptions": ["Subgraph"],
    "IfOptions": ["ThenSubgraphIndex", "ElseSubgraphIndex"],
    "WhileOptions": ["CondSubgraphIndex", "BodySubgraphIndex"],
    "CallOnceOptions": ["InitSubgraphIndex"],
}
_CALLS_2 = {
    "StablehloReduceOptions": ["BodySubgraphIndex"],
    "StablehloScatterOptions": ["UpdateComputationSubgraphIndex"],
    "StablehloReduceWindowOptions": ["BodySubgraphIndex"],
    "StablehloSortOptions": ["ComparatorSubgraphIndex"],
    "StablehloWhileOptions": ["CondSubgraphIndex", "BodySubgraphIndex"],
    "StableHLOCompositeOptions": ["DecompositionSubgraphIndex"],
}


@pytest.mark.parametrize(
    ("found", "union", "expected"),
    [
        (tflite_schema.CALLED_GRAPHS, schema.BuiltinOptions, _CALLS),
        (tflite_schema.CALLED_GRAPHS_2, schema.BuiltinOptions2, _CALLS_2),
    ],
)
def test_options_that_call_graphs_are_the_schemas(
    found: Any, union: Any, expected: dict[str, list[str]]
) -> None:
    assert {number: [field for _, field in fields] for number, fields in found.items()} == {
        getattr(union, name): [slot(schema, name, field, 7) for field in fields]
        for name, fields in expected.items()
    }


@pytest.mark.parametrize(
    ("fields", "original"),
    [
        (tflite_schema.Model, schema.Model),
        (tflite_schema.OperatorCode, schema.OperatorCode),
        (tflite_schema.SubGraph, schema.SubGraph),
        (tflite_schema.TensorField, schema.Tensor),
        (tflite_schema.Quantization, schema.QuantizationParameters),
        (tflite_schema.BlockwiseQuantization, schema.BlockwiseQuantization),
        (tflite_schema.VariantSubType, schema.VariantSubType),
        (tflite_schema.SparsityParameters, schema.SparsityParameters),
        (tflite_schema.DimensionMetadata, schema.DimensionMetadata),
        (tflite_schema.ExternalBuffer, schema.ExternalBuffer),
        (tflite_schema.ExternalBufferGroup, schema.ExternalBufferGroup),
        (tflite_schema.Operator, schema.Operator),
        (tflite_schema.Buffer, schema.Buffer),
        (tflite_schema.Metadata, schema.Metadata),
        (tflite_schema.SignatureDef, schema.SignatureDef),
        (tflite_schema.TensorMap, schema.TensorMap),
        (tflite_schema.ConversionMetadata, conversion.ConversionMetadata),
        (tflite_schema.Environment, conversion.Environment),
        (tflite_schema.ConversionOptions, conversion.ConversionOptions),
    ],
)
def test_field_numbers_are_the_schemas(fields: type[IntEnum], original: Any) -> None:
    """A table that holds one field only has that field's offset in its vtable and no other."""
    module = sys.modules[original.__module__]
    for field in fields:
        name = "".join(part.capitalize() for part in field.name.split("_"))
        is_flag = name in _FLAGS
        assert slot(module, original.__name__, name, True if is_flag else None) == field.value


_FLAGS = ("IsVariable", "HasRank", "AllowCustomOps", "EnableSelectTfOps", "ForceSelectTfOps")


def slot(module: Any, table: str, name: str, value: Any) -> int:
    """The number of a field: the only one in the vtable of a table with that field alone.

    Without a value, an offset is stored, which is no field's default as a number.
    """
    builder = flatbuffers.Builder()
    place = builder.CreateString("x")
    getattr(module, f"{table}Start")(builder)
    getattr(module, f"{table}Add{name}")(builder, place if value is None else value)
    builder.Finish(getattr(module, f"{table}End")(builder))
    data = bytes(builder.Output())
    (position,) = struct.unpack_from("<I", data)
    vtable = position - struct.unpack_from("<i", data, position)[0]
    (length,) = struct.unpack_from("<H", data, vtable)
    slots = struct.unpack_from(f"<{(length - 4) // 2}H", data, vtable + 4)
    (found,) = (index for index, offset in enumerate(slots) if offset)
    return found
