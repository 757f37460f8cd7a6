"""ONNX models compared with what the ``onnx`` package reads of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import onnx
import pytest
from google.protobuf import descriptor_pb2
from onnx import TensorProto, helper, numpy_helper

from explorer.analysis.safety import scan
from explorer.formats.artifact import HazardKind, Role, TensorUnreadable, Tri, UnreadableArtifact
from explorer.formats.registry import open_artifact
from explorer.formats.schema import onnx_pb2
from tests.formats.walking import below

_RNG = np.random.default_rng(0)
_KERNEL = _RNG.normal(size=(3, 4)).astype(np.float32)

RAW = {
    "float32": _KERNEL,
    "float64": _RNG.normal(size=(2, 3)),
    "float16": np.arange(6, dtype=np.float16).reshape(2, 3),
    "int64": np.arange(5),
    "uint8": np.arange(7, dtype=np.uint8),
    "bool": np.array([True, False, True]),
    "complex64": np.array([1 + 2j, 3], np.complex64),
    "scalar": np.array(3.5, np.float32),
    "empty": np.zeros((0, 3), np.float32),
    "bfloat16": np.arange(4).astype(ml_dtypes.bfloat16),
    "float8_e4m3fn": np.arange(4).astype(ml_dtypes.float8_e4m3fn),
    "int4": np.arange(-4, 3).astype(ml_dtypes.int4),
    "uint4": np.arange(3, 10).astype(ml_dtypes.uint4).reshape(7, 1),
}
TYPED = {
    "float_data": (TensorProto.FLOAT, [1.5, -2.5, 3.0]),
    "complex": (TensorProto.COMPLEX64, [1 + 2j, 3 + 4j]),
    "double_data": (TensorProto.DOUBLE, [1.5, 2.5]),
    "int32_data": (TensorProto.INT32, [1, -2, 3]),
    "int8": (TensorProto.INT8, [1, -2, 127]),
    "bool": (TensorProto.BOOL, [True, False]),
    "float16": (TensorProto.FLOAT16, [1.5, -2.0]),
    "bfloat16": (TensorProto.BFLOAT16, [1.5, -2.0]),
    "int64_data": (TensorProto.INT64, [1 << 40, -5]),
    "uint64_data": (TensorProto.UINT64, [1 << 63, 5]),
    "uint32": (TensorProto.UINT32, [1 << 31, 5]),
    "int4": (TensorProto.INT4, [1, -2, 3]),
}


def model_of(tensors: list[TensorProto], nodes: list[Any] | None = None, **more: Any) -> Any:
    floats = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", 3])
    out = helper.make_tensor_value_info("y", TensorProto.FLOAT, None)
    nodes = nodes or [helper.make_node("MatMul", ["x", "float32"], ["y"], name="product")]
    graph = helper.make_graph(nodes, "net", [floats], [out], tensors)
    return helper.make_model(graph, producer_name="tf2onnx", producer_version="1.16", **more)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "model.onnx"
    onnx.save(model_of([numpy_helper.from_array(a, name) for name, a in RAW.items()]), path)
    return path


def test_every_tensor_is_onnxs_own(path: Path, opened: Any) -> None:
    artifact = opened(path)
    theirs = {t.name: numpy_helper.to_array(t) for t in onnx.load(path).graph.initializer}
    assert artifact.format == "onnx"
    assert {t.path for t in artifact.tensors()} == set(theirs)
    for tensor in artifact.tensors():
        expected = theirs[tensor.path]
        assert (tensor.dtype, tensor.shape) == (expected.dtype.name, expected.shape)
        np.testing.assert_array_equal(tensor.read(), expected)
        if expected.ndim:
            np.testing.assert_array_equal(tensor.read((slice(1, 3),)), expected[1:3])
    assert not any(check.problem for check in artifact.checks())
    assert artifact.parameters() == sum(array.size for array in RAW.values())
    assert artifact.contents.weights is artifact.contents.architecture is Tri.YES


def test_the_offset_is_where_the_values_are(path: Path, opened: Any) -> None:
    tensor = next(t for t in opened(path).tensors() if t.path == "float32")
    assert path.read_bytes()[tensor.location.offset :][: tensor.nbytes] == _KERNEL.tobytes()


@pytest.mark.parametrize("name", TYPED)
def test_values_that_are_fields_of_the_message(tmp_path: Path, opened: Any, name: str) -> None:
    kind, values = TYPED[name]
    tensor = helper.make_tensor(name, kind, [len(values)], values)
    onnx.save(model_of([tensor]), tmp_path / "model.onnx")
    (read,) = opened(tmp_path / "model.onnx").tensors()
    expected = numpy_helper.to_array(tensor)
    assert read.dtype == expected.dtype.name
    np.testing.assert_array_equal(read.read(), expected)
    np.testing.assert_array_equal(read.read((1,)), expected[1])


def test_texts(tmp_path: Path, opened: Any) -> None:
    tensor = helper.make_tensor("words", TensorProto.STRING, [2], [b"one", "zwölf".encode()])
    onnx.save(model_of([tensor]), tmp_path / "model.onnx")
    (read,) = opened(tmp_path / "model.onnx").tensors()
    assert (read.dtype, read.role) == ("string", Role.CONSTANT)
    assert read.read().tolist() == [b"one", "zwölf".encode()]


def test_the_signature_and_who_wrote_it(path: Path, opened: Any) -> None:
    artifact = opened(path)
    (signature,) = artifact.signatures
    assert signature.key == "net"
    assert [(t.name, t.dtype, t.shape) for t in signature.inputs] == [("x", "float32", (None, 3))]
    assert [(t.name, t.dtype, t.shape) for t in signature.outputs] == [("y", "float32", None)]
    assert artifact.producer.program == "tf2onnx 1.16"
    shown = dict(artifact.root.attributes())
    assert shown["operators ai.onnx"] == str(onnx.defs.onnx_opset_version())


def test_operators_wherever_they_stand(tmp_path: Path, opened: Any) -> None:
    constant = helper.make_tensor("c", TensorProto.INT64, [2], [7, 8])
    inner = helper.make_graph([helper.make_node("Relu", ["x"], ["r"], name="relu")], "then", [], [])
    nodes = [
        helper.make_node("Constant", [], ["seven"], value=constant),
        helper.make_node("If", ["b"], ["y"], name="choice", then_branch=inner, else_branch=inner),
        helper.make_node("Mine", ["y"], ["z"], name="own", domain="com.example", alpha=0.5),
    ]
    function = helper.make_function(
        "com.example",
        "Mine",
        ["a"],
        ["b"],
        [helper.make_node("Neg", ["a"], ["b"], name="minus")],
        [helper.make_opsetid("", 20)],
    )
    onnx.save(model_of([], nodes, functions=[function]), tmp_path / "model.onnx")
    artifact = opened(tmp_path / "model.onnx")
    assert [(op.op, op.name, op.where) for op in artifact.ops()] == [
        ("Constant", "seven", "graph"),
        ("If", "choice", "graph"),
        ("com.example.Mine", "own", "graph"),
        ("Relu", "relu", "graph, else_branch of choice"),
        ("Relu", "relu", "graph, then_branch of choice"),
        ("Neg", "minus", "function com.example.Mine"),
    ]
    (tensor,) = artifact.tensors()
    assert (tensor.path, tensor.role, tensor.read().tolist()) == ("seven", Role.CONSTANT, [7, 8])
    own = below(artifact.root, "operators", "own")
    assert (own.kind, dict(own.attributes())["alpha"]) == ("com.example.Mine", "0.5")
    assert below(artifact.root, "functions", "com.example.Mine", "minus").kind == "Neg"


def test_operators_that_no_runtime_brings_are_custom(tmp_path: Path, opened: Any) -> None:
    nodes = [
        helper.make_node("Relu", ["x"], ["a"]),
        helper.make_node("Scaler", ["a"], ["b"], domain="ai.onnx.ml"),
        helper.make_node("FusedMatMul", ["b", "b"], ["c"], domain="com.microsoft"),
        helper.make_node("PyOp", ["c"], ["d"], domain="ai.onnx.contrib"),
        helper.make_node("Mine", ["d"], ["y"], domain="com.example"),
    ]
    onnx.save(model_of([], nodes), tmp_path / "model.onnx")
    artifact = opened(tmp_path / "model.onnx")
    assert [(f.severity.value, f.rule, f.where) for f in scan(artifact)] == [
        ("danger", "calls-python", "graph: d"),
        ("warning", "native-code", "graph: y"),
    ]


def test_tensors_in_branches(tmp_path: Path, opened: Any) -> None:
    weight = onnx.numpy_helper.from_array(np.array([9.0], np.float32), "w")
    constant = helper.make_tensor("c", TensorProto.INT64, [2], [7, 8])
    inner = helper.make_graph(
        [helper.make_node("Constant", [], ["seven"], value=constant)], "g", [], [], [weight]
    )
    node = helper.make_node("If", ["b"], ["y"], name="choice", then_branch=inner, else_branch=inner)
    onnx.save(model_of([], [node]), tmp_path / "model.onnx")
    assert {t.path: t.read().tolist() for t in opened(tmp_path / "model.onnx").tensors()} == {
        "choice/then_branch/w": [9.0],
        "choice/then_branch/seven": [7, 8],
        "choice/else_branch/w": [9.0],
        "choice/else_branch/seven": [7, 8],
    }


def test_values_in_other_files_are_named_and_not_read(tmp_path: Path, opened: Any) -> None:
    model = model_of([numpy_helper.from_array(_KERNEL, "float32")])
    onnx.save_model(
        model,
        tmp_path / "model.onnx",
        save_as_external_data=True,
        location="weights.bin",
        size_threshold=0,
    )
    artifact = opened(tmp_path / "model.onnx")
    (tensor,) = artifact.tensors()
    assert (tensor.dtype, tensor.shape, tensor.nbytes) == ("float32", (3, 4), 48)
    assert tensor.location.file == "weights.bin"
    with pytest.raises(TensorUnreadable, match=r"another file, 'weights\.bin'.*not followed"):
        tensor.read()
    assert list(artifact.hazards()) == []
    assert [(c.rule, c.where, c.problem) for c in artifact.checks()] == [
        ("byte count", "float32", ""),
        ("shard present", "weights.bin", ""),
    ]
    (tmp_path / "weights.bin").unlink()
    assert "is not beside the model" in list(artifact.checks())[1].problem


@pytest.mark.parametrize("kind", [np.float32, ml_dtypes.int4, ml_dtypes.bfloat16])
@pytest.mark.parametrize("keys", [("offset", "length"), ("offset",), ()])
def test_values_in_another_file_that_was_cut_short(
    tmp_path: Path, opened: Any, kind: Any, keys: tuple[str, ...]
) -> None:
    tensor = numpy_helper.from_array((np.arange(15) % 7).astype(kind).reshape(3, 5), "w")
    path, file = tmp_path / "model.onnx", tmp_path / "weights.bin"
    onnx.save_model(
        model_of([tensor]),
        path,
        save_as_external_data=True,
        location=file.name,
        size_threshold=0,
    )
    model = onnx.load(path, load_external_data=False)
    stored = model.graph.initializer[0]
    kept = [entry for entry in stored.external_data if entry.key in ("location", *keys)]
    del stored.external_data[:]
    stored.external_data.extend(kept)
    onnx.save(model, path)
    values = file.read_bytes()
    assert [check.problem for check in opened(path).checks()] == ["", ""]
    file.write_bytes(values[:-1])
    (cut, present) = opened(path).checks()
    assert (cut.where, present.problem) == ("w", "")
    assert cut.problem.endswith(f"of weights.bin, which has {len(values) - 1:,} bytes.")
    with pytest.raises(ValueError, match=r"."):
        numpy_helper.to_array(onnx.load(path).graph.initializer[0])


def test_a_length_that_does_not_fit_the_shape(tmp_path: Path, opened: Any) -> None:
    tensor = numpy_helper.from_array(_KERNEL, "w")
    onnx.external_data_helper.set_external_data(tensor, "weights.bin", 0, 40)
    tensor.ClearField("raw_data")
    onnx.save(model_of([tensor]), tmp_path / "model.onnx")
    (tmp_path / "weights.bin").write_bytes(bytes(48))
    (fits, _) = opened(tmp_path / "model.onnx").checks()
    assert "takes 48 bytes, but 40 are said to be in weights.bin" in fits.problem
    with pytest.raises(ValueError, match=r"."):
        numpy_helper.to_array(onnx.load(tmp_path / "model.onnx").graph.initializer[0])


@pytest.mark.parametrize("where", ["/etc/passwd", "../secret", "a/../../b"])
def test_values_outside_the_folder_are_a_hazard(tmp_path: Path, opened: Any, where: str) -> None:
    tensor = numpy_helper.from_array(_KERNEL, "float32")
    onnx.external_data_helper.set_external_data(tensor, where)
    tensor.ClearField("raw_data")
    onnx.save(model_of([tensor]), tmp_path / "model.onnx")
    artifact = opened(tmp_path / "model.onnx")
    (hazard,) = artifact.hazards()
    assert (hazard.kind, hazard.target) == (HazardKind.EXTERNAL_STORAGE, where)


def test_a_shape_that_does_not_fit(tmp_path: Path, opened: Any) -> None:
    tensor = numpy_helper.from_array(_KERNEL, "float32")
    tensor.dims[0] = 1 << 40
    onnx.save(model_of([tensor]), tmp_path / "model.onnx")
    artifact = opened(tmp_path / "model.onnx")
    with pytest.raises(TensorUnreadable, match="but 48 are stored"):
        artifact.tensors()[0].read((0,))
    assert "but 48 are stored" in next(iter(artifact.checks())).problem
    assert artifact.notes[0].startswith("float32 cannot be read")


def test_a_model_cut_short(path: Path) -> None:
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])
    with pytest.raises(UnreadableArtifact, match=r"model\.onnx is damaged"):
        open_artifact(str(path))


def test_the_messages_are_onnxs_as_far_as_they_go() -> None:
    ours, theirs = _messages(onnx_pb2.DESCRIPTOR), _messages(onnx.ModelProto.DESCRIPTOR.file)
    assert len(ours) == 19
    for name, fields in ours.items():
        assert fields <= theirs[name], name
    for enum in ("DataType", "DataLocation"):
        known = dict(getattr(TensorProto, enum).items())
        assert dict(getattr(onnx_pb2.TensorProto, enum).items()).items() <= known.items()


def _messages(file: Any) -> dict[str, set[tuple[Any, ...]]]:
    """For each message the names, numbers, kinds and labels of its fields."""
    proto = descriptor_pb2.FileDescriptorProto()
    file.CopyToProto(proto)
    pending = [(message.name, message) for message in proto.message_type]
    found = {}
    while pending:
        name, message = pending.pop()
        found[name] = {
            (f.name, f.number, f.type, f.label, f.type_name.rpartition(".")[2])
            for f in message.field
        }
        pending += [(f"{name}.{inner.name}", inner) for inner in message.nested_type]
    return found
