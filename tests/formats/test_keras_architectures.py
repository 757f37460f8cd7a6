"""Keras files of every kind and a dozen architectures, compared with the models that wrote them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from explorer.formats.artifact import Artifact, Role, Tri
from explorer.formats.registry import open_artifact
from tests.formats import keras_architectures as architectures
from tests.formats import keras_originals
from tests.formats.walking import flat, values


@dataclass
class Saved:
    """A model and every file it was saved to, opened."""

    k: ModuleType
    name: str
    model: Any
    artifacts: list[tuple[str, Artifact]]

    def of(self, *formats: str) -> list[Artifact]:
        """The files of these formats."""
        return [artifact for format, artifact in self.artifacts if format in formats]

    def by_value(self, variables: list[Any]) -> dict[bytes, str]:
        """The name of each variable by its values, which no other has."""
        return {np.asarray(v).tobytes(): architectures.path_of(v) for v in variables}


_WHOLE = ("keras_archive", "keras_hdf5", "keras_v3_dir")
_ALONE = ("keras_weights_hdf5", "keras_sharded_weights")
_UNCERTAIN = {"beta", "gamma", "moving_mean", "moving_variance", "scale"}
_UNCERTAIN_2 = {*_UNCERTAIN, "kernel", "recurrent_kernel", "bias", "depthwise_kernel"}
"""Without the config: whether it is shifted or scaled, and how; in Keras 2, of what class it is."""

_REGISTERED = {"GroupedQueryAttention": "GroupQueryAttention"}
"""The one class of Keras 3 that a config calls otherwise."""


@pytest.fixture(
    scope="module",
    params=[(line, name) for line, names in architectures.NAMES.items() for name in names],
    ids="-".join,
)
def saved(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Saved]:
    line, name = request.param
    k = keras_originals.line(line)
    folder = tmp_path_factory.mktemp(f"{line}_{name}")
    model = architectures.make(k, name)
    files = architectures.save_all(k, model, folder)
    found = [(format, open_artifact(str(path))) for format, path in files]
    yield Saved(k, name, model, found)
    for _, artifact in found:
        artifact.close()


def test_every_file_holds_the_weights_and_nothing_else(saved: Saved) -> None:
    expected = keras_originals.bag(saved.model.get_weights())
    for format, artifact in saved.artifacts:
        assert artifact.format == format
        assert keras_originals.bag(values(artifact)) == expected, artifact.name
        assert artifact.parameters() == saved.model.count_params()
        assert artifact.contents.weights is Tri.YES
        has_names = saved.k.__name__ == "keras" or format != "keras_weights_hdf5"
        assert len(artifact.notes) == (0 if has_names else 1)


def test_every_weight_has_the_name_that_keras_gives_it(saved: Saved) -> None:
    names = saved.by_value(saved.model.weights)
    for artifact in saved.of(*_WHOLE):
        for label, name in _named(artifact, names):
            assert _is_called(label, name, saved.k), (artifact.name, name)


def test_weights_alone_have_names_where_these_are_certain(saved: Saved) -> None:
    names = saved.by_value(saved.model.weights)
    for artifact in saved.of(*_ALONE):
        for label, name in _named(artifact, names):
            if not label:
                assert _is_uncertain(name, saved.k), name
            elif saved.k.__name__ == "keras":
                assert _is_called(label, name, saved.k)
            else:
                assert label.rpartition("/")[2] == name.rpartition("/")[2]


def _is_uncertain(name: str, k: ModuleType) -> bool:
    """Whether weights alone do not tell; nor do they always say what a layer in a layer is."""
    *above, own = name.split("/")
    return len(above) > 1 or own in (_UNCERTAIN if k.__name__ == "keras" else _UNCERTAIN_2)


def _named(artifact: Artifact, names: dict[bytes, str]) -> list[tuple[str, str]]:
    """For each weight its label, and what Keras calls the variable with these values."""
    weights = [t for t in artifact.tensors() if t.role is Role.WEIGHT]
    return [(t.label, names[t.read().tobytes()]) for t in weights]


def _is_called(label: str, name: str, k: ModuleType) -> bool:
    """A model in another has its name before; Keras 2 leaves out the objects in some layers."""
    if k.__name__ == "keras":
        return label == name or label.endswith(f"/{name}")
    parts = name.split("/")
    return label.endswith(f"/{parts[-1]}") and parts[0] in label.split("/")


def test_the_optimizers_state_is_joined_to_the_weights(saved: Saved) -> None:
    weights = saved.by_value(saved.model.weights)
    slots = saved.by_value(architectures.optimizer_variables(saved.model))
    for artifact in saved.of(*_WHOLE):
        tensors = artifact.tensors()
        titles = {t.label: weights[t.read().tobytes()] for t in tensors if t.role is Role.WEIGHT}
        labelled = [t for t in tensors if t.role is Role.OPTIMIZER and "·" in t.label]
        distinct = {t.read().tobytes() for t in labelled}  # Keras 3 stores wrapped ones twice
        assert len(distinct) == _slot_count(saved, slots), artifact.name
        for tensor in labelled:
            title, _, kept = tensor.label.partition(" · ")
            name = slots[tensor.read().tobytes()]
            assert name in _slot_names(titles[title], kept), tensor.path


def _slot_count(saved: Saved, slots: dict[bytes, str]) -> int:
    """How many variables the optimizer keeps of weights."""
    weights = {architectures.path_of(v).replace("/", "_") for v in saved.model.trainable_variables}
    flat_names = [name.replace("/", "_") for name in slots.values()]
    return sum(any(weight in name for weight in weights) for name in flat_names)


def _slot_names(weight: str, kept: str) -> set[str]:
    """How the two lines call what is kept of a weight."""
    optimizer, _, slot = kept.partition("/")
    return {
        f"{optimizer}/{weight.replace('/', '_')}_{slot}",
        f"{slot}/{weight}",
        f"{optimizer}/{slot}/{weight}",
    }


def test_the_layers_are_those_of_the_model(saved: Saved) -> None:
    expected = list(keras_originals.layer_facts(saved.model))
    names = {name for name, *_ in expected}
    for artifact in saved.of(*_described(saved)):
        listed = flat(artifact.layers())  # the input of a Sequential model is in its config alone
        layers = [x for x in listed if x.class_name != "InputLayer" or x.name in names]
        for layer, (name, class_name, shape, parameters) in zip(layers, expected, strict=True):
            assert layer.name == name
            assert layer.class_name in (class_name, _REGISTERED.get(class_name))
            assert layer.parameters == parameters, (artifact.name, name)
            assert layer.output_shape == shape, (artifact.name, name)


def test_every_layer_names_those_it_takes_from(saved: Saved) -> None:
    expected = dict(_inbound(saved.model))
    for artifact in saved.of(*_described(saved)):
        assert {layer.name: set(layer.inbound) for layer in artifact.layers()} == expected


def _described(saved: Saved) -> tuple[str, ...]:
    """What has the config of the model in it."""
    return (*_WHOLE, "saved_model") if saved.k.__name__ == "tf_keras" else _WHOLE


def _inbound(model: Any) -> Iterator[tuple[str, set[str]]]:
    names = {layer.name for layer in model.layers}
    for layer in model.layers:
        before = {name for node in layer._inbound_nodes for name in _parents(node)}
        yield layer.name, before & names


def _parents(node: Any) -> Iterator[str]:
    """Keras 3 has operations where Keras 2 has layers."""
    for parent in node.parent_nodes:
        layer = parent.operation if hasattr(parent, "operation") else parent.layer
        yield layer.name


def test_nothing_is_wrong_with_any_file(saved: Saved) -> None:
    for _, artifact in saved.artifacts:
        checks = list(artifact.checks())
        assert len(checks) >= len(artifact.tensors())
        assert [check for check in checks if check.problem] == []


def test_the_config_is_there_to_be_scanned(saved: Saved) -> None:
    for artifact in saved.of(*_WHOLE):
        configs = {config.where: config.value for config in artifact.configs()}
        model = configs.get("config.json") or configs["model_config"]
        assert model["class_name"] in ("Functional", "Model")
