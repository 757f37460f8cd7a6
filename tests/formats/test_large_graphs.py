"""Graphs of very many operations: read in one go, and as TensorFlow's own protobuf reads them."""

from __future__ import annotations

import time
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


def test_a_graph_of_many_operations_is_read_soon(
    graph: tf.compat.v1.GraphDef, tmp_path: Path, opened: Callable[[Path], Artifact]
) -> None:
    path = tmp_path / "graph.pb"
    path.write_bytes(graph.SerializeToString())
    begin = time.process_time()
    artifact = opened(path)
    (main,) = artifact.root.children()
    texts = dict(main.attributes())
    tensors = {tensor.path: tensor.shape for tensor in artifact.tensors()}
    findings = [finding.where for finding in scan(artifact)]
    assert time.process_time() - begin < 3
    assert artifact.root.kind == f"graph · {len(graph.node):,} operations"
    assert tensors == {"Const_0": (2, 3), "Const_1": (400, 40)}
    assert artifact.contents.weights is Tri.YES
    assert main.summary == "3 in → 2 out"
    assert texts["inputs"] == ", ".join(f"in_{number}: float32 unknown" for number in range(3))
    assert texts["outputs"] == f"read: ReadFile, n{_MANY - 1}: Identity"
    assert findings == ["graph: read"]
    assert not any(check.problem for check in artifact.checks())


def test_text_of_nothing_but_empty_operations_is_shown_soon(
    tmp_path: Path, opened: Callable[[Path], Artifact]
) -> None:
    """A text file of a megabyte can hold hundreds of thousands of them."""
    path = tmp_path / "graph.pbtxt"
    path.write_text("node{}" * 199_000)
    begin = time.process_time()
    (main,) = opened(path).root.children()
    assert len(main.children(100_000, 100_100)) == 100
    assert time.process_time() - begin < 2


_SIGNATURES = "".join(f'signature_def{{key:"{number}"}}' for number in range(20_000))
_TOO_MANY = {
    "199,000 functions": "library{" + "function{}" * 199_000 + "}",
    "199,000 meta graphs": "saved_model_schema_version:1 " + "meta_graphs{}" * 199_000,
    "20,000 signatures": "saved_model_schema_version:1 meta_graphs{" + _SIGNATURES + "}",
}


@pytest.mark.parametrize("many", _TOO_MANY)
def test_more_than_any_model_has_is_refused_soon(many: str, tmp_path: Path) -> None:
    path = tmp_path / "model.pbtxt"
    path.write_text(_TOO_MANY[many])
    begin = time.process_time()
    with pytest.raises(UnreadableArtifact, match=f"model.pbtxt has {many}, and no more than "):
        open_artifact(str(path))
    assert time.process_time() - begin < 2
