"""Which loader and which demo model to propose for an artifact, by what is stored in it."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import msgspec

from explorer.formats.artifact import Shape, Tensor
from explorer.lab.catalog import (
    DEMOS,
    SAVE_METHODS,
    DemoSettings,
    Line,
    Loader,
    loader_for_save,
    usual_loader,
)
from explorer.ui.session import ArtifactEntry

_CHOICES: tuple[tuple[str, Line, bool], ...] = (
    ("functional", Line.KERAS3, False),
    ("functional", Line.KERAS2, False),
    ("subclass", Line.KERAS3, False),
    ("subclass", Line.KERAS3, True),
    ("subclass", Line.KERAS2, False),
)
_MODEL = "model/"  # the keyword that `tf.train.Checkpoint(model=model)` gives
_KERAS3_ATTRIBUTE = "/_kernel/"  # Keras 2 keeps it as ``kernel``


def proposed_loader(entry: ArtifactEntry) -> str:
    """The key of the loader that undoes the save, as far as that is known; empty without one."""
    if entry.demo is not None and entry.method in SAVE_METHODS:
        return loader_for_save(SAVE_METHODS[entry.method], entry.demo.line)
    if entry.artifact.format == "tf_checkpoint":
        named = any(tensor.path.startswith(_MODEL) for tensor in entry.weights)
        return "restore_checkpoint" if named else "load_weights"
    return usual_loader(entry.artifact.format, entry.artifact.producer.keras)


def offered_demos(entry: ArtifactEntry) -> list[DemoSettings]:
    """The demo models of the catalogue, with as many features as the stored weights have."""
    shapes = _stored_shapes(entry.weights)
    return [
        _as_stored(DEMOS[key].settings(line, ported=ported), shapes)
        for key, line, ported in _CHOICES
    ]


def fitting_demo(entry: ArtifactEntry, loader: Loader, demos: Sequence[DemoSettings]) -> int:
    """The position of the demo that fits best: by its Keras line, then by layers and shapes."""
    line = loader.line or _line_of(entry)
    shapes = _stored_shapes(entry.weights)

    def misfits(position: int) -> tuple[bool, ...]:
        demo = demos[position]
        return (
            demo.line is not line,
            loader.line is not None and demo.demo != "subclass",  # its class is given by name
            _shapes_of(demo) != shapes,
            2 * len(demo.layers) != len(shapes),
            demo.demo == "subclass" and demo.line is Line.KERAS3 and not demo.ported,
        )

    return min(range(len(demos)), key=misfits)


def _line_of(entry: ArtifactEntry) -> Line:
    """The Keras line that wrote the weights: it is the one that reads them."""
    artifact = entry.artifact
    if artifact.format == "tf_checkpoint":
        is_keras3 = any(_KERAS3_ATTRIBUTE in tensor.path for tensor in entry.weights)
    elif artifact.producer.keras:
        is_keras3 = artifact.producer.keras.startswith("3")
    else:
        is_keras3 = Path(entry.path).name.endswith(".weights.h5")
    return Line.KERAS3 if is_keras3 else Line.KERAS2


def _stored_shapes(weights: Sequence[Tensor]) -> list[Shape]:
    return sorted((tensor.shape for tensor in weights), key=str)


def _shapes_of(settings: DemoSettings) -> list[Shape]:
    """The shapes of kernels and biases, layer by layer."""
    widths = [settings.features, *(layer.units for layer in settings.layers)]
    kernels: list[Shape] = list(pairwise(widths))
    return sorted([*kernels, *((width,) for width in widths[1:])], key=str)


def _as_stored(settings: DemoSettings, shapes: Sequence[Shape]) -> DemoSettings:
    """``settings`` with the number of features that makes the shapes fit, if one does."""
    for features in {shape[0] for shape in shapes if shape and len(shape) == 2}:
        fitted = msgspec.structs.replace(settings, features=features)
        if _shapes_of(fitted) == shapes:
            return fitted
    return settings
