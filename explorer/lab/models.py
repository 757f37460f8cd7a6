"""The demo models, as the notes write them, on both Keras lines."""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow as tf

from explorer.lab.catalog import DemoSettings, Line, Variant
from explorer.lab.data import check
from explorer.lab.explaining import SettingsError
from explorer.lab.records import LayerRow

INPUT = "digits"
"""The name of the input in both experiments."""

METRICS = {
    "SparseCategoricalCrossentropy": ("sparse_categorical_accuracy", "SparseCategoricalAccuracy"),
    "CategoricalCrossentropy": ("categorical_accuracy", "CategoricalAccuracy"),
    "MeanSquaredError": ("mean_absolute_error", "MeanAbsoluteError"),
}
"""What is measured beside each loss: the name that Keras gives it, and its class."""


@dataclass
class DemoModel:
    """A demo model with its optimizer, which for the subclass lies beside the model."""

    settings: DemoSettings
    model: Any
    optimizer: Any

    @property
    def keras(self) -> Any:
        """The Keras package of the model's line."""
        return keras_of(self.settings.line)

    def write_snapshot(self, prefix: str) -> None:
        """Write model and optimizer as a checkpoint."""
        tf.train.Checkpoint(model=self.model, optimizer=self.optimizer).write(prefix)

    def read_snapshot(self, prefix: str) -> None:
        """Take over what `write_snapshot` wrote."""
        self.optimizer.build(self.model.trainable_variables)
        checkpoint = tf.train.Checkpoint(model=self.model, optimizer=self.optimizer)
        checkpoint.read(prefix).assert_existing_objects_matched().expect_partial()


def keras_of(line: Line) -> Any:
    """The package ``keras`` or ``tf_keras``."""
    return importlib.import_module(line.module)


def build(settings: DemoSettings, *, compiled: bool = True) -> DemoModel:
    """A new model with initial weights from the seed. Raises `SettingsError`.

    ``compiled`` matters to the functional model alone: as in the notes, the subclass never is.
    Layers and models, which Keras would number on, are named as in a fresh process.
    """
    check(settings)
    keras = keras_of(settings.line)
    keras.utils.set_random_seed(settings.seed)
    optimizer = getattr(keras.optimizers, settings.optimizer)(learning_rate=settings.learning_rate)
    if settings.demo == "functional":
        model = _functional(keras, settings)
        if compiled:
            metric, _ = METRICS[settings.loss]
            model.compile(optimizer=optimizer, loss=loss_of(settings), metrics=[metric])
    else:
        model = subclass_of(settings)()
        _give_variables(model, settings)
    return DemoModel(settings, model, optimizer)


def loss_of(settings: DemoSettings) -> Any:
    """The loss; cross-entropies take logits unless the last layer is a softmax."""
    loss = getattr(keras_of(settings.line).losses, settings.loss)
    if settings.loss == "MeanSquaredError":
        return loss()
    return loss(from_logits=settings.layers[-1].activation != "softmax")


def _functional(keras: Any, settings: DemoSettings) -> Any:
    inputs = keras.Input(shape=(settings.features,), name=INPUT)
    x = inputs
    for layer in settings.layers:
        x = keras.layers.Dense(layer.units, _activation(layer.activation), name=layer.name)(x)
    name = "model" if settings.line is Line.KERAS2 else "functional"
    return keras.Model(inputs=inputs, outputs=x, name=name)


def _activation(name: str) -> str | None:
    return None if name == "linear" else name


def subclass_of(settings: DemoSettings) -> Any:
    """The class ``MyModel`` of the notes, with the layers of the settings.

    Unless ported, ``call`` is a ``tf.function`` with an input signature, as the notes write it.
    Beyond the notes, it takes the keywords with which Keras 3 rebuilds a model from a file; without
    them every such load ends in a `TypeError`.
    """
    keras = keras_of(settings.line)
    base: Any = keras.Model
    *hidden, last = settings.layers

    class MyModel(base):  # type: ignore[misc]
        """A model with its structure in code."""

        def __init__(self, num_classes: int = settings.classes, **_rebuilt: object) -> None:
            super().__init__(name="my_model")
            self.num_classes = num_classes
            for number, layer in enumerate((*hidden, last)):
                units = num_classes if layer is last else layer.units
                name = f"dense_{number}" if number else "dense"
                dense = keras.layers.Dense(units, _activation(layer.activation), name=name)
                setattr(self, layer.name, dense)

        def call(self, inputs: Any) -> Any:
            """The forward pass."""
            x = inputs
            for layer in settings.layers:
                x = getattr(self, layer.name)(x)
            return x

    for layer in settings.layers:
        if hasattr(MyModel, layer.name):
            raise SettingsError(f"A Keras model has a {layer.name} already. Rename the layer.")
    if not settings.ported or settings.line is Line.KERAS2:
        traced = tf.function(MyModel.call, input_signature=[input_spec(settings)])
        setattr(MyModel, "call", traced)  # noqa: B010 - a plain assignment is no method to mypy
    MyModel.__module__ = "__main__"  # where the notes define it, so that saved files say so
    MyModel.__qualname__ = "MyModel"
    return MyModel


def input_spec(settings: DemoSettings) -> tf.TensorSpec:
    """What ``call`` takes."""
    return tf.TensorSpec([None, settings.features], tf.float32, name=INPUT)


def _give_variables(model: Any, settings: DemoSettings) -> None:
    """Have the subclass make its variables, in the way that its variant needs.

    Keras 3 as written needs ``build`` before anything else; the other forms are right after a call.
    """
    if settings.variant is not Variant.SUBCLASS_3:
        model(np.zeros((1, settings.features), np.float32))
    elif settings.build_first:
        model.build((None, settings.features))


def layer_rows(model: Any) -> tuple[LayerRow, ...]:
    """The lines of ``model.summary()``, with what else each layer tells of itself."""
    attributes = {id(value): name for name, value in vars(model).items()}
    return tuple(
        LayerRow(
            layer.name,
            type(layer).__name__,
            _output_shape(layer) if layer.built else None,
            layer.count_params() if layer.built else 0,
            getattr(getattr(layer, "activation", None), "__name__", ""),
            attributes.get(id(layer), ""),
        )
        for layer in model.layers
    )


def _output_shape(layer: Any) -> tuple[int | None, ...]:
    units = getattr(layer, "units", None)
    return tuple(layer.output.shape) if units is None else (None, units)
