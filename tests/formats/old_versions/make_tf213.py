"""Files of TensorFlow 2.13.1 and its Keras, made once.

In a virtual environment of Python 3.10 with ``tensorflow==2.13.1``:
``python make_tf213.py files/tf213``.
"""

import sys
from pathlib import Path
from typing import Any

import describe
import numpy as np
import tensorflow as tf
from keras import __version__ as keras_version
from make_tf24 import add_checkpoint, add_saved_model
from tensorflow import keras

k = keras.layers


def convolutions(policy: str) -> Any:
    """Convolution and pooling with all arguments, computed in half precision."""
    keras.mixed_precision.set_global_policy(policy)
    image = k.Input((16, 12, 4), name="image")
    x = k.Conv2D(6, 3, padding="same", dilation_rate=2, groups=2, name="grouped")(image)
    x = k.GroupNormalization(2, name="group_norm")(x)
    x = k.AveragePooling2D(2, name="mean")(x)
    x = k.SeparableConv2D(5, 3, depth_multiplier=2, padding="same", name="separable")(x)
    x = k.MaxPooling2D((3, 2), strides=(2, 1), padding="same", name="max")(x)
    x = k.Conv2DTranspose(3, (3, 2), strides=2, output_padding=1, name="transposed")(x)
    x = k.UpSampling2D((2, 1), name="up")(x)
    x = k.Cropping2D(((1, 2), (0, 1)), name="crop")(x)
    x = k.BatchNormalization(name="norm")(x)
    x = k.Resizing(8, 6, name="resize")(x)
    x = k.Reshape((12, -1), name="reshape")(x)
    x = k.Permute((2, 1), name="permute")(x)
    x = k.Conv1D(4, 3, strides=2, activation="relu", name="conv1d")(x)
    x = k.AveragePooling1D(2, name="mean1d")(x)
    x = k.GlobalAveragePooling1D(name="all")(x)
    out = k.Dense(3, activation="softmax", dtype="float32", name="classes")(x)
    made = keras.Model(image, out, name="convolutions")
    keras.mixed_precision.set_global_policy("float32")
    return made


def words() -> Any:
    """Recurrent cells, attention, a layer and a model used twice, operations as layers."""
    left, right = k.Input((6,), name="left"), k.Input((6,), name="right")
    embedding = k.Embedding(30, 4, mask_zero=True, name="embedding")
    a, b = embedding(left), embedding(right)
    a = k.MultiHeadAttention(2, 3, value_dim=2, name="heads")(a, b)
    a = k.LayerNormalization(name="layer_norm")(a + b)
    cells = [k.LSTMCell(3, name="cell_1"), k.GRUCell(2, name="cell_2")]
    a = k.RNN(cells, return_sequences=True, name="stacked")(a)
    a = k.Bidirectional(k.GRU(2), merge_mode="sum", name="both")(a)
    b = k.Attention(use_scale=True, name="attention")([b, b])
    b = k.TimeDistributed(k.Dense(3, name="inside_each"), name="each")(b)
    b = k.SimpleRNN(2, name="simple")(b)
    inner_in = k.Input((2,), name="inner_in")
    first = k.Dense(3, name="within")(inner_in)
    inner = keras.Model(inner_in, [first, k.PReLU(name="prelu")(first)], name="inner")
    one, two = inner(a)
    three, _ = inner(b)
    deep = keras.Sequential([k.Dense(2, name="below"), k.Dense(1, name="lowest")], name="deep")
    out = deep(k.Concatenate(name="joined")([one, two, tf.nn.relu(three)]))
    return keras.Model([left, right], [out, k.Multiply(name="product")([one, three])], name="words")


def fit(made: Any, optimizer: Any) -> None:
    made.compile(optimizer, "mse", metrics=["mae"])
    rows = [np.ones((2, *(size or 1 for size in one.shape[1:]))) for one in made.inputs]
    results = [np.zeros((2, *one.shape[1:])) for one in made.outputs]
    made.fit(rows, results, verbose=0)


def keras_files(out: Path, expected: Any) -> None:
    built = convolutions("mixed_float16")
    built.compile("adam", "mse")
    built.optimizer.build(built.trainable_variables)
    recurrent = words()
    fit(recurrent, keras.optimizers.SGD(0.01))
    for made in (built, recurrent):
        about = describe.model(made)
        for ending in (".keras", ".weights.h5" if made is built else ".h5"):
            path = out / (made.name + ending)
            save = made.save_weights if "weights" in ending else made.save
            save(str(path))
            state = [] if "weights" in ending else optimizer_state(made.optimizer)
            expected.add(path, optimizer_weights=state, **about)


def optimizer_state(optimizer: Any) -> Any:
    variables = optimizer.variables
    return [describe.array(v.numpy(), v.name) for v in variables]


def saved(out: Path, expected: Any) -> None:
    """A Keras SavedModel, an exported one, and checkpoints of both optimizers."""
    made = keras.Sequential(
        [
            k.Dense(4, input_shape=(3,), name="first"),
            k.BatchNormalization(name="norm"),
            k.Dense(1, name="last"),
        ],
        name="sequential",
    )
    fit(made, "adam")
    about = describe.model(made)
    made.save(str(out / "keras_saved"), save_format="tf")
    add_saved_model(out / "keras_saved", expected, **about)
    made.export(str(out / "exported"))
    add_saved_model(out / "exported", expected)
    made.save_weights(str(out / "weights" / "ckpt"))
    add_checkpoint(out / "weights" / "ckpt", expected, **about)
    fit(made, keras.optimizers.legacy.Adam())
    holder = tf.train.Checkpoint(model=made, optimizer=made.optimizer, text=tf.Variable("words"))
    holder.halves = [tf.Variable(tf.ones([2, 3], t)) for t in (tf.float16, tf.bfloat16)]
    prefix = Path(holder.save(str(out / "ckpt" / "legacy")))
    add_checkpoint(prefix, expected, **about)


def sharded(out: Path, expected: Any) -> None:
    """A checkpoint of a sharded save, with a variable in parts."""
    prefix = out / "parts" / "model"
    whole = np.arange(40, dtype=np.float32).reshape(10, 4)
    for number, rows in enumerate((whole[:6], whole[6:])):
        tf.raw_ops.SaveV2(
            prefix=f"{prefix}_{number}",
            tensor_names=["table", f"own_{number}"],
            shape_and_slices=[f"10 4 {6 * number},{len(rows)}:-", ""],
            tensors=[rows, tf.constant([number, 7])],
        )
    parts = [f"{prefix}_0", f"{prefix}_1"]
    tf.raw_ops.MergeV2Checkpoints(checkpoint_prefixes=parts, destination_prefix=str(prefix))
    add_checkpoint(prefix, expected)


def tflite(out: Path, expected: Any) -> None:
    """Two signatures, one of strings, in a file."""
    made = tf.Module()
    made.w = tf.Variable(tf.ones([3, 2]), name="w")
    spec = tf.TensorSpec([None, 3], tf.float32, name="x")
    made.scale = tf.function(lambda x: {"y": x @ made.w}, input_signature=[spec])
    made.both = tf.function(lambda x: {"max": tf.reduce_max(x), "x2": x * 2}, [spec])
    functions = [made.scale.get_concrete_function(), made.both.get_concrete_function()]
    tf.saved_model.save(made, str(out / "two"), {"scale": functions[0], "both": functions[1]})
    converter = tf.lite.TFLiteConverter.from_saved_model(str(out / "two"), ["scale", "both"])
    path = out / "signatures.tflite"
    path.write_bytes(converter.convert())
    interpreter = tf.lite.Interpreter(str(path))
    interpreter.allocate_tensors()
    expected.add(path, tflite=describe.tflite(interpreter))
    add_saved_model(out / "two", expected)


def main(out: Path) -> None:
    for name in ("ckpt", "weights", "parts"):
        (out / name).mkdir(parents=True)
    expected = describe.Expected(out, tensorflow=tf.__version__, keras=keras_version)
    keras_files(out, expected)
    saved(out, expected)
    sharded(out, expected)
    tflite(out, expected)
    expected.write()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
