"""Files of TensorFlow 1.15.5 and its Keras (2.2.4-tf), made once.

In a virtual environment of Python 3.7 with ``tensorflow==1.15.5 protobuf<3.20 h5py<3 numpy<1.19``:
``python make_tf115.py files/tf115``.
"""

import sys
from pathlib import Path
from typing import Any

import describe
import numpy as np
import tensorflow as tf
from google.protobuf import text_format
from tensorflow import keras
from tensorflow.core.protobuf import saved_model_pb2

k = keras.layers


# Keras


def functional() -> Any:
    """Two inputs, a layer used twice, batch normalization, an LSTM and a model in a model."""
    image, words = k.Input((8, 8, 2), name="image"), k.Input((5,), name="words", dtype="int32")
    x = k.Conv2D(3, 3, padding="same", activation="relu", name="conv")(image)
    x = k.BatchNormalization(name="norm")(x)
    x = k.SeparableConv2D(4, 3, strides=2, name="separable")(x)
    x = k.DepthwiseConv2D(2, depth_multiplier=2, name="depthwise")(x)
    x = k.Conv2DTranspose(2, 2, strides=2, name="transposed")(x)
    x = k.GlobalMaxPooling2D(name="pool")(x)
    shared = k.Dense(3, name="shared")
    y = k.Embedding(11, 4, mask_zero=True, name="embedding")(words)
    y = k.LSTM(3, return_sequences=True, name="lstm")(y)
    y = k.Bidirectional(k.GRU(1), name="both")(y)
    inside = [k.Dense(3, input_shape=(3,), name="inside"), k.ReLU(name="relu")]
    inner = keras.Sequential(inside, name="inner")
    a, b = shared(x), shared(y)
    joined = k.Concatenate(name="joined")([a, b])
    out = k.Dense(2, name="classes")(k.Add(name="sum")([inner(a), b]))
    return keras.Model([image, words], [joined, out], name="functional")


def sequential() -> Any:
    made = keras.Sequential(
        [
            k.Dense(4, input_shape=(3,), name="first"),
            k.BatchNormalization(name="norm"),
            k.Dense(1, name="last"),
        ],
        name="sequential",
    )
    made.compile("adam", "mse")
    made.train_on_batch(np.ones((2, 3)), np.ones((2, 1)))
    return made


def keras_files(out: Path, expected: Any) -> None:
    made = functional()
    made.compile("rmsprop", "mse", metrics=["mae"])
    made.train_on_batch(
        [np.ones((2, 8, 8, 2)), np.ones((2, 5))], [np.zeros((2, 6)), np.zeros((2, 2))]
    )
    for name in ("functional.h5", "functional_weights.h5"):
        save = made.save_weights if "weights" in name else made.save
        save(str(out / name))
        expected.add(out / name, **describe.model(made, made.optimizer))
    made.save_weights(str(out / "keras_ckpt" / "weights"))
    prefix = out / "keras_ckpt" / "weights"
    expected.add(prefix, tensors=read(prefix), **describe.model(made))
    small = sequential()
    small.save(str(out / "keras_saved"), save_format="tf")
    add_saved_model(out / "keras_saved", expected, **describe.model(small, small.optimizer))


# Checkpoints


def read(prefix: Path) -> Any:
    return describe.checkpoint(tf, tf.train.NewCheckpointReader(str(prefix)))


def by_name(out: Path, expected: Any) -> None:
    """Three in a folder, sharded, one in the format before, all of partitioned variables."""
    with tf.Graph().as_default(), tf.Session() as session:
        with tf.variable_scope("net", partitioner=tf.variable_axis_size_partitioner(60, axis=1)):
            table = tf.get_variable("table", [5, 8], dtype=tf.float32)
        half = tf.get_variable("half", [4, 3], dtype=tf.float16)
        brain = tf.get_variable(
            "brain", [3, 2], dtype=tf.bfloat16, initializer=tf.ones_initializer()
        )
        tf.get_variable("text", initializer=tf.constant([["a", ""], ["\u00fc", "z" * 300]]))
        tf.get_variable("complex", initializer=tf.constant([1 + 2j, -3j], tf.complex64))
        tf.get_variable("flags", initializer=tf.constant([True, False, True]))
        tf.get_variable("big", initializer=tf.constant([1 << 60, -5], tf.int64))
        step = tf.train.get_or_create_global_step()
        loss = tf.reduce_sum(tf.convert_to_tensor(table)) + tf.reduce_sum(tf.cast(half, tf.float32))
        train = tf.train.MomentumOptimizer(0.1, 0.9).minimize(loss, global_step=step)
        session.run([tf.global_variables_initializer(), brain.initializer])
        saver = tf.train.Saver(max_to_keep=2)
        for number in (1, 2, 3):
            session.run(train)
            path = saver.save(session, str(out / "ckpt" / "model"), number, write_meta_graph=False)
        prefix = Path(path)
        tensors = read(prefix)
        expected.add(prefix, tensors=tensors)
        kept = [v for v in tf.global_variables() if v.dtype.base_dtype != tf.bfloat16]
        old = tf.train.Saver(kept, write_version=tf.train.SaverDef.V1)
        path = old.save(session, str(out / "ckpt_v1" / "model"), 3, write_meta_graph=False)
        kept_tensors = [tensor for tensor in tensors if tensor["dtype"] != "bfloat16"]
        expected.add(Path(path), tensors=kept_tensors)


def sharded(out: Path, expected: Any) -> None:
    """Variables on two devices, and so in two shards."""
    config = tf.ConfigProto(device_count={"CPU": 2})
    with tf.Graph().as_default(), tf.Session(config=config) as session:
        for number in (0, 1):
            with tf.device(f"/cpu:{number}"):
                tf.get_variable(f"on_{number}", [3, number + 2])
        session.run(tf.global_variables_initializer())
        for version, folder in ((None, "sharded"), (tf.train.SaverDef.V1, "sharded_v1")):
            saver = tf.train.Saver(sharded=True, write_version=version or tf.train.SaverDef.V2)
            prefix = out / folder / "model"
            saver.save(session, str(prefix), write_meta_graph=False)
            tensors = read(out / "sharded" / "model")
            expected.add(prefix, tensors=tensors)


def by_object(out: Path, expected: Any) -> None:
    """`tf.train.Checkpoint` with an optimizer, a list, and an object that holds itself."""
    with tf.Graph().as_default(), tf.Session() as session:
        model = keras.Sequential([k.Dense(2, input_shape=(3,), name="first"), k.Dense(1)])
        optimizer = tf.train.AdamOptimizer()
        train = optimizer.minimize(lambda: tf.reduce_sum(model(tf.ones((2, 3)))))
        holder = tf.train.Checkpoint()
        holder.listed = [tf.Variable([1, 2], name="one")]
        holder.itself = holder
        saved = tf.train.Checkpoint(model=model, optimizer=optimizer, holder=holder)
        session.run(tf.global_variables_initializer())
        session.run(train)
        saved.save_counter  # noqa: B018 - makes the variable
        session.run(saved.save_counter.initializer)
        prefix = Path(saved.save(str(out / "objects" / "ckpt"), session=session))
        expected.add(prefix, tensors=read(prefix), parameters=int(model.count_params()))


# SavedModels


def add_saved_model(path: Path, expected: Any, **about: Any) -> None:
    message = saved_model_pb2.SavedModel()
    if (path / "saved_model.pb").exists():
        message.ParseFromString((path / "saved_model.pb").read_bytes())
    else:
        text_format.Parse((path / "saved_model.pbtxt").read_text(), message)
    graphs = describe.meta_graphs(tf, message)
    tensors = read(path / "variables" / "variables")
    expected.add(path, meta_graphs=graphs, tensors=tensors, **about)


def simple(out: Path, expected: Any) -> None:
    with tf.Graph().as_default(), tf.Session() as session:
        x = tf.placeholder(tf.float32, [None, 3], name="x")
        y = tf.layers.dense(x, 2, name="dense")
        session.run(tf.global_variables_initializer())
        tf.saved_model.simple_save(session, str(out), {"x": x}, {"y": y})
    add_saved_model(out, expected)


def built(out: Path, expected: Any) -> None:
    """Two meta graphs, assets, extra assets, a main op, control flow, as text."""
    vocabulary, extra = out.with_name("words.txt"), out.with_name("warmup.txt")
    vocabulary.write_text("one\ntwo\n")
    extra.write_text("extra\n")
    builder = tf.saved_model.Builder(str(out))
    for number, tags in enumerate((["train"], ["serve", "tpu"])):
        with tf.Graph().as_default(), tf.Session() as session:
            x = tf.placeholder(tf.float32, [None, 3], name="x")
            asset = tf.constant(str(vocabulary), name="asset")
            tf.add_to_collection(tf.GraphKeys.ASSET_FILEPATHS, asset)
            table = tf.lookup.StaticHashTable(
                tf.lookup.TextFileInitializer(
                    asset,
                    tf.string,
                    tf.lookup.TextFileIndex.WHOLE_LINE,
                    tf.int64,
                    tf.lookup.TextFileIndex.LINE_NUMBER,
                ),
                -1,
            )
            text = tf.placeholder(tf.string, [None], name="text")
            w = tf.get_variable("w", [3, 2])
            y = tf.while_loop(lambda y: tf.reduce_sum(y) < 9, lambda y: y + 1.0, [x @ w])
            session.run([tf.global_variables_initializer(), tf.tables_initializer()])
            info = tf.saved_model.build_tensor_info
            arguments = {
                "signature_def_map": {
                    "serving_default": tf.saved_model.build_signature_def(
                        {"x": info(x)}, {"y": info(y)}, "tensorflow/serving/predict"
                    ),
                    "words": tf.saved_model.build_signature_def(
                        {"text": info(text)}, {"id": info(table.lookup(text))}, "own/method"
                    ),
                },
                "assets_collection": tf.get_collection(tf.GraphKeys.ASSET_FILEPATHS),
                "main_op": tf.group(tf.tables_initializer(), name="main"),
            }
            if number:
                builder.add_meta_graph(tags, **arguments)
            else:
                builder.add_meta_graph_and_variables(session, tags, **arguments)
    builder.save(as_text=True)
    (out / "assets.extra").mkdir()
    extra.rename(out / "assets.extra" / extra.name)
    vocabulary.unlink()
    add_saved_model(out, expected)


def tflite(out: Path, expected: Any) -> None:
    """Once as it is, once with weights of 8 bits."""
    made = keras.Sequential(
        [
            k.Conv2D(4, 3, input_shape=(8, 8, 1), name="conv"),
            k.Flatten(),
            k.Dense(40, activation="relu", name="wide"),
            k.Dense(3, activation="softmax", name="classes"),
        ]
    )
    made.save(str(out / "small.h5"))
    for name in ("plain.tflite", "hybrid.tflite"):
        converter = tf.lite.TFLiteConverter.from_keras_model_file(str(out / "small.h5"))
        if name == "hybrid.tflite":
            converter.optimizations = [tf.lite.Optimize.OPTIMIZE_FOR_SIZE]
        (out / name).write_bytes(converter.convert())
        interpreter = tf.lite.Interpreter(str(out / name))
        interpreter.allocate_tensors()
        expected.add(out / name, tflite=describe.tflite(interpreter))
    (out / "small.h5").unlink()


def main(out: Path) -> None:
    for name in ("keras_ckpt", "ckpt", "ckpt_v1", "sharded", "sharded_v1", "objects"):
        (out / name).mkdir(parents=True)
    expected = describe.Expected(out, tensorflow=tf.__version__, keras=keras.__version__)
    keras_files(out, expected)
    by_object(out, expected)
    by_name(out, expected)
    sharded(out, expected)
    simple(out / "simple", expected)
    built(out / "built", expected)
    tflite(out, expected)
    expected.write()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
