"""Run by a process with TensorFlow: make graphs in every form, and write what TensorFlow says.

Usage: ``graph_originals.py OUT``. Models go to ``OUT/models``, words on them to ``OUT/*.json``.
"""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf
from google.protobuf import text_format
from tensorflow.core.framework import graph_pb2
from tensorflow.core.protobuf import meta_graph_pb2, saved_model_pb2
from tensorflow.python.framework import convert_to_constants, dtypes, tensor_util

v1 = tf.compat.v1

_ORDINARY = "float32 float64 float16 bfloat16 int8 int16 int32 int64 uint8 uint16 uint32 uint64"
_OTHERS = "complex64 complex128 bool float8_e5m2 float8_e4m3fn int4 uint4"


def dtype_of(name: str) -> Any:
    return getattr(dtypes, name)


# Constants in every type and every way of storing them


def proto(dtype: Any, shape: list[int], **values: Any) -> Any:
    """A TensorProto as other writers make it: values in the field for the type."""
    made = tensor_util.tensor_pb2.TensorProto(dtype=dtype.as_datatype_enum, **values)
    for size in shape:
        made.tensor_shape.dim.add(size=size)
    return made


def constants() -> dict[str, Any]:
    made = {}
    for name in f"{_ORDINARY} {_OTHERS}".split():
        dtype = dtype_of(name)
        array = (np.arange(12).reshape(3, 4) % 8).astype(dtype.as_numpy_dtype)
        made[f"raw_{name}"] = tensor_util.make_tensor_proto(array)
        made[f"one_{name}"] = tensor_util.make_tensor_proto(array[1, 3])
    made["strings"] = tensor_util.make_tensor_proto([[b"a", b""], [b"\0\xff", b"long" * 99]])
    made["same_string"] = proto(tf.string, [2, 3], string_val=[b"x", b"y"])
    made["repeated"] = proto(tf.float32, [4, 5], float_val=[1.5, 2.5, -3])
    made["listed_half"] = proto(tf.float16, [3], half_val=[15360, 16384])
    made["listed_bfloat16"] = proto(tf.bfloat16, [2, 2], half_val=[0x3F80, 0x4000, 0xC040])
    made["listed_int8"] = proto(tf.int8, [3], int_val=[-5, 7])
    made["listed_uint16"] = proto(tf.uint16, [2], int_val=[65535])
    made["listed_int64"] = proto(tf.int64, [3], int64_val=[-(1 << 62), 5])
    made["listed_uint64"] = proto(tf.uint64, [2], uint64_val=[(1 << 64) - 1])
    made["listed_uint32"] = proto(tf.uint32, [2], uint32_val=[(1 << 32) - 1])
    made["listed_bool"] = proto(tf.bool, [4], bool_val=[True, False])
    made["listed_complex64"] = proto(tf.complex64, [3], scomplex_val=[1, -2, 3, 4])
    made["listed_complex128"] = proto(tf.complex128, [2], dcomplex_val=[0.5, -2])
    made["listed_float64"] = proto(tf.float64, [2], double_val=[1e300])
    made["listed_int4"] = proto(dtypes.int4, [3], int_val=[-8, 7])
    made["listed_float8"] = proto(dtypes.float8_e5m2, [3], float8_val=b"\x3c\x40\xc0")
    made["nothing"] = proto(tf.float32, [2, 2])
    made["empty"] = tensor_util.make_tensor_proto(np.zeros((0, 3), np.float32))
    return made


def every_constant(models: Path) -> None:
    graph = graph_pb2.GraphDef()
    for name, tensor in constants().items():
        node = graph.node.add(name=name, op="Const")
        node.attr["dtype"].type = tensor.dtype
        node.attr["value"].tensor.CopyFrom(tensor)
    (models / "constants.pb").write_bytes(graph.SerializeToString())
    (models / "constants.pbtxt").write_text(text_format.MessageToString(graph))


# Graphs


def frozen(models: Path) -> None:
    """A function with a branch, its variables made constants."""
    kernel = tf.Variable(tf.reshape(tf.range(12.0), (4, 3)), name="kernel")
    bias = tf.Variable([1.0, 2.0, 3.0], name="bias")

    @tf.function(input_signature=[tf.TensorSpec([None, 4], tf.float32, name="x")])
    def run(x: Any) -> Any:
        y = tf.matmul(x, kernel) + bias
        return tf.cond(tf.reduce_sum(y) > 0, lambda: tf.exp(y) * 2.0, lambda: y - tf.ones((3,)))

    concrete = run.get_concrete_function()
    done = convert_to_constants.convert_variables_to_constants_v2(
        concrete, lower_control_flow=False
    )
    graph = done.graph.as_graph_def()
    tf.io.write_graph(graph, str(models), "frozen.pb", as_text=False)
    tf.io.write_graph(graph, str(models), "frozen.pbtxt", as_text=True)


def meta(models: Path) -> None:
    """TensorFlow 1's checkpoint with its ``.meta``, control flow, a queue, a signature."""
    with v1.Graph().as_default() as graph, v1.Session() as session:
        x = v1.placeholder(tf.float32, [None, 2], name="x")
        weight = v1.get_variable("weight", [2, 2], use_resource=False)
        with v1.variable_scope("again"):
            v1.get_variable("bias", [2], trainable=False)
        y = tf.matmul(x, weight, name="y")
        session.run(v1.global_variables_initializer())
        saver = v1.train.Saver()
        saver.save(session, str(models / "model.ckpt"))
        about = v1.train.export_meta_graph(str(models / "signed.meta"), graph=graph)
        build = v1.saved_model.build_tensor_info
        signature = v1.saved_model.build_signature_def({"x": build(x)}, {"y": build(y)}, "m")
        about.signature_def["serve_it"].CopyFrom(signature)
        (models / "signed.meta").write_bytes(about.SerializeToString())
        (models / "signed.pbtxt").write_text(text_format.MessageToString(about))


def assembled(out: Path, *, as_text: bool) -> None:
    """TensorFlow 1's builder: two meta graphs, assets, assets.extra, a main op, a table."""
    asset = out.parent / "words.txt"
    asset.write_text("one\ntwo\n")
    builder = v1.saved_model.Builder(str(out))
    for number, tags in enumerate((["serve"], ["serve", "tpu"])):
        with v1.Graph().as_default(), v1.Session() as session:
            path = tf.constant(str(asset), name="words")
            v1.add_to_collection(v1.GraphKeys.ASSET_FILEPATHS, path)
            x = v1.placeholder(tf.float32, [None, 3], name="x")
            weight = v1.get_variable("weight", [3, 2])
            y = tf.matmul(x, weight + tf.constant(np.ones((3, 2), np.float32)), name="y")
            session.run(v1.global_variables_initializer())
            build = v1.saved_model.build_tensor_info
            signature = v1.saved_model.build_signature_def({"x": build(x)}, {"y": build(y)}, "m")
            listed = v1.get_collection(v1.GraphKeys.ASSET_FILEPATHS)
            given = {
                "signature_def_map": {"run": signature},
                "assets_collection": [] if number else listed,
                "main_op": v1.group(v1.tables_initializer(), name="prepare"),
            }
            if number:
                builder.add_meta_graph(tags, **given)
            else:
                builder.add_meta_graph_and_variables(session, tags, **given)
    builder.save(as_text=as_text)
    (out / "assets.extra").mkdir()
    (out / "assets.extra" / "README").write_text("more")


def without_variables(out: Path) -> None:
    module = tf.Module()
    table = tf.constant(np.arange(600, dtype=np.float32).reshape(20, 30), name="table")
    module.look = tf.function(
        lambda i: tf.gather(table, i), input_signature=[tf.TensorSpec([None], tf.int32, name="i")]
    )
    tf.saved_model.save(module, str(out), signatures=module.look)


def without_checkpoint(whole: Path, out: Path) -> None:
    """A model without its folder of variables, and what TensorFlow says when it loads it."""
    shutil.copytree(whole, out, ignore=shutil.ignore_patterns("variables"))
    try:
        tf.saved_model.load(str(out))
    except FileNotFoundError as error:
        (out.parent.parent / "refusal.txt").write_text(str(error))


class Point(NamedTuple):
    x: Any
    y: Any


class Masked(tf.experimental.ExtensionType):  # type: ignore[misc]
    __name__ = "tests.Masked"
    values: tf.Tensor
    mask: tf.Tensor


def structured(out: Path) -> None:
    """Functions of named tuples, an extension type, ragged, sparse and indexed tensors."""
    row = tf.TensorSpec([None, 3], tf.float32)
    module = tf.Module()
    module.points = tf.function(lambda p: p.x + p.y)
    module.points.get_concrete_function(Point(row, row))
    module.masked = tf.function(lambda m: m.values)
    module.masked.get_concrete_function(Masked.Spec(row, tf.TensorSpec([None, 3], tf.bool)))
    module.mixed = tf.function(lambda parts: parts["ragged"].values)
    parts = {
        "ragged": tf.RaggedTensorSpec([2, None], tf.int32),
        "sparse": tf.SparseTensorSpec([4, 4], tf.float64),
        "slices": tf.IndexedSlicesSpec([8, 2]),
    }
    module.mixed.get_concrete_function(parts)
    signature = tf.function(lambda x, by: {"y": x * by})
    concrete = signature.get_concrete_function(
        tf.TensorSpec([None], tf.float32, name="x"), tf.TensorSpec([], tf.float32, name="by")
    )
    several = tf.function(
        lambda x: {
            "ragged": tf.RaggedTensor.from_tensor(x, padding=0),
            "sparse": tf.sparse.from_dense(tf.ensure_shape(x, [4, 5])),
        }
    ).get_concrete_function(tf.TensorSpec([None, None], tf.int32, name="x"))
    tf.saved_model.save(module, str(out), signatures={"scale": concrete, "several": several})


def with_default(out: Path) -> None:
    """A signature with a default, as TensorFlow writes it for ``experimental`` callers."""
    message = saved_model_pb2.SavedModel()
    message.ParseFromString((out / "saved_model.pb").read_bytes())
    defaults = message.meta_graphs[0].signature_def["scale"].defaults
    defaults["by"].CopyFrom(tensor_util.make_tensor_proto(np.float32(0.5)))
    (out / "saved_model.pb").write_bytes(message.SerializeToString(deterministic=True))


def fingerprints() -> list[str]:
    """FarmHash by TensorFlow's own operation, of `patterned` bytes of many lengths."""
    rows = [tf.constant([list(patterned(size))], tf.uint8) for size in range(1, 200)]
    return [bytes(tf.fingerprint(row).numpy()[0]).hex() for row in rows]


def patterned(size: int) -> bytes:
    return bytes((i * 37 + size) % 256 for i in range(size))


# What TensorFlow says of them


def value_of(tensor: Any) -> dict[str, Any]:
    array = tensor_util.MakeNdarray(tensor)
    strings = tensor.dtype == tf.string.as_datatype_enum
    flat = [bytes(text).hex() for text in array.reshape(-1)] if strings else array.tobytes().hex()
    name = dtypes.as_dtype(tensor.dtype).name
    return {"dtype": name, "shape": list(array.shape), "value": flat}


def graph_words(graph: Any, prefix: str = "") -> dict[str, Any]:
    groups = {"": graph.node} | {f.signature.name + "/": f.node_def for f in graph.library.function}
    return {
        "nodes": len(graph.node),
        "functions": {f.signature.name: len(f.node_def) for f in graph.library.function},
        "ops": sorted([node.op, node.name] for nodes in groups.values() for node in nodes),
        "constants": {
            f"{prefix}{group}{node.name}": value_of(node.attr["value"].tensor)
            for group, nodes in groups.items()
            for node in nodes
            if node.op == "Const"
        },
    }


def words(path: Path) -> dict[str, Any]:
    if path.is_dir():
        from tensorflow.python.saved_model import loader_impl

        graphs = loader_impl.parse_saved_model(str(path)).meta_graphs
        prefixes = [f"meta graph {n}/" if len(graphs) > 1 else "" for n in range(len(graphs))]
        named = zip(graphs, prefixes, strict=True)
        return {"graphs": [graph_words(graph.graph_def, prefix) for graph, prefix in named]}
    is_meta = path.suffix == ".meta" or path.stem == "signed"
    message = meta_graph_pb2.MetaGraphDef() if is_meta else graph_pb2.GraphDef()
    if path.suffix == ".pbtxt":
        text_format.Parse(path.read_text(), message)
    else:
        message.ParseFromString(path.read_bytes())
    return {"graphs": [graph_words(message.graph_def if is_meta else message)]}


def main(out: Path) -> None:
    models = out / "models"
    models.mkdir()
    every_constant(models)
    frozen(models)
    meta(models)
    assembled(models / "assembled", as_text=False)
    assembled(models / "assembled_text", as_text=True)
    without_variables(models / "without_variables")
    without_checkpoint(models / "without_variables", models / "without_checkpoint")
    structured(models / "structured")
    shutil.copytree(models / "structured", models / "with_default")
    with_default(models / "with_default")
    (out / "fingerprints.json").write_text(json.dumps(fingerprints()))
    graphs = [p for p in models.iterdir() if p.is_dir() or p.suffix in (".pb", ".pbtxt", ".meta")]
    (out / "words.json").write_text(json.dumps({path.name: words(path) for path in graphs}))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
