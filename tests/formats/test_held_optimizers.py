"""Optimizers that a person's model holds under names of its own, in Keras's own weights files."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from explorer.formats.artifact import Artifact, Role, Tri
from tests.formats import keras_originals

keras = keras_originals.line("keras")
tf_keras = keras_originals.line("tf_keras")
both_lines = pytest.mark.parametrize("k", [keras, tf_keras], ids=keras_originals.LINES)
both_files = pytest.mark.parametrize("ending", ["keras", "weights.h5"])

Opener = Callable[[Path], Artifact]


def _model(k: ModuleType, **held: Any) -> Any:
    """A subclass that holds a part and whatever else, called once."""

    class Holder(k.Model):  # type: ignore[name-defined,misc]
        def __init__(self) -> None:
            super().__init__()
            self.part = k.Sequential([k.layers.Dense(4), k.layers.Dense(4), k.layers.Dense(2)])
            for name, value in held.items():
                setattr(self, name, value)

        def call(self, inputs: Any) -> Any:
            layers = [value for value in held.values() if isinstance(value, k.layers.Layer)]
            for layer in layers:
                inputs = layer(inputs)
            return self.part(inputs)

    model = Holder()
    model(np.ones((1, 4), np.float32))
    return model


def _save(model: Any, path: Path) -> Path:
    model.save(path) if path.suffix == ".keras" else model.save_weights(path)
    return path


def _optimizers(k: ModuleType) -> list[Any]:
    """Of each kind one that tells itself; of Keras 3 also where it keeps one copy of a weight."""
    made = [k.optimizers.Adam(), k.optimizers.Nadam()]
    if k is keras:
        schedule = k.optimizers.schedules.ExponentialDecay(0.1, 1, 0.9)
        scaled = k.optimizers.LossScaleOptimizer(k.optimizers.Lion())
        made += [k.optimizers.SGD(momentum=0.9), scaled, k.optimizers.AdamW(schedule)]
    return made


@both_lines
@both_files
def test_they_are_no_layers_whatever_they_are_called(
    k: ModuleType, ending: str, tmp_path: Path, opened: Opener
) -> None:
    first, *others = _optimizers(k)
    model = _model(k, go=first, trainers=others)
    for optimizer in (first, *others):
        optimizer.build(model.trainable_variables)
    artifact = opened(_save(model, tmp_path / f"model.{ending}"))
    state = [t.shape for t in artifact.tensors() if t.role is Role.OPTIMIZER]
    inner = [o.inner_optimizer for o in others if hasattr(o, "inner_optimizer")]
    kept = [tuple(v.shape) for o in (first, *others, *inner) for v in o.variables]
    assert sorted(shape for shape in state if shape is not None) == sorted(kept)
    assert artifact.contents.optimizer is Tri.YES
    assert artifact.parameters() == model.count_params()
    assert all(layer.parameters for layer in artifact.layers())


def _counting(k: ModuleType, **shapes: tuple[int, ...]) -> Any:
    """A layer that counts what it has seen, and keeps more, none of which is trained."""

    class Counting(k.layers.Layer):  # type: ignore[name-defined,misc]
        def build(self, shape: Any) -> None:
            self.add_weight(shape=(), dtype="int64", trainable=False, initializer="zeros")
            for size in shapes.values():
                self.add_weight(shape=size, trainable=False)
            self.built = True

        def call(self, inputs: Any) -> Any:
            return inputs

    return Counting()


@both_lines
@pytest.mark.parametrize(
    "shapes",
    [
        {},
        {"rate": ()},
        {"mean": (4,), "variance": (4,)},
        {"size": (4,), "kernel": (4, 4)},
        {"rate": (), "kernel": (3, 4)},
    ],
)
def test_a_layer_that_counts_is_none(
    k: ModuleType, shapes: dict[str, tuple[int, ...]], tmp_path: Path, opened: Opener
) -> None:
    model = _model(k, seen=_counting(k, **shapes))
    artifact = opened(_save(model, tmp_path / "x.weights.h5"))
    assert artifact.contents.optimizer is Tri.NO
    assert artifact.parameters() == model.count_params()
