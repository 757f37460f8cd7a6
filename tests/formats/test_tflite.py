"""TensorFlow Lite models compared with TensorFlow's interpreter and its own schema."""

from __future__ import annotations

import re
import struct
import sys
from enum import IntEnum
from pathlib import Path
from typing import Any

import flatbuffers
import ml_dtypes
import numpy as np
import pytest
import tensorflow as tf
from tensorflow.lite.python import conversion_metadata_schema_py_generated as conversion
from tensorflow.lite.python import schema_py_generated as schema

from explorer.formats import tflite_schema
from explorer.formats.artifact import (
    Artifact,
    Node,
    NodeType,
    Role,
    Tensor,
    TensorUnreadable,
    Tri,
    UnreadableArtifact,
)
from explorer.formats.registry import open_artifact
from tests.formats import keras_originals
from tests.formats.walking import below

pytestmark = pytest.mark.filterwarnings("ignore:.*tf.lite.Interpreter is deprecated")


@pytest.fixture(scope="module")
def converted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The notes' model as the converter writes it, and with weights quantized to 8 bits."""
    folder = tmp_path_factory.mktemp("tflite")
    model = keras_originals.functional(keras_originals.line("keras"))
    for name, optimizations in (("plain", []), ("quantized", [tf.lite.Optimize.DEFAULT])):
        converter = tf.lite.TFLiteConverter.from_keras_model(model)
        converter.optimizations = optimizations
        converter._experimental_disable_per_channel = name == "plain"
        (folder / f"{name}.tflite").write_bytes(converter.convert())
    return folder


@pytest.fixture(params=["plain", "quantized", "corpus"])
def path(request: pytest.FixtureRequest) -> Path:
    if request.param == "corpus":
        corpus: Path = request.getfixturevalue("corpus")
        return corpus / "face_detection_short_range.tflite"
    folder: Path = request.getfixturevalue("converted")
    return folder / f"{request.param}.tflite"


def graph_of(artifact: Artifact) -> Node:
    return next(n for n in artifact.root.children() if n.kind == "subgraph")


# Against the interpreter


def test_every_tensor_is_the_interpreters(path: Path, opened: Any) -> None:
    interpreter = tf.lite.Interpreter(str(path))
    expected = [d for d in interpreter.get_tensor_details() if d["name"]]
    nodes = below(graph_of(opened(path)), "tensors").children()
    for node, detail in zip(nodes, expected, strict=False):
        assert node.tensor is not None
        assert node.name.startswith(detail["name"])
        assert node.tensor.dtype == np.dtype(detail["dtype"]).name
        signature = detail["shape_signature"]
        shape = tuple(None if d < 0 else int(d) for d in signature)
        assert node.tensor.shape == shape or node.tensor.shape is None
        attributes = dict(node.attributes())
        scales = detail["quantization_parameters"]["scales"]
        zeros = detail["quantization_parameters"]["zero_points"]
        assert _numbers(attributes, "scale") == pytest.approx(list(map(float, scales)), rel=1e-6)
        assert _numbers(attributes, "zero point") == list(map(float, zeros))


def _numbers(attributes: dict[str, str], name: str) -> list[float]:
    return [float(part) for part in attributes[name].split(", ")] if name in attributes else []


def test_stored_values_are_the_interpreters(path: Path, opened: Any) -> None:
    interpreter = tf.lite.Interpreter(str(path))
    interpreter.allocate_tensors()
    nodes = below(graph_of(opened(path)), "tensors").children()
    compared = 0
    for index, node in enumerate(nodes):
        if node.tensor is None or node.tensor.location is None:
            continue
        np.testing.assert_array_equal(node.tensor.read(), interpreter.get_tensor(index))
        compared += 1
    assert compared >= 6


def test_operators_are_the_interpreters(path: Path, opened: Any) -> None:
    interpreter = tf.lite.Interpreter(
        str(path),
        experimental_op_resolver_type=tf.lite.experimental.OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
    )
    expected = [d["op_name"] for d in interpreter._get_ops_details()]
    operators = below(graph_of(opened(path)), "operators").children()
    assert [node.name for node in operators] == expected
    assert {node.type for node in operators} == {NodeType.FUNCTION}


def test_signatures_are_the_interpreters(converted: Path, opened: Any) -> None:
    path = converted / "plain.tflite"
    artifact = opened(path)
    expected = tf.lite.Interpreter(str(path)).get_signature_list()
    assert {
        s.key: {"inputs": [t.name for t in s.inputs], "outputs": [t.name for t in s.outputs]}
        for s in artifact.signatures
    } == expected
    (signature,) = artifact.signatures
    assert [(t.dtype, t.shape) for t in signature.inputs] == [("float32", (None, 32))]
    assert [(t.dtype, t.shape) for t in signature.outputs] == [("float32", (None, 10))]
    assert artifact.contents.signatures is Tri.YES
    node = next(n for n in artifact.root.children() if n.type is NodeType.SIGNATURE)
    assert (node.signature, node.summary) == (signature, "1 in → 1 out")


def test_the_converted_model_holds_kerass_weights(converted: Path, opened: Any) -> None:
    artifact = opened(converted / "plain.tflite")
    assert artifact.parameters() == 6_922
    assert artifact.producer.tensorflow == tf.__version__
    metadata = below(artifact.root, "metadata")
    assert {n.name for n in metadata.children()} == {"min_runtime_version", "CONVERSION_METADATA"}
    value = dict(below(metadata, "min_runtime_version").attributes())["value"]
    assert re.fullmatch(r"\d+\.\d+\.\d+", value)


def test_the_real_model(corpus: Path, opened: Any) -> None:
    artifact = opened(corpus / "face_detection_short_range.tflite")
    assert (artifact.format, artifact.format_name) == ("tflite", "TensorFlow Lite")
    assert {t.dtype for t in artifact.tensors() if t.role is Role.WEIGHT} == {"float16"}
    assert artifact.parameters() == 101_390
    assert artifact.signatures == ()
    assert artifact.contents.signatures is Tri.NO
    assert artifact.contents.weights is artifact.contents.architecture is Tri.YES
    kinds = [n.kind for n in below(graph_of(artifact), "tensors").children()]
    assert (kinds.count("input"), kinds.count("output")) == (1, 2)


def test_a_tensor_lives_where_it_says(path: Path, opened: Any) -> None:
    for tensor in opened(path).tensors():
        assert tensor.location is not None
        with path.open("rb") as file:
            file.seek(tensor.location.offset or 0)
            raw = np.frombuffer(file.read(tensor.nbytes), tensor.dtype).reshape(tensor.shape)
        np.testing.assert_array_equal(raw, tensor.read())
        np.testing.assert_array_equal(raw[-1:], tensor.read((slice(-1, None),)))


# Against the schema


def test_enumerations_are_the_schemas() -> None:
    types = {k: v for k, v in vars(schema.TensorType).items() if k.isupper()}
    assert {name.upper(): i for i, name in enumerate(tflite_schema.DTYPES)} == types
    operators = {k: v for k, v in vars(schema.BuiltinOperator).items() if k[0].isupper()}
    assert {name: i for i, name in enumerate(tflite_schema.OPERATORS)} == operators
    assert operators["CUSTOM"] == tflite_schema.CUSTOM_OPERATOR


@pytest.mark.parametrize(
    ("fields", "original"),
    [
        (tflite_schema.Model, schema.Model),
        (tflite_schema.OperatorCode, schema.OperatorCode),
        (tflite_schema.SubGraph, schema.SubGraph),
        (tflite_schema.TensorField, schema.Tensor),
        (tflite_schema.Quantization, schema.QuantizationParameters),
        (tflite_schema.Operator, schema.Operator),
        (tflite_schema.Buffer, schema.Buffer),
        (tflite_schema.Metadata, schema.Metadata),
        (tflite_schema.SignatureDef, schema.SignatureDef),
        (tflite_schema.TensorMap, schema.TensorMap),
        (tflite_schema.ConversionMetadata, conversion.ConversionMetadata),
        (tflite_schema.Environment, conversion.Environment),
    ],
)
def test_field_numbers_are_the_schemas(fields: type[IntEnum], original: Any) -> None:
    """A table that holds one field only has that field's offset in its vtable and no other."""
    module = sys.modules[original.__module__]
    for field in fields:
        builder = flatbuffers.Builder()
        place = builder.CreateString("x")  # an offset, and no field's default as a number
        name = "".join(part.capitalize() for part in field.name.split("_"))
        getattr(module, f"{original.__name__}Start")(builder)
        getattr(module, f"{original.__name__}Add{name}")(
            builder, True if name in ("IsVariable", "HasRank") else place
        )
        builder.Finish(getattr(module, f"{original.__name__}End")(builder))
        data = bytes(builder.Output())
        (position,) = struct.unpack_from("<I", data)
        vtable = position - struct.unpack_from("<i", data, position)[0]
        (length,) = struct.unpack_from("<H", data, vtable)
        slots = struct.unpack_from(f"<{(length - 4) // 2}H", data, vtable + 4)
        assert [i for i, offset in enumerate(slots) if offset] == [field.value], field


# What converters seldom write


def built(tmp_path: Path, tensors: list[Any], buffers: list[Any], **more: Any) -> Path:
    """A model of these tensors, packed by TensorFlow's own object API."""
    model = schema.ModelT()
    model.version = 3
    model.buffers = [schema.BufferT()]
    for data in buffers:
        model.buffers.append(schema.BufferT() if isinstance(data, bytes) else data)
        if isinstance(data, bytes):
            model.buffers[-1].data = np.frombuffer(data, np.uint8)
    graph = schema.SubGraphT()
    graph.tensors, graph.inputs, graph.outputs, graph.operators = tensors, [], [], []
    model.subgraphs = [graph]
    for name, value in more.items():
        setattr(model, name, value)
    builder = flatbuffers.Builder()
    builder.Finish(model.Pack(builder), file_identifier=b"TFL3")
    path = tmp_path / "built.tflite"
    path.write_bytes(bytes(builder.Output()))
    return path


def tensor(name: str, kind: str, shape: list[int], buffer: int = 1, **more: Any) -> Any:
    made = schema.TensorT()
    made.name, made.type = name, getattr(schema.TensorType, kind)
    made.shape, made.buffer = shape, buffer
    for field, value in more.items():
        setattr(made, field, value)
    return made


def only(artifact: Artifact) -> Tensor:
    (node,) = below(graph_of(artifact), "tensors").children()
    assert node.tensor is not None
    return node.tensor


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("INT4", np.array([[1, -8, 7], [-1, 0, 3]], np.int8)),
        ("UINT4", np.array([[1, 15, 7], [8, 0, 3]], np.uint8)),
        ("INT2", np.array([[1, -2, 0], [-1, 0, 1]], np.int8)),
    ],
)
def test_values_smaller_than_a_byte(
    tmp_path: Path, opened: Any, kind: str, expected: np.ndarray
) -> None:
    bits = int(kind[-1])
    packed = bytearray(-(-expected.size * bits // 8))
    for i, value in enumerate(expected.reshape(-1).tolist()):
        packed[i * bits // 8] |= (value & (1 << bits) - 1) << i * bits % 8
    path = built(tmp_path, [tensor("t", kind, [2, 3])], [bytes(packed)])
    read = only(opened(path)).read
    np.testing.assert_array_equal(read(), expected)
    np.testing.assert_array_equal(read((1, slice(None, None, -1))), expected[1, ::-1])


def test_bfloat16(tmp_path: Path, opened: Any) -> None:
    expected = np.array([1.5, -2, 3e30], ml_dtypes.bfloat16)
    path = built(tmp_path, [tensor("t", "BFLOAT16", [3])], [expected.tobytes()])
    found = only(opened(path))
    assert (found.dtype, found.role) == ("bfloat16", Role.WEIGHT)
    np.testing.assert_array_equal(found.read(), expected)


def test_strings(tmp_path: Path, opened: Any) -> None:
    data = struct.pack("<4i", 2, 16, 17, 20) + "aéx".encode()
    path = built(tmp_path, [tensor("t", "STRING", [2])], [data])
    read = only(opened(path)).read
    assert read().tolist() == [b"a", "éx".encode()]
    assert read((1,)).item() == "éx".encode()


def test_a_buffer_beyond_two_gigabytes_is_found_by_its_offset(tmp_path: Path, opened: Any) -> None:
    far = schema.BufferT()
    far.offset, far.size = 4096, 12
    path = built(tmp_path, [tensor("t", "FLOAT32", [3])], [far])
    with path.open("r+b") as file:
        file.seek(4096)
        file.write(np.array([1, 2, 3], "<f4").tobytes())
    assert only(opened(path)).read().tolist() == [1, 2, 3]
    with path.open("r+b") as file:
        file.truncate(4100)
    with pytest.raises(UnreadableArtifact, match="cut short: buffer 1 ends at byte 4,108"):
        open_artifact(str(path))


def test_values_in_another_file_are_not_followed(tmp_path: Path, opened: Any) -> None:
    path = built(tmp_path, [tensor("t", "FLOAT32", [3], 0, externalBuffer=7)], [])
    with pytest.raises(TensorUnreadable, match="keeps its values in another file"):
        only(opened(path)).read()


def test_sparse_values_are_not_expanded(tmp_path: Path, opened: Any) -> None:
    sparsity = schema.SparsityParametersT()
    path = built(tmp_path, [tensor("t", "FLOAT32", [3], sparsity=sparsity)], [bytes(8)])
    with pytest.raises(TensorUnreadable, match="sparse tensor"):
        only(opened(path)).read()


def test_a_size_that_does_not_match_is_said(tmp_path: Path, opened: Any) -> None:
    path = built(tmp_path, [tensor("t", "FLOAT32", [2**30, 2**20])], [bytes(8)])
    with pytest.raises(TensorUnreadable, match="which takes 4,503,599,627,370,496 bytes, but 8 B"):
        only(opened(path)).read()


def test_a_computed_tensor_has_no_values(tmp_path: Path, opened: Any) -> None:
    path = built(tmp_path, [tensor("t", "FLOAT32", [1, 3], 0, shapeSignature=[-1, 3])], [])
    found = only(opened(path))
    assert (found.shape, found.nbytes, found.location) == ((None, 3), 0, None)
    with pytest.raises(TensorUnreadable, match="its values are not in it"):
        found.read()


def test_names_are_told_apart(tmp_path: Path, opened: Any) -> None:
    tensors = [tensor(name, "FLOAT32", [1], i) for i, name in enumerate(["", "x", "x"], 1)]
    artifact = opened(built(tmp_path, tensors, [b"abcd", b"efgh", b"ijkl"]))
    assert [t.path for t in artifact.tensors()] == ["tensor 0", "x", "x #2"]


def test_graphs_that_share_a_buffer_count_it_once(tmp_path: Path, opened: Any) -> None:
    graphs = []
    for name in ("main", "other"):
        graph = schema.SubGraphT()
        graph.name, graph.tensors = name, [tensor("w", "FLOAT32", [2])]
        graph.inputs, graph.outputs, graph.operators = [], [], []
        graphs.append(graph)
    artifact = opened(built(tmp_path, [], [bytes(8)], subgraphs=graphs))
    assert [t.path for t in artifact.tensors()] == ["main/w"]
    assert artifact.parameters() == 2
    groups = [n.name for n in artifact.root.children()]
    assert groups == ["main", "other", "buffers"]


def test_custom_and_unknown_operators_have_names(tmp_path: Path, opened: Any) -> None:
    codes = []
    for builtin, custom in ((32, "MyOperator"), (250, None)):
        code = schema.OperatorCodeT()
        code.builtinCode, code.deprecatedBuiltinCode = builtin, min(builtin, 127)
        code.customCode, code.version = custom, 2
        codes.append(code)
    graph = schema.SubGraphT()
    graph.name, graph.tensors, graph.inputs, graph.outputs = "main", [], [], []
    graph.operators = []
    for index in (0, 1, 9):
        operator = schema.OperatorT()
        operator.opcodeIndex, operator.inputs, operator.outputs = index, [-1, 5], []
        graph.operators.append(operator)
    path = built(tmp_path, [], [], subgraphs=[graph], operatorCodes=codes)
    operators = below(graph_of(opened(path)), "operators").children()
    assert [n.name for n in operators] == ["MyOperator", "operator 250", "unknown operator 9"]
    assert dict(operators[0].attributes())["inputs"] == "none, none"


@pytest.mark.parametrize("kept", [8, 100, 20_000, 229_000])
def test_a_file_cut_short(corpus: Path, tmp_path: Path, kept: int) -> None:
    path = tmp_path / "model.tflite"
    path.write_bytes((corpus / "face_detection_short_range.tflite").read_bytes()[:kept])
    with pytest.raises(UnreadableArtifact, match="Copy or download it again"):
        open_artifact(str(path))


def test_a_closed_artifact_says_so(corpus: Path) -> None:
    artifact = open_artifact(str(corpus / "face_detection_short_range.tflite"))
    tensors = artifact.tensors()
    artifact.close()
    with pytest.raises(TensorUnreadable, match="closed or damaged; open it again"):
        tensors[0].read()
