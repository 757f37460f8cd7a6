"""What loading a SavedModel runs to restore its variables, which must restore and nothing else.

Each model is TensorFlow's, changed in TensorFlow's own messages, and TensorFlow shows what loading
it does.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.analysis.scanning import dangerous_operations

WRITTEN = "written_on_loading"


def add_save(tf: Any, graph: Any, scope: str, file: str, end: str = "") -> str:
    """Add to a graph or function what saves a text to a file, and give the operation's name."""
    nodes = graph.node if hasattr(graph, "node") else graph.node_def
    values = {"file": file, "names": ["a"], "slices": [""]}
    for key, value in values.items():
        node = nodes.add(name=f"{scope}{key}", op="Const")
        node.attr["dtype"].type = tf.string.as_datatype_enum
        node.attr["value"].tensor.CopyFrom(tf.make_tensor_proto(value, tf.string))
    node = nodes.add(name=f"{scope}more", op="SaveV2")
    node.attr["dtypes"].list.type.append(tf.string.as_datatype_enum)
    node.input.extend(f"{scope}{key}{end}" for key in ("file", "names", "slices", "names"))
    return str(node.name)


def change(path: Path, tamper: Callable[[Any], None]) -> None:
    from tensorflow.core.protobuf.saved_model_pb2 import SavedModel

    file = path / "saved_model.pb"
    model = SavedModel.FromString(file.read_bytes())
    tamper(model.meta_graphs[0])
    file.write_bytes(model.SerializeToString())
    (path / "fingerprint.pb").unlink(missing_ok=True)


def load_in_a_session(tf: Any, path: Path) -> None:
    v1 = tf.compat.v1
    with tf.Graph().as_default(), v1.Session() as session:
        v1.saved_model.load(session, ["serve"], str(path))


@pytest.fixture
def tf2_model(tf: Any, tmp_path: Path) -> Path:
    module = tf.Module()
    module.v = tf.Variable([1.0, 2.0])
    module.f = tf.function(lambda x: x * module.v, input_signature=[tf.TensorSpec([2])])
    tf.saved_model.save(module, str(tmp_path / "tf2"), signatures=module.f)
    return tmp_path / "tf2"


@pytest.fixture
def tf1_model(tf: Any, tmp_path: Path) -> Path:
    v1 = tf.compat.v1
    with tf.Graph().as_default(), v1.Session() as session:
        x = v1.placeholder(tf.float32, [None], "x")
        variable = v1.get_variable("v", [3], use_resource=False)
        session.run(v1.global_variables_initializer())
        v1.saved_model.simple_save(session, str(tmp_path / "tf1"), {"x": x}, {"y": x * variable})
    return tmp_path / "tf1"


def function_named(meta: Any, part: str) -> Any:
    return next(f for f in meta.graph_def.library.function if part in f.signature.name)


def caller_of(meta: Any, function: Any) -> Any:
    name = function.signature.name
    return next(node for node in meta.graph_def.node if node.attr["f"].func.name == name)


def test_a_function_that_restores_and_saves(tf: Any, tf2_model: Path, tmp_path: Path) -> None:
    def tamper(meta: Any) -> None:
        function = function_named(meta, "traced_restore")
        name = add_save(tf, function, "", str(tmp_path / WRITTEN), ":output:0")
        function.control_ret[name] = name
        function.signature.control_output.append(name)

    assert not dangerous_operations(tf2_model)
    change(tf2_model, tamper)
    load_in_a_session(tf, tf2_model)
    assert list(tmp_path.glob(f"{WRITTEN}*"))
    assert "SaveV2" in dangerous_operations(tf2_model)


def test_loading_that_saves_instead_of_restoring(tf: Any, tf2_model: Path) -> None:
    def tamper(meta: Any) -> None:
        caller = caller_of(meta, function_named(meta, "traced_save"))
        meta.saver_def.restore_op_name = caller.name

    index = tf2_model / "variables" / "variables.index"
    change(tf2_model, tamper)
    before = index.stat().st_mtime_ns
    with pytest.raises(tf.errors.FailedPreconditionError):
        load_in_a_session(tf, tf2_model)  # it saves the variables before they have any values
    assert index.stat().st_mtime_ns == before
    assert {"SaveV2", "MergeV2Checkpoints"} <= dangerous_operations(tf2_model)


def test_a_file_that_the_graph_hands_to_what_restores(
    tf: Any, tf2_model: Path, tmp_path: Path
) -> None:
    other = tf.train.Checkpoint(v=tf.Variable([7.0, 8.0])).write(str(tmp_path / "other"))

    def tamper(meta: Any) -> None:
        node = meta.graph_def.node.add(name="other", op="Const")
        node.attr["dtype"].type = tf.string.as_datatype_enum
        node.attr["value"].tensor.CopyFrom(tf.make_tensor_proto(other))
        caller_of(meta, function_named(meta, "traced_restore")).input[0] = "other"

    change(tf2_model, tamper)
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        meta = tf.compat.v1.saved_model.load(session, ["serve"], str(tf2_model))
        output = next(iter(meta.signature_def["serving_default"].outputs.values())).name
        given = next(iter(meta.signature_def["serving_default"].inputs.values())).name
        assert session.run(output, {given: [1.0, 1.0]}).tolist() == [7.0, 8.0]
    assert dangerous_operations(tf2_model) == {"RestoreV2"}


def test_a_file_name_that_dots_lead_out_of_the_folder(tf2_model: Path) -> None:
    def tamper(meta: Any) -> None:
        nodes = {node.name: node for node in function_named(meta, "traced_save").node_def}
        nodes["Const"].attr["value"].tensor.string_val[0] = b"/../.."

    change(tf2_model, tamper)
    assert "SaveV2" in dangerous_operations(tf2_model)


def test_a_function_that_saves_to_a_place_of_its_own(tf: Any, tf2_model: Path) -> None:
    def tamper(meta: Any) -> None:
        add_save(tf, function_named(meta, "traced_save"), "", "plain", ":output:0")

    change(tf2_model, tamper)
    assert "SaveV2" in dangerous_operations(tf2_model)


def test_a_function_whose_name_begins_like_another_that_saves(tf: Any, tf2_model: Path) -> None:
    def tamper(meta: Any) -> None:
        saving = function_named(meta, "traced_save")
        shorter = meta.graph_def.library.function.add()
        shorter.CopyFrom(saving)
        shorter.signature.name = saving.signature.name[:-1]
        node = function_named(meta, "signature_wrapper").node_def.add(
            name="x", op="PartitionedCall"
        )
        node.attr["f"].func.name = saving.signature.name

    change(tf2_model, tamper)
    assert "SaveV2" in dangerous_operations(tf2_model)


def test_a_saver_that_restoring_runs_first(
    tf: Any, tf1_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def tamper(meta: Any) -> None:
        name = add_save(tf, meta.graph_def, "save/added_", WRITTEN)
        restore = meta.saver_def.restore_op_name
        next(n for n in meta.graph_def.node if n.name == restore).input.append(f"^{name}")

    monkeypatch.chdir(tmp_path)
    assert not dangerous_operations(tf1_model)
    change(tf1_model, tamper)
    tf.saved_model.load(str(tf1_model))
    assert list(tmp_path.glob(f"{WRITTEN}*"))
    assert "SaveV2" in dangerous_operations(tf1_model)
