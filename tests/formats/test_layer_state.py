"""What Keras keeps in SavedModels and checkpoints beside parameters, and which layers there are."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from explorer.formats.artifact import Artifact, Role
from tests.formats import keras_originals

Opener = Callable[[Path], Artifact]

keras = keras_originals.line("keras")
tf_keras = keras_originals.line("tf_keras")
both_lines = pytest.mark.parametrize("k", [keras, tf_keras], ids=keras_originals.LINES)


def _stateful(k: ModuleType) -> Any:
    """Recurrent layers that remember: alone, both ways, with cells in cells."""
    inputs = k.Input(batch_shape=(2, 5, 3))
    x = k.layers.LSTM(4, stateful=True, return_sequences=True)(inputs)
    x = k.layers.Bidirectional(k.layers.SimpleRNN(2, stateful=True, return_sequences=True))(x)
    cells = k.layers.StackedRNNCells([k.layers.LSTMCell(2), k.layers.GRUCell(3)])
    return k.Model(inputs, k.layers.RNN(cells, stateful=True)(x))


def _rare_words(k: ModuleType) -> Any:
    text = k.layers.TextVectorization(output_mode="tf_idf")
    text.adapt(["a b c", "b c", "c"])
    words = k.layers.StringLookup(output_mode="tf_idf")
    words.adapt([["a", "b"], ["c", "d"]])
    one, two = k.Input((), dtype="string"), k.Input((2,), dtype="string")
    return k.Model([one, two], [k.layers.Dense(3)(text(one)), words(two)])


def _bins(k: ModuleType) -> Any:
    layer = k.layers.Discretization(num_bins=4)
    layer.adapt(np.arange(300.0).reshape(-1, 1))
    inputs = k.Input((1,))
    return k.Model(inputs, k.layers.Dense(3)(layer(inputs)))


def _save(model: Any, kind: str, folder: Path) -> Path:
    """Save a model in one of the ways of TensorFlow."""
    import tensorflow as tf

    path = folder / "model"
    if kind == "checkpoint":
        tf.train.Checkpoint(optimizer=model.optimizer, model=model).write(str(path))
    elif kind == "export":
        model.export(str(path), verbose=False) if _is_keras_3(model) else model.export(str(path))
    elif _is_keras_3(model):
        tf.saved_model.save(model, str(path))
    else:
        model.save(path, save_format="tf")
    return path


def _is_keras_3(model: Any) -> bool:
    """Whether a model is of Keras 3."""
    return isinstance(model, keras.Model)


@both_lines
@pytest.mark.parametrize("kind", ["saved_model", "export", "checkpoint"])
@pytest.mark.parametrize("make", [_stateful, _rare_words, _bins])
def test_what_layers_keep_beside_weights_is_not_counted(
    make: Callable[[ModuleType], Any], kind: str, k: ModuleType, tmp_path: Path, opened: Opener
) -> None:
    model = make(k)
    model.compile("adam", "mse")
    model.optimizer.build(model.trainable_variables)
    artifact = opened(_save(model, kind, tmp_path))
    assert artifact.parameters() == model.count_params()
    stored = keras_originals.bag(t.read() for t in artifact.tensors() if t.role is Role.WEIGHT)
    trained = keras_originals.bag(np.asarray(v) for v in model.trainable_weights)
    assert trained <= stored
    if kind == "saved_model" and k is tf_keras:
        described = {layer.name: layer.parameters for layer in artifact.layers()}
        assert described == {layer.name: layer.count_params() for layer in model.layers}


@both_lines
@pytest.mark.parametrize("ending", ["keras", "h5", "weights.h5"])
@pytest.mark.filterwarnings("ignore:You are saving your model as an HDF5 file")
def test_a_summary_of_values_is_not_counted_in_keras_files(
    ending: str, k: ModuleType, tmp_path: Path, opened: Opener
) -> None:
    model = _bins(k)
    model.save(tmp_path / "x.keras")
    model.save(tmp_path / "x.h5")
    model.save_weights(tmp_path / "x.weights.h5")
    artifact = opened(tmp_path / f"x.{ending}")
    assert artifact.parameters() == model.count_params()
    assert sum(layer.parameters or 0 for layer in artifact.layers()) == model.count_params()


def test_what_a_backup_counts_is_no_weight(tmp_path: Path, opened: Opener) -> None:
    model = tf_keras.Sequential([tf_keras.Input((4,)), tf_keras.layers.Dense(3)])
    model.compile("adam", "mse")
    backup = tf_keras.callbacks.BackupAndRestore(str(tmp_path), delete_checkpoint=False)
    model.fit(np.zeros((4, 4)), np.zeros((4, 3)), verbose=0, callbacks=[backup])
    artifact = opened(tmp_path / "chief")
    assert artifact.parameters() == model.count_params()
    assert [layer.parameters for layer in artifact.layers()] == [15]


class Coder(keras.Model):  # type: ignore[name-defined,misc]
    """Keras 3 names the variables of layers in a subclass alike: ``coder/kernel``."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = keras.layers.Dense(4)
        self.decoder = keras.layers.Dense(8)

    def call(self, inputs: Any) -> Any:
        return self.decoder(self.encoder(inputs))


@pytest.mark.parametrize(("kind", "above"), [("saved_model", ""), ("checkpoint", "model/")])
def test_weights_of_one_name_go_by_the_attributes_of_the_model(
    kind: str, above: str, tmp_path: Path, opened: Opener
) -> None:
    model = Coder()
    model.compile("adam", "mse")
    model.fit(np.zeros((4, 8)), np.zeros((4, 8)), verbose=0)
    artifact = opened(_save(model, kind, tmp_path))
    weights = {t.label: t.read().tolist() for t in artifact.tensors() if t.role is Role.WEIGHT}
    layers = {f"{above}{name}": getattr(model, name) for name in ("encoder", "decoder")}
    assert weights == {
        f"{name}/{own}": getattr(layer, own).numpy().tolist()
        for name, layer in layers.items()
        for own in ("kernel", "bias")
    }
    counts = {name: layer.count_params() for name, layer in layers.items()}
    assert {layer.name: layer.parameters for layer in artifact.layers()} == counts


def test_a_list_of_variables_is_no_layer(tmp_path: Path, opened: Opener) -> None:
    model = Coder()
    model(np.zeros((1, 8), np.float32))
    artifact = opened(_save(model, "export", tmp_path))
    assert artifact.parameters() == model.count_params()
    assert artifact.layers() == []


def _gains_in(module: Any) -> Any:
    """Variables without names of their own: in a list, and in a dictionary in a list."""
    import tensorflow as tf

    module.gains = [
        tf.Variable([1.0, 2.0]),
        {"left": tf.Variable([3.0]), "right": tf.Variable(4.0)},
    ]
    return module


@pytest.mark.parametrize("kind", ["checkpoint", "saved_model"])
def test_what_lists_and_dictionaries_hold_belongs_to_the_object_above(
    kind: str, tmp_path: Path, opened: Opener
) -> None:
    import tensorflow as tf

    module, path = _gains_in(tf.Module()), tmp_path / "model"
    module.block = _gains_in(tf.Module())
    if kind == "checkpoint":
        tf.train.Checkpoint(module).write(str(path))
    else:
        tf.saved_model.save(module, str(path))
    artifact = opened(path)
    # a checkpoint does not tell a dictionary from an object with the same attributes
    told = {"block": 4} if kind == "saved_model" else {"gains/1": 2, "block": 2, "block/gains/1": 2}
    assert {layer.name: layer.parameters for layer in artifact.layers()} == told
    assert artifact.parameters() == 8
