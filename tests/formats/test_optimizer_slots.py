"""Optimizer state in checkpoints, against what Keras's own optimizer keeps of each weight."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from explorer.formats.artifact import Role, Tri
from explorer.formats.registry import open_artifact
from tests.formats.keras_originals import line

_MADE: dict[str, tuple[str, Callable[[Any], Any], dict[str, str]]] = {
    "keras_3_adafactor": (
        "keras",
        lambda k: k.optimizers.Adafactor(name="adafactor"),
        {"adafactor/r": "_r", "adafactor/c": "_c", "adafactor/velocity": "_v"},
    ),
    "keras_3_scaled": (
        "keras",
        lambda k: k.optimizers.LossScaleOptimizer(k.optimizers.Adam(use_ema=True, name="adam_1")),
        {
            "adam_1/average": "_model_variables_moving_average",
            "adam_1/momentum": "_momentums",
            "adam_1/velocity": "_velocities",
        },
    ),
    "keras_3_scaled_adafactor": (
        "keras",
        lambda k: k.optimizers.LossScaleOptimizer(k.optimizers.Adafactor(name="adafactor")),
        {"adafactor/r": "_r", "adafactor/c": "_c", "adafactor/velocity": "_v"},
    ),
    "keras_2_scaled": (
        "tf_keras",
        lambda k: k.mixed_precision.LossScaleOptimizer(k.optimizers.Adam(use_ema=True)),
        {"average": "_model_variables_moving_average", "m": "_momentums", "v": "_velocities"},
    ),
}


@pytest.mark.parametrize("name", _MADE)
def test_state_is_joined_to_the_weight_that_keras_keeps_it_for(name: str, tmp_path: Path) -> None:
    import tensorflow as tf

    keras, make, lists = _MADE[name]
    k = line(keras)
    model = k.Sequential([k.layers.Input((4,)), k.layers.Dense(3), k.layers.Dense(2)])
    optimizer = make(k)
    optimizer.build(model.trainable_variables)
    inner = getattr(optimizer, "inner_optimizer", optimizer)
    random = np.random.default_rng(0)
    expected = {}
    for slot, attribute in lists.items():
        for weight, kept in zip(model.trainable_variables, getattr(inner, attribute), strict=True):
            if kept.shape.rank if keras == "tf_keras" else len(kept.shape):
                kept.assign(random.random(kept.shape))
                title = weight.path if keras == "keras" else weight.name.removesuffix(":0")
                expected[f"{title} · {slot}"] = kept.numpy().tolist()
    tf.train.Checkpoint(model=model, optimizer=optimizer).write(str(tmp_path / "ck"))
    artifact = open_artifact(str(tmp_path / "ck"))
    state = [t for t in artifact.tensors() if t.role is Role.OPTIMIZER and t.shape]
    assert {t.label: t.read().tolist() for t in state} == expected


def _of_keras_3(optimizer: Any) -> list[Any]:
    return list(optimizer.variables)


def _of_keras_2(optimizer: Any) -> list[Any]:
    """Beside its variables it keeps what the schedule gave last."""
    return [*optimizer.variables, optimizer._current_learning_rate]


def _of_older_keras_2(optimizer: Any) -> list[Any]:
    """Beside its variables it keeps the numbers that it was made with; a schedule is none."""
    numbers = (value for value in optimizer._hyper.values() if hasattr(value, "shape"))
    return [*optimizer.variables(), *numbers]


_SCHEDULED: dict[str, tuple[str, Callable[..., Any], Callable[[Any], list[Any]]]] = {
    "keras_3_adam": ("keras", lambda k, rate: k.optimizers.Adam(rate), _of_keras_3),
    "keras_3_bare_sgd": ("keras", lambda k, rate: k.optimizers.SGD(rate), _of_keras_3),
    "keras_2_adam": ("tf_keras", lambda k, rate: k.optimizers.Adam(rate), _of_keras_2),
    "keras_2_bare_sgd": ("tf_keras", lambda k, rate: k.optimizers.SGD(rate), _of_keras_2),
    "older_keras_2_adam": (
        "tf_keras",
        lambda k, rate: k.optimizers.legacy.Adam(rate),
        _of_older_keras_2,
    ),
    "older_keras_2_bare_sgd": (
        "tf_keras",
        lambda k, rate: k.optimizers.legacy.SGD(rate),
        _of_older_keras_2,
    ),
}


@pytest.mark.parametrize("kind", ["checkpoint", "saved_model"])
@pytest.mark.parametrize("name", _SCHEDULED)
def test_an_optimizer_with_a_schedule_is_none_of_the_weights(
    name: str, kind: str, tmp_path: Path
) -> None:
    import tensorflow as tf

    keras, make, kept = _SCHEDULED[name]
    k = line(keras)
    model = k.Sequential([k.layers.Input((4,)), k.layers.Dense(3)])
    model.compile(make(k, k.optimizers.schedules.ExponentialDecay(0.1, 1, 0.9)), "mse")
    model.fit(np.zeros((2, 4)), np.zeros((2, 3)), verbose=0)
    held = {"net": model, "go": model.optimizer}
    if kind == "checkpoint":
        tf.train.Checkpoint(**held).write(str(tmp_path / "model"))
    else:
        module = tf.Module()
        module.net, module.go = model, model.optimizer
        tf.saved_model.save(module, str(tmp_path / "model"))
    artifact = open_artifact(str(tmp_path / "model"))
    state = [t for t in artifact.tensors() if t.role is Role.OPTIMIZER]
    shapes = [tuple(variable.shape) for variable in kept(model.optimizer)]
    assert sorted(t.shape for t in state if t.shape is not None) == sorted(shapes)
    assert all(" · " in t.label for t in state if t.shape)
    assert artifact.contents.optimizer is Tri.YES
    assert artifact.parameters() == model.count_params()
    assert [layer.parameters for layer in artifact.layers()] == [15]
