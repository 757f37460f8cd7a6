"""ONNX models made to be a trap: values taken from elsewhere, and more than any model holds."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import ModelProto, TensorProto, helper, numpy_helper

from explorer.analysis.safety import scan
from explorer.formats.artifact import HazardKind, OverLimit, Role
from explorer.formats.registry import open_artifact

_VALUES = b"SIXTEEN BYTES OF"


def external(name: str, location: str) -> TensorProto:
    tensor = TensorProto(name=name, data_type=TensorProto.FLOAT, dims=[4], raw_data=_VALUES)
    onnx.external_data_helper.set_external_data(tensor, location, 0, len(_VALUES))
    tensor.ClearField("raw_data")
    return tensor


def sparse(location: str) -> Any:
    indices = numpy_helper.from_array(np.arange(4), "places")
    return helper.make_sparse_tensor(external("w", location), indices, [4])


def graph_of(nodes: list[Any], **more: Any) -> Any:
    return helper.make_graph(nodes, "g", [], [], **more)


def branch(graph: Any) -> Any:
    return helper.make_node("If", ["c"], ["y"], name="if", then_branch=graph, else_branch=graph)


def nested(graph: Any, depth: int) -> Any:
    """The graph in so many others."""
    for _ in range(depth):
        node = helper.make_node("If", ["c"], ["y"], name="if", then_branch=graph)
        graph = graph_of([node])
    return graph


def training(graph: Any) -> ModelProto:
    model = helper.make_model(graph_of([]))
    model.training_info.add().algorithm.CopyFrom(graph)
    return model


def model_with(*nodes: Any, **more: Any) -> ModelProto:
    return helper.make_model(graph_of([*nodes], **more))


READ: dict[str, Callable[[str], ModelProto]] = {
    "w": lambda at: model_with(initializer=[external("w", at)]),
    "c": lambda at: model_with(helper.make_node("Constant", [], ["c"], value=external("w", at))),
    "z/value": lambda at: model_with(
        helper.make_node("ConstantOfShape", ["s"], ["z"], value=external("w", at))
    ),
    "Constant/value": lambda at: model_with(
        helper.make_node("Constant", [], [], value=external("w", at))
    ),
    "m/many/0": lambda at: model_with(
        helper.make_node("Mul", ["x", "x"], ["m"], many=[external("a", at), TensorProto(name="b")])
    ),
    "if/then_branch/w": lambda at: model_with(
        branch(graph_of([], initializer=[external("w", at)]))
    ),
    f"{'if/then_branch/' * 24}w": lambda at: helper.make_model(
        nested(graph_of([], initializer=[external("w", at)]), 24)
    ),
}
ALSO_NAMED: dict[str, Callable[[str], ModelProto]] = {
    "w": lambda at: model_with(sparse_initializer=[sparse(at)]),
    "c": lambda at: model_with(helper.make_node("Constant", [], ["c"], sparse_value=sparse(at))),
    "training/0/algorithm/w": lambda at: training(graph_of([], initializer=[external("w", at)])),
}


@pytest.mark.parametrize("name", READ)
def test_onnx_reads_values_from_each_of_these_places(tmp_path: Path, name: str) -> None:
    (tmp_path / "values.bin").write_bytes(_VALUES)
    onnx.save(READ[name]("values.bin"), tmp_path / "model.onnx")
    assert _VALUES in onnx.load(tmp_path / "model.onnx").SerializeToString()
    assert not scan(open_artifact(str(tmp_path / "model.onnx")))


@pytest.mark.parametrize(("name", "make"), [*READ.items(), *ALSO_NAMED.items()])
def test_values_from_outside_are_a_hazard_wherever_they_are_named(
    tmp_path: Path, opened: Any, name: str, make: Callable[[str], ModelProto]
) -> None:
    onnx.save(make("../secret.bin"), tmp_path / "model.onnx")
    hazards = [*opened(tmp_path / "model.onnx").hazards()]
    assert (HazardKind.EXTERNAL_STORAGE, name, "../secret.bin") in [
        (hazard.kind, hazard.where, hazard.target) for hazard in hazards
    ]


def test_values_that_a_link_takes_from_outside_are_a_hazard(tmp_path: Path, opened: Any) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    (tmp_path / "secret.bin").write_bytes(_VALUES)
    (folder / "values.bin").symlink_to(tmp_path / "secret.bin")
    onnx.save(READ["w"]("values.bin"), folder / "model.onnx")
    artifact = opened(folder / "model.onnx")
    assert [(h.kind, h.target) for h in artifact.hazards()] == [
        (HazardKind.EXTERNAL_STORAGE, "values.bin")
    ]
    assert [check.rule for check in artifact.checks()] == ["byte count"]


def test_tensors_and_operators_of_training(tmp_path: Path, opened: Any) -> None:
    rate = numpy_helper.from_array(np.array([0.5], np.float32), "rate")
    own = helper.make_node("Mine", ["x"], ["z"], domain="com.example")
    onnx.save(training(graph_of([own], initializer=[rate])), tmp_path / "model.onnx")
    artifact = opened(tmp_path / "model.onnx")
    (tensor,) = artifact.tensors()
    assert (tensor.path, tensor.role) == ("training/0/algorithm/rate", Role.OPTIMIZER)
    assert tensor.read().tolist() == numpy_helper.to_array(rate).tolist()
    assert [(f.rule, f.where) for f in scan(artifact)] == [
        ("native-code", "training 0, algorithm: z")
    ]


def test_operators_of_graphs_deep_in_each_other(tmp_path: Path, opened: Any) -> None:
    own = helper.make_node("Mine", ["x"], ["z"], domain="com.example")
    onnx.save(helper.make_model(nested(graph_of([own]), 24)), tmp_path / "model.onnx")
    assert [f.rule for f in scan(opened(tmp_path / "model.onnx"))] == ["native-code"]


def test_numbers_of_an_attribute_do_not_hide_what_comes_after(tmp_path: Path, opened: Any) -> None:
    node = helper.make_node("TreeEnsembleClassifier", ["x"], ["y"], ids=range(70_000))
    node.attribute[0].t.CopyFrom(external("w", "../secret.bin"))
    (tmp_path / "model.onnx").write_bytes(model_with(node).SerializeToString())
    assert [h.target for h in opened(tmp_path / "model.onnx").hazards()] == ["../secret.bin"]


def message(tag: int, data: bytes) -> bytes:
    """A field of bytes: other than with ``onnx``, millions of them are quickly written."""
    return _varint(tag << 3 | 2) + _varint(len(data)) + data


def _varint(number: int) -> bytes:
    low = b""
    while number > 127:
        low, number = low + bytes([number & 127 | 128]), number >> 7
    return low + bytes([number])


_GRAPH_ATTRIBUTE = message(5, message(6, b""))
_MANY = {
    "operators": message(1, b"") * 100_001,
    "initializers": message(5, b"") * 100_001,
    "inputs": message(11, b"") * 100_001,
    "graphs": message(1, _GRAPH_ATTRIBUTE * 100_001),
    "attributes": message(1, message(5, b"") * 30_000) * 40,
    "fields": message(13, b"") * 1_000_001,
}


@pytest.mark.parametrize("what", _MANY)
def test_a_model_of_more_parts_than_any_has_is_no_damage(tmp_path: Path, what: str) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(b"\x08\x08" + message(7, _MANY[what]))
    with pytest.raises(OverLimit, match=r"more than 1[0,]+ (operators|fields).*be careful"):
        open_artifact(str(path))


def test_a_model_of_very_many_functions_is_no_damage(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(b"\x08\x08" + message(7, b"") + message(25, b"") * 100_001)
    with pytest.raises(OverLimit, match="functions"):
        open_artifact(str(path))


def test_graphs_deeper_in_each_other_than_any_are_no_damage(tmp_path: Path) -> None:
    graph = b""
    for _ in range(1_000):
        graph = message(1, message(4, b"If") + message(5, message(1, b"a") + message(6, graph)))
    (tmp_path / "model.onnx").write_bytes(b"\x08\x08" + message(7, graph))
    with pytest.raises(OverLimit, match="so deep in each other"):
        open_artifact(str(tmp_path / "model.onnx"))


def test_very_many_files_of_values_are_no_damage(tmp_path: Path) -> None:
    tensors = [external("w", f"{number}.bin") for number in range(10_001)]
    onnx.save(model_with(initializer=tensors), tmp_path / "model.onnx")
    with pytest.raises(OverLimit, match="names 10,001 files"):
        open_artifact(str(tmp_path / "model.onnx"))


def test_a_model_of_tens_of_thousands_of_operators_opens(tmp_path: Path, opened: Any) -> None:
    nodes = [helper.make_node("Gelu", ["x"], [f"y{n}"], axis=n, p=[n]) for n in range(30_000)]
    onnx.save(model_with(*nodes), tmp_path / "model.onnx")
    ops = opened(tmp_path / "model.onnx").ops()
    theirs = onnx.load(tmp_path / "model.onnx").graph.node
    assert [op.name for op in ops] == [node.output[0] for node in theirs]


def test_a_tensor_of_more_dimensions_than_any_is_damaged(tmp_path: Path, opened: Any) -> None:
    outside = external("elsewhere", "../secret.bin")
    outside.dims.extend([1] * 254)
    most = TensorProto(name="most", data_type=TensorProto.FLOAT, dims=[1] * 254, float_data=[1.0])
    onnx.save(model_with(initializer=[outside, most]), tmp_path / "model.onnx")
    artifact = opened(tmp_path / "model.onnx")
    assert [t.shape for t in artifact.tensors()] == [None, tuple(most.dims)]
    problems = [check.problem for check in artifact.checks() if check.problem]
    assert "it declares 255 dimensions, as no tensor has." in problems
    assert {f.rule for f in scan(artifact) if f.severity.value == "danger"} == {"external-storage"}
