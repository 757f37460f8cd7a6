"""Dangerous operations in graphs that are written so that they are hard to see.

Each model is TensorFlow's, changed in TensorFlow's own messages, and TensorFlow shows what it does.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from explorer.analysis.finding import Severity
from explorer.formats.protobuf.varint import varint_of
from tests.analysis.scanning import dangerous_operations, findings
from tests.analysis.test_restoring import change

_BYTES = 2


def field(number: int, data: bytes) -> bytes:
    """A field of a message as it lies in a file."""
    return varint_of(number << 3 | _BYTES) + varint_of(len(data)) + data


def run_graph(tf: Any, path: Path) -> None:
    """Run the operation ``y`` of a graph in a file."""
    graph_def = tf.compat.v1.GraphDef.FromString(path.read_bytes())
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        tf.import_graph_def(graph_def, name="")
        session.run("y")


def add_text(tf: Any, graph: Any, name: str, text: Any) -> None:
    node = graph.node.add(name=name, op="Const")
    node.attr["dtype"].type = tf.string.as_datatype_enum
    node.attr["value"].tensor.CopyFrom(tf.make_tensor_proto(text, tf.string))


def graph_with_a_text(tf: Any) -> Any:
    graph = tf.compat.v1.GraphDef()
    graph.versions.producer = tf.version.GRAPH_DEF_VERSION
    add_text(tf, graph, "text", "what is written")
    return graph


def test_a_graph_in_two_parts_is_merged(tf: Any, tmp_path: Path) -> None:
    from tensorflow.core.protobuf.meta_graph_pb2 import MetaGraphDef
    from tensorflow.core.protobuf.saved_model_pb2 import SavedModel

    class Writing(tf.Module):  # type: ignore[misc]
        @tf.function(input_signature=[tf.TensorSpec([])])  # type: ignore[untyped-decorator]
        def call(self, x: Any) -> Any:
            tf.io.write_file(str(tmp_path / "written"), "text")
            return x + 1.0

    out = tmp_path / "model"
    tf.saved_model.save(Writing(), str(out))
    (meta,) = SavedModel.FromString((out / "saved_model.pb").read_bytes()).meta_graphs
    functions = tf.compat.v1.GraphDef(library=meta.graph_def.library)
    meta.graph_def.ClearField("library")
    number = MetaGraphDef.GRAPH_DEF_FIELD_NUMBER
    both = meta.SerializeToString() + field(number, functions.SerializeToString())
    (out / "saved_model.pb").write_bytes(
        SavedModel(saved_model_schema_version=1).SerializeToString()
        + field(SavedModel.META_GRAPHS_FIELD_NUMBER, both)
    )
    (out / "fingerprint.pb").unlink()
    tf.saved_model.load(str(out)).call(1.0)
    assert (tmp_path / "written").exists()
    assert dangerous_operations(out) == {"WriteFile"}


def test_a_stream_that_the_caller_of_a_function_names(tf: Any, tmp_path: Path) -> None:
    """The name by which the function asks for it looks like the harmless value."""
    graph = graph_with_a_text(tf)
    function = graph.library.function.add()
    function.signature.name = "Printing"
    function.signature.is_stateful = True
    function.signature.input_arg.add(name="a", type=tf.string.as_datatype_enum)
    function.signature.attr.add(name="stdout", type="string")
    node = function.node_def.add(name="print", op="PrintV2", input=["a"])
    node.attr["output_stream"].placeholder = "stdout"
    function.signature.control_output.append("print")
    function.control_ret["print"] = "print"
    call = graph.node.add(name="y", op="Printing", input=["text"])
    call.attr["stdout"].s = f"file://{tmp_path / 'printed'}".encode()
    (tmp_path / "graph.pb").write_bytes(graph.SerializeToString())
    run_graph(tf, tmp_path / "graph.pb")
    assert (tmp_path / "printed").exists()
    assert dangerous_operations(tmp_path / "graph.pb") == {"PrintV2"}


def test_a_source_that_the_caller_of_a_function_names(tf: Any, tmp_path: Path) -> None:
    graph = graph_with_a_text(tf)
    function = graph.library.function.add()
    function.signature.name = "Decoding"
    node = function.node_def.add(name="decode", op="DecodeProtoV2")
    node.attr["descriptor_source"].placeholder = "local://"
    (tmp_path / "graph.pb").write_bytes(graph.SerializeToString())
    assert dangerous_operations(tmp_path / "graph.pb") == {"DecodeProtoV2"}


def test_a_stream_behind_so_much_else_that_it_is_not_read(tf: Any, tmp_path: Path) -> None:
    graph = graph_with_a_text(tf)
    stream = field(2, f"file://{tmp_path / 'printed'}".encode())
    attribute = field(1, b"output_stream") + field(2, field(1000, bytes(1 << 15)) + stream)
    node = field(1, b"y") + field(2, b"PrintV2") + field(3, b"text") + field(5, attribute)
    (tmp_path / "graph.pb").write_bytes(graph.SerializeToString() + field(1, node))
    run_graph(tf, tmp_path / "graph.pb")
    assert (tmp_path / "printed").exists()
    assert dangerous_operations(tmp_path / "graph.pb") == {"PrintV2"}


def test_a_saver_that_may_be_run_in_the_place_of_another_function(tf: Any, tmp_path: Path) -> None:
    """Grappler runs the implementation that is made for the device there is."""
    graph = graph_with_a_text(tf)
    add_text(tf, graph, "file", str(tmp_path / "saved"))
    for name, device in (("harmless", "GPU"), ("__inference__traced_save_1", "CPU")):
        function = graph.library.function.add()
        function.signature.name = name
        function.signature.is_stateful = True
        function.signature.input_arg.add(name="file", type=tf.string.as_datatype_enum)
        function.signature.input_arg.add(name="value", type=tf.string.as_datatype_enum)
        function.signature.output_arg.add(name="out", type=tf.string.as_datatype_enum)
        function.ret["out"] = "same:output:0"
        function.attr["api_implements"].s = b"both"
        function.attr["api_preferred_device"].s = device.encode()
        same = function.node_def.add(name="same", op="Identity", input=["file"])
        same.attr["T"].type = tf.string.as_datatype_enum
    for name, text in (("names", ["a"]), ("slices", [""])):
        constant = function.node_def.add(name=name, op="Const")
        constant.attr["dtype"].type = tf.string.as_datatype_enum
        constant.attr["value"].tensor.CopyFrom(tf.make_tensor_proto(text, tf.string))
    inputs = ["file", "names:output:0", "slices:output:0", "value"]
    save = function.node_def.add(name="save", op="SaveV2", input=inputs)
    save.attr["dtypes"].list.type.append(tf.string.as_datatype_enum)
    same.input.append("^save")
    call = graph.node.add(name="call", op="StatefulPartitionedCall", input=["file", "text"])
    call.attr["f"].func.name = "harmless"
    call.attr["Tin"].list.type.extend([tf.string.as_datatype_enum] * 2)
    call.attr["Tout"].list.type.append(tf.string.as_datatype_enum)
    graph.node.add(name="y", op="Identity", input=["text", "^call"]).attr["T"].CopyFrom(
        same.attr["T"]
    )
    (tmp_path / "graph.pb").write_bytes(graph.SerializeToString())
    run_graph(tf, tmp_path / "graph.pb")
    assert list(tmp_path.glob("saved*"))
    assert dangerous_operations(tmp_path / "graph.pb") == {"SaveV2"}


@pytest.fixture
def model_that_could_save(tf: Any, tmp_path: Path) -> Path:
    """A model of TensorFlow 1 with an operation that saves, which nothing runs."""
    v1 = tf.compat.v1
    with tf.Graph().as_default(), v1.Session() as session:
        x = v1.placeholder(tf.float32, [], "x")
        local = ["local_variables"]
        v1.get_variable("v", initializer=1.0, use_resource=False, collections=local)
        with tf.name_scope("save"):
            tf.raw_ops.Save(filename="saved", tensor_names=["a"], data=[["text"]], name="Save")
        v1.saved_model.simple_save(session, str(tmp_path / "model"), {"x": x}, {"y": x + 1.0})
    return tmp_path / "model"


def run_as_a_table_initializer(meta: Any) -> None:
    meta.collection_def["table_initializer"].node_list.value.append("save/Save")


def run_as_a_local_variable_initializer(meta: Any) -> None:
    from tensorflow.core.framework.variable_pb2 import VariableDef

    variables = meta.collection_def["local_variables"].bytes_list.value
    variable = VariableDef.FromString(variables[0])
    variable.initializer_name = "save/Save"
    variables[0] = variable.SerializeToString()


@pytest.mark.parametrize(
    "tamper", [run_as_a_table_initializer, run_as_a_local_variable_initializer]
)
def test_what_loading_runs_where_no_main_operation_is_named(
    tf: Any,
    model_that_could_save: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    tamper: Callable[[Any], None],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert not dangerous_operations(model_that_could_save)
    change(model_that_could_save, tamper)
    tf.saved_model.load(str(model_that_could_save))
    assert (tmp_path / "saved").exists()
    assert dangerous_operations(model_that_could_save) == {"Save"}


def vocabulary_model(
    tf: Any, out: Path, vocabulary: Path, *, is_run_by_the_signature: bool
) -> None:
    v1 = tf.compat.v1
    with tf.Graph().as_default(), v1.Session() as session:
        x = v1.placeholder(tf.float32, [], "x")
        path = tf.constant(str(vocabulary), name="path")
        v1.add_to_collection("asset_filepaths", path)
        source = tf.lookup.TextFileInitializer(
            path, tf.int64, tf.lookup.TextFileIndex.LINE_NUMBER, tf.string, -2
        )
        table = tf.lookup.StaticHashTable(source, "?")
        start = v1.tables_initializer()
        with tf.control_dependencies([start] if is_run_by_the_signature else []):
            y = table.lookup(tf.cast(x, tf.int64))
        builder = v1.saved_model.Builder(str(out))
        signature = v1.saved_model.predict_signature_def({"x": x}, {"y": y})
        builder.add_meta_graph_and_variables(
            session,
            ["serve"],
            {"serving_default": signature},
            assets_collection=v1.get_collection("asset_filepaths"),
            main_op=start,
        )
        builder.save()


def test_an_asset_whose_constant_a_signature_reads(tf: Any, tmp_path: Path) -> None:
    """Loaders put the path of the asset in the place of the constant, but only as they load."""
    words = tmp_path / "words.txt"
    words.write_text("of the model\n")
    vocabulary_model(tf, tmp_path / "usual", words, is_run_by_the_signature=False)
    vocabulary_model(tf, tmp_path / "changed", words, is_run_by_the_signature=True)
    words.write_text("of the machine\n")
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        loaded = tf.compat.v1.saved_model.load(session, ["serve"], str(tmp_path / "usual"))
        outputs = loaded.signature_def["serving_default"].outputs
        assert session.run(outputs["y"].name, {"x:0": 0.0}) == b"of the model"
    assert not dangerous_operations(tmp_path / "usual")
    assert dangerous_operations(tmp_path / "changed") == {"InitializeTableFromTextFileV2"}


def test_an_asset_with_an_absolute_name(tf: Any, tmp_path: Path) -> None:
    words, other = tmp_path / "words.txt", tmp_path / "other.txt"
    words.write_text("of the model\n")
    other.write_text("of the machine\n")
    module = tf.Module()
    source = tf.lookup.TextFileInitializer(
        str(words), tf.int64, tf.lookup.TextFileIndex.LINE_NUMBER, tf.string, -2
    )
    module.table = tf.lookup.StaticHashTable(source, "?")
    module.f = tf.function(module.table.lookup, input_signature=[tf.TensorSpec([], tf.int64)])
    out = tmp_path / "model"
    tf.saved_model.save(module, str(out))

    def tamper(meta: Any) -> None:
        meta.asset_file_def[0].filename = str(other)

    change(out, tamper)
    assert tf.saved_model.load(str(out)).f(0) == b"of the machine"
    dangers = [one for one in findings(out) if one.severity is Severity.DANGER]
    assert [one.rule for one in dangers] == ["external-link"]
    assert str(other)[:80] in dangers[0].message
