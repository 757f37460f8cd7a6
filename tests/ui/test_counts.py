"""What the header counts, and what the tree says of sizes, against TensorFlow's own reading."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from PySide6.QtWidgets import QLabel

from explorer.formats.artifact import Node, Role, Tri
from explorer.ui.driver import Driver
from explorer.ui.session import ArtifactEntry

READ = """
import json, sys
import numpy as np, tensorflow as tf
from tensorflow.core.protobuf.saved_model_pb2 import SavedModel
path = sys.argv[1]
names = dict(tf.train.list_variables(path + "/variables/variables"))
names.pop("_CHECKPOINTABLE_OBJECT_GRAPH", None)
model = SavedModel.FromString(open(path + "/saved_model.pb", "rb").read())
consts = {}
for node in model.meta_graphs[0].graph_def.node:
    if node.op == "Const" and node.attr["dtype"].type != 7:
        consts[node.name] = int(tf.make_ndarray(node.attr["value"].tensor).nbytes)
print(json.dumps([len(names), consts]))
"""

READ_LITE = """
import sys
from tensorflow.lite.python.schema_py_generated import ModelT
model = ModelT.InitFromPackedBuf(open(sys.argv[1], "rb").read(), 0)
used = {tensor.buffer for graph in model.subgraphs for tensor in graph.tensors}
print(sum(model.buffers[number].data is not None for number in used))
"""


@pytest.fixture
def model(corpus: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(corpus / "basic_pitch_nmp", tmp_path / "nmp"))


def opened(driver: Driver, path: Path) -> ArtifactEntry:
    entry = driver.open(path)
    driver.until(lambda: entry.parameters is not None, "the count")
    return entry


def assert_counted(driver: Driver, text: str) -> None:
    labels = driver.window.browse.header.findChildren
    driver.until(lambda: text in [t.text() for t in labels(QLabel) if t.isVisible()], text)


def read_by_tensorflow(path: Path) -> tuple[int, dict[str, int]]:
    done = subprocess.run([sys.executable, "-c", READ, str(path)], check=True, capture_output=True)
    variables, constants = json.loads(done.stdout)
    return variables, constants


def test_the_header_counts_the_variables_that_tensorflow_lists(driver: Driver, model: Path) -> None:
    variables, constants = read_by_tensorflow(model)
    entry = opened(driver, model)
    assert_counted(driver, f"{variables} variables")
    assert_counted(driver, "16,864 parameters")
    sizes = {node.name: node.size for node in below(entry.artifact.root) if node.kind == "Const"}
    assert {name: sizes[name] for name in constants} == constants


def below(node: Node) -> list[Node]:
    children = node.children(0, node.child_count()) if node.has_children else []
    if node.name in ("functions", "object graph"):
        return []
    return [*children, *(found for child in children for found in below(child))]


def test_a_shard_cut_short_changes_no_count(driver: Driver, model: Path) -> None:
    shard = model / "variables" / "variables.data-00000-of-00001"
    for share, weights in ((2, Tri.YES), (8, Tri.PARTLY), (10**9, Tri.NO)):
        shard.write_bytes(shard.read_bytes()[: shard.stat().st_size // share])
        entry = opened(driver, model)
        assert_counted(driver, "16,864 parameters")
        assert_counted(driver, "73 variables")
        assert entry.artifact.contents.weights is weights


def test_without_its_variables_a_model_has_none(driver: Driver, model: Path) -> None:
    shutil.rmtree(model / "variables")
    entry = opened(driver, model)
    assert_counted(driver, "0 variables")
    assert entry.artifact.contents.weights is Tri.NO
    assert any("73 variables" in note for note in entry.artifact.notes)


def test_the_constants_of_a_lite_model_are_its_tensors(driver: Driver, corpus: Path) -> None:
    path = corpus / "face_detection_short_range.tflite"
    done = subprocess.run([sys.executable, "-c", READ_LITE, path], check=True, capture_output=True)
    entry = opened(driver, path)
    assert any(t.role is Role.CONSTANT for t in entry.artifact.tensors())
    assert_counted(driver, f"{int(done.stdout)} tensors")
