"""HDF5 files compared with Keras's own weights and with h5py walked by hand."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import h5py
import ml_dtypes
import numpy as np
import pytest

from explorer.formats.artifact import (
    Node,
    NodeType,
    Role,
    Tri,
)
from tests.formats import keras_originals
from tests.formats.walking import below, flat, values

WEIGHTS = {"keras": ".weights.h5", "tf_keras": "_weights.h5"}


@pytest.fixture(params=keras_originals.LINES)
def k(request: pytest.FixtureRequest) -> ModuleType:
    return keras_originals.line(request.param)


# Whole models and weights, as Keras writes them


@pytest.mark.parametrize("make", keras_originals.LAYERED)
@pytest.mark.filterwarnings("ignore:You are saving your model as an HDF5 file")
def test_a_whole_model_has_kerass_own_weights_layers_and_shapes(
    k: ModuleType, make: Callable[[ModuleType], Any], tmp_path: Path, opened: Any
) -> None:
    model = make(k)
    path = tmp_path / "model.h5"
    model.save(path)
    artifact = opened(path)
    assert artifact.format == "keras_hdf5"
    assert keras_originals.bag(values(artifact)) == keras_originals.bag(model.get_weights())
    assert artifact.parameters() == model.count_params()
    read = {layer.name: layer for layer in flat(artifact.layers())}
    for name, class_name, shape, parameters in keras_originals.layer_facts(model):
        assert (read[name].class_name, read[name].output_shape) == (class_name, shape)
        assert read[name].parameters == parameters, name


def _twice(k: ModuleType, is_shared: bool) -> Any:
    """A model that lies in the whole one and in another part of it, or one of its kind does."""

    def part() -> Any:
        return k.Sequential([k.Input((4,)), k.layers.Dense(4, name="within")], name="part")

    first = part()
    second = k.Sequential([k.Input((4,)), first if is_shared else part()], name="around")
    inputs = k.Input((4,))
    return k.Model(inputs, second(first(inputs)))


@pytest.mark.parametrize("is_shared", [True, False])
@pytest.mark.filterwarnings("ignore:You are saving your model as an HDF5 file")
def test_what_is_stored_again_counts_once(
    k: ModuleType, is_shared: bool, tmp_path: Path, opened: Any
) -> None:
    model = _twice(k, is_shared)
    whole, weights = tmp_path / "model.h5", tmp_path / f"model{WEIGHTS[k.__name__]}"
    model.save(whole)
    model.save_weights(weights)
    expected = 20 if is_shared else 40
    assert model.count_params() == expected
    assert [opened(path).parameters() for path in (whole, weights)] == [expected, expected]
    stored = [tensor for tensor in opened(whole).tensors() if "within" in tensor.path]
    roles = {tensor.path.split("/")[1]: tensor.role.value for tensor in stored}
    assert roles == {"part": "weight", "around": "other" if is_shared else "weight"}
    assert len(stored) == 4


def test_the_optimizer_is_there_and_not_counted(k: ModuleType, tmp_path: Path, opened: Any) -> None:
    model = keras_originals.functional(k)
    path = tmp_path / "model.h5"
    model.save(path)
    artifact = opened(path)
    variables = model.optimizer.variables
    expected = [np.asarray(v) for v in (variables() if callable(variables) else variables)]
    assert keras_originals.bag(values(artifact, Role.OPTIMIZER)) == keras_originals.bag(expected)
    assert artifact.contents.optimizer is artifact.contents.compile is Tri.YES
    assert artifact.contents.weights is artifact.contents.architecture is Tri.YES
    assert artifact.contents.signatures is Tri.NO
    assert (artifact.producer.keras, artifact.producer.backend) == (k.__version__, "tensorflow")


def test_weights_alone_name_their_layers(k: ModuleType, tmp_path: Path, opened: Any) -> None:
    model = keras_originals.nested(k)
    path = tmp_path / f"model{WEIGHTS[k.__name__]}"
    model.save_weights(path)
    artifact = opened(path)
    assert artifact.format == "keras_weights_hdf5"
    assert artifact.contents.architecture is artifact.contents.compile is Tri.NO
    assert keras_originals.bag(values(artifact)) == keras_originals.bag(model.get_weights())
    counted = {layer.name: layer.parameters for layer in artifact.layers()}
    assert counted == {layer.name: layer.count_params() for layer in model.layers}


def test_weights_of_a_subclass(k: ModuleType, tmp_path: Path, opened: Any) -> None:
    model = keras_originals.subclass(k)
    path = tmp_path / f"model{WEIGHTS[k.__name__]}"
    model.save_weights(path)
    artifact = opened(path)
    assert keras_originals.bag(values(artifact)) == keras_originals.bag(model.get_weights())
    assert sorted(layer.parameters or 0 for layer in artifact.layers()) == [16, 33, 330, 1056]


def test_keras_2_writes_the_object_tree_too(tmp_path: Path, opened: Any) -> None:
    model = keras_originals.functional(keras_originals.line("tf_keras"))
    path = tmp_path / "model.weights.h5"
    model.save_weights(path)
    artifact = opened(path)
    assert artifact.format == "keras_weights_hdf5"
    assert keras_originals.bag(values(artifact)) == keras_originals.bag(model.get_weights())
    assert {t.role for t in artifact.tensors()} == {Role.WEIGHT, Role.OPTIMIZER, Role.METRIC}


@pytest.mark.parametrize("ending", [".h5", ".keras", ".weights.h5"])
@pytest.mark.filterwarnings("ignore:You are saving your model as an HDF5 file")
def test_bfloat16_weights(k: ModuleType, ending: str, tmp_path: Path, opened: Any) -> None:
    model = k.Sequential([k.Input((3,)), k.layers.Dense(2, dtype="bfloat16")])
    path = tmp_path / f"model{ending}"
    (model.save_weights if ending == ".weights.h5" else model.save)(path)
    artifact = opened(path)
    (kernel,) = (tensor for tensor in artifact.tensors() if tensor.shape == (3, 2))
    assert (kernel.dtype, kernel.nbytes) == ("bfloat16", 12)
    expected = np.asarray(model.get_weights()[0])
    assert kernel.read().dtype == expected.dtype == ml_dtypes.bfloat16
    np.testing.assert_array_equal(kernel.read(), expected)
    np.testing.assert_array_equal(kernel.read((slice(None, None, -2), 1)), expected[::-2, 1])


def test_two_opaque_bytes_of_a_file_that_is_not_of_keras_stay_opaque(
    tmp_path: Path, opened: Any
) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["pairs"] = np.array([b"ab", b"cd"], "V2")
    (pairs,) = opened(tmp_path / "a.h5").tensors()
    assert pairs.dtype == "opaque"
    assert pairs.read().tobytes() == b"abcd"


def test_names_spread_over_several_attributes(tmp_path: Path, opened: Any) -> None:
    tf_keras = keras_originals.line("tf_keras")
    names = [f"{'n' * 80}_{i}" for i in range(900)]  # more than one object header holds
    inputs = x = tf_keras.Input((1,))
    for name in names:
        x = tf_keras.layers.Activation("linear", name=name)(x)
    model = tf_keras.Model(inputs, tf_keras.layers.Dense(2, name="last")(x))
    model.save_weights(tmp_path / "w.h5")
    with h5py.File(tmp_path / "w.h5") as file:
        assert "layer_names" not in file.attrs
    artifact = opened(tmp_path / "w.h5")
    assert artifact.format == "keras_weights_hdf5"
    assert [layer.name for layer in artifact.layers()][1:] == [*names, "last"]


def test_layer_names_with_slashes(tmp_path: Path, opened: Any) -> None:
    tf_keras = keras_originals.line("tf_keras")
    layers = [tf_keras.layers.Dense(i, name=f"block/part{i}") for i in (2, 3)]
    model = tf_keras.Sequential([tf_keras.Input((4,)), *layers])
    model.save(tmp_path / "model.h5")
    model.save_weights(tmp_path / "weights.h5")
    for name in ("model.h5", "weights.h5"):
        artifact = opened(tmp_path / name)
        assert artifact.notes == ()
        assert artifact.parameters() == model.count_params()
        counted = [(layer.name, layer.parameters) for layer in artifact.layers()]
        assert counted[-2:] == [(layer.name, layer.count_params()) for layer in layers]


@pytest.mark.filterwarnings("ignore:You are saving your model as an HDF5 file")
def test_layer_names_that_begin_with_those_of_others(tmp_path: Path, opened: Any) -> None:
    tf_keras = keras_originals.line("tf_keras")
    inputs = x = tf_keras.Input((4,))
    for units, name in enumerate(("block", "block/part/last", "block/part"), 2):
        x = tf_keras.layers.Dense(units, name=name)(x)
    model = tf_keras.Model(inputs, tf_keras.layers.BatchNormalization(name="block/part/norm")(x))
    model.compile("adam", "mse")
    model.fit(np.zeros((1, 4)), np.zeros((1, 4)), verbose=0)
    model.save(tmp_path / "model.h5")
    model.save_weights(tmp_path / "weights.h5")
    for name in ("model.h5", "weights.h5"):
        artifact = opened(tmp_path / name)
        weights = [t for t in artifact.tensors() if t.role is Role.WEIGHT]
        names = {weight.name.partition(":")[0] for weight in model.weights}
        assert {tensor.label for tensor in weights} == names
        counted = [(layer.name, layer.parameters) for layer in artifact.layers()]
        assert counted[1:] == [(layer.name, layer.count_params()) for layer in model.layers[1:]]
    slots = {t.label for t in opened(tmp_path / "model.h5").tensors() if "·" in t.label}
    trained = [weight.name.partition(":")[0] for weight in model.trainable_weights]
    assert slots == {f"{name} · Adam/{slot}" for name in trained for slot in "mv"}


def test_a_models_own_weights_and_those_named_after_it(tmp_path: Path, opened: Any) -> None:
    keras = keras_originals.line("keras")

    class Scaled(keras.Model):  # type: ignore[name-defined,misc]
        def __init__(self) -> None:
            super().__init__(name="scaled")
            self.dense = keras.layers.Dense(2, name="dense")
            self.scale = self.add_weight(name="scale", shape=(2,))

        def call(self, inputs: Any) -> Any:
            return self.dense(inputs) * self.scale

    model = Scaled()
    model(np.zeros((1, 3)))
    model.save(tmp_path / "model.h5")
    labels = {tensor.label for tensor in opened(tmp_path / "model.h5").tensors()}
    assert labels == {weight.path for weight in model.weights}
    assert "scaled/dense/kernel" in labels


def test_missing_weights_are_said(tmp_path: Path, opened: Any) -> None:
    model = keras_originals.functional(keras_originals.line("tf_keras"))
    path = tmp_path / "w.h5"
    model.save_weights(path)
    with h5py.File(path, "a") as file:
        del file["dense_1/dense_1/kernel:0"]
        del file["predictions"]
    artifact = opened(path)
    assert artifact.contents.weights is Tri.PARTLY
    assert "2 weights that the file lists cannot be found in it" in artifact.notes[0]
    assert "dense_1/kernel:0, predictions" in artifact.notes[0]


@pytest.mark.filterwarnings("ignore:You are saving your model as an HDF5 file")
def test_a_check_tells_of_missing_weights(k: ModuleType, tmp_path: Path, opened: Any) -> None:
    path, again = tmp_path / "m.h5", tmp_path / "again.h5"
    keras_originals.chain(k).save(path)
    weights = [tensor.path for tensor in opened(path).tensors()]
    shutil.copy(path, again)
    with h5py.File(path, "a") as file:
        del file[weights[0]]
    with pytest.raises(KeyError):
        k.models.load_model(path)
    checks = [check for check in opened(path).checks() if check.rule == "weight present"]
    assert {check.where for check in checks} == set(weights)
    (problem,) = [check for check in checks if check.problem]
    assert problem.where == weights[0]
    assert problem.problem.startswith("The file lists it, but does not hold it")
    with h5py.File(again, "a") as file:
        file["another name"] = file[weights[0]]
    k.models.load_model(again)
    assert not any(check.problem for check in opened(again).checks())


# The corpus


@pytest.mark.parametrize(
    ("name", "format_key", "parameters", "layers", "keras"),
    [
        ("emotion_model.hdf5", "keras_hdf5", 58_423, 46, "2.0.5"),
        ("notes_tf20/functional/1_weight.h5", "keras_weights_hdf5", 6_922, 4, "2.2.4-tf"),
        ("notes_tf20/functional/3_model.h5", "keras_hdf5", 6_922, 4, "2.2.4-tf"),
        ("notes_tf20/subclass/1_weight.h5", "keras_weights_hdf5", 1_386, 2, "2.2.4-tf"),
    ],
)
def test_real_files(
    corpus: Path,
    opened: Any,
    name: str,
    format_key: str,
    parameters: int,
    layers: int,
    keras: str,
) -> None:
    artifact = opened(corpus / name)
    assert (artifact.format, artifact.parameters()) == (format_key, parameters)
    assert (len(artifact.layers()), artifact.producer.keras) == (layers, keras)
    assert artifact.notes == ()
    assert sum(layer.parameters or 0 for layer in artifact.layers()) == parameters


def test_the_first_kerass_layers_match_keras_itself(corpus: Path, opened: Any) -> None:
    path = corpus / "emotion_model.hdf5"
    model = keras_originals.line("tf_keras").models.load_model(path, compile=False)
    read = {layer.name: layer for layer in opened(path).layers()}
    for name, class_name, shape, parameters in keras_originals.layer_facts(model):
        assert (read[name].class_name, read[name].output_shape) == (class_name, shape)
        assert read[name].parameters == parameters


@pytest.mark.parametrize(
    "name", ["emotion_model.hdf5", "notes_tf20/functional/3_model.h5"], ids=["keras1", "tf20"]
)
def test_the_tree_is_what_h5py_finds(corpus: Path, opened: Any, name: str) -> None:
    found: dict[str, tuple[Any, ...]] = {}
    with h5py.File(corpus / name, "r", locking=False) as file:

        def visit(path: str, item: Any) -> None:
            data = (item.shape, item.dtype.name) if isinstance(item, h5py.Dataset) else ()
            found[path] = (*data, *((a, _text(v)) for a, v in item.attrs.items()))

        file.visititems(visit)
    artifact = opened(corpus / name)
    assert dict(_tree(artifact.root, "")) == found


def _text(value: Any) -> str:
    if isinstance(value, np.ndarray):
        return ", ".join(_text(item) for item in value)
    return value.decode() if isinstance(value, bytes) else str(value)


def _tree(node: Node, above: str) -> Iterator[tuple[str, tuple[Any, ...]]]:
    for child in node.children():
        path = f"{above}{child.name}"
        if child.type is NodeType.TENSOR:
            assert child.tensor is not None
            yield path, (child.tensor.shape, child.tensor.dtype, *child.attributes())
        elif child.type is NodeType.GROUP:
            yield path, tuple(child.attributes())
            yield from _tree(child, f"{path}/")


def test_json_attributes_are_laid_out_and_can_be_expanded(corpus: Path, opened: Any) -> None:
    path = corpus / "notes_tf20/functional/3_model.h5"
    with h5py.File(path, "r", locking=False) as file:
        config = json.loads(file.attrs["model_config"])
    root = opened(path).root
    assert json.loads(dict(root.attributes())["model_config"]) == config
    assert "\n  " in dict(root.attributes())["model_config"]
    layers = below(root, "model_config", "config", "layers")
    assert [layer.kind for layer in layers.children()] == ["InputLayer", "Dense", "Dense", "Dense"]
    assert below(layers, "[1]", "config", "units").summary == "64"
    assert below(root, "model_weights", "dense_1").kind == "Dense"


@pytest.mark.parametrize(
    ("config", "reason"),
    [
        ('{"class_name": "Sequential", "config": {"layers": [' * 400 + "]}}" * 400, "nested too"),
        ('{"class_name": "Sequential", "config": ', "damaged"),
    ],
)
def test_a_config_that_cannot_be_read_is_said(
    config: str, reason: str, corpus: Path, tmp_path: Path, opened: Any
) -> None:
    path = tmp_path / "a.h5"
    path.write_bytes((corpus / "emotion_model.hdf5").read_bytes())
    with h5py.File(path, "r+") as file:
        file.attrs["model_config"] = config
    artifact = opened(path)
    assert f"model_config is not the JSON of a config: it is {reason}" in artifact.notes[0]
    assert [check.where for check in artifact.checks() if check.problem] == ["model_config"]
    assert artifact.parameters() == opened(corpus / "emotion_model.hdf5").parameters()
