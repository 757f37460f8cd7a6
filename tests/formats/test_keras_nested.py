"""Layers in models in models: which weights are whose, compared with Keras."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from explorer.formats.artifact import Layer
from tests.formats import keras_originals
from tests.formats.test_tfjs import spec_of, write_model


@pytest.fixture(params=keras_originals.LINES)
def k(request: pytest.FixtureRequest) -> ModuleType:
    return keras_originals.line(request.param)


def _chain(k: ModuleType, name: str, *layers: Any) -> Any:
    return k.Sequential([k.Input((4,)), *layers], name=name)


def _deep(k: ModuleType) -> Any:
    """A chain in a chain in a chain in a chain."""
    model = _chain(k, "inner", k.layers.Dense(4, name="first"))
    for name in ("middle", "outer", "whole"):
        model = _chain(k, name, model, k.layers.Dense(4, name=f"last_of_{name}"))
    return model


def _alike(k: ModuleType) -> Any:
    """Layers called like parts of another one, and like those of the model around."""
    inputs = k.Input((6, 8))
    x = k.layers.Dense(8, name="query")(inputs)
    x = k.layers.MultiHeadAttention(2, 4, name="attention")(x, x)
    inner = k.Model(inputs, k.layers.Dense(3, name="attention_output")(x), name="encoder")
    outer = k.Input((6, 8))
    return k.Model(outer, k.layers.Dense(2, name="key")(inner(outer)))


def _within_and_beside(k: ModuleType) -> Any:
    """A model that stands in another one and beside it."""
    shared = _chain(k, "shared", k.layers.Dense(4, name="dense"))
    inputs = k.Input((4,))
    around = k.Model(inputs, shared(shared(inputs)), name="around")
    outer = k.Input((4,))
    return k.Model(outer, [around(outer), shared(outer)])


def _shared_within(k: ModuleType) -> Any:
    """A layer that two models inside of one model share, the first of the name comes last."""
    shared = k.layers.Dense(4, name="dense")
    inputs = k.Input((4,))
    parts = [k.Model(inputs, shared(inputs), name=name) for name in ("second", "first")]
    around = k.Model(inputs, parts[1](parts[0](inputs)), name="around")
    outer = k.Input((4,))
    return k.Model(outer, around(outer))


@pytest.mark.parametrize("make", [_deep, _alike, _within_and_beside, _shared_within])
@pytest.mark.parametrize("ending", ["h5", "keras"])
@pytest.mark.filterwarnings("ignore:You are saving your model as an HDF5 file")
def test_every_layer_has_its_own_weights(
    k: ModuleType,
    ending: str,
    make: Callable[[ModuleType], Any],
    tmp_path: Path,
    opened: Any,
) -> None:
    model = make(k)
    model.save(tmp_path / f"model.{ending}")
    artifact = opened(tmp_path / f"model.{ending}")
    found = dict(_found(artifact.layers()))
    expected = dict(_counted(model))
    assert {names: found[names] for names in expected} == expected
    assert {found[names] for names in found.keys() - expected.keys()} <= {0}
    assert artifact.parameters() == model.count_params()


def _counted(model: Any, above: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], int]]:
    """The number of parameters of every layer, as Keras says it, by the names that lead to it."""
    for layer in model.layers:
        names = (*above, layer.name)
        yield names, layer.count_params()
        yield from _counted(layer, names) if hasattr(layer, "layers") else ()


def _found(
    layers: Iterable[Layer], above: tuple[str, ...] = ()
) -> Iterator[tuple[tuple[str, ...], int | None]]:
    for layer in layers:
        names = (*above, layer.name)
        yield names, layer.parameters
        yield from _found(layer.children, names)


def _of_one_name(k: ModuleType) -> Any:
    inputs = k.Input((4,))
    inner = _chain(k, "inner", k.layers.Dense(3, name="dense"), k.layers.PReLU(name="slope"))
    return k.Model(inputs, inner(k.layers.Dense(4, name="dense")(inputs)))


def _topology(model: Any) -> dict[str, Any]:
    return {"keras_version": "2.15.0", "model_config": json.loads(model.to_json())}


def test_a_tensorflow_js_layer_in_a_model_and_one_of_its_name_beside(
    k: ModuleType, tmp_path: Path, opened: Any
) -> None:
    model = _of_one_name(k)
    names = ("dense/kernel", "dense/bias", "inner/dense/kernel", "inner/dense/bias", "slope/alpha")
    pairs = list(zip(names, model.get_weights(), strict=True))
    data = b"".join(array.tobytes() for _, array in pairs)
    specs = [spec_of(name, array) for name, array in pairs]
    write_model(tmp_path / "web", specs, data, modelTopology=_topology(model))
    found = dict(_found(opened(tmp_path / "web").layers()))
    assert {names: found[names] for names, _ in _counted(model)} == dict(_counted(model))


def test_tensorflow_js_weights_of_one_name_are_nobodys(
    k: ModuleType, tmp_path: Path, opened: Any
) -> None:
    """Keras 2 gives the layer and the one inside the same names, and the converter keeps them."""
    model = _of_one_name(k)
    names = (*["dense/kernel", "dense/bias"] * 2, "slope/alpha")
    pairs = list(zip(names, model.get_weights(), strict=True))
    data = b"".join(array.tobytes() for _, array in pairs)
    specs = [spec_of(name, array) for name, array in pairs]
    write_model(tmp_path / "web", specs, data, modelTopology=_topology(model))
    found = dict(_found(opened(tmp_path / "web").layers()))
    assert found["dense",] is found["inner",] is found["inner", "dense"] is None
    assert found["inner", "slope"] == 3
