"""The layers that ``keras.applications`` has of its own, which Keras does not export."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from explorer.analysis.safety import scan
from explorer.analysis.unsafe_configs import config_findings
from explorer.formats.artifact import Artifact, Config
from explorer.formats.keras.own_classes import APPLICATION_LAYERS
from tests.formats import keras_originals
from tests.formats.keras_architectures import fill

keras = keras_originals.line("keras")
tf_keras = keras_originals.line("tf_keras")

NOTE = {("note", "keras-application")}
WAYS = [
    *(pytest.param(keras, ending, id=f"keras-{ending}") for ending in ("keras", "h5")),
    *(pytest.param(tf_keras, ending, id=f"tf_keras-{ending}") for ending in ("keras", "h5", "tf")),
]
"""Every way that says what the layers are; ``tf`` stands for a SavedModel."""


def _classes(k: ModuleType) -> dict[str, Any]:
    """The layers of every module below ``applications``, by name."""
    folder = Path(k.__file__ or "").parent / "src" / "applications"
    names = [path.stem for path in folder.glob("*.py") if not path.stem.endswith("_test")]
    modules = [importlib.import_module(f"{k.__name__}.src.applications.{name}") for name in names]
    return {
        name: found
        for module in modules
        for name, found in vars(module).items()
        if isinstance(found, type) and found.__module__ == module.__name__
    }


def _model(k: ModuleType, *, is_dropping: bool) -> Any:
    """Blocks as ConvNeXt and Inception have them, in small."""
    own = _classes(k)
    inputs = k.Input((8, 8, 3))
    x = k.layers.Conv2D(4, 3, padding="same")(inputs)
    y = own["LayerScale"](1e-6, 4, name="first")(k.layers.Dense(4)(x))
    y = own["StochasticDepth"](0.1)(y) if is_dropping else y
    y = own["LayerScale"](1e-6, 4, name="second")(y)
    x = own["CustomScaleLayer"](0.2)([x, y])
    model = k.Model(inputs, k.layers.GlobalAveragePooling2D()(x))
    rng = np.random.default_rng(1)
    for variable in model.weights:
        fill(variable, rng)
    return model


def _findings(artifact: Artifact) -> dict[str, set[tuple[str, str]]]:
    """What is found of each class."""
    found: dict[str, set[tuple[str, str]]] = {}
    for finding in scan(artifact):
        class_name = finding.message.partition(" ")[0]
        found.setdefault(class_name, set()).add((finding.severity.value, finding.rule))
    return found


def _loads(k: ModuleType, path: Path, names: set[str]) -> bool:
    """Whether Keras finds all classes if it is given those of these names."""
    custom = {name: found for name, found in _classes(k).items() if name in names}
    try:
        model = k.models.load_model(path, custom_objects=custom)
    except (TypeError, ValueError):
        return False
    return all(type(layer) in _classes(k).values() for layer in model.layers if _is_own(layer))


def _is_own(layer: Any) -> bool:
    return type(layer).__name__ in APPLICATION_LAYERS


@pytest.mark.parametrize("k", [keras, tf_keras], ids=keras_originals.LINES)
def test_the_layers_of_applications_are_known(k: ModuleType) -> None:
    there = {
        name: found.__module__.rpartition(".")[2]
        for name, found in _classes(k).items()
        if issubclass(found, k.layers.Layer)
    }
    assert len(there) == 3
    assert there.items() <= {n: home for n, (home, _) in APPLICATION_LAYERS.items()}.items()


@pytest.mark.parametrize(("k", "ending"), WAYS)
def test_a_scan_names_those_that_keras_does_not_find(
    k: ModuleType, ending: str, tmp_path: Path, opened: Callable[[Path], Artifact]
) -> None:
    path = tmp_path / f"model.{ending}"
    _model(k, is_dropping=ending != "tf").save(path)
    found = _findings(opened(path))
    assert set(map(frozenset, found.values())) <= {frozenset(NOTE)}
    assert not found if (k, ending) == (keras, "keras") else found
    assert _loads(k, path, set(found))
    assert not any(_loads(k, path, set(found) - {name}) for name in found)


@pytest.mark.parametrize(("k", "ending"), WAYS)
def test_their_shapes_and_sizes(
    k: ModuleType, ending: str, tmp_path: Path, opened: Callable[[Path], Artifact]
) -> None:
    model = _model(k, is_dropping=ending != "tf")
    model.save(tmp_path / f"model.{ending}")
    layers = opened(tmp_path / f"model.{ending}").layers()
    assert [(one.name, one.class_name, one.parameters) for one in layers] == [
        (layer.name, type(layer).__name__, layer.count_params()) for layer in model.layers
    ]
    shapes = [one.output_shape for one in layers[1:]]
    assert shapes == [tuple(layer.output.shape) for layer in model.layers[1:]]


@pytest.mark.parametrize("k", [keras, tf_keras], ids=keras_originals.LINES)
def test_the_name_of_their_variable(
    k: ModuleType, tmp_path: Path, opened: Callable[[Path], Artifact]
) -> None:
    """The attribute's: Keras 3 numbers these variables through the process."""
    model = _model(k, is_dropping=True)
    model.save(tmp_path / "model.keras")
    model.save_weights(tmp_path / "model.weights.h5")
    whole, alone = (
        {t.read().tobytes(): t.label for t in opened(tmp_path / f"model.{ending}").tensors()}
        for ending in ("keras", "weights.h5")
    )
    for name in ("first", "second"):
        gamma = np.asarray(model.get_layer(name).gamma).tobytes()
        assert whole[gamma] == f"{name}/gamma"
        assert alone[gamma].endswith("/gamma")


@pytest.mark.parametrize(
    "changes",
    [
        {"class_name": "Custom>LayerScale"},
        {"config": {"name": "mine", "trainable": True, "init_values": 1.0, "axis": 1}},
        {"module": "theirs.applications.convnext"},
        {"module": "keras.layers", "registered_name": "theirs>LayerScale"},
    ],
)
def test_a_persons_class_of_the_same_name_is_theirs(changes: dict[str, Any]) -> None:
    config = {"name": "mine", "trainable": True, "init_values": 1.0, "projection_dim": 4}
    value = {"class_name": "LayerScale", "config": config, "inbound_nodes": [], **changes}
    found = config_findings([Config("config.json", value)])
    assert {(one.severity.value, one.rule) for one in found} == {("warning", "custom-object")}
