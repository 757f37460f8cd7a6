"""A dozen architectures of both Keras lines, with weights of which no two hold the same values."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from tests.formats.keras_originals import functional, images, nested

Maker = Callable[[ModuleType], Any]


def convolutions(k: ModuleType) -> Any:
    """Convolutions of one and three dimensions, forwards and transposed, and normalization."""
    layers = k.layers
    inputs = k.Input((32, 3))
    x = layers.Conv1D(4, 3, use_bias=False)(inputs)
    x = layers.SeparableConv1D(4, 3)(x)
    x = layers.DepthwiseConv1D(3)(x)
    x = layers.Conv1DTranspose(4, 3)(x)
    x = layers.LayerNormalization()(x)
    x = layers.GroupNormalization(2, center=False)(x)
    x = layers.PReLU()(layers.Reshape((7, 4, 4, 1))(x))
    x = layers.BatchNormalization(scale=False)(x)
    x = layers.Conv3DTranspose(2, 2)(layers.Conv3D(2, 2)(x))
    return k.Model(inputs, layers.Flatten()(x))


def separable_images(k: ModuleType) -> Any:
    """The pictures' layers, a part of them frozen."""
    model = images(k)
    model.layers[3].trainable = False
    return model


def recurrent(k: ModuleType) -> Any:
    """Every kind of recurrent layer, alone, in both directions and stacked."""
    layers = k.layers
    inputs = k.Input((6,), dtype="int32")
    x = layers.Embedding(9, 5)(inputs)
    x = layers.Bidirectional(layers.LSTM(3, return_sequences=True))(x)
    x = layers.GRU(4, return_sequences=True, use_bias=False)(x)
    x = layers.SimpleRNN(3, return_sequences=True, dropout=0.1)(x)
    cells = [layers.LSTMCell(3), layers.GRUCell(2), layers.GRUCell(3)]
    x = layers.RNN(layers.StackedRNNCells(cells), return_sequences=True)(x)
    x = layers.TimeDistributed(layers.Dense(3))(x)
    x = layers.Bidirectional(layers.GRU(2), merge_mode="sum", name="both")(x)
    return k.Model(inputs, x)


def films(k: ModuleType) -> Any:
    """Recurrent convolutions."""
    inputs = k.Input((3, 8, 8, 2))
    x = k.layers.ConvLSTM2D(3, 3, return_sequences=True)(inputs)
    x = k.layers.TimeDistributed(k.layers.Conv2D(2, 3))(x)
    x = k.layers.ConvLSTM2D(2, 3)(x)
    return k.Model(inputs, k.layers.GlobalMaxPooling2D()(x))


def attention(k: ModuleType) -> Any:
    """The attention layers, with and without weights of their own."""
    layers = k.layers
    inputs = k.Input((6, 8))
    x = layers.MultiHeadAttention(2, 4, dropout=0.1)(inputs, inputs)
    x = layers.MultiHeadAttention(2, 4, use_bias=False, name="second")(x, inputs)
    x = layers.Attention(use_scale=True)([x, inputs])
    x = layers.AdditiveAttention()([x, inputs])
    x = layers.EinsumDense("abc,cd->abd", output_shape=(None, 5), bias_axes="d")(x)
    x = layers.EinsumDense("abc,cd->abd", output_shape=(None, 4))(x)
    if k.__name__ == "keras":
        x = layers.RMSNormalization()(layers.GroupQueryAttention(4, 2, 2)(x, x))
        x = layers.SpectralNormalization(layers.Dense(3))(x)
    return k.Model(inputs, x)


def deep(k: ModuleType) -> Any:
    """Models in models, one of them used twice, and layers that draw random numbers."""
    layers = k.layers
    inner = k.Sequential(
        [k.Input((8,)), layers.Dense(8, name="a"), layers.BatchNormalization(name="bn")],
        name="inner",
    )
    random = [layers.Dropout(0.2), layers.GaussianNoise(0.1)]
    outer = k.Sequential([inner, *random, layers.Dense(8, name="b")], name="outer")
    inputs = k.Input((8,))
    shared = layers.Dense(8, name="shared")
    x = outer(outer(shared(shared(inputs))))
    return k.Model(inputs, layers.Dense(3)(layers.add([x, inputs])))


def augmented(k: ModuleType) -> Any:
    """Pictures that are turned at random, scaled by what was seen before."""
    layers = k.layers
    normalization = layers.Normalization()
    normalization.adapt(np.random.default_rng(0).random((20, 8, 8, 3)).astype(np.float32))
    inputs = k.Input((8, 8, 3))
    x = layers.RandomRotation(0.1)(layers.RandomFlip()(inputs))
    x = layers.Flatten()(layers.Rescaling(2.0)(normalization(x)))
    return k.Model(inputs, layers.Dense(2)(x))


def words(k: ModuleType) -> Any:
    """Lookup tables, whose vocabularies are assets."""
    inputs = k.Input((3,), dtype="string")
    numbers = k.layers.StringLookup(vocabulary=["one", "two", "drei", "vier"])(inputs)
    x = k.layers.Flatten()(k.layers.Embedding(6, 2)(numbers))
    return k.Model(inputs, k.layers.Dense(2)(x))


def half_mixed(k: ModuleType) -> Any:
    """Weights of 32 bits, computed with in 16: the optimizer is wrapped."""
    inputs = k.Input((5,), dtype="float32")
    x = k.layers.Dense(4, dtype="mixed_float16")(inputs)
    x = k.layers.BatchNormalization(dtype="mixed_float16")(x)
    return k.Model(inputs, k.layers.Dense(2, dtype="float32")(x))


def brain(k: ModuleType) -> Any:
    """Weights of type bfloat16."""
    inputs = k.Input((5,), dtype="bfloat16")
    x = k.layers.Dense(4, dtype="bfloat16")(inputs)
    return k.Model(inputs, k.layers.Dense(2, dtype="bfloat16")(x))


def quantized(k: ModuleType) -> Any:
    """Layers of fewer bits, one of them in another layer."""
    layers = k.layers
    inputs = k.Input((6,), dtype="int32")
    x = layers.Embedding(9, 8)(inputs)
    attention = layers.MultiHeadAttention(2, 4)
    x = layers.EinsumDense("abc,cd->abd", output_shape=(None, 8))(attention(x, x))
    model = k.Model(inputs, layers.Dense(6)(layers.Dense(12, use_bias=False)(x)))
    modes = ("int4", "", "int8", "int4", "int8")
    for layer, mode in zip(model.layers[1:], modes, strict=True):
        (layer if mode else attention._output_dense).quantize(mode or "int8")
    return model


def eight_bit_floats(k: ModuleType) -> Any:
    """Kernels that are trained with their scales."""
    inputs = k.Input((5,))
    model = k.Model(inputs, k.layers.Dense(3, use_bias=False)(k.layers.Dense(4)(inputs)))
    model.quantize("float8")
    return model


def large(k: ModuleType) -> Any:
    """Large enough to shard."""
    inputs = k.Input((64,))
    x = k.layers.Dense(256, activation="relu")(inputs)
    x = k.layers.Dense(300, activation="relu")(k.layers.BatchNormalization()(x))
    return k.Model(inputs, k.layers.Dense(10)(x))


MAKERS: dict[str, tuple[Maker, tuple[str, dict[str, Any]]]] = {
    "functional": (functional, ("RMSprop", {})),
    "nested": (nested, ("Adam", {})),
    "convolutions": (convolutions, ("Adamax", {})),
    "separable_images": (separable_images, ("Nadam", {})),
    "recurrent": (recurrent, ("Adam", {})),
    "films": (films, ("SGD", {"momentum": 0.9})),
    "attention": (attention, ("Adagrad", {})),
    "deep": (deep, ("Adam", {"amsgrad": True, "use_ema": True})),
    "augmented": (augmented, ("SGD", {})),
    "words": (words, ("RMSprop", {"momentum": 0.5, "centered": True})),
    "half_mixed": (half_mixed, ("Adam", {})),
    "brain": (brain, ("Adadelta", {})),
    "quantized": (quantized, ("Adam", {})),
    "eight_bit_floats": (eight_bit_floats, ("SGD", {})),
    "large": (large, ("Ftrl", {})),
}
"""Each with the optimizer that it is compiled with, and what that is given."""


NAMES = {
    "keras": list(MAKERS),
    "tf_keras": [n for n in MAKERS if n not in ("brain", "quantized", "eight_bit_floats")],
}
"""Keras 2 saves bfloat16 as raw bytes, which it cannot load itself, and does not quantize."""


def make(k: ModuleType, name: str) -> Any:
    """A model, its optimizer built, every weight and every slot filled with values of its own."""
    maker, (class_name, given) = MAKERS[name]
    model = maker(k)
    optimizer = getattr(k.optimizers, class_name)(**given)
    model.compile(optimizer=_wrapped(k, optimizer) if "mixed" in name else optimizer, loss="mse")
    with _scope(k, optimizer):
        model.optimizer.build(model.trainable_variables)
    rng = np.random.default_rng(1)
    for variable in [*model.weights, *optimizer_variables(model)]:
        fill(variable, rng)
    return model


def _scope(k: ModuleType, optimizer: Any) -> contextlib.AbstractContextManager[object]:
    """Keras 2 names the optimizer's variables after it while it trains."""
    if k.__name__ == "keras":
        return contextlib.nullcontext()
    scope: contextlib.AbstractContextManager[object] = k.backend.name_scope(optimizer.name)
    return scope


def _wrapped(k: ModuleType, optimizer: Any) -> Any:
    """The optimizer as mixed precision needs it."""
    holder = k.optimizers if k.__name__ == "keras" else k.mixed_precision
    return holder.LossScaleOptimizer(optimizer)


def optimizer_variables(model: Any) -> list[Any]:
    """The optimizer's variables; a method in Keras 2's older optimizers."""
    found = model.optimizer.variables
    return list(found() if callable(found) else found)


def fill(variable: Any, rng: np.random.Generator) -> None:
    """Values that no other variable has."""
    shape = tuple(variable.shape)
    kind = np.asarray(variable).dtype
    is_whole = kind.kind in "iu"
    values = rng.integers(1, 2**31, shape) if is_whole else rng.random(shape)
    variable.assign(values.astype(kind))


def path_of(variable: Any) -> str:
    """``dense/kernel``, as either line has it."""
    return str(getattr(variable, "path", None) or variable.name).removesuffix(":0")


def save_all(k: ModuleType, model: Any, folder: Path) -> Iterator[tuple[str, Path]]:
    """Every way to save a Keras model, with the format that it is known by here.

    HDF5 comes last: it takes the optimizer out of Keras 3's own compile config.
    """
    model.save(folder / "model.keras")
    yield "keras_archive", folder / "model.keras"
    model.save_weights(folder / "model.weights.h5")
    yield "keras_weights_hdf5", folder / "model.weights.h5"
    if k.__name__ == "keras":
        yield from _save_as_keras_3_can(model, folder)
    yield from _save_as_tensorflow_can(k, model, folder)
    if model.layers[0].dtype != "bfloat16":
        model.save(folder / "model.h5")
        yield "keras_hdf5", folder / "model.h5"


def _save_as_tensorflow_can(k: ModuleType, model: Any, folder: Path) -> Iterator[tuple[str, Path]]:
    import tensorflow as tf

    if k.__name__ == "keras":
        model.export(folder / "saved_model", verbose=False)
    else:
        model.save(folder / "saved_model", save_format="tf")
    yield "saved_model", folder / "saved_model"
    checkpoint = tf.train.Checkpoint(model=model, optimizer=model.optimizer)
    yield "tf_checkpoint", Path(checkpoint.save(str(folder / "checkpoint" / "ck")))


def _save_as_keras_3_can(model: Any, folder: Path) -> Iterator[tuple[str, Path]]:
    from keras.src.saving import saving_lib

    saving_lib.save_model(model, folder / "numbers.keras", weights_format="npz")
    yield "keras_archive", folder / "numbers.keras"
    saving_lib.save_model(model, folder / "unpacked", zipped=False)
    yield "keras_v3_dir", folder / "unpacked"
    largest = max(np.asarray(weight).nbytes for weight in model.variables)
    model.save_weights(folder / "parts.weights.json", max_shard_size=(largest + 1) / (1 << 30))
    yield "keras_sharded_weights", folder / "parts.weights.json"
