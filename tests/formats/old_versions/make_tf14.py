"""Files of TensorFlow 1.4.1 and Keras 1.2.2, made once.

In a virtual environment of Python 3.6 with ``tensorflow==1.4.1 keras==1.2.2 protobuf<3.18 h5py<3
numpy<1.17 pyyaml<6``: ``KERAS_BACKEND=tensorflow python make_tf14.py files/tf14``.
"""

import sys
from pathlib import Path
from typing import Any

import describe
import keras
import numpy as np
import tensorflow as tf
from keras import layers as k
from keras.models import Model, Sequential
from tensorflow.core.protobuf import saved_model_pb2
from tensorflow.python.framework import graph_util

SERVE = tf.saved_model.tag_constants.SERVING
TRAIN = tf.saved_model.tag_constants.TRAINING


# Keras 1


def conv(ordering: str) -> Any:
    """Convolutions, pooling and what lies between them, in one of the two dimension orderings."""
    shape = (12, 10, 3) if ordering == "tf" else (3, 12, 10)
    at = {"dim_ordering": ordering}
    axis = -1 if ordering == "tf" else 1
    return Sequential(
        [
            k.ZeroPadding2D((1, 2), input_shape=shape, name="pad", **at),
            k.Convolution2D(4, 3, 2, border_mode="same", subsample=(2, 1), name="conv", **at),
            k.BatchNormalization(axis=axis, name="norm"),
            k.Activation("relu", name="relu"),
            k.AtrousConvolution2D(3, 3, 3, atrous_rate=(2, 2), name="holes", **at),
            k.UpSampling2D((2, 3), name="up", **at),
            k.Cropping2D(((1, 0), (2, 3)), name="crop", **at),
            k.Deconvolution2D(
                2,
                3,
                3,
                output_shape=(None, 11, 51, 2) if ordering == "tf" else (None, 2, 11, 51),
                subsample=(2, 2),
                name="deconv",
                **at,
            ),
            k.MaxPooling2D((2, 2), name="max", **at),
            k.AveragePooling2D((2, 3), strides=(1, 2), border_mode="same", name="mean", **at),
            k.GlobalAveragePooling2D(name="all", **at),
            k.Dropout(0.25, name="drop"),
            k.Dense(3, activation="softmax", name="classes"),
        ],
        name="conv_" + ordering,
    )


def recurrent() -> Any:
    """Words to classes, by layers that have other arguments since Keras 2."""
    words = k.Input((8,), dtype="int32", name="words")
    x = k.Embedding(20, 6, input_length=8, name="embedding")(words)
    x = k.SpatialDropout1D(0.1, name="spatial")(x)
    x = k.Convolution1D(5, 3, border_mode="same", name="conv1d")(x)
    x = k.MaxPooling1D(2, name="max1d")(x)
    x = k.LSTM(4, return_sequences=True, consume_less="gpu", name="lstm")(x)
    x = k.TimeDistributed(k.Dense(3), name="each")(x)
    x = k.Bidirectional(k.GRU(2), merge_mode="concat", name="both")(x)
    x = k.MaxoutDense(4, nb_feature=2, name="maxout")(x)
    x = k.Highway(name="highway")(x)
    return Model(words, k.Dense(2, name="classes")(x), name="recurrent")


def nested() -> Any:
    """A Sequential model used twice inside of another, and merges by function and by layer."""
    left, right = k.Input((6,), name="left"), k.Input((6,), name="right")
    inner = Sequential(
        [k.Dense(5, input_dim=6, activation="tanh", name="inside"), k.Dense(4, name="last")],
        name="inner",
    )
    shared = k.Dense(4, name="shared")
    a, b = inner(left), inner(right)
    joined = k.merge([a, b], mode="concat", name="joined")
    summed = k.merge([shared(left), a], mode="sum", name="summed")
    dotted = k.merge([a, b], mode="dot", dot_axes=1, name="dotted")
    every = k.merge([joined, summed, dotted], mode="concat", name="every")
    one = k.TimeDistributed(k.Dense(2), name="one")(k.RepeatVector(3, name="repeat")(every))
    two = k.Dense(1, name="two")(joined)
    return Model([left, right], [one, two], name="outer")


def merged() -> Any:
    """The branches of a Sequential model inside of its first layer, as only Keras 1 has it."""
    left = Sequential([k.Dense(4, input_dim=3, name="left_1")], name="left")
    right = Sequential(
        [k.Dense(5, input_dim=2, name="right_1"), k.Dense(4, name="right_2")], name="right"
    )
    first = k.Merge([left, right], mode="concat", concat_axis=1, name="merge")
    return Sequential([first, k.Dense(2, name="top")], name="merged")


def keras_files(out: Path, expected: Any) -> None:
    for made, loss in (
        (conv("tf"), "categorical_crossentropy"),
        (conv("th"), "categorical_crossentropy"),
        (recurrent(), "mse"),
        (nested(), "mse"),
        (merged(), "mse"),
    ):
        made.compile("adam", loss, metrics=["accuracy"])
        getattr(made, "model", made)._make_train_function()
        keras.backend.get_session().run(tf.global_variables_initializer())
        path = out / (made.name + ".h5")
        made.save(str(path))
        expected.add(path, **describe.model(made, made.optimizer))
        if made.name in ("conv_tf", "merged"):
            path = out / (made.name + "_weights.h5")
            made.save_weights(str(path))
            expected.add(path, **describe.model(made))


# TensorFlow 1


def trained_graph() -> Any:
    """A partitioned table, a dense kernel, a string and Adam; returns input, output and update."""
    ids = tf.placeholder(tf.int32, [None], name="ids")
    with tf.variable_scope("net", partitioner=tf.fixed_size_partitioner(3, axis=0)):
        table = tf.get_variable("table", [10, 3])
    kernel = tf.get_variable("dense/kernel", [3, 2])
    tf.Variable(["a", "", "third"], trainable=False, name="names")
    y = tf.matmul(tf.nn.embedding_lookup(table, ids), kernel, name="y")
    step = tf.train.get_or_create_global_step()
    return ids, y, tf.train.AdamOptimizer().minimize(tf.reduce_sum(y), global_step=step)


def checkpoints(out: Path, expected: Any) -> None:
    """Two checkpoints by name with their graphs, and the same in the format before."""
    with tf.Graph().as_default(), tf.Session() as session:
        ids, _, update = trained_graph()
        session.run(tf.global_variables_initializer())
        saver = tf.train.Saver()
        for step in (1, 2):
            session.run(update, {ids: [1, 2, 9]})
            prefix = Path(saver.save(session, str(out / "ckpt" / "model.ckpt"), step))
            tensors = read(prefix)
            expected.add(prefix, tensors=tensors)
        (out / "ckpt" / "model.ckpt-1.meta").unlink()
        meta = out / "ckpt" / "model.ckpt-2.meta"
        expected.add(meta, **describe.meta_graph(tf, tf.train.export_meta_graph()))
        old = tf.train.Saver(write_version=tf.train.SaverDef.V1)
        old_file = str(out / "ckpt_v1" / "model.ckpt")
        path = Path(old.save(session, old_file, write_meta_graph=False))
        expected.add(path, tensors=tensors)  # its reader refuses partitioned ones


def read(prefix: Path) -> Any:
    return describe.checkpoint(tf, tf.train.NewCheckpointReader(str(prefix)))


def saved_model(out: Path, expected: Any) -> None:
    """Two meta graphs with tags of their own, an asset, a main op, a table in a collection."""
    vocabulary = out.with_name("vocabulary.txt")
    vocabulary.write_text("one\ntwo\n")
    builder = tf.saved_model.builder.SavedModelBuilder(str(out))
    for tags in ([TRAIN], [SERVE, "gpu"]):
        with tf.Graph().as_default(), tf.Session() as session:
            x = tf.placeholder(tf.float32, [None, 4], name="x")
            text = tf.placeholder(tf.string, None, name="text")
            asset = tf.constant(str(vocabulary), name="asset_path")
            tf.add_to_collection(tf.GraphKeys.ASSET_FILEPATHS, asset)
            table = tf.contrib.lookup.index_table_from_file(asset, num_oov_buckets=1)
            y = tf.layers.dense(x, 2, name="dense")
            ids = table.lookup(text)
            session.run([tf.global_variables_initializer(), tf.tables_initializer()])
            signature = tf.saved_model.signature_def_utils.predict_signature_def
            arguments = {
                "signature_def_map": {
                    "serving_default": signature({"x": x}, {"y": y}),
                    "look_up": signature({"text": text}, {"ids": ids}),
                },
                "assets_collection": tf.get_collection(tf.GraphKeys.ASSET_FILEPATHS),
            }
            if tags == [TRAIN]:
                builder.add_meta_graph_and_variables(session, tags, **arguments)
            else:
                builder.add_meta_graph(
                    tags, legacy_init_op=tf.group(tf.tables_initializer()), **arguments
                )
    builder.save()
    vocabulary.unlink()
    message = saved_model_pb2.SavedModel.FromString((out / "saved_model.pb").read_bytes())
    tensors = read(out / "variables" / "variables")
    graphs = describe.meta_graphs(tf, message)
    expected.add(out, meta_graphs=graphs, tensors=tensors)


def frozen(out: Path, expected: Any) -> None:
    """A graph whose variables became constants, in both encodings."""
    with tf.Graph().as_default(), tf.Session() as session:
        x = tf.placeholder(tf.float32, [None, 5, 5, 2], name="x")
        y = tf.layers.conv2d(x, 3, 3, activation=tf.nn.relu, name="conv")
        y = tf.layers.dense(tf.reshape(y, [-1, 27]), 2, name="dense")
        tf.identity(tf.nn.softmax(y), name="probabilities")
        tf.constant([b"a", b"", b"third"], name="labels")
        tf.constant(np.ones((3, 2), np.float16), name="halves")
        session.run(tf.global_variables_initializer())
        graph = graph_util.convert_variables_to_constants(
            session, tf.get_default_graph().as_graph_def(), ["probabilities", "labels", "halves"]
        )
    about = {"graph": describe.graph_def(graph), "tensors": describe.constants(tf, graph)}
    for name in ("frozen.pb", "frozen.pbtxt"):
        tf.train.write_graph(graph, str(out), name, as_text=name.endswith("txt"))
        expected.add(out / name, **about)


def main(out: Path) -> None:
    for folder in (out, out / "ckpt", out / "ckpt_v1"):
        folder.mkdir(parents=True)
    expected = describe.Expected(out, tensorflow=tf.__version__, keras=keras.__version__)
    keras_files(out, expected)
    keras.backend.clear_session()
    checkpoints(out, expected)
    saved_model(out / "saved", expected)
    frozen(out, expected)
    expected.write()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
