"""Graphs of very many operations: read in one go, and as TensorFlow's own protobuf reads them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from explorer.analysis.safety import scan
from explorer.formats.artifact import Artifact, Tri, UnreadableArtifact
from explorer.formats.registry import open_artifact

_MANY = 100_000


@pytest.fixture(scope="module")
def graph() -> tf.compat.v1.GraphDef:
    """Placeholders and constants among a hundred thousand operations, most in one long chain."""
    found = tf.compat.v1.GraphDef()
    found.node.add(name="read", op="ReadFile")
    for number in range(3):
        found.node.add(name=f"in_{number}", op="Placeholder").attr["dtype"].type = 1
    for number in range(_MANY):
        before = [f"n{number - 1}:0", "^n0"] if number else ["in_0"]
        found.node.add(name=f"n{number}", op="Identity", input=before)
    for number, value in enumerate([np.zeros((2, 3), "f4"), np.zeros((400, 40), "f4")]):
        constant = found.node.add(name=f"Const_{number}", op="Const")
        constant.attr["value"].tensor.CopyFrom(tf.make_tensor_proto(value))
    found.node.add(name="Constrained", op="NoOp", input=["^in_1"])
    return found


def test_a_graph_of_many_operations_is_read(
    graph: tf.compat.v1.GraphDef, tmp_path: Path, opened: Callable[[Path], Artifact]
) -> None:
    path = tmp_path / "graph.pb"
    path.write_bytes(graph.SerializeToString())
    artifact = opened(path)
    (main,) = artifact.root.children()
    texts = dict(main.attributes())
    tensors = {tensor.path: tensor.shape for tensor in artifact.tensors()}
    findings = [finding.where for finding in scan(artifact)]
    assert artifact.root.kind == f"graph · {len(graph.node):,} operations"
    assert tensors == {"Const_0": (2, 3), "Const_1": (400, 40)}
    assert artifact.contents.weights is Tri.YES
    assert main.summary == "3 in → 2 out"
    assert texts["inputs"] == ", ".join(f"in_{number}: float32 unknown" for number in range(3))
    assert texts["outputs"] == f"read: ReadFile, n{_MANY - 1}: Identity"
    assert findings == ["graph: read"]
    assert not any(check.problem for check in artifact.checks())


def test_text_of_nothing_but_empty_operations_is_shown(
    tmp_path: Path, opened: Callable[[Path], Artifact]
) -> None:
    """A text file of a megabyte can hold hundreds of thousands of them."""
    path = tmp_path / "graph.pbtxt"
    path.write_text("node{}" * 199_000)
    (main,) = opened(path).root.children()
    assert len(main.children(100_000, 100_100)) == 100


def test_a_graph_of_many_small_constants_is_read(
    tmp_path: Path, opened: Callable[[Path], Artifact]
) -> None:
    graph = tf.compat.v1.GraphDef()
    first = graph.node.add(name="first", op="Const")
    first.attr["value"].tensor.CopyFrom(tf.make_tensor_proto(0.5))
    graph.node.add(name="kind", op="Const").attr["dtype"].type = 1
    data = b"".join(
        graph.SerializeToString().replace(b"first", b"%05d" % number) for number in range(40_000)
    )
    path = tmp_path / "graph.pb"
    path.write_bytes(data)
    artifact = opened(path)
    assert not scan(artifact)
    assert not any(check.problem for check in artifact.checks())
    values = [n for n in tf.compat.v1.GraphDef.FromString(data).node if "value" in n.attr]
    assert [tensor.path for tensor in artifact.tensors()] == [node.name for node in values]
    assert artifact.tensors()[-1].read(()) == tf.make_ndarray(values[-1].attr["value"].tensor)
    assert artifact.contents.weights is Tri.NO


def constant_of_rank(rank: int) -> tf.compat.v1.GraphDef:
    graph = tf.compat.v1.GraphDef()
    node = graph.node.add(name="c", op="Const")
    node.attr["dtype"].type = tf.float32.as_datatype_enum
    tensor = node.attr["value"].tensor
    tensor.dtype = tf.float32.as_datatype_enum
    tensor.float_val.append(1.0)
    for _ in range(rank):
        tensor.tensor_shape.dim.add(size=1)
    return graph


def test_a_constant_of_more_dimensions_than_tensorflow_takes_is_damaged(
    tmp_path: Path, opened: Callable[[Path], Artifact]
) -> None:
    most = 254
    tf.import_graph_def(constant_of_rank(most))
    with pytest.raises(ValueError, match="too many dimensions"):
        tf.import_graph_def(constant_of_rank(most + 1))
    found = {}
    for rank in (most, most + 1):
        path = tmp_path / f"{rank}.pb"
        path.write_bytes(constant_of_rank(rank).SerializeToString())
        found[rank] = opened(path)
    shapes = {rank: artifact.tensors()[0].shape for rank, artifact in found.items()}
    assert shapes == {most: (1,) * most, most + 1: None}
    problems = [check.problem for check in found[most + 1].checks() if check.problem]
    assert [problem.partition(". ")[0] for problem in problems] == [
        "c has no complete shape, or one of more than 254 dimensions"
    ]


_META = "saved_model_schema_version:1 meta_graphs{"
_INPUTS = "".join(f'inputs{{key:"{number}"}}' for number in range(60_000))
_ATTRIBUTES = "".join(f'attr{{key:"{number}"}}' for number in range(20_000))
_SIGNATURES = "".join(f'signature_def{{key:"{number}"}}' for number in range(20_000))
_TOO_MANY = {
    "199,000 functions": "library{" + "function{}" * 199_000 + "}",
    "199,000 meta graphs": "saved_model_schema_version:1 " + "meta_graphs{}" * 199_000,
    "20,000 signatures": _META + _SIGNATURES + "}",
    "60,000 inputs and outputs of signatures": _META
    + f'signature_def{{key:"s" value{{{_INPUTS}}}}}}}',
    "20,000 assets": _META + "asset_file_def{}" * 20_000 + "}",
    "20,000 tags": _META + "meta_info_def{" + 'tags:"t" ' * 20_000 + "}}",
    "20,000 attributes of one operation": f'node{{name:"n" op:"NoOp" {_ATTRIBUTES}}}',
}


@pytest.mark.parametrize("many", _TOO_MANY)
def test_more_than_any_model_has_is_refused(many: str, tmp_path: Path) -> None:
    path = tmp_path / "model.pbtxt"
    path.write_text(_TOO_MANY[many])
    with pytest.raises(UnreadableArtifact, match=f"model.pbtxt has {many}, and no more than "):
        open_artifact(str(path))
