"""The data of the demo models: the notes' random numbers, and handwritten digits."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass

import numpy as np

from explorer.lab.catalog import (
    ACTIVATIONS,
    DATASETS,
    DEMOS,
    LOSSES,
    OPTIMIZERS,
    Dataset,
    DemoSettings,
)
from explorer.lab.explaining import SettingsError
from explorer.resources import resource_path

_MOST_NUMBERS = 500_000_000
_TRAIN, _VALIDATION, _TEST = range(3)


@dataclass(frozen=True, slots=True)
class Part:
    """Inputs, float32 ``(rows, features)``, and labels.

    Labels are int64 ``(rows,)`` for SparseCategoricalCrossentropy, else float32
    ``(rows, classes)``.
    """

    x: np.ndarray
    y: np.ndarray


def training_data(settings: DemoSettings) -> tuple[Part, Part]:
    """The parts to train and to validate on, the same for the same seed. Raises `SettingsError`."""
    check(settings)
    return _part(settings, _TRAIN), _part(settings, _VALIDATION)


def demo_inputs(settings: DemoSettings) -> np.ndarray:
    """The inputs kept apart for predictions. Raises `SettingsError`."""
    check(settings)
    return _part(settings, _TEST).x


def _rows(settings: DemoSettings) -> tuple[int, int, int]:
    return settings.train_rows, settings.validation_rows, settings.test_rows


def _part(settings: DemoSettings, part: int) -> Part:
    if settings.dataset == "digits":
        return _digits(settings, part)
    generator = np.random.default_rng([settings.seed, part])
    rows = _rows(settings)[part]
    x = generator.random((rows, settings.features)).astype(np.float32)
    if settings.loss == "SparseCategoricalCrossentropy":
        return Part(x, generator.integers(settings.classes, size=rows))
    return Part(x, generator.random((rows, settings.classes)).astype(np.float32))


def _digits(settings: DemoSettings, part: int) -> Part:
    with np.load(resource_path("data/digits.npz")) as stored:
        images, digits = stored["images"], stored["digits"]
    order = np.random.default_rng(settings.seed).permutation(len(images))
    rows = _rows(settings)
    chosen = order[sum(rows[:part]) : sum(rows[: part + 1])]
    x = images[chosen].astype(np.float32) / 16
    y = digits[chosen].astype(np.int64)
    if settings.loss == "SparseCategoricalCrossentropy":
        return Part(x, y)
    return Part(x, np.eye(settings.classes, dtype=np.float32)[y])


def check(settings: DemoSettings) -> None:
    """Raise `SettingsError` where settings contradict each other or the data."""
    _check_choices(settings)
    _check_layers(settings)
    _check_numbers(settings)
    _check_size(settings)
    _check_dataset(settings, DATASETS[settings.dataset])


def _check_choices(settings: DemoSettings) -> None:
    chosen = (
        ("demo model", settings.demo, tuple(DEMOS)),
        ("dataset", settings.dataset, tuple(DATASETS)),
        ("loss", settings.loss, LOSSES),
        ("optimizer", settings.optimizer, OPTIMIZERS),
        *(("activation", layer.activation, ACTIVATIONS) for layer in settings.layers),
    )
    for what, value, known in chosen:
        if value not in known:
            names = ", ".join(known)
            raise SettingsError(f"There is no {what} called {value!r}. Choose one of {names}.")


def _check_numbers(settings: DemoSettings) -> None:
    counts = {
        "Rows to train on": settings.train_rows,
        "Rows to validate on": settings.validation_rows,
        "Rows to test with": settings.test_rows,
        "Batch size": settings.batch_size,
        "Epochs": settings.epochs,
        "Features": settings.features,
    }
    for what, value in counts.items():
        if value < 1:
            raise SettingsError(f"{what}: {value} is too small. Give 1 or more.")
    rate = settings.learning_rate
    if not (math.isfinite(rate) and rate > 0):
        raise SettingsError(f"Learning rate: {rate} is not above 0. 0.001 is a good start.")
    if not 0 <= settings.seed < 2**32:
        raise SettingsError(f"Seed: {settings.seed} is not from 0 to {2**32 - 1}.")


def _check_size(settings: DemoSettings) -> None:
    widths = (settings.features, *(layer.units for layer in settings.layers))
    if sum(math.prod(pair) for pair in itertools.pairwise(widths)) > _MOST_NUMBERS:
        raise SettingsError("The weights would not fit the memory. Give the layers fewer units.")
    if max(_rows(settings)) * max(settings.features, settings.classes) > _MOST_NUMBERS:
        raise SettingsError("The data would not fit the memory. Give fewer rows or features.")


def _check_layers(settings: DemoSettings) -> None:
    if not settings.layers:
        raise SettingsError("The model has no layer. Add at least one.")
    names = [layer.name for layer in settings.layers]
    for layer in settings.layers:
        if layer.units < 1:
            raise SettingsError(f"Layer {layer.name}: {layer.units} units. Give 1 or more.")
        if not layer.name.isidentifier() or not layer.name.isascii():
            raise SettingsError(
                f"{layer.name!r} cannot name a layer. Use letters, digits and _, a letter first."
            )
        if names.count(layer.name) > 1 or layer.name == "digits":
            raise SettingsError(f"The name {layer.name} is taken twice. Rename one of the layers.")


def _check_dataset(settings: DemoSettings, dataset: Dataset) -> None:
    if dataset.features not in (None, settings.features):
        raise SettingsError(
            f"{dataset.title} has {dataset.features} features, the model expects "
            f"{settings.features}. Set the features to {dataset.features}."
        )
    if dataset.classes not in (None, settings.classes):
        raise SettingsError(
            f"{dataset.title} has {dataset.classes} classes, the last layer gives "
            f"{settings.classes} numbers. Give the last layer {dataset.classes} units."
        )
    asked = sum(_rows(settings))
    if dataset.rows is not None and asked > dataset.rows:
        raise SettingsError(
            f"{dataset.title} has {dataset.rows:,} rows; {asked:,} are asked for to train, "
            f"validate and test. Ask for fewer."
        )
