"""TensorFlow Lite models that hide what they run, list without end, or are damaged."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import flatbuffers.flexbuffers
import numpy as np
import pytest
from tensorflow.core.framework import node_def_pb2
from tensorflow.lite.python import schema_py_generated as schema

from explorer.formats.artifact import TensorUnreadable, UnreadableArtifact
from explorer.formats.registry import open_artifact
from tests.formats.tflite_originals import behind, built, graph, operator, operator_code, tensor

CUSTOM = schema.BuiltinOperator.CUSTOM


# TensorFlow's operations


def flex_model(folder: Path, custom: str, name: str, op: str, padding: int = 0) -> Path:
    node = node_def_pb2.NodeDef(name="n", op=op, device="x" * padding)
    options = flatbuffers.flexbuffers.Dumps([name, node.SerializeToString().decode("latin-1")])
    made = operator(0, [], [0], customOptions=np.frombuffer(bytes(options), np.uint8))
    tensors = [tensor("y", "FLOAT32", [1], 0)]
    codes = [operator_code(CUSTOM, custom)]
    return built(folder, [], [], subgraphs=[graph("main", tensors, [made])], operatorCodes=codes)


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (("FlexAdd", "Add", "Add"), ["FlexAdd"]),
        (("FlexAdd", "WriteFile", "Add"), ["FlexAdd", "FlexWriteFile"]),
        (("FlexAdd", "Add", "ReadFile"), ["FlexAdd", "FlexReadFile"]),
        (("Flex", "PyFunc", "PyFunc"), ["Flex", "FlexPyFunc"]),
        (("MyOperator", "Add", "Add"), ["custom operator MyOperator"]),
    ],
)
def test_the_operation_that_the_options_name_counts(
    names: tuple[str, str, str], expected: list[str], tmp_path: Path, opened: Any
) -> None:
    artifact = opened(flex_model(tmp_path, *names))
    assert [(op.op, op.name, op.where) for op in artifact.ops()] == [
        (op, "y", "subgraph main") for op in expected
    ]


def test_options_too_large_to_look_into_are_not_trusted(tmp_path: Path, opened: Any) -> None:
    artifact = opened(flex_model(tmp_path, "FlexAdd", "Add", "Add", 17 << 20))
    assert [op.op for op in artifact.ops()] == ["FlexAdd", "custom operator FlexAdd"]


@pytest.mark.parametrize("options", [b"", b"\0", b"\0\x28\0", bytes(9), b"\1\2\x28\1", b"\7" * 30])
def test_options_that_say_nothing_are_not_trusted(
    options: bytes, tmp_path: Path, opened: Any
) -> None:
    made = operator(0, [], [], customOptions=np.frombuffer(options, np.uint8))
    codes = [operator_code(CUSTOM, "FlexAdd")]
    graphs = [graph("main", [], [made])]
    artifact = opened(built(tmp_path, [], [], subgraphs=graphs, operatorCodes=codes))
    assert [op.op for op in artifact.ops()] == ["FlexAdd", "custom operator FlexAdd"]


def test_options_behind_the_flatbuffer(tmp_path: Path, opened: Any) -> None:
    options = bytes(flatbuffers.flexbuffers.Dumps(["WriteFile", "\x12\x09WriteFile"]))
    made = operator(0, [], [], largeCustomOptionsOffset=4096)
    made.largeCustomOptionsSize = len(options)
    codes = [operator_code(CUSTOM, "FlexAdd")]
    path = built(tmp_path, [], [], subgraphs=[graph("main", [], [made])], operatorCodes=codes)
    behind(path, 4096, options)
    ops = [(op.op, op.name) for op in opened(path).ops()]
    assert ops == [("FlexAdd", "operator 0"), ("FlexWriteFile", "operator 0")]


# Hostile and damaged files


class Shared:
    """One table that many offsets lead to."""

    def __init__(self, made: Any) -> None:
        self._made = made
        self._place = 0

    def Pack(self, builder: Any) -> int:
        self._place = self._place or self._made.Pack(builder)
        return self._place


def shared_graphs() -> list[Any]:
    return [Shared(graph("g" * 2000, []))] * 1000


def shared_tensors() -> list[Any]:
    return [graph("main", [Shared(tensor("t" * 20_000, "FLOAT32", [1], 0))] * 1000)]


def shared_operators() -> list[Any]:
    operators = [Shared(operator(0, list(range(5000)), []))] * 1000
    return [Shared(graph("main", [], operators))] * 100


@pytest.mark.parametrize("make", [shared_graphs, shared_tensors, shared_operators])
def test_a_small_file_that_lists_without_end_is_refused(tmp_path: Path, make: Any) -> None:
    path = built(tmp_path, [], [], subgraphs=make())
    assert path.stat().st_size < 40_000
    with pytest.raises(UnreadableArtifact, match="it lists more than it has bytes for"):
        open_artifact(str(path)).close()


def test_operators_that_share_their_inputs_end(tmp_path: Path, opened: Any) -> None:
    operators = [Shared(operator(0, list(range(5000)), []))] * 1000
    artifact = opened(built(tmp_path, [], [], subgraphs=[graph("main", [], operators)]))
    with pytest.raises(UnreadableArtifact, match="it lists more than it has bytes for"):
        list(artifact.checks())


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
