"""Operations that save and restore variables: every model has them, and only that is harmless.

The models are TensorFlow's; what an attacker would change is changed in TensorFlow's own messages.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.analysis.scanning import dangerous_operations, findings


@pytest.fixture(scope="module")
def tf2_model(tf: Any, tmp_path_factory: pytest.TempPathFactory) -> bytes:
    module = tf.Module()
    module.v = tf.Variable([1.0, 2.0])
    spec = [tf.TensorSpec([2])]
    module.f = tf.function(lambda x: x * module.v, input_signature=spec)
    module.g = tf.function(lambda x: module.f(x) + 1.0, input_signature=spec)
    out = tmp_path_factory.mktemp("tf2")
    tf.saved_model.save(module, str(out), signatures={"f": module.f, "g": module.g})
    return (out / "saved_model.pb").read_bytes()


@pytest.fixture(scope="module")
def tf1_model(tf: Any, tmp_path_factory: pytest.TempPathFactory) -> bytes:
    v1 = tf.compat.v1
    out = tmp_path_factory.mktemp("tf1") / "model"
    with tf.Graph().as_default(), v1.Session() as session:
        x = v1.placeholder(tf.float32, [None], "x")
        variable = v1.get_variable("v", [3], use_resource=False)
        v1.train.Saver()  # a second scope, save_1, comes with the builder's own
        session.run(v1.global_variables_initializer())
        v1.saved_model.simple_save(session, str(out), {"x": x}, {"y": x * variable})
    return (out / "saved_model.pb").read_bytes()


@pytest.fixture(scope="module")
def scoped_model(tf: Any, tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """One whose savers have names and scopes of a person's, one of them for files in parts."""
    v1 = tf.compat.v1
    out = tmp_path_factory.mktemp("scoped") / "model"
    with tf.Graph().as_default(), v1.Session() as session:
        x = v1.placeholder(tf.float32, [None], "x")
        variable = v1.get_variable("v", [3], use_resource=False)
        with v1.name_scope("train"):
            v1.train.Saver(name="my_saver")
            v1.train.Saver(name="in_parts", sharded=True)
            v1.train.Saver(name="old", write_version=v1.train.SaverDef.V1)
        session.run(v1.global_variables_initializer())
        v1.saved_model.simple_save(session, str(out), {"x": x}, {"y": x * variable})
    return (out / "saved_model.pb").read_bytes()


@pytest.fixture
def changed(tmp_path: Path) -> Callable[[bytes, Callable[[Any], None]], Path]:
    def change(data: bytes, tamper: Callable[[Any], None]) -> Path:
        from tensorflow.core.protobuf.saved_model_pb2 import SavedModel

        model = SavedModel.FromString(data)
        tamper(model.meta_graphs[0])
        (tmp_path / "saved_model.pb").write_bytes(model.SerializeToString())
        return tmp_path

    return change


Changed = Callable[[bytes, Callable[[Any], None]], Path]


def function_named(meta: Any, part: str) -> Any:
    return next(f for f in meta.graph_def.library.function if part in f.signature.name)


def caller_of(meta: Any, function: Any) -> Any:
    name = function.signature.name
    return next(node for node in meta.graph_def.node if node.attr["f"].func.name == name)


def test_the_savers_of_a_model_are_no_danger(
    tf1_model: bytes, tf2_model: bytes, scoped_model: bytes, changed: Changed
) -> None:
    for model in (tf1_model, tf2_model, scoped_model):
        assert b"RestoreV2" in model
        assert dangerous_operations(changed(model, lambda meta: None)) == set()


def returned_by_a_signature(meta: Any) -> None:
    caller = caller_of(meta, function_named(meta, "traced_save"))
    meta.signature_def["f"].outputs["output_0"].name = f"{caller.name}:0"


def run_before_a_signature(meta: Any) -> None:
    caller = caller_of(meta, function_named(meta, "traced_save"))
    caller_of(meta, function_named(meta, "signature_wrapper")).input.append(f"^{caller.name}")


def run_by_the_loader(meta: Any) -> None:
    caller = caller_of(meta, function_named(meta, "traced_save"))
    meta.signature_def["__saved_model_init_op"].outputs["__saved_model_init_op"].name = caller.name


def called_by_a_function(meta: Any) -> None:
    node = function_named(meta, "signature_wrapper").node_def.add(name="x", op="PartitionedCall")
    node.attr["f"].func.name = function_named(meta, "traced_save").signature.name


def called_as_an_operation(meta: Any) -> None:
    op = function_named(meta, "traced_save").signature.name
    function_named(meta, "signature_wrapper").node_def.add(name="x", op=op)


def called_as_a_branch(meta: Any) -> None:
    node = function_named(meta, "signature_wrapper").node_def.add(name="x", op="Case")
    name = function_named(meta, "traced_save").signature.name
    node.attr["branches"].list.func.add().name = name


def called_as_a_gradient(meta: Any) -> None:
    meta.graph_def.library.gradient.add(
        function_name=function_named(meta, "signature_wrapper").signature.name,
        gradient_func=function_named(meta, "traced_save").signature.name,
    )


def offered_by_the_loaded_object(meta: Any) -> None:
    name = function_named(meta, "traced_save").signature.name
    meta.object_graph_def.concrete_functions[name].SetInParent()


def named_like_a_saver(meta: Any) -> None:
    node = function_named(meta, "signature_wrapper").node_def.add(name="save/SaveV2", op="SaveV2")
    node.input.append("x")


@pytest.mark.parametrize(
    "tamper",
    [
        returned_by_a_signature,
        run_before_a_signature,
        run_by_the_loader,
        called_by_a_function,
        called_as_an_operation,
        called_as_a_branch,
        called_as_a_gradient,
        offered_by_the_loaded_object,
        named_like_a_saver,
    ],
)
def test_a_saver_that_anything_else_runs_is_a_danger(
    tf2_model: bytes, changed: Changed, tamper: Callable[[Any], None]
) -> None:
    assert "SaveV2" in dangerous_operations(changed(tf2_model, tamper))


def in_scope(meta: Any, op: str) -> Any:
    return next(node for node in meta.graph_def.node if node.op == op)


def scope_returned_by_a_signature(meta: Any) -> None:
    outputs = meta.signature_def["serving_default"].outputs
    outputs["y"].name = f"{in_scope(meta, 'SaveV2').name}:0"


def scope_run_before_a_signature(meta: Any) -> None:
    in_scope(meta, "Mul").input.append(f"^{in_scope(meta, 'SaveV2').name}")


def scope_run_by_the_loader(meta: Any) -> None:
    main = meta.collection_def["saved_model_main_op"].node_list
    main.value.append(in_scope(meta, "SaveV2").name)


def scope_run_by_another_scope(meta: Any) -> None:
    meta.graph_def.node.add(name="save_9/x", op="NoOp", input=[f"^{in_scope(meta, 'SaveV2').name}"])
    in_scope(meta, "Mul").input.append("^save_9/x")


@pytest.mark.parametrize(
    "tamper",
    [
        scope_returned_by_a_signature,
        scope_run_before_a_signature,
        scope_run_by_the_loader,
        scope_run_by_another_scope,
    ],
)
def test_a_scope_that_anything_else_runs_is_a_danger(
    tf1_model: bytes, changed: Changed, tamper: Callable[[Any], None]
) -> None:
    assert "SaveV2" in dangerous_operations(changed(tf1_model, tamper))


def test_any_other_operation_in_a_saving_scope_is_a_danger(
    tf1_model: bytes, changed: Changed
) -> None:
    def tamper(meta: Any) -> None:
        meta.graph_def.node.add(name="save/read", op="ReadFile", input=["save/Const"])

    assert dangerous_operations(changed(tf1_model, tamper)) == {"ReadFile"}


def named(meta: Any, name: str) -> Any:
    return next(node for node in meta.graph_def.node if node.name == name)


def saver_run_before_a_signature(meta: Any) -> None:
    in_scope(meta, "Mul").input.append("^train/my_saver/SaveV2")


def saver_of_a_chosen_place(meta: Any) -> None:
    value = named(meta, "train/my_saver/filename/input").attr["value"].tensor
    value.string_val[0] = b"/home/alice/model"


def saver_of_a_place_in_parts(meta: Any) -> None:
    named(meta, "train/in_parts/StringJoin").attr["separator"].s = b"/"


def saver_of_a_computed_place(meta: Any) -> None:
    meta.graph_def.node.add(name="train/my_saver/made", op="DecodeBase64", input=["save/Const"])
    named(meta, "train/my_saver/SaveV2").input[0] = "train/my_saver/made"


def saver_of_a_place_outside_its_scope(meta: Any) -> None:
    named(meta, "train/my_saver/SaveV2").input[0] = "x"


@pytest.mark.parametrize(
    "tamper",
    [
        saver_run_before_a_signature,
        saver_of_a_chosen_place,
        saver_of_a_place_in_parts,
        saver_of_a_computed_place,
        saver_of_a_place_outside_its_scope,
    ],
)
def test_a_saver_in_any_scope_that_does_more_is_a_danger(
    scoped_model: bytes, changed: Changed, tamper: Callable[[Any], None]
) -> None:
    assert "SaveV2" in dangerous_operations(changed(scoped_model, tamper))


def test_savers_of_a_graph_alone(tf: Any, tmp_path: Path) -> None:
    v1 = tf.compat.v1
    with tf.Graph().as_default() as graph:
        variable = v1.get_variable("v", [3], use_resource=False)
        v1.train.Saver(name="usual")
        v1.train.Saver(name="elsewhere", filename="/home/alice/model")
        tf.identity(variable, "y")
    (tmp_path / "graph.pb").write_bytes(graph.as_graph_def().SerializeToString())
    found = findings(tmp_path / "graph.pb")
    assert {f.where for f in found if f.severity.value == "danger"} == {
        "graph: elsewhere/SaveV2",
        "graph: elsewhere/RestoreV2",
    }
