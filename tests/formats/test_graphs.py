"""Graphs in every form they are written in, against what TensorFlow says of them."""

from __future__ import annotations

import json
import os
import shutil
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from explorer.formats.artifact import Artifact, NodeType, Role, Tensor, TensorUnreadable, Tri
from explorer.formats.artifact import UnreadableArtifact as Unreadable
from explorer.formats.registry import open_artifact
from explorer.formats.schema import saved_model_pb2 as pb
from explorer.formats.schema import tensor_pb2
from tests.formats.walking import below, tensor

_FORMATS = {
    "constants.pb": "graph_def",
    "constants.pbtxt": "graph_def",
    "frozen.pb": "graph_def",
    "frozen.pbtxt": "graph_def",
    "model.ckpt.meta": "meta_graph",
    "signed.meta": "meta_graph",
    "signed.pbtxt": "meta_graph",
    "assembled": "saved_model",
    "assembled_text": "saved_model",
    "without_variables": "saved_model",
    "structured": "saved_model",
}
_TEXT = ("constants.pbtxt", "frozen.pbtxt", "signed.pbtxt", "assembled_text")


def artifact_of(made: Path, name: str) -> Artifact:
    return open_artifact(str(made / "models" / name))


def graphs_of(made: Path, name: str) -> list[dict[str, Any]]:
    graphs: list[dict[str, Any]] = json.loads((made / "words.json").read_text())[name]["graphs"]
    return graphs


def constants_of(made: Path, name: str) -> dict[str, Any]:
    return {k: v for graph in graphs_of(made, name) for k, v in graph["constants"].items()}


def flat(array: np.ndarray) -> Any:
    if array.dtype == object:
        return [text.hex() for text in array.reshape(-1)]
    return np.ascontiguousarray(array).tobytes().hex()


@pytest.mark.parametrize(("name", "format_key"), _FORMATS.items())
def test_each_form_is_told_by_its_content(name: str, format_key: str, made: Path) -> None:
    assert artifact_of(made, name).format == format_key


@pytest.mark.parametrize("name", _FORMATS)
def test_constants_are_those_of_tensorflow(name: str, made: Path) -> None:
    theirs = constants_of(made, name)
    ours = {t.path: t for t in artifact_of(made, name).tensors() if t.role is Role.CONSTANT}
    if name.startswith("assembled"):  # beside variables, small ones are left out
        ours = {t.path: t for t in constants_in_tree(artifact_of(made, name))}
    assert ours.keys() == theirs.keys()
    for path, word in theirs.items():
        found = ours[path]
        assert (found.dtype, list(found.shape or ())) == (word["dtype"], word["shape"]), path
        assert flat(found.read()) == word["value"], path
        assert found.nbytes == len("".join(word["value"])) // 2, path


def constants_in_tree(artifact: Artifact) -> list[Tensor]:
    waiting, found = [artifact.root], []
    while waiting:
        node = waiting.pop()
        if node.kind == "Const" and node.tensor:
            assert node.size == node.tensor.nbytes
            found.append(node.tensor)
        waiting += node.children()
    return found


@pytest.mark.parametrize("name", _FORMATS)
def test_every_operation_is_listed(name: str, made: Path) -> None:
    ours = sorted([op.op, op.name] for op in artifact_of(made, name).ops())
    assert ours == sorted(op for graph in graphs_of(made, name) for op in graph["ops"])


@pytest.mark.parametrize("name", _FORMATS)
def test_a_sound_graph_passes_its_checks(name: str, made: Path) -> None:
    checks = list(artifact_of(made, name).checks())
    assert {check.rule for check in checks} >= {"operations", "byte count"}
    assert [check for check in checks if check.problem] == []


@pytest.mark.parametrize("name", ["constants.pb", "frozen.pb"])
def test_the_bytes_are_where_they_are_said_to_be(name: str, made: Path) -> None:
    data = (made / "models" / name).read_bytes()
    places = [(t, t.location) for t in artifact_of(made, name).tensors() if t.nbytes]
    assert places
    for constant, place in places:
        assert place is not None
        assert place.file == ""
        if place.offset is not None and is_raw(constant):
            stored = data[place.offset : place.offset + place.nbytes]
            assert stored.hex() == flat(constant.read())


def is_raw(constant: Tensor) -> bool:
    """Whether the values are kept as they are in memory."""
    return constant.path.startswith("raw_") and constant.stored == constant.nbytes


@pytest.mark.parametrize("name", _TEXT)
def test_text_has_no_offsets(name: str, made: Path) -> None:
    assert {t.location for t in constants_in_tree(artifact_of(made, name))} == {None}


@pytest.mark.parametrize(
    "selection", [(1,), (slice(1, 3),), (slice(None), 2), (slice(None, None, 2), slice(1, 4, 2))]
)
@pytest.mark.parametrize("path", ["raw_float32", "raw_complex64", "repeated", "same_string"])
def test_a_part_is_that_part_of_the_whole(path: str, selection: Any, made: Path) -> None:
    found = tensor(artifact_of(made, "constants.pb"), path)
    assert flat(found.read(selection)) == flat(found.read()[selection])


def test_the_ends_of_a_frozen_graph(made: Path) -> None:
    artifact = artifact_of(made, "frozen.pb")
    graph = below(artifact.root, "graph")
    assert graph.summary == "1 in → 1 out"
    about = dict(graph.attributes())
    assert about["inputs"] == "x: float32 (?, 4)"
    assert about["outputs"] == "Identity: Identity"
    assert artifact.contents.weights is Tri.YES
    functions = below(artifact.root, "functions")
    theirs = graphs_of(made, "frozen.pb")[0]["functions"]
    assert {f.name: f.child_count() for f in functions.children()} == theirs


def test_a_constant_is_a_tensor_in_the_tree(made: Path) -> None:
    graph = below(artifact_of(made, "constants.pb").root, "graph")
    node = below(graph, "raw_float32")
    assert node.type is NodeType.TENSOR
    assert node.tensor is not None
    assert node.size == 48
    assert node.tensor.read((0,)).tolist() == [0, 1, 2, 3]


@pytest.mark.parametrize("name", ["signed.meta", "signed.pbtxt"])
def test_a_meta_graph_has_its_signature(name: str, made: Path) -> None:
    artifact = artifact_of(made, name)
    (signature,) = artifact.signatures
    assert (signature.key, signature.method) == ("serve_it", "m")
    (x,) = signature.inputs
    assert (x.name, x.dtype, x.shape, x.graph_tensor) == ("x", "float32", (None, 2), "x:0")
    collections = below(artifact.root, "collections", "variables")
    (first, second) = [text.partition(" · ")[0] for _, text in collections.attributes()]
    assert (first, second) == ("weight:0", "again/bias:0")
    assert artifact.contents.weights is Tri.NO


def test_a_meta_graph_says_where_its_values_are(made: Path) -> None:
    (note,) = artifact_of(made, "model.ckpt.meta").notes
    assert note.endswith("the values of its 2 variables are in model.ckpt.index beside it.")


@pytest.mark.parametrize("name", ["assembled", "assembled_text"])
def test_what_the_builder_of_tensorflow_1_writes(name: str, made: Path) -> None:
    artifact = artifact_of(made, name)
    assert [s.tag_set for s in artifact.signatures] == [("serve",), ("serve", "tpu")]
    assets = below(artifact.root, "assets")
    assert [(n.name, n.kind) for n in assets.children()] == [("words.txt", "asset · words:0")]
    extra = below(artifact.root, "assets.extra")
    assert [node.name for node in extra.children()] == ["README"]
    file = "saved_model.pbtxt" if name.endswith("text") else "saved_model.pb"
    first = below(artifact.root, file, "MetaGraph [serve]")
    about = dict(first.attributes())
    assert about["main op"] == "prepare"
    assert about["asset words.txt"] == "words:0"
    assert [t.path for t in artifact.tensors() if t.role is Role.WEIGHT] == ["weight"]
    checks = {(c.rule, c.where) for c in artifact.checks()}
    assert ("asset present", "assets/words.txt") in checks


def test_weights_may_be_constants(made: Path) -> None:
    artifact = artifact_of(made, "without_variables")
    assert artifact.contents.weights is Tri.YES
    table = next(t for t in artifact.tensors() if t.shape == (20, 30))
    assert table.read((19, slice(28, None))).tolist() == [598, 599]


def calls(artifact: Artifact) -> dict[str, str]:
    return {f.name: ", ".join(f.variants[0].arguments) for f in artifact.functions()}


def test_composite_arguments_are_named(made: Path) -> None:
    found = calls(artifact_of(made, "structured"))
    assert found["points"] == "p: Point = (x=p_x: float32 (?, 3), y=p_y: float32 (?, 3))"
    masked = "Masked.Spec(('values', float32 (?, 3)), ('mask', bool (?, 3)))"
    assert found["masked"] == f"m: {masked}"
    parts = "RaggedTensorSpec((2, ?), int32, 1, int64)", "SparseTensorSpec((4, 4), float64)"
    assert all(part in found["mixed"] for part in parts)
    assert "IndexedSlicesSpec((?, 2), float32, int64, None, (?,))" in found["mixed"]


def test_signatures_of_ragged_and_sparse_tensors_have_types_and_shapes(made: Path) -> None:
    signatures = artifact_of(made, "structured").signatures
    (several,) = (s for s in signatures if s.key == "several")
    found = {t.name: (t.dtype, t.shape, t.graph_tensor.count(", ") + 1) for t in several.outputs}
    assert found == {"ragged": ("int32", (None, None), 2), "sparse": ("int32", (4, 5), 3)}


def test_a_default_of_a_signature_is_shown(made: Path) -> None:
    artifact = artifact_of(made, "with_default")
    (scale,) = (s for s in artifact.signatures if s.key == "scale")
    assert {t.name: t.default for t in scale.inputs} == {"x": "", "by": "float32 () = 0.5000"}
    (graph,) = below(artifact.root, "saved_model.pb").children()
    assert dict(below(graph, "scale").attributes())["default of by"] == "float32 () = 0.5000"


# Another name, damage and what is no graph


def test_a_saved_model_under_another_name(made: Path, tmp_path: Path) -> None:
    shutil.copy(made / "models/assembled/saved_model.pb", tmp_path / "x.pb")
    artifact = open_artifact(str(tmp_path / "x.pb"))
    assert artifact.format == "saved_model"
    assert len(artifact.signatures) == 2
    assert "x.pb is the saved_model.pb of a SavedModel under another name" in artifact.notes[0]
    assert artifact.root.name == "x.pb"
    assert [n.name for n in artifact.root.children()] == [
        "MetaGraph [serve]",
        "MetaGraph [serve, tpu]",
    ]


def test_an_asset_that_is_missing_is_told(made: Path, tmp_path: Path) -> None:
    model = Path(shutil.copytree(made / "models/assembled", tmp_path / "model"))
    (model / "assets" / "words.txt").unlink()
    artifact = open_artifact(str(model))
    assert "assets/words.txt is missing." in artifact.notes
    (problem,) = [c for c in artifact.checks() if c.problem]
    assert (problem.rule, problem.where) == ("asset present", "assets/words.txt")


@pytest.mark.parametrize("kept", [300, 1000, -1])
def test_a_cut_graph_is_damaged(kept: int, made: Path, tmp_path: Path) -> None:
    cut = tmp_path / "cut.pb"
    cut.write_bytes((made / "models/frozen.pb").read_bytes()[:kept])
    with pytest.raises(Unreadable, match=r"cut\.pb is damaged: .* Copy it again"):
        open_artifact(str(cut))


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x0a\x05hello" * 9,
        b"\x0a" * 4000,
        b"\x0a\x02\x0a\x00",
        b"\x12\x02\x0a\x00",
        b"node: {name: yaml}\n",
        b"\nnode of a tree",
        bytes(range(256)) * 8,
    ],
)
def test_other_bytes_are_no_graph(data: bytes, tmp_path: Path) -> None:
    (tmp_path / "x.pb").write_bytes(data)
    try:
        assert open_artifact(str(tmp_path / "x.pb")).format == "unknown"
    except Unreadable as error:
        assert "graph" not in str(error).lower() or "line 1" in str(error)  # noqa: PT017


def test_damaged_text_is_told_by_its_line(made: Path, tmp_path: Path) -> None:
    lines = (made / "models/frozen.pbtxt").read_text().splitlines()
    lines[7] = "  } } ]"
    (tmp_path / "x.pbtxt").write_text("\n".join(lines))
    with pytest.raises(Unreadable, match=r"cannot be read as text of a GraphDef: line 8: "):
        open_artifact(str(tmp_path / "x.pbtxt"))


def test_text_nested_without_end_is_refused(tmp_path: Path) -> None:
    deep = 'node { name: "a" op: "B" attr { key: "k" value { list { func { attr { '
    (tmp_path / "x.pbtxt").write_text(deep + "unknown { " * 5000 + "}" * 5007)
    with pytest.raises(Unreadable, match="cannot be read as text of a GraphDef"):
        open_artifact(str(tmp_path / "x.pbtxt"))


def test_layers_that_hold_each_other_are_counted_within_bounds(tmp_path: Path) -> None:
    """Counting what each of a thousand layers holds takes a million steps."""
    model = pb.SavedModel()
    objects = model.meta_graphs.add().object_graph_def
    root = objects.nodes.add()
    root.user_object.identifier = "_tf_keras_model"
    root.user_object.metadata = '{"class_name": "Functional", "config": {}}'
    for index in range(1, 1501):
        root.children.add(node_id=index, local_name=f"layer-{index}")
        layer = objects.nodes.add()
        layer.user_object.identifier = "_tf_keras_layer"
        layer.children.add(node_id=index % 1500 + 1, local_name="next")
    (tmp_path / "saved_model.pb").write_bytes(model.SerializeToString())
    layers = open_artifact(str(tmp_path)).layers()
    assert len(layers) == 1500
    assert {layer.parameters for layer in layers} == {None}


def test_a_signature_named_from_everywhere_is_left_out(tmp_path: Path) -> None:
    model = pb.SavedModel()
    objects = model.meta_graphs.add().object_graph_def
    given = objects.concrete_functions["f"].canonicalized_input_signature
    given.list_value.values.add().string_value = "x" * (1 << 20)
    root = objects.nodes.add()
    for index in range(1, 101):
        root.children.add(node_id=index, local_name=f"f{index}")
        objects.nodes.add().function.concrete_functions.append("f")
    (tmp_path / "saved_model.pb").write_bytes(model.SerializeToString())
    functions = open_artifact(str(tmp_path)).functions()
    assert len(functions) == 100
    assert sum(len(f.variants) for f in functions) == 15


def test_values_nested_without_end_are_refused(tmp_path: Path) -> None:
    value = b""
    for _ in range(5000):
        value = _field(51, _field(1, value))  # a list in a list
    concrete = _field(1, b"f") + _field(2, _field(3, value))
    data = _field(2, _field(7, _field(2, concrete)))
    (tmp_path / "saved_model.pb").write_bytes(data)
    with pytest.raises(Unreadable, match=r"saved_model\.pb cannot be read"):
        open_artifact(str(tmp_path))


def test_large_constants_are_not_held(tmp_path: Path) -> None:
    """The file is full of holes, so it takes no room either."""
    size = 100 << 20
    with (tmp_path / "large.pb").open("wb") as file:
        for number in range(5):
            file.write(_node_before_values(f"c{number}", size))
            file.truncate(file.tell() + size)
            file.seek(0, os.SEEK_END)
    tracemalloc.start()
    artifact = open_artifact(str(tmp_path / "large.pb"))
    nodes = below(artifact.root, "graph").children()
    constants = artifact.tensors()
    assert len(list(artifact.ops())) == len(nodes) == len(constants) == 5
    assert constants[4].read((slice(-3, None),)).tolist() == [0, 0, 0]
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert constants[4].shape == (size // 4,)
    assert peak < 8 << 20


def _node_before_values(name: str, size: int) -> bytes:
    """A constant of ``size`` bytes that are still to come, at the end of all its messages."""
    about = tensor_pb2.TensorProto(dtype=1, tensor_shape=shape(size // 4)).SerializeToString()
    data = about + _opened(4, size)
    for tag, before in ((8, b""), (2, _field(1, b"value")), (5, b"")):
        data = before + _opened(tag, len(data) + size) + data
    data = _field(1, name.encode()) + _field(2, b"Const") + data
    return _opened(1, len(data) + size) + data


def _opened(tag: int, size: int) -> bytes:
    return _varint(tag << 3 | 2) + _varint(size)


def _field(tag: int, content: bytes) -> bytes:
    return _opened(tag, len(content)) + content


def _varint(number: int) -> bytes:
    parts = [number >> shift & 0x7F for shift in range(0, max(1, number.bit_length()), 7)]
    return bytes(part | 0x80 for part in parts[:-1]) + bytes(parts[-1:])


def graph_with(**tensor_fields: Any) -> bytes:
    graph = pb.GraphDef()
    node = graph.node.add(name="c", op="Const")
    node.attr["value"].tensor.CopyFrom(tensor_pb2.TensorProto(**tensor_fields))
    return graph.SerializeToString()


def shape(*sizes: int) -> tensor_pb2.TensorShapeProto:
    dims = [tensor_pb2.TensorShapeProto.Dim(size=size) for size in sizes]
    return tensor_pb2.TensorShapeProto(dim=dims)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"dtype": 1, "tensor_shape": shape(5), "tensor_content": b"1234"}, "takes 20 bytes"),
        ({"dtype": 1, "tensor_shape": shape(1), "float_val": [1, 2]}, "2 values are stored"),
        ({"dtype": 1, "tensor_shape": shape(1 << 40, 1 << 20)}, "only 1"),
        ({"dtype": 1, "tensor_shape": shape(-1)}, "no complete shape"),
        ({"dtype": 20, "tensor_shape": shape(1)}, "resource, which has no values"),
        ({"dtype": 999, "tensor_shape": shape(1)}, "no values to show"),
    ],
)
def test_constants_that_do_not_fit(fields: Any, message: str, tmp_path: Path) -> None:
    (tmp_path / "x.pb").write_bytes(graph_with(**fields))
    constant = tensor(open_artifact(str(tmp_path / "x.pb")), "c")
    with pytest.raises(TensorUnreadable, match=message):
        constant.read()


def test_a_constant_of_too_few_bytes_fails_its_check(tmp_path: Path) -> None:
    data = graph_with(dtype=1, tensor_shape=shape(5), tensor_content=b"1234")
    (tmp_path / "x.pb").write_bytes(data)
    (problem,) = [c for c in open_artifact(str(tmp_path / "x.pb")).checks() if c.problem]
    assert problem.rule == "byte count"
    assert "takes 20 bytes, but 4 are stored" in problem.problem
