"""Make models with TensorFlow and write down what TensorFlow itself says of them.

Run in a process of its own, so that the tests stay without TensorFlow:
``tensorflow_originals.py OUT`` makes models under ``OUT/models`` and writes for each what
``originals.py`` reads; ``tensorflow_originals.py OUT PATH…`` does so for artifacts that are there.
"""

from __future__ import annotations

import contextlib
import importlib
import io
import json
import sys
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf
import tf_keras
from google.protobuf import descriptor_pb2
from tensorflow.python.tools import saved_model_cli
from tensorflow.python.training import py_checkpoint_reader

v1 = tf.compat.v1
SCHEMAS = {
    "tensorflow.core.framework": "types tensor_shape tensor_slice versions tensor variable "
    "graph graph_debug_info node_def attr_value function op_def",
    "tensorflow.core.protobuf": "tensor_bundle trackable_object_graph saved_object_graph struct "
    "meta_graph saver saved_model fingerprint control_flow queue_runner",
    "tensorflow.core.util": "saved_tensor_slice",
    "tensorflow.python.training": "checkpoint_state",
    "tf_keras.protobuf": "saved_metadata",
}


# Models


def functional(k: Any) -> Any:
    inputs = k.Input((32,), name="digits")
    x = k.layers.Dense(8, activation="relu", name="dense_1")(inputs)
    x = k.layers.BatchNormalization()(x)
    x = k.layers.Dropout(0.5)(x)
    model = k.Model(inputs, k.layers.Dense(3, name="predictions")(x))
    return fitted(model, np.zeros((8, 32)), np.zeros((8, 3)))


def branched(k: Any) -> Any:
    """Two inputs and outputs, a layer used twice, a model in a model, an LSTM."""
    left, right = k.Input((6,), name="left"), k.Input((5, 4), name="right")
    shared = k.layers.Dense(4, name="shared")
    inner = k.Sequential([k.Input((4,)), k.layers.Dense(3, name="inside")], name="inner")
    recurrent = k.layers.LSTM(6, name="recurrent")(right)
    first = inner(shared(left))
    second = inner(shared(recurrent))
    model = k.Model([left, right], {"one": first, "two": second})
    model.compile("sgd", {"one": "mse", "two": "mae"}, metrics={"one": ["mae"]})
    return model


def subclass(k: Any) -> Any:
    class MyModel(k.Model):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__(name="my_model")
            self.dense_1 = k.layers.Dense(32, activation="relu")
            self.dense_2 = k.layers.Dense(10)

        @tf.function(input_signature=[tf.TensorSpec([None, 32], tf.float32, name="digits")])
        def call(self, inputs: Any) -> Any:
            return self.dense_2(self.dense_1(inputs))

    model = MyModel()
    model.build((None, 32))
    model(np.zeros((2, 32), np.float32))
    return model


def listed(k: Any) -> Any:
    """A subclass that holds most of its layers in lists and a dictionary, one of them twice."""

    class Listed(k.Model):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__(name="listed")
            self.first = k.layers.Dense(3)
            self.several = [k.layers.Dense(2), [k.layers.Dense(4), self.first]]
            self.by_name = {"last": k.layers.Dense(5)}

        @tf.function(input_signature=[tf.TensorSpec([None, 32], tf.float32, name="digits")])
        def call(self, inputs: Any) -> Any:
            second, (third, _) = self.several
            return self.by_name["last"](third(second(self.first(inputs))))

    model = Listed()
    model(np.zeros((2, 32), np.float32))
    return model


def fitted(model: Any, x: np.ndarray, y: np.ndarray) -> Any:
    model.compile("adam", "mse", metrics=["mae"])
    model.fit(x, y, verbose=0)
    return model


class Everything(tf.Module):
    """A module whose functions take every kind of argument a SavedModel can describe."""

    def __init__(self, vocabulary: Path) -> None:
        super().__init__()
        self.half = tf.Variable(tf.ones((2, 3), tf.bfloat16), name="half")
        self.asset = tf.saved_model.Asset(str(vocabulary))
        initializer = tf.lookup.KeyValueTensorInitializer(["a", "b"], tf.constant([1, 2], tf.int64))
        self.table = tf.lookup.experimental.MutableHashTable(tf.string, tf.int64, -1)
        self.static = tf.lookup.StaticHashTable(initializer, -1)
        self.optional = [tf.Variable(1.0, name="listed"), {"deep": tf.Variable(2.0, name="deep")}]

    @tf.function
    def python_values(self, x: Any, flag: Any, mode: Any = "fast", rate: Any = 0.5) -> Any:
        return x if flag else x * 2

    @tf.function
    def nested(self, batch: Any, shapes: Any = (1, None), named: Any = None) -> Any:
        return {"sum": batch["a"] + batch["b"][0], "first": batch["b"][0]}

    @tf.function
    def keywords(self, x: Any, *, scale: Any, label: Any = None) -> Any:
        return x * scale, x

    @tf.function(input_signature=[tf.TensorSpec(None, tf.string, name="text")])
    def look_up(self, text: Any) -> Any:
        return self.static.lookup(text) + self.table.lookup(text)

    @tf.function
    def composite(self, ragged: Any, sparse: Any) -> Any:
        return ragged.values, tf.sparse.reduce_sum(sparse)

    @tf.function
    def branches(self, x: Any) -> Any:
        return tf.cond(tf.reduce_sum(x) > 0, lambda: tf.exp(x), lambda: tf.sin(x))

    def trace(self) -> dict[str, Any]:
        """Trace every function and return signatures that name some of them."""
        row = tf.TensorSpec([None, 3], tf.float32, name="x")
        self.python_values.get_concrete_function(row, True)
        self.python_values.get_concrete_function(row, False, "slow", 2.0)
        parts = {"a": row, "b": [tf.TensorSpec([3], tf.float32), "text", None, 7]}
        self.nested.get_concrete_function(parts)
        self.nested.get_concrete_function(parts, (tf.TensorSpec([], tf.int32),), {"k": "v"})
        self.keywords.get_concrete_function(row, scale=tf.TensorSpec([], tf.float32), label="z")
        self.composite.get_concrete_function(
            tf.RaggedTensorSpec([None, None], tf.float32),
            tf.SparseTensorSpec([None, 9], tf.float32),
        )
        self.bare = self.branches.get_concrete_function(row)
        return {"look_up": self.look_up, "branches": self.bare}


def saved_models(out: Path) -> None:
    for k, name in ((keras, "keras3"), (tf_keras, "keras2")):
        model = functional(k)
        remember(out / f"{name}_functional_export", model)
        model.export(str(out / f"{name}_functional_export"))
        remember(out / f"{name}_functional_saved", model, model.optimizer)
        tf.saved_model.save(model, str(out / f"{name}_functional_saved"))
        written = subclass(k)
        remember(out / f"{name}_subclass_saved", written)
        tf.saved_model.save(written, str(out / f"{name}_subclass_saved"))
        joined = branched(k)
        remember(out / f"{name}_branched_export", joined)
        joined.export(str(out / f"{name}_branched_export"))
        if k is tf_keras:
            models = {
                "functional": model,
                "branched": joined,
                "subclass": written,
                "listed": listed(k),
            }
            for what, kept in models.items():
                remember(out / f"keras2_{what}", kept, getattr(kept, "optimizer", None))
                kept.save(str(out / f"keras2_{what}"), save_format="tf")
    vocabulary = out / "vocabulary.txt"
    vocabulary.write_text("a\nb\n")
    module = Everything(vocabulary)
    tf.saved_model.save(module, str(out / "everything"), signatures=module.trace())
    constant = tf.Module()
    constant.double = tf.function(lambda x: x * 2, input_signature=[tf.TensorSpec([], tf.int32)])
    tf.saved_model.save(constant, str(out / "no_variables"))
    two_meta_graphs(out / "two_meta_graphs")


def two_meta_graphs(out: Path) -> None:
    """TensorFlow 1: two graphs with tags, a sparse input, a method name of one's own."""
    builder = v1.saved_model.Builder(str(out))
    for number, tags in enumerate((["train"], ["serve", "gpu"])):
        with v1.Graph().as_default(), v1.Session() as session:
            sparse = v1.sparse_placeholder(tf.float32, [None, 4], name="sparse")
            weight = v1.get_variable("weight", [4, 2])
            y = tf.sparse.sparse_dense_matmul(sparse, weight, name="y")
            session.run(v1.global_variables_initializer())
            signature = v1.saved_model.build_signature_def(
                {"sparse": v1.saved_model.build_tensor_info(sparse)},
                {"y": v1.saved_model.build_tensor_info(y)},
                "my/method",
            )
            add = builder.add_meta_graph if number else builder.add_meta_graph_and_variables
            arguments = (tags,) if number else (session, tags)
            add(*arguments, signature_def_map={"own": signature, "again": signature})
    builder.save()


def checkpoints(out: Path) -> None:
    for k, name in ((keras, "keras3"), (tf_keras, "keras2")):
        model = functional(k)
        prefix = out / f"{name}_checkpoint" / "ck"
        remember(Path(f"{prefix}-1"), model, model.optimizer)
        tf.train.Checkpoint(model=model, optimizer=model.optimizer).save(str(prefix))
    legacy = functional(tf_keras)
    legacy.compile(tf_keras.optimizers.legacy.Adam(), "mse")
    legacy.fit(np.zeros((8, 32)), np.zeros((8, 3)), verbose=0)
    remember(out / "keras2_weights" / "mannal_checkpoint", legacy, legacy.optimizer)
    legacy.save_weights(str(out / "keras2_weights" / "mannal_checkpoint"))
    several = tf.train.Checkpoint(step=tf.Variable(0, dtype=tf.int64), table=Table())
    manager = tf.train.CheckpointManager(several, str(out / "several"), max_to_keep=2)
    for _ in range(3):
        several.step.assign_add(1)
        manager.save()
    pieces = tf.train.experimental.MaxShardSizePolicy(max_shard_size=2000)
    options = tf.train.CheckpointOptions(experimental_sharding_callback=pieces)
    cut = tf.train.Checkpoint(
        large=tf.Variable(tf.random.normal((60, 17))),
        half=tf.Variable(tf.cast(tf.random.normal((3, 40, 9)), tf.bfloat16)),
        text=tf.Variable(["a", "b" * 300]),
        step=tf.Variable(1),
    )
    cut.save(str(out / "cut" / "ck"), options)
    items = tf.raw_ops.TensorListFromTensor(tensor=tf.ones((3, 2)), element_shape=[2])
    (out / "variants").mkdir()
    listed = {"one": ("", items), "two": ("", tf.stack([items, items])), "y": ("", tf.ones(3))}
    save(out / "variants" / "ck", listed)
    by_name(out / "by_name")
    every_type(out / "types")
    split(out / "split")


class Table(tf.Module):
    def __init__(self) -> None:
        super().__init__()
        self.table = tf.lookup.experimental.MutableHashTable(tf.string, tf.float32, -1.0)
        self.table.insert(tf.constant(["x", "y"]), tf.constant([1.0, 2.0]))
        self.names = tf.Variable(["one", "", "three" * 40], name="names")
        self.keyed = {"a/b": tf.Variable(1.0), "x.y.Sz": [tf.Variable(2.0)]}


def by_name(out: Path) -> None:
    """TensorFlow 1: names instead of objects, Adam slots, a partitioned variable."""
    out.mkdir()
    with v1.Graph().as_default(), v1.Session() as session:
        partitioner = v1.fixed_size_partitioner(3, axis=0)
        table = v1.get_variable("embedding", [10, 3], partitioner=partitioner, use_resource=False)
        kernel = v1.get_variable("dense/kernel", [3, 2], use_resource=False)
        step = v1.train.get_or_create_global_step()
        loss = tf.reduce_sum(tf.matmul(tf.convert_to_tensor(table), kernel.value()))
        train = v1.train.AdamOptimizer().minimize(loss, global_step=step)
        session.run(v1.global_variables_initializer())
        session.run(train)
        v1.train.Saver().save(session, str(out / "model.ckpt"), write_meta_graph=False)


def every_type(out: Path) -> None:
    out.mkdir()
    values = {
        "string": tf.constant([["a", ""], ["ccc" * 100, b"\0\xff"]]),
        "empty": tf.zeros((0, 3)),
    }
    ordinary = "float32 float64 float16 bfloat16 int8 int16 int32 int64 uint8 uint16 uint32 uint64"
    for name in f"{ordinary} complex64 complex128 bool".split():
        dtype = getattr(tf, name)
        values[name] = tf.constant(np.arange(12).reshape(3, 4).astype(dtype.as_numpy_dtype))
    small = "float8_e5m2 float8_e4m3fn float8_e4m3fnuz float8_e4m3b11fnuz float8_e5m2fnuz"
    for name in f"{small} float4_e2m1fn int4 uint4 int2 uint2".split():
        dtype = getattr(tf.dtypes.experimental, name)
        values[name] = tf.constant(np.arange(12).reshape(3, 4).astype(dtype.as_numpy_dtype))
    save(out / "ck", {name: ("", value) for name, value in values.items()})


def split(out: Path) -> None:
    """Tensors in parts with awkward names and bounds, and in two shards."""
    out.mkdir()
    square = tf.reshape(tf.range(60, dtype=tf.float32), (5, 12))
    tall = tf.reshape(tf.range(2400, dtype=tf.int64), (1200, 2))
    save(
        out / "part_a",
        {
            "odd\u00ff/name": ("5 12 0,2:-", square[:2]),
            "tall": ("1200 2 0,1100:-", tall[:1100]),
            "alone": ("", square),
        },
    )
    save(
        out / "part_b",
        {"odd\u00ff/name": ("5 12 2,3:-", square[2:]), "tall": ("1200 2 1100,100:-", tall[1100:])},
    )
    parts = [str(out / "part_a"), str(out / "part_b")]
    tf.raw_ops.MergeV2Checkpoints(checkpoint_prefixes=parts, destination_prefix=str(out / "whole"))


def save(prefix: Path, tensors: dict[str, tuple[str, Any]]) -> None:
    tf.raw_ops.SaveV2(
        prefix=str(prefix),
        tensor_names=list(tensors),
        shape_and_slices=[piece for piece, _ in tensors.values()],
        tensors=[value for _, value in tensors.values()],
    )


# What TensorFlow says of them

_remembered: dict[str, dict[str, Any]] = {}


def remember(path: Path, model: Any, optimizer: Any = None) -> None:
    """What Keras says of a model, before it is saved to a path."""
    variables = optimizer.variables if optimizer is not None else []
    _remembered[str(path)] = {
        "parameters": model.count_params(),
        "optimizer_variables": len(variables() if callable(variables) else variables),
        "layers": [_layer(layer) for layer in model.layers],
    }


def _layer(layer: Any) -> dict[str, Any]:
    output = getattr(layer, "output", None) if layer._inbound_nodes else None
    shape = list(output.shape) if hasattr(output, "shape") else None
    return {
        "name": layer.name,
        "class_name": type(layer).__name__,
        "output_shape": shape,
        "parameters": layer.count_params(),
        "layers": [_layer(below) for below in getattr(layer, "layers", [])],
    }


def write_checkpoint(out: Path, prefix: str) -> None:
    """Names, types, shapes and values of a checkpoint, as TensorFlow reads it."""
    reader = py_checkpoint_reader.NewCheckpointReader(prefix)
    dtypes = reader.get_variable_to_dtype_map()
    about, arrays = {}, {}
    for name, shape in reader.get_variable_to_shape_map().items():
        about[name] = {"dtype": dtypes[name].name, "shape": shape}
        if dtypes[name] == tf.variant:
            continue
        value = reader.get_tensor(name)
        if dtypes[name] == tf.string:
            texts = np.asarray(value, object).reshape(-1)
            about[name]["strings"] = [bytes(text).hex() for text in texts]
        else:
            arrays[name] = np.frombuffer(np.ascontiguousarray(value).tobytes(), np.uint8)
    np.savez(out / "values.npz", **{str(i): arrays.get(name, []) for i, name in enumerate(about)})
    (out / "tensors.json").write_text(json.dumps(about))


def write_graph(out: Path, folder: Path) -> None:
    """What ``saved_model_cli show --all`` prints, and what the messages hold."""
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        saved_model_cli._show_all(str(folder))
    (out / "cli.txt").write_text(printed.getvalue())
    message = saved_model_cli.saved_model_utils.read_saved_model(str(folder))
    about = [
        {
            "nodes": len(graph.graph_def.node),
            "functions": {
                f.signature.name: len(f.node_def) for f in graph.graph_def.library.function
            },
            "objects": len(graph.object_graph_def.nodes),
            "tags": list(graph.meta_info_def.tags),
            "version": graph.meta_info_def.tensorflow_version,
            "git_version": graph.meta_info_def.tensorflow_git_version,
        }
        for graph in message.meta_graphs
    ]
    (out / "graphs.json").write_text(json.dumps(about))


def write_descriptors(out: Path) -> None:
    """TensorFlow's own description of its messages."""
    files = descriptor_pb2.FileDescriptorSet()
    for package, names in SCHEMAS.items():
        for name in names.split():
            module = importlib.import_module(f"{package}.{name}_pb2")
            module.DESCRIPTOR.CopyToProto(files.file.add())
    (out / "descriptors.binpb").write_bytes(files.SerializeToString())


def describe(out: Path, path: Path, key: str) -> None:
    here = out / "originals" / key
    here.mkdir(parents=True)
    if (path / "saved_model.pb").is_file():
        write_graph(here, path)
        prefix = path / "variables" / "variables"
    else:
        prefix = path
    if Path(f"{prefix}.index").is_file():
        write_checkpoint(here, str(prefix))
    if str(path) in _remembered:
        (here / "keras.json").write_text(json.dumps(_remembered[str(path)]))


def main(out: Path, given: list[Path]) -> None:
    for number, path in enumerate(given):
        describe(out, path, f"given_{number}")
    if not given:
        make(out)


def make(out: Path) -> None:
    models = out / "models"
    models.mkdir()
    saved_models(models)
    checkpoints(models)
    indexes = {path.with_suffix("") for path in models.rglob("*.index")}
    found = {path for path in indexes if path.parent.name != "variables"}
    found |= {path.parent for path in models.rglob("saved_model.pb")}
    for path in sorted(found):
        describe(out, path, str(path.relative_to(models)))
    write_descriptors(out)


if __name__ == "__main__":
    main(Path(sys.argv[1]), [Path(argument) for argument in sys.argv[2:]])
