"""TensorFlow Lite models compared with TensorFlow's interpreter and its own object API."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from tensorflow.lite.python import schema_py_generated as schema

from explorer.formats.artifact import Artifact, GraphOp, Node, NodeType, Role, Tri
from tests.formats.tflite_originals import CONVERTED, convert
from tests.formats.walking import below

pytestmark = [
    pytest.mark.filterwarnings("ignore:.*tf.lite.Interpreter is deprecated"),
    pytest.mark.filterwarnings("ignore:Statistics for quantized inputs were expected"),
]

_OLD = Path(__file__).parent / "old_versions" / "files"
_OLD_NAMES = sorted(str(path.relative_to(_OLD)) for path in _OLD.glob("*/*.tflite"))
_NOT_ALLOCATED = {"flex", "custom", "low_bit"}
"""Those that need operators which this interpreter lacks."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("tflite")


@pytest.fixture(params=["corpus", *_OLD_NAMES, *CONVERTED])
def path(request: pytest.FixtureRequest, folder: Path) -> Path:
    if request.param == "corpus":
        corpus: Path = request.getfixturevalue("corpus")
        return corpus / "face_detection_short_range.tflite"
    if request.param in CONVERTED:
        return convert(request.param, folder)
    return _OLD / request.param


def interpreter_of(path: Path) -> Any:
    kind = tf.lite.experimental.OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
    return tf.lite.Interpreter(str(path), experimental_op_resolver_type=kind)


def original_of(path: Path) -> Any:
    return schema.ModelT.InitFromPackedBuf(path.read_bytes(), 0)


def graphs_of(artifact: Artifact) -> list[Node]:
    return [n for n in artifact.root.children() if n.kind == "subgraph"]


def numbers(attributes: dict[str, str], name: str) -> list[float]:
    return [float(part) for part in attributes[name].split(", ")] if name in attributes else []


# Against the interpreter


def test_every_tensor_of_every_graph_is_the_interpreters(path: Path, opened: Any) -> None:
    interpreter = interpreter_of(path)
    graphs = graphs_of(opened(path))
    assert len(graphs) == interpreter.num_subgraphs()
    for number, graph in enumerate(graphs):
        nodes = below(graph, "tensors").children()
        details = [d for d in interpreter.get_tensor_details(number) if d["name"]]
        assert len(details) == sum(not node.name.startswith("tensor ") for node in nodes)
        for detail in details:
            _compare_tensor(nodes[detail["index"]], detail)


def _compare_tensor(node: Node, detail: dict[str, Any]) -> None:
    assert node.tensor is not None
    assert node.name.startswith(detail["name"])
    if node.tensor.dtype != "uint4":
        assert np.dtype(detail["dtype"]).name == node.tensor.dtype
    shape = tuple(None if size < 0 else int(size) for size in detail["shape_signature"])
    assert node.tensor.shape == shape or node.tensor.shape is None
    attributes = dict(node.attributes())
    parameters = detail["quantization_parameters"]
    scales = list(map(float, parameters["scales"]))
    assert numbers(attributes, "scale") == pytest.approx(scales[:100], rel=1e-6)
    assert numbers(attributes, "zero point") == list(map(float, parameters["zero_points"]))[:100]
    if len(scales) > 1:
        assert int(attributes["quantized dimension"]) == parameters["quantized_dimension"]


def test_stored_values_are_the_interpreters(path: Path, opened: Any) -> None:
    if path.stem in _NOT_ALLOCATED:
        pytest.skip("the interpreter has no such operators")
    interpreter = interpreter_of(path)
    interpreter.allocate_tensors()
    compared = 0
    for index, node in enumerate(below(graphs_of(opened(path))[0], "tensors").children()):
        if node.tensor is None or node.tensor.location is None or path.stem == "sparse":
            continue
        np.testing.assert_array_equal(node.tensor.read(), interpreter.get_tensor(index))
        compared += 1
    assert compared >= 1 or path.stem == "sparse"


def test_operators_are_the_interpreters(path: Path, opened: Any) -> None:
    details = interpreter_of(path)._get_ops_details()
    artifact = opened(path)
    graph = graphs_of(artifact)[0]
    operators = below(graph, "operators").children()
    details = details[: len(operators)]  # behind them, those that the interpreter adds itself
    assert [node.name for node in operators] == [d["op_name"] for d in details]
    assert {node.type for node in operators} == {NodeType.FUNCTION}
    names = [node.name for node in below(graph, "tensors").children()]
    for node, detail in zip(operators, details, strict=True):
        attributes = dict(node.attributes())
        for label, wanted in (("input", detail["inputs"]), ("output", detail["outputs"])):
            given = [text for name, text in attributes.items() if name.startswith(f"{label} ")]
            expected = [names[index] if index >= 0 else "none" for index in wanted]
            assert len(given) == len(expected)
            assert all(map(str.startswith, given, expected))


def test_signatures_are_the_interpreters(path: Path, opened: Any) -> None:
    artifact = opened(path)
    assert {
        s.key: {"inputs": [t.name for t in s.inputs], "outputs": [t.name for t in s.outputs]}
        for s in artifact.signatures
    } == interpreter_of(path).get_signature_list()
    assert artifact.contents.signatures is (Tri.YES if artifact.signatures else Tri.NO)


def test_the_tensors_of_a_signature_are_the_runners(path: Path, opened: Any) -> None:
    if path.stem in _NOT_ALLOCATED:
        pytest.skip("the interpreter has no such operators")
    interpreter = interpreter_of(path)
    for signature in opened(path).signatures:
        runner = interpreter.get_signature_runner(signature.key)
        for ends, details in (
            (signature.inputs, runner.get_input_details()),
            (signature.outputs, runner.get_output_details()),
        ):
            for end in ends:
                detail = details[end.name]
                assert end.dtype == np.dtype(detail["dtype"]).name
                assert end.graph_tensor.endswith(detail["name"])
                sizes = [None if d < 0 else int(d) for d in detail["shape_signature"]]
                assert end.shape in (tuple(sizes), None)


@pytest.mark.parametrize("name", _OLD_NAMES)
def test_old_models_are_what_their_own_version_said(name: str, opened: Any) -> None:
    folder, file = name.split("/")
    said = json.loads((_OLD / f"{folder}.json").read_text())[file]["tflite"]
    artifact = opened(_OLD / name)
    nodes = below(graphs_of(artifact)[0], "tensors").children()
    for about in said["tensors"]:
        if not about["name"]:
            continue
        tensor = nodes[about["index"]].tensor
        assert tensor is not None
        assert nodes[about["index"]].name == about["name"]
        assert tensor.dtype == about["dtype"]
        assert [1 if size is None else size for size in tensor.shape or ()] == about["shape"]
    kinds = [node.kind for node in nodes]
    assert [i for i, kind in enumerate(kinds) if kind == "input"] == sorted(said["inputs"])
    assert [i for i, kind in enumerate(kinds) if kind == "output"] == sorted(said["outputs"])
    assert {s.key for s in artifact.signatures} == set(said["signatures"])


# Against the schema's own object API


def test_every_operator_and_code_is_the_schemas(path: Path, opened: Any) -> None:
    original = original_of(path)
    artifact = opened(path)
    codes = below(artifact.root, "operator codes").children()
    for node, code in zip(codes, original.operatorCodes, strict=True):
        attributes = dict(node.attributes())
        builtin = max(code.builtinCode, code.deprecatedBuiltinCode)
        assert attributes["built-in code"] == str(builtin)
        assert attributes["deprecated code"] == str(code.deprecatedBuiltinCode)
        assert attributes["version"] == str(code.version)
        assert attributes.get("custom code", "") == (code.customCode or b"").decode()
    for graph, packed in zip(graphs_of(artifact), original.subgraphs, strict=True):
        operators = below(graph, "operators").children()
        expected = [codes[each.opcodeIndex].name for each in packed.operators]
        assert [node.name for node in operators] == expected


def test_buffers_and_variables_are_the_schemas(path: Path, opened: Any) -> None:
    data = path.read_bytes()
    original = original_of(path)
    artifact = opened(path)
    for graph, packed in zip(graphs_of(artifact), original.subgraphs, strict=True):
        for node, tensor in zip(below(graph, "tensors").children(), packed.tensors, strict=True):
            attributes = dict(node.attributes())
            assert node.tensor is not None
            assert getattr(schema.TensorType, node.tensor.dtype.upper()) == tensor.type
            assert attributes["buffer"] == f"{tensor.buffer:,}"
            assert (node.kind == "variable") == bool(tensor.isVariable)
            assert ("stored as" in attributes) == (tensor.sparsity is not None)
    for node, buffer in zip(
        below(artifact.root, "buffers").children(), original.buffers, strict=True
    ):
        expected = bytes(buffer.data) if buffer.data is not None else b""
        if buffer.offset > 1:
            expected = data[buffer.offset : buffer.offset + buffer.size]
        found = {name: int(text.replace(",", "")) for name, text in node.attributes()}
        start, size = found.get("offset", 0), found.get("bytes", 0)
        assert data[start : start + size] == expected


def test_everything_holds_together(path: Path, opened: Any) -> None:
    artifact = opened(path)
    checks = list(artifact.checks())
    assert [check for check in checks if check.problem] == []
    assert {"buffer range", "index range"} <= {check.rule for check in checks}
    assert list(artifact.hazards()) == []
    assert artifact.notes == ()


def test_a_tensor_lives_where_it_says(path: Path, opened: Any) -> None:
    data = path.read_bytes()
    for tensor in opened(path).tensors():
        if tensor.dtype == "uint4" or path.stem == "sparse":
            continue
        assert tensor.location is not None
        start = tensor.location.offset
        assert start is not None
        raw = np.frombuffer(data[start : start + tensor.nbytes], tensor.dtype)
        raw = raw.reshape(tensor.shape)
        np.testing.assert_array_equal(raw, tensor.read())
        if raw.ndim:
            np.testing.assert_array_equal(raw[-1:], tensor.read((slice(-1, None),)))


# One by one


def test_the_converted_model_holds_kerass_weights(folder: Path, opened: Any) -> None:
    artifact = opened(convert("plain", folder))
    assert artifact.parameters() == 6_922
    assert artifact.producer.tensorflow == tf.__version__
    metadata = below(artifact.root, "metadata")
    assert {n.name for n in metadata.children()} == {"min_runtime_version", "CONVERSION_METADATA"}
    value = dict(below(metadata, "min_runtime_version").attributes())["value"]
    assert re.fullmatch(r"\d+\.\d+\.\d+", value)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("plain", {"optimizations": "none", "converted from": "Keras model"}),
        ("quantized", {"optimizations": "dynamic range quantization"}),
        ("float16", {"optimizations": "float16 weights"}),
        ("full_integer", {"optimizations": "full integer quantization"}),
        ("flex", {"TensorFlow operators allowed": "yes", "custom operators allowed": "no"}),
        ("custom", {"custom operators allowed": "yes", "converted from": "SavedModel"}),
    ],
)
def test_how_it_was_converted(
    name: str, expected: dict[str, str], folder: Path, opened: Any
) -> None:
    node = below(opened(convert(name, folder)).root, "metadata", "CONVERSION_METADATA")
    attributes = dict(node.attributes())
    assert attributes["TensorFlow"] == tf.__version__
    assert attributes["converter API"] == "2"
    assert expected.items() <= attributes.items()


def test_the_real_model(corpus: Path, opened: Any) -> None:
    artifact = opened(corpus / "face_detection_short_range.tflite")
    assert (artifact.format, artifact.format_name) == ("tflite", "TensorFlow Lite")
    assert {t.dtype for t in artifact.tensors() if t.role is Role.WEIGHT} == {"float16"}
    assert artifact.parameters() == 101_390
    assert artifact.signatures == ()
    assert artifact.contents.signatures is Tri.NO
    assert artifact.contents.weights is artifact.contents.architecture is Tri.YES
    kinds = [n.kind for n in below(graphs_of(artifact)[0], "tensors").children()]
    assert (kinds.count("input"), kinds.count("output")) == (1, 2)


def test_each_signature_has_its_graph(folder: Path, opened: Any) -> None:
    artifact = opened(convert("two_signatures", folder))
    nodes = {n.name: n for n in artifact.root.children() if n.type is NodeType.SIGNATURE}
    original = original_of(convert("two_signatures", folder))
    graphs = graphs_of(artifact)
    assert {name: dict(node.attributes())["subgraph"] for name, node in nodes.items()} == {
        each.signatureKey.decode(): graphs[each.subgraphIndex].name
        for each in original.signatureDefs
    }
    assert nodes["scale"].summary == "1 in → 1 out"
    scale = nodes["scale"].signature
    assert scale is not None
    assert [(t.name, t.dtype, t.shape) for t in scale.inputs] == [("x", "float32", (None, 3))]


@pytest.mark.parametrize("name", ["two_signatures", "loop"])
def test_a_loop_names_the_graphs_of_its_condition_and_body(
    name: str, folder: Path, opened: Any
) -> None:
    path = convert(name, folder)
    artifact = opened(path)
    graphs = graphs_of(artifact)
    found, expected = [], []
    for graph, packed in zip(graphs, original_of(path).subgraphs, strict=True):
        operators = below(graph, "operators").children()
        for node, each in zip(operators, packed.operators, strict=True):
            if node.name == "WHILE":
                attributes = dict(node.attributes())
                found.append((attributes["condition"], attributes["body"]))
                options = each.builtinOptions
                calls = (options.condSubgraphIndex, options.bodySubgraphIndex)
                expected.append(tuple(graphs[index].name for index in calls))
    assert found == expected != []


def test_every_operator_of_every_graph_is_listed(folder: Path, opened: Any) -> None:
    path = convert("loop", folder)
    artifact = opened(path)
    original = original_of(path)
    names = {v: k for k, v in vars(schema.BuiltinOperator).items() if k[0].isupper()}
    graphs = [graph.name for graph in graphs_of(artifact)]
    assert list(artifact.ops()) == [
        GraphOp(
            names[original.operatorCodes[each.opcodeIndex].builtinCode],
            graph.tensors[each.outputs[0]].name.decode(),
            f"subgraph {name}",
        )
        for name, graph in zip(graphs, original.subgraphs, strict=True)
        for each in graph.operators
    ]


@pytest.mark.parametrize(
    ("name", "op"), [("flex", "FlexAsinh"), ("custom", "custom operator Asinh")]
)
def test_operators_of_tensorflow_and_of_others(
    name: str, op: str, folder: Path, opened: Any
) -> None:
    artifact = opened(convert(name, folder))
    assert [each.op for each in artifact.ops()] == [op, "ADD"]
    (first, _) = below(graphs_of(artifact)[0], "operators").children()
    operation = {"flex": "Asinh"}.get(name)
    assert dict(first.attributes()).get("TensorFlow operation") == operation


def test_a_sparse_tensor_says_how_it_is_stored(folder: Path, opened: Any) -> None:
    path = convert("sparse", folder)
    artifact = opened(path)
    (weight,) = (t for t in artifact.tensors() if t.role is Role.WEIGHT)
    node = below(graphs_of(artifact)[0], "tensors", weight.path)
    attributes = dict(node.attributes())
    (packed,) = (t for t in original_of(path).subgraphs[0].tensors if t.sparsity is not None)
    sparsity = packed.sparsity
    assert attributes["stored as"] == "sparse tensor"
    assert numbers(attributes, "traversal order") == list(sparsity.traversalOrder)
    assert numbers(attributes, "block map") == list(sparsity.blockMap)
    for index, dimension in enumerate(sparsity.dimMetadata):
        dense = f"dense, {dimension.denseSize}"
        assert attributes[f"dimension {index}"] == ["dense", "compressed rows"][
            dimension.format
        ].replace("dense", dense)
    assert weight.shape == (32, 64)
    assert 0 < weight.nbytes < 32 * 64 * 4
