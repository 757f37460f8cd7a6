"""Small models of both Keras lines, made by Keras itself, for readers to be compared with."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from types import ModuleType
from typing import Any

import numpy as np

LINES = ("keras", "tf_keras")


def line(name: str) -> ModuleType:
    """``keras`` (3) or ``tf_keras`` (2)."""
    import importlib

    return importlib.import_module(name)


def functional(k: ModuleType) -> Any:
    """The notes' first model, trained for a step so that the optimizer has state."""
    inputs = k.Input((32,), name="digits")
    x = k.layers.Dense(64, activation="relu", name="dense_1")(inputs)
    x = k.layers.Dropout(0.2)(x)
    x = k.layers.Dense(64, activation="relu", name="dense_2")(x)
    model = k.Model(inputs, k.layers.Dense(10, name="predictions")(x))
    return _trained(model, "rmsprop", [(32,)], [(10,)])


def nested(k: ModuleType) -> Any:
    """A model in a model, a layer used twice, two inputs, two outputs, a wrapper."""
    inner = k.Sequential(
        [k.Input((8,)), k.layers.Dense(4, name="a"), k.layers.BatchNormalization(name="bn")],
        name="inner",
    )
    left, right = k.Input((8,), name="left"), k.Input((8,), name="right")
    shared = k.layers.Dense(8, name="shared")
    x = k.layers.Concatenate()([inner(shared(left)), inner(shared(right))])
    x = k.layers.Reshape((8, 1))(x)
    x = k.layers.Bidirectional(k.layers.LSTM(3, return_sequences=True), name="bi")(x)
    x = k.layers.Flatten()(x)
    outputs = [k.layers.Dense(2, name="out_a")(x), k.layers.Dense(1, name="out_b")(x)]
    return _trained(k.Model([left, right], outputs), "adam", [(8,), (8,)], [(2,), (1,)])


def images(k: ModuleType) -> Any:
    """Convolutions and pooling of every padding, stride and dilation that has a rule."""
    inputs = k.Input((29, 31, 3))
    x = k.layers.Conv2D(4, 3, strides=2, padding="same")(inputs)
    x = k.layers.ZeroPadding2D(((1, 2), (3, 4)))(x)
    x = k.layers.SeparableConv2D(6, 3, dilation_rate=2)(x)
    x = k.layers.BatchNormalization()(x)
    x = k.layers.DepthwiseConv2D(3, depth_multiplier=2)(x)
    x = k.layers.Conv2DTranspose(5, 3, strides=2, padding="same")(x)
    x = k.layers.Conv2DTranspose(5, 3, strides=2)(x)
    x = k.layers.Cropping2D((1, 2))(x)
    x = k.layers.UpSampling2D((2, 1))(x)
    x = k.layers.MaxPooling2D(3, strides=2, padding="same")(x)
    x = k.layers.AveragePooling2D((2, 3))(x)
    y = k.layers.Conv2D(5, 1)(x)
    x = k.layers.Add()([x, y])
    return k.Model(inputs, [k.layers.GlobalAveragePooling2D()(x), k.layers.Flatten()(x)])


def sequences(k: ModuleType) -> Any:
    """Embedding, recurrent layers and what turns sequences around."""
    inputs = k.Input((12,), dtype="int32")
    x = k.layers.Embedding(50, 6)(inputs)
    x = k.layers.Conv1D(7, 3, padding="causal")(x)
    x = k.layers.MaxPooling1D(2)(x)
    x = k.layers.ZeroPadding1D(2)(x)
    x = k.layers.Bidirectional(k.layers.GRU(4, return_sequences=True), merge_mode="sum")(x)
    x = k.layers.TimeDistributed(k.layers.Dense(5))(x)
    x = k.layers.LayerNormalization()(x)
    x = k.layers.Permute((2, 1))(x)
    x = k.layers.SimpleRNN(3, return_sequences=True)(x)
    x = k.layers.LSTM(6)(x)
    x = k.layers.RepeatVector(4)(x)
    return k.Model(inputs, k.layers.Reshape((-1, 3))(x))


def chain(k: ModuleType) -> Any:
    """A Sequential model whose only mention of an input is its first layer."""
    layers = [k.layers.Dense(5, activation="relu"), k.layers.Dense(3)]
    model = k.Sequential(layers)
    model.build((None, 7))
    return model


def subclass(k: ModuleType) -> Any:
    """A subclass with layers as attributes and in a list, called once."""

    class MyModel(k.Model):  # type: ignore[name-defined,misc]
        def __init__(self) -> None:
            super().__init__(name="my_model")
            self.dense_1 = k.layers.Dense(32, activation="relu")
            self.dense_2 = k.layers.Dense(10)
            self.stack = [k.layers.Dense(3), k.layers.Dense(4)]

        def call(self, inputs: Any) -> Any:
            x = self.dense_2(self.dense_1(inputs))
            for layer in self.stack:
                x = layer(x)
            return x

    return _trained(MyModel(), "sgd", [(32,)], [(4,)])


LAYERED: tuple[Callable[[ModuleType], Any], ...] = (functional, nested, images, sequences, chain)
"""Models that list their layers."""


def _trained(model: Any, optimizer: str, inputs: list[Any], outputs: list[Any]) -> Any:
    rng = np.random.default_rng(0)
    x = [rng.random((8, *shape), np.float32) for shape in inputs]
    y = [rng.random((8, *shape), np.float32) for shape in outputs]
    model.compile(optimizer=optimizer, loss=["mse"] * len(y) if len(y) > 1 else "mse")
    model.fit(x if len(x) > 1 else x[0], y if len(y) > 1 else y[0], verbose=0)
    return model


def bag(arrays: Iterable[np.ndarray]) -> Counter[tuple[str, tuple[int, ...], bytes]]:
    """Arrays without their order: dtype, shape and bytes of each."""
    return Counter((a.dtype.name, a.shape, np.ascontiguousarray(a).tobytes()) for a in arrays)


def layer_facts(model: Any) -> Iterator[tuple[str, str, tuple[int | None, ...], int]]:
    """Name, class, shape of the first output and parameters of each layer, nested ones too."""
    for layer in model.layers:
        yield layer.name, type(layer).__name__, first_shape(layer), layer.count_params()
        if getattr(layer, "layers", None):
            yield from layer_facts(layer)


def first_shape(layer: Any) -> tuple[int | None, ...]:
    """The shape of the first output of a layer, in its first call."""
    try:
        output = layer.output
    except AttributeError:  # Keras 2: a layer called more than once has several
        output = layer.get_output_at(0)
    first = output[0] if isinstance(output, list | tuple) else output
    return tuple(first.shape)
