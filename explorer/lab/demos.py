"""The demo models of the study notes and the data to train them on. Data alone: no TensorFlow.

Layers, names, losses, optimizers, data shapes, batch sizes and epochs are those of the notes.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass

import msgspec


class Line(enum.Enum):
    """A Keras line: Keras 3 (package ``keras``) or Keras 2 (package ``tf_keras``)."""

    KERAS3 = "keras3"
    KERAS2 = "keras2"

    @property
    def title(self) -> str:
        """``Keras 3`` or ``Keras 2``."""
        return "Keras 3" if self is Line.KERAS3 else "Keras 2"

    @property
    def module(self) -> str:
        """The package to import."""
        return "keras" if self is Line.KERAS3 else "tf_keras"


class LayerSpec(msgspec.Struct, frozen=True):
    """A dense layer of a demo model; ``linear`` is no activation."""

    name: str
    units: int
    activation: str


class DemoSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that decides how a demo model is built, fed and trained."""

    demo: str
    line: Line
    ported: bool = False
    build_first: bool = True
    layers: tuple[LayerSpec, ...]
    features: int
    dataset: str
    train_rows: int
    validation_rows: int
    test_rows: int
    loss: str
    optimizer: str
    learning_rate: float
    batch_size: int
    epochs: int
    seed: int

    @property
    def classes(self) -> int:
        """How many numbers the last layer gives."""
        return self.layers[-1].units

    @property
    def variant(self) -> Variant:
        """Which column of the measured outcomes applies."""
        if self.demo == "functional":
            return Variant.FUNCTIONAL_3 if self.line is Line.KERAS3 else Variant.FUNCTIONAL_2
        if self.line is Line.KERAS2:
            return Variant.SUBCLASS_2
        return Variant.PORTED_3 if self.ported else Variant.SUBCLASS_3


class Variant(enum.Enum):
    """A demo model on a Keras line: one column of the measured outcomes."""

    FUNCTIONAL_2 = "functional, Keras 2"
    FUNCTIONAL_3 = "functional, Keras 3"
    SUBCLASS_2 = "subclass, Keras 2"
    SUBCLASS_3 = "subclass as written, Keras 3"
    PORTED_3 = "subclass ported, Keras 3"


@dataclass(frozen=True)
class Demo:
    """A demo model: its defaults are those of the notes, on the notes' random data."""

    key: str
    title: str
    subtitle: str
    layers: tuple[LayerSpec, ...]
    loss: str
    optimizer: str
    learning_rate: float
    batch_size: int
    epochs: int
    features: int = 32
    train_rows: int = 1000
    validation_rows: int = 200
    test_rows: int = 200

    def settings(self, line: Line, *, ported: bool = False) -> DemoSettings:
        """The notes' settings on a Keras line."""
        return DemoSettings(
            demo=self.key,
            line=line,
            ported=ported,
            layers=self.layers,
            features=self.features,
            dataset="random",
            train_rows=self.train_rows,
            validation_rows=self.validation_rows,
            test_rows=self.test_rows,
            loss=self.loss,
            optimizer=self.optimizer,
            learning_rate=self.learning_rate,
            batch_size=self.batch_size,
            epochs=self.epochs,
            seed=42,
        )


DEMOS: Mapping[str, Demo] = {
    demo.key: demo
    for demo in (
        Demo(
            key="functional",
            title="Functional",
            subtitle="Experiment 1 · fit",
            layers=(
                LayerSpec("dense_1", 64, "relu"),
                LayerSpec("dense_2", 64, "relu"),
                LayerSpec("predictions", 10, "linear"),
            ),
            loss="SparseCategoricalCrossentropy",
            optimizer="RMSprop",
            learning_rate=1e-3,
            batch_size=32,
            epochs=5,
        ),
        Demo(
            key="subclass",
            title="Custom subclass",
            subtitle="Experiment 2 · own training loop",
            layers=(LayerSpec("dense_1", 32, "relu"), LayerSpec("dense_2", 10, "linear")),
            loss="CategoricalCrossentropy",
            optimizer="SGD",
            learning_rate=1e-3,
            batch_size=64,
            epochs=3,
        ),
    )
}


@dataclass(frozen=True)
class Dataset:
    """Data to train on. ``rows`` limits train + validation + test together; ``None``: no limit.

    ``features`` and ``classes`` are fixed where given. ``epochs`` and ``learning_rates`` (by demo
    key) are proposed in place of the notes' where those would not show the model learn.
    """

    key: str
    title: str
    about: str
    features: int | None = None
    classes: int | None = None
    rows: int | None = None
    proposed: Mapping[str, tuple[int, float]] | None = None
    """By demo key: epochs and learning rate."""


DATASETS: Mapping[str, Dataset] = {
    dataset.key: dataset
    for dataset in (
        Dataset("random", "Random numbers", "As in the notes: nothing can be learned from it."),
        Dataset(
            "digits",
            "Handwritten digits, 8×8",
            "1,797 images of scikit-learn's digits; values 0 to 1.",
            features=64,
            classes=10,
            rows=1797,
            proposed={"functional": (10, 1e-3), "subclass": (20, 0.1)},
        ),
    )
}

LOSSES = ("SparseCategoricalCrossentropy", "CategoricalCrossentropy", "MeanSquaredError")
OPTIMIZERS = ("RMSprop", "SGD", "Adam", "AdamW", "Adagrad")
ACTIVATIONS = ("linear", "relu", "tanh", "sigmoid", "elu", "softmax")
