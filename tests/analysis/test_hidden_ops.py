"""Dangerous operations in graphs that are written so that they are hard to see.

Each model is TensorFlow's, changed in TensorFlow's own messages, and TensorFlow shows what it does.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from explorer.formats.protobuf.varint import varint_of
from tests.analysis.scanning import dangerous_operations

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
