"""Files of TensorFlow 2.4.4 and its Keras, made once.

In a virtual environment of Python 3.8 with ``tensorflow==2.4.4 protobuf<3.20``:
``python make_tf24.py files/tf24``.
"""

import sys
from pathlib import Path
from typing import Any

import describe
import numpy as np
import tensorflow as tf
from tensorflow import keras
from tensorflow.core.protobuf import saved_model_pb2

k = keras.layers


def functional() -> Any:
    """Two inputs, attention, an LSTM, a layer and a model used twice, operations as layers."""
    image, words = k.Input((10, 9, 2), name="image"), k.Input((6,), name="words")
    x = k.experimental.preprocessing.Rescaling(1 / 255, name="scale")(image)
    x = k.ZeroPadding2D(((1, 0), (0, 2)), name="pad")(x)
    x = k.Conv2D(4, (3, 2), strides=(2, 1), groups=2, use_bias=False, name="grouped")(x)
    x = k.BatchNormalization(name="norm")(x)
    x = k.Conv2DTranspose(3, 3, strides=2, padding="same", name="transposed")(x)
    x = k.AveragePooling2D((2, 3), padding="same", name="mean")(x)
    x = tf.nn.relu(x) * 2.0
    x = k.Dense(4, name="narrow")(k.Flatten(name="flat")(x))
    y = k.Embedding(30, 4, name="embedding")(words)
    y = k.MultiHeadAttention(2, 3, name="heads")(y, y)
    y = k.LayerNormalization(name="layer_norm")(y)
    y = k.Bidirectional(k.LSTM(2, return_sequences=True), merge_mode="concat", name="both")(y)
    y = k.Conv1D(4, 2, padding="causal", dilation_rate=2, name="causal")(y)
    y = k.GRU(4, name="gru")(y)
    shared = k.Dense(4, activation="tanh", name="shared")
    inside = k.Input((4,), name="inside")
    inner = keras.Model(inside, k.Dense(4, name="within")(inside), name="inner")
    deep = keras.Sequential([inner, k.Dense(2, name="outside")], name="deep")
    a, b = inner(shared(x)), inner(shared(y))
    joined = k.Concatenate(name="joined")([a, b])
    dotted = k.Dot(axes=1, name="dotted")([a, b])
    return keras.Model(
        [image, words], {"one": deep(a), "two": joined, "three": dotted}, name="functional"
    )


def sequential() -> Any:
    made = keras.Sequential(
        [
            k.Dense(4, input_shape=(3,), name="first"),
            k.BatchNormalization(name="norm"),
            k.Dense(1, name="last"),
        ],
        name="sequential",
    )
    made.compile("adam", "mse", metrics=["mae"])
    made.fit(np.ones((2, 3)), np.ones((2, 1)), verbose=0)
    return made


def keras_files(out: Path, expected: Any) -> None:
    made = functional()
    made.compile("adam", {"one": "mse"}, metrics={"one": "mae"})
    made.optimizer._create_all_weights(made.trainable_variables)
    made.save(str(out / "functional.h5"))
    expected.add(out / "functional.h5", **describe.model(made, made.optimizer))
    made.save_weights(str(out / "functional_weights.h5"))
    expected.add(out / "functional_weights.h5", **describe.model(made))
    small = sequential()
    small.save(str(out / "keras_saved"))
    add_saved_model(out / "keras_saved", expected, **describe.model(small, small.optimizer))
    small.save_weights(str(out / "weights" / "ckpt"))
    add_checkpoint(out / "weights" / "ckpt", expected, **describe.model(small, small.optimizer))


def read(prefix: Path) -> Any:
    return describe.checkpoint(tf, tf.train.load_checkpoint(str(prefix)))


def add_checkpoint(prefix: Path, expected: Any, **about: Any) -> None:
    expected.add(prefix, tensors=read(prefix), **about)


def add_saved_model(path: Path, expected: Any, **about: Any) -> None:
    message = saved_model_pb2.SavedModel.FromString((path / "saved_model.pb").read_bytes())
    graphs = describe.meta_graphs(tf, message)
    tensors = read(path / "variables" / "variables")
    expected.add(path, meta_graphs=graphs, tensors=tensors, **about)


def checkpoint(out: Path, expected: Any) -> None:
    """A manager's folder: a model, an optimizer with two slots, and a step."""
    model = keras.Sequential([k.Dense(3, input_shape=(4,), name="first"), k.Dense(2, name="last")])
    optimizer = keras.optimizers.SGD(0.1, momentum=0.9)
    step = tf.Variable(0, dtype=tf.int64, name="step")
    saved = tf.train.Checkpoint(model=model, optimizer=optimizer, step=step)
    manager = tf.train.CheckpointManager(saved, str(out / "ckpt"), max_to_keep=2)
    for _ in range(3):
        variables = model.trainable_variables
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(model(tf.ones((2, 4))))
        optimizer.apply_gradients(zip(tape.gradient(loss, variables), variables))  # noqa: B905
        step.assign_add(1)
        prefix = Path(manager.save())
    add_checkpoint(prefix, expected, **describe.model(model, optimizer))


def module(out: Path, expected: Any) -> None:
    """A SavedModel without Keras: functions, an asset, a table, variables of other types."""
    words = out.with_name("words.txt")
    words.write_text("one\ntwo\n")
    made = tf.Module()
    made.v = tf.Variable([[1.0, 2.0]], name="v")
    made.half = tf.Variable(tf.ones([3], tf.bfloat16), name="half")
    made.table = tf.lookup.StaticHashTable(
        tf.lookup.TextFileInitializer(str(words), tf.string, 0, tf.int64, -1), -1
    )
    spec = tf.TensorSpec([None, 2], tf.float32, name="x")
    made.scale = tf.function(lambda x: {"y": x * made.v}, input_signature=[spec])
    text = tf.TensorSpec([None], tf.string, name="text")
    made.look_up = tf.function(made.table.lookup, input_signature=[text])
    signatures = {"serving_default": made.scale, "words": made.look_up}
    tf.saved_model.save(made, str(out), signatures=signatures)
    words.unlink()
    add_saved_model(out, expected)


def tflite(out: Path, expected: Any) -> None:
    made = keras.Sequential(
        [
            k.Conv2D(4, 3, input_shape=(8, 8, 1), name="conv"),
            k.Flatten(),
            k.Dense(40, activation="relu", name="wide"),
            k.Dense(3, activation="softmax", name="classes"),
        ]
    )
    for name in ("plain", "quantized", "halves"):
        converter = tf.lite.TFLiteConverter.from_keras_model(made)
        if name != "plain":
            converter.optimizations = [tf.lite.Optimize.DEFAULT]
        if name == "quantized":
            converter.representative_dataset = lambda: (
                [np.random.rand(1, 8, 8, 1).astype(np.float32)] for _ in range(4)
            )
        if name == "halves":
            converter.target_spec.supported_types = [tf.float16]
        path = out / f"{name}.tflite"
        path.write_bytes(converter.convert())
        interpreter = tf.lite.Interpreter(str(path))
        interpreter.allocate_tensors()
        expected.add(path, tflite=describe.tflite(interpreter))


def main(out: Path) -> None:
    for name in ("ckpt", "weights"):
        (out / name).mkdir(parents=True)
    expected = describe.Expected(out, tensorflow=tf.__version__, keras=keras.__version__)
    keras_files(out, expected)
    checkpoint(out, expected)
    module(out / "module", expected)
    tflite(out, expected)
    expected.write()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
