"""TensorFlow Lite models as converters seldom write them, and damaged ones."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import pytest
from tensorflow.lite.python import schema_py_generated as schema

from explorer.formats.artifact import (
    Artifact,
    HazardKind,
    Node,
    Role,
    Tensor,
    TensorUnreadable,
)
from tests.formats.tflite_originals import (
    behind,
    buffer,
    built,
    graph,
    operator,
    operator_code,
    tensor,
)
from tests.formats.walking import below

CUSTOM = schema.BuiltinOperator.CUSTOM


def graph_of(artifact: Artifact) -> Node:
    return next(n for n in artifact.root.children() if n.kind == "subgraph")


def only_node(artifact: Artifact) -> Node:
    (node,) = below(graph_of(artifact), "tensors").children()
    return node


def only(artifact: Artifact) -> Tensor:
    found = only_node(artifact).tensor
    assert found is not None
    return found


def problems(artifact: Artifact) -> list[tuple[str, str, str]]:
    return [(c.rule, c.where, c.problem) for c in artifact.checks() if c.problem]


# Types


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
    artifact = opened(built(tmp_path, [tensor("t", kind, [2, 3])], [bytes(packed)]))
    read = only(artifact).read
    np.testing.assert_array_equal(read(), expected)
    np.testing.assert_array_equal(read((1, slice(None, None, -1))), expected[1, ::-1])
    assert problems(artifact) == []


@pytest.mark.parametrize(
    ("code", "dtype"), [(18, "bfloat16"), (21, "float8_e4m3fn"), (22, "float8_e5m2")]
)
def test_short_floats(tmp_path: Path, opened: Any, code: int, dtype: str) -> None:
    expected = np.array([1.5, -2, 0.25], getattr(ml_dtypes, dtype))
    made = tensor("t", "FLOAT32", [3])
    made.type = code
    artifact = opened(built(tmp_path, [made], [expected.tobytes()]))
    found = only(artifact)
    assert (found.dtype, found.role) == (dtype, Role.WEIGHT)
    np.testing.assert_array_equal(found.read(), expected)
    assert problems(artifact) == []


def test_strings(tmp_path: Path, opened: Any) -> None:
    data = struct.pack("<4i", 2, 16, 17, 20) + "aéx".encode()
    artifact = opened(built(tmp_path, [tensor("t", "STRING", [2])], [data]))
    read = only(artifact).read
    assert read().tolist() == [b"a", "éx".encode()]
    assert read((1,)).item() == "éx".encode()
    assert problems(artifact) == []


@pytest.mark.parametrize("offsets", [(2, 16, 17, 99), (2, 17, 16, 20), (2, -4, 17, 20)])
def test_strings_that_lie_elsewhere(tmp_path: Path, opened: Any, offsets: tuple[int, ...]) -> None:
    data = struct.pack("<4i", *offsets) + b"abcd"
    artifact = opened(built(tmp_path, [tensor("t", "STRING", [2])], [data]))
    with pytest.raises(TensorUnreadable, match="lead out of its buffer"):
        only(artifact).read()


def test_strings_that_are_not_there(tmp_path: Path, opened: Any) -> None:
    artifact = opened(built(tmp_path, [tensor("t", "STRING", [2])], [bytes(8)]))
    with pytest.raises(TensorUnreadable, match="declares 2 strings, but its buffer holds 0"):
        only(artifact).read()
    assert [rule for rule, _, _ in problems(artifact)] == ["byte count"]


def test_an_unknown_type_is_named_by_its_number(tmp_path: Path, opened: Any) -> None:
    made = tensor("t", "FLOAT32", [3])
    made.type = 99
    artifact = opened(built(tmp_path, [made], [bytes(12)]))
    assert only(artifact).dtype == "type 99"
    with pytest.raises(TensorUnreadable, match="type 99, which has no values to show"):
        only(artifact).read()


def test_what_a_variant_holds(tmp_path: Path, opened: Any) -> None:
    held = schema.VariantSubTypeT()
    held.shape, held.type, held.hasRank = [2, -1], schema.TensorType.INT32, True
    made = tensor("t", "VARIANT", [], 0, variantTensors=[held], hasRank=True)
    node = only_node(opened(built(tmp_path, [made], [])))
    assert dict(node.attributes())["holds"] == "int32 (2, ?)"


# Quantization


def test_quantization_per_axis(tmp_path: Path, opened: Any) -> None:
    made = schema.QuantizationParametersT()
    made.scale, made.zeroPoint, made.quantizedDimension = [0.5, 0.25], [0, -3], 1
    made.min, made.max = [-1.0, -2.0], [1.0, 2.0]
    path = built(tmp_path, [tensor("t", "INT8", [3, 2], quantization=made)], [bytes(6)])
    artifact = opened(path)
    assert only(artifact).role is Role.WEIGHT
    attributes = dict(only_node(artifact).attributes())
    assert attributes["scale"] == "0.5, 0.25"
    assert attributes["zero point"] == "0, -3"
    assert attributes["quantized dimension"] == "1"
    assert (attributes["minimum"], attributes["maximum"]) == ("-1, -2", "1, 2")


def test_many_scales_are_counted(tmp_path: Path, opened: Any) -> None:
    made = schema.QuantizationParametersT()
    made.scale = [0.5] * 130
    path = built(tmp_path, [tensor("t", "INT8", [130], quantization=made)], [bytes(130)])
    scales = dict(only_node(opened(path)).attributes())["scale"]
    assert scales.count("0.5") == 100
    assert scales.endswith(", … and 30 more")


def test_quantization_in_blocks(tmp_path: Path, opened: Any) -> None:
    details = schema.BlockwiseQuantizationT()
    details.scales, details.zeroPoints, details.blockSize = 1, -1, 32
    made = schema.QuantizationParametersT()
    made.detailsType = schema.QuantizationDetails.BlockwiseQuantization
    made.details = details
    tensors = [
        tensor("w", "INT4", [2, 64], quantization=made),
        tensor("w_scales", "FLOAT16", [2, 2], 2),
    ]
    artifact = opened(built(tmp_path, tensors, [bytes(64), bytes(8)]))
    node = below(graph_of(artifact), "tensors", "w")
    attributes = dict(node.attributes())
    assert attributes["quantization"] == "in blocks"
    assert (attributes["scales"], attributes["zero points"]) == ("w_scales", "none")
    assert attributes["block size"] == "32"
    assert node.kind == "weight"


# Buffers


def test_a_buffer_inside_is_read_where_it_is(tmp_path: Path, opened: Any) -> None:
    path = built(tmp_path, [tensor("t", "UINT8", [4])], [buffer(b"abcd")])
    location = only(opened(path)).location
    assert location is not None
    assert location.offset == path.read_bytes().index(b"abcd")


def far_buffer(offset: int, size: int) -> Any:
    far = schema.BufferT()
    far.offset, far.size = offset, size
    return far


def test_buffers_beyond_four_gigabytes(tmp_path: Path, opened: Any) -> None:
    """A sparse file: it takes a few kilobytes of the disk."""
    offset = 5 << 30
    tensors = [tensor("near", "FLOAT32", [2], 1), tensor("far", "FLOAT32", [3], 2)]
    path = built(tmp_path, tensors, [bytes(8), far_buffer(offset, 12)])
    behind(path, offset, np.array([1, 2, 3], "<f4").tobytes())
    artifact = opened(path)
    near, far = artifact.tensors()
    assert far.location is not None
    assert (far.location.offset, artifact.size) == (offset, offset + 12)
    assert far.read().tolist() == [1, 2, 3]
    assert near.read().tolist() == [0, 0]
    assert problems(artifact) == []


def test_a_file_cut_short_in_front_of_such_a_buffer(tmp_path: Path, opened: Any) -> None:
    tensors = [tensor("near", "FLOAT32", [2], 1), tensor("far", "FLOAT32", [3], 2)]
    path = built(tmp_path, tensors, [bytes(8), far_buffer(4096, 12)])
    behind(path, 4096, bytes(4))
    artifact = opened(path)
    near, far = artifact.tensors()
    assert near.read().tolist() == [0, 0]
    assert (far.nbytes, far.location) == (0, None)
    with pytest.raises(TensorUnreadable, match="end at byte 4,108 of the file, but there are 4,1"):
        far.read()
    ((rule, where, _),) = problems(artifact)
    assert (rule, where) == ("buffer range", "buffer 2")
    assert artifact.notes == (
        "The file was cut short: the values in 1 buffer lie behind its end, so they are missing. "
        "Copy or download it again.",
    )


def test_values_in_another_file_are_not_followed(tmp_path: Path, opened: Any) -> None:
    (tmp_path / "weights.bin").write_bytes(bytes(64))
    group = schema.ExternalBufferGroupT()
    group.name = "weights.bin"
    external = schema.ExternalBufferT()
    external.id, external.group, external.offset, external.length = 7, 0, 16, 12
    tensors = [tensor("t", "FLOAT32", [3], 0, externalBuffer=7)]
    more = {"externalBufferGroups": [group], "externalBuffers": [external]}
    artifact = opened(built(tmp_path, tensors, [], **more))
    with pytest.raises(TensorUnreadable, match=r"another file: weights\.bin from byte 16\. A"):
        only(artifact).read()
    assert [t.path for t in artifact.tensors()] == ["t"]
    assert artifact.parameters() == 3
    attributes = dict(only_node(artifact).attributes())
    assert attributes["external buffer 7"] == "weights.bin from byte 16"
    (hazard,) = artifact.hazards()
    assert (hazard.kind, hazard.where) == (HazardKind.EXTERNAL_STORAGE, "external buffer 7")
    assert hazard.target == "weights.bin from byte 16"
    (node,) = below(artifact.root, "external buffers").children()
    assert dict(node.attributes()) == {"file": "weights.bin", "offset": "16", "bytes": "12"}
    assert artifact.notes == (
        "Some values are kept in other files, which are not followed: weights.bin.",
    )
    assert problems(artifact) == []


def test_an_external_buffer_that_is_not_listed(tmp_path: Path, opened: Any) -> None:
    path = built(tmp_path, [tensor("t", "FLOAT32", [3], 0, externalBuffer=7)], [])
    ((rule, where, problem),) = problems(opened(path))
    assert (rule, where) == ("index range", "t")
    assert problem == "It names external buffer 7, which is not in the list."


def test_sparse_values_are_not_expanded(tmp_path: Path, opened: Any) -> None:
    sparsity = schema.SparsityParametersT()
    path = built(tmp_path, [tensor("t", "FLOAT32", [3], sparsity=sparsity)], [bytes(8)])
    with pytest.raises(TensorUnreadable, match="sparse tensor"):
        only(opened(path)).read()


def test_a_size_that_does_not_match_is_said(tmp_path: Path, opened: Any) -> None:
    artifact = opened(built(tmp_path, [tensor("t", "FLOAT32", [2**30, 2**20])], [bytes(8)]))
    with pytest.raises(TensorUnreadable, match="which takes 4,503,599,627,370,496 bytes, but 8 B"):
        only(artifact).read()
    ((rule, where, problem),) = problems(artifact)
    assert (rule, where) == ("byte count", "t")
    assert problem.startswith("It declares float32 (1073741824, 1048576), which takes")


def test_a_computed_tensor_has_no_values(tmp_path: Path, opened: Any) -> None:
    path = built(tmp_path, [tensor("t", "FLOAT32", [1, 3], 0, shapeSignature=[-1, 3])], [])
    found = only(opened(path))
    assert (found.shape, found.nbytes, found.location) == ((None, 3), 0, None)
    with pytest.raises(TensorUnreadable, match="its values are not in it"):
        found.read()


# Names and indices


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["", "x", "x"], ["tensor 0", "x", "x #2"]),
        (["x #2", "x", "x"], ["x #2", "x", "x #2 #2"]),
        (["tensor 1", ""], ["tensor 1", "tensor 1 #1"]),
    ],
)
def test_names_are_told_apart(
    tmp_path: Path, opened: Any, names: list[str], expected: list[str]
) -> None:
    tensors = [tensor(name, "FLOAT32", [1], i) for i, name in enumerate(names, 1)]
    artifact = opened(built(tmp_path, tensors, [b"abcd", b"efgh", b"ijkl"]))
    assert [t.path for t in artifact.tensors()] == expected


def test_graphs_that_share_a_buffer_count_it_once(tmp_path: Path, opened: Any) -> None:
    graphs = [graph(name, [tensor("w", "FLOAT32", [2])]) for name in ("main", "other", "main")]
    artifact = opened(built(tmp_path, [], [bytes(8)], subgraphs=graphs))
    assert [t.path for t in artifact.tensors()] == ["main/w"]
    assert artifact.parameters() == 2
    groups = [n.name for n in artifact.root.children()]
    assert groups == ["main", "other", "main #2", "operator codes", "buffers"]


def test_custom_and_unknown_operators_have_names(tmp_path: Path, opened: Any) -> None:
    codes = [operator_code(CUSTOM, "MyOperator", 2), operator_code(250)]
    operators = [operator(index, [-1, 5], [], intermediates=[0]) for index in (0, 1, 9)]
    graphs = [graph("main", [tensor("t", "FLOAT32", [1], 0)], operators)]
    artifact = opened(built(tmp_path, [], [], subgraphs=graphs, operatorCodes=codes))
    nodes = below(graph_of(artifact), "operators").children()
    assert [n.name for n in nodes] == ["MyOperator", "operator 250", "unknown operator 9"]
    attributes = dict(nodes[0].attributes())
    assert attributes["input 0"] == "none"
    assert attributes["input 1"] == "tensor 5, which is not there"
    assert attributes["intermediate 0"] == "t, float32 (1,)"
    assert [op.op for op in artifact.ops()] == ["custom operator MyOperator", "operator 250"]
    assert [where for _, where, _ in problems(artifact)] == [
        "main, operator 0",
        "main, operator 1",
        "main, operator 2",
    ]


def test_every_index_that_leads_nowhere_is_found(tmp_path: Path, opened: Any) -> None:
    options = schema.WhileOptionsT()
    options.condSubgraphIndex, options.bodySubgraphIndex = 0, 4
    loop = operator(0, [], [], builtinOptions=options)
    loop.builtinOptionsType = schema.BuiltinOptions.WhileOptions
    main = graph("main", [tensor("t", "FLOAT32", [1], 8)], [loop, operator(3, [], [])])
    main.inputs = [6]
    signature, elsewhere = schema.SignatureDefT(), schema.SignatureDefT()
    entry = schema.TensorMapT()
    entry.name, entry.tensorIndex = "x", 5
    signature.signatureKey, signature.inputs, signature.outputs = "f", [entry], []
    elsewhere.signatureKey, elsewhere.subgraphIndex = "g", 3
    note = schema.MetadataT()
    note.name, note.buffer = "note", 7
    more = {"signatureDefs": [signature, elsewhere], "metadata": [note]}
    codes = [operator_code(schema.BuiltinOperator.WHILE)]
    artifact = opened(built(tmp_path, [], [], subgraphs=[main], operatorCodes=codes, **more))
    assert {where: problem for rule, where, problem in problems(artifact)} == {
        "main, inputs and outputs": "It names tensor 6, but there are 1. The file is damaged.",
        "t": "It names buffer 8, but there are 1. The file is damaged.",
        "main, operator 0": "It names subgraph 4, but there are 1. The file is damaged.",
        "main, operator 1": "It names operator code 3, but there are 1. The file is damaged.",
        "signature f": "It names tensor 5, but there are 1. The file is damaged.",
        "signature g": "It names subgraph 3, but there are 1. The file is damaged.",
        "metadata note": "It names buffer 7, but there are 1. The file is damaged.",
    }
    assert [s.key for s in artifact.signatures] == ["f"]
    (node, _) = below(graph_of(artifact), "operators").children()
    assert dict(node.attributes())["body"] == "subgraph 4, which is not there"
