"""What variables are called, and what an optimizer keeps of which, compared with Keras.

A label is never invented: where a class is a person's, its variables have none.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from explorer.formats.artifact import Artifact, Role
from tests.formats import keras_architectures as architectures
from tests.formats import keras_originals

keras = keras_originals.line("keras")
tf_keras = keras_originals.line("tf_keras")


def _filled(model: Any) -> Any:
    """The model, every variable of it and its optimizer with values of its own."""
    rng = np.random.default_rng(1)
    for variable in [*model.weights, *architectures.optimizer_variables(model)]:
        architectures.fill(variable, rng)
    return model


def _names(variables: list[Any]) -> dict[bytes, str]:
    return {np.asarray(v).tobytes(): architectures.path_of(v) for v in variables}


# Classes of a person's


def _layer(k: ModuleType, class_name: str, **shapes: tuple[int, ...]) -> type[Any]:
    """A class of this name whose variables have names and shapes that no class of Keras has."""

    def build(layer: Any, shape: Any) -> None:
        for name, size in shapes.items():
            layer.add_weight(name=name, shape=size)
        layer.built = True

    def call(layer: Any, inputs: Any) -> Any:
        return inputs

    members = {"build": build, "call": call}
    made = type(class_name, (k.layers.Layer,), members)
    registered: type[Any] = k.saving.register_keras_serializable()(made)
    return registered


def _with_customs(k: ModuleType) -> Any:
    inputs = x = k.Input((4,))
    for class_name, shapes in (
        ("Attention", {"mine": (8, 1)}),
        ("Embedding", {"mine": (3, 4)}),
        ("MultiHeadAttention", {"mine": (3, 5)}),
        ("Normalization", {"mine": (2,), "yours": (2,), "theirs": (2,)}),
    ):
        x = _layer(k, class_name, **shapes)()(x)
    return k.Model(inputs, k.layers.Dense(2, name="own")(x))


def _subclass_with_misleading_names(k: ModuleType) -> Any:
    class Holder(k.Model):  # type: ignore[name-defined,misc]
        def __init__(self) -> None:
            super().__init__(name="holder")
            self.one = _layer(k, "Table", mine=(3, 4))(name="embedding")
            self.two = _layer(k, "Pair", mine=(4,), yours=(4,))(name="layer_normalization")

        def call(self, inputs: Any) -> Any:
            return self.two(self.one(inputs))

    model = Holder()
    model(np.zeros((1, 4), np.float32))
    return model


@pytest.mark.parametrize("make", [_with_customs, _subclass_with_misleading_names])
@pytest.mark.parametrize("k", [keras, tf_keras], ids=keras_originals.LINES)
def test_no_name_is_invented_for_the_variables_of_a_persons_class(
    k: ModuleType, make: Callable[[ModuleType], Any], tmp_path: Path, opened: Any
) -> None:
    model = make(k)
    model.compile("sgd", "mse")
    names = _names(_filled(model).weights)
    model.save(tmp_path / "model.keras")
    model.save_weights(tmp_path / "model.weights.h5")
    for ending in ("keras", "weights.h5"):
        labels = {
            names[t.read().tobytes()].rpartition("/")[2]: t.label.rpartition("/")[2]
            for t in opened(tmp_path / f"model.{ending}").tensors()
            if t.role is Role.WEIGHT
        }
        assert all(label in ("", name) for name, label in labels.items()), labels
        if ending == "keras" and "kernel" in labels:
            assert labels["kernel"] == "kernel"


def test_numbers_of_layers_in_lists_and_dictionaries_are_named(tmp_path: Path, opened: Any) -> None:
    from keras.src.saving import saving_lib

    class Held(keras.Model):  # type: ignore[name-defined,misc]
        def __init__(self) -> None:
            super().__init__()
            self.listed = [keras.layers.Dense(3), keras.layers.Dense(4)]
            self.by_key = {"only": keras.layers.Dense(2)}

        def call(self, inputs: Any) -> Any:
            return self.by_key["only"](self.listed[1](self.listed[0](inputs)))

    model = Held()
    model(np.zeros((1, 5), np.float32))
    model.compile("sgd", "mse")
    names = _names(_filled(model).weights)
    saving_lib.save_model(model, tmp_path / "model.keras", weights_format="npz")
    artifact = opened(tmp_path / "model.keras")
    weights = [t for t in artifact.tensors() if t.role is Role.WEIGHT]
    own = [(t.label, names[t.read().tobytes()]) for t in weights]
    assert all(label.rpartition("/")[2] == name.rpartition("/")[2] for label, name in own)
    assert {layer.parameters for layer in artifact.layers()} == {
        layer.count_params() for layer in model.layers
    }


@pytest.mark.parametrize("mode", ["int8", "int4"])
@pytest.mark.parametrize("tie_weights", [True, False])
@pytest.mark.filterwarnings("ignore:Layer InputLayer does not have a `quantize` method")
def test_embeddings_of_few_bits_that_are_used_both_ways(
    tie_weights: bool, mode: str, tmp_path: Path, opened: Any
) -> None:
    layer = keras.layers.ReversibleEmbedding(9, 4, tie_weights=tie_weights)
    words = keras.Input((5,))
    model = keras.Model(words, layer(layer(words), reverse=True))
    model.quantize(mode)
    names = _names(model.weights)
    model.save(tmp_path / "model.keras")
    model.save_weights(tmp_path / "model.weights.h5")
    for ending in ("keras", "weights.h5"):
        tensors = opened(tmp_path / f"model.{ending}").tensors()
        own = {t.label: names[t.read().tobytes()] for t in tensors if t.role is Role.WEIGHT}
        assert ending != "keras" or "" not in own
        assert all(label in ("", name) for label, name in own.items())


@pytest.mark.parametrize("forward", ["gru", "backward_gru"])
@pytest.mark.parametrize("backward", ["", "mine", "forward_mine"])
@pytest.mark.parametrize("k", [keras, tf_keras], ids=keras_originals.LINES)
def test_both_directions_of_a_layer_go_by_the_names_that_keras_gives_them(
    k: ModuleType, forward: str, backward: str, tmp_path: Path, opened: Any
) -> None:
    given = k.layers.GRU(2, name=backward, go_backwards=True) if backward else None
    both = k.layers.Bidirectional(k.layers.GRU(2, name=forward), backward_layer=given, name="both")
    model = k.Sequential([k.Input((3, 4)), both])
    model.compile("sgd", "mse")
    names = _names(_filled(model).weights)
    model.save(tmp_path / "model.keras")
    for each in (t for t in opened(tmp_path / "model.keras").tensors() if t.role is Role.WEIGHT):
        label, name = each.label.split("/"), names[each.read().tobytes()].split("/")
        assert [label[0], label[1], label[-1]] == [name[-4], name[-3], name[-1]]


# Names of layers that the file does not hold


def _crossed(k: ModuleType) -> Any:
    """Layers whose names are those that the counters of classes give to others."""
    names = ("dense_1", "dense", "out")
    return k.Sequential([k.Input((4,)), *(k.layers.Dense(4, name=name) for name in names)])


def _crossed_subclass(k: ModuleType) -> Any:
    class Crossed(k.Model):  # type: ignore[name-defined,misc]
        def __init__(self) -> None:
            super().__init__()
            self.dense = k.layers.Dense(4, name="dense_1")
            self.listed = [k.layers.Dense(4, name="dense")]

        def call(self, inputs: Any) -> Any:
            return self.listed[0](self.dense(inputs))

    model = Crossed()
    model(np.zeros((1, 4), np.float32))
    return model


@pytest.mark.parametrize(
    ("make", "ending"),
    [(_crossed, "weights.h5"), (_crossed_subclass, "weights.h5"), (_crossed_subclass, "keras")],
)
@pytest.mark.parametrize("k", [keras, tf_keras], ids=keras_originals.LINES)
def test_a_layer_whose_name_is_not_stored_goes_by_its_place(
    k: ModuleType, make: Callable[[ModuleType], Any], ending: str, tmp_path: Path, opened: Any
) -> None:
    model = make(k)
    model.compile("sgd", "mse")
    names = _names(_filled(model).weights)
    model.save(tmp_path / "x.keras")
    model.save_weights(tmp_path / "x.weights.h5")
    artifact = opened(tmp_path / f"x.{ending}")
    layers = {layer.name for layer in artifact.layers()}
    for tensor in (t for t in artifact.tensors() if t.role is Role.WEIGHT and t.label):
        name = names[tensor.read().tobytes()]
        assert tensor.label.rpartition("/")[2] == name.rpartition("/")[2]
        assert k is tf_keras or name.endswith(tensor.label)
        assert tensor.label.rpartition("/")[0] in layers
    assert sum(layer.parameters for layer in artifact.layers()) == model.count_params()
    if k is keras:
        assert layers == {layer.name for layer in model.layers}
        assert artifact.notes == ()
    else:
        assert layers.isdisjoint(layer.name for layer in model.layers)
        assert "names of the layers are not in the file" in artifact.notes[0]


def test_a_variable_has_the_name_on_which_both_lines_agree(tmp_path: Path, opened: Any) -> None:
    """Keras 3 calls ``kernel`` what is ``depthwise_kernel`` to Keras 2."""
    model = tf_keras.Sequential([tf_keras.Input((4, 4, 2)), tf_keras.layers.DepthwiseConv2D(2)])
    model.compile("sgd", "mse")
    names = _names(_filled(model).weights)
    model.save_weights(tmp_path / "x.weights.h5")
    tensors = opened(tmp_path / "x.weights.h5").tensors()
    weights = [t for t in tensors if t.role is Role.WEIGHT]
    labels = {names[t.read().tobytes()].rpartition("/")[2]: t.label for t in weights}
    assert labels == {"depthwise_kernel": "", "bias": "layers/depthwise_conv2d/bias"}


# What optimizers keep


def _dense(k: ModuleType) -> Any:
    inputs = k.Input((5,))
    x = k.layers.Dense(4, name="first")(inputs)
    return k.Model(inputs, k.layers.Dense(3, name="last")(k.layers.LayerNormalization()(x)))


def _embedded(k: ModuleType) -> Any:
    inputs = k.Input((5,))
    x = k.layers.Flatten()(k.layers.Embedding(9, 3, name="embedding")(inputs))
    return k.Model(inputs, k.layers.Dense(3, name="last")(x))


def _uncommon(k: ModuleType) -> Any:
    """Layers that keep what few do."""
    words, sounds = k.Input((5,)), k.Input((128, 1))
    x = k.layers.ReversibleEmbedding(9, 3, tie_weights=False)(words)
    x = k.layers.Attention(use_scale=True, score_mode="concat")([x, x])
    y = k.layers.STFTSpectrogram("log", 64, 32, 64)(sounds)
    return k.Model([words, sounds], [k.layers.Dense(2)(x), k.layers.Dense(2)(y)])


def _rare_words(k: ModuleType) -> Any:
    words = k.Input((), dtype="string")
    layer = k.layers.TextVectorization(output_mode="tf_idf")
    layer.adapt(["a b c", "b c", "c"])
    return k.Model(words, k.layers.Dense(2)(layer(words)))


def _eight_bit(k: ModuleType) -> Any:
    model = _dense(k)
    model.quantize("float8")
    return model


def _with_custom(k: ModuleType) -> Any:
    """In its middle a layer of which only its code knows what is trained."""
    custom = _layer(k, "Mine", mine=(4,), yours=(4, 2))()
    inputs = k.Input((5,))
    x = custom(k.layers.Dense(4, name="first")(inputs))
    custom.trainable_variables[0].trainable = False
    return k.Model(inputs, k.layers.Dense(3, name="last")(x))


@pytest.mark.parametrize(
    ("make", "optimizer", "labelled"),
    [
        (_dense, tf_keras.optimizers.Adafactor, 10),
        (_dense, keras.optimizers.Adafactor, 18),
        (_dense, keras.optimizers.Muon, 10),
        (_embedded, keras.optimizers.Muon, 5),
        (_uncommon, keras.optimizers.Adam, 20),
        (_rare_words, keras.optimizers.Adam, 4),
        (_eight_bit, keras.optimizers.Adam, 12),
        (_with_custom, keras.optimizers.Adam, 8),
    ],
)
@pytest.mark.filterwarnings("ignore:Layer InputLayer does not have a `quantize` method")
def test_what_an_optimizer_keeps_is_joined_to_the_weight(
    make: Any, optimizer: Any, labelled: int, tmp_path: Path, opened: Any
) -> None:
    model = make(tf_keras if "tf_keras" in optimizer.__module__ else keras)
    model.compile(optimizer(), "mse")
    model.optimizer.build(model.trainable_variables)
    _filled(model).save(tmp_path / "model.keras")
    artifact = opened(tmp_path / "model.keras")
    assert artifact.parameters() == model.count_params()
    assert len(_joined(artifact, model)) == labelled


def _joined(artifact: Artifact, model: Any) -> set[str]:
    """The labels of slots, each of which is that of its weight."""
    weights, slots = _names(model.weights), _names(architectures.optimizer_variables(model))
    tensors = artifact.tensors()
    paths = {t.label: weights[t.read().tobytes()] for t in tensors if t.role is Role.WEIGHT}
    found = [t for t in tensors if t.role is Role.OPTIMIZER and "·" in t.label]
    for tensor in found:
        title, _, text = tensor.label.partition(" · ")
        assert _is_slot(slots[tensor.read().tobytes()], paths[title], text), tensor.label
    return {tensor.label for tensor in found}


def _is_slot(name: str, weight: str, text: str) -> bool:
    """Whether a variable is what ``text`` says of a weight, such as ``adam/momentum``."""
    optimizer, _, slot = text.rpartition("/")
    if slot in ("r", "c"):  # Keras names them after the weight alone
        return name.rpartition("/")[2] == weight.rpartition("/")[2]
    if f"{slot}/{weight}" == name:
        return True
    return name.endswith(f"{optimizer}/{weight.replace('/', '_')}_{slot}")


@pytest.mark.parametrize("ending", ["keras", "h5"])
@pytest.mark.parametrize("k", [keras, tf_keras], ids=keras_originals.LINES)
@pytest.mark.filterwarnings("ignore:You are saving your model as an HDF5 file")
def test_mixed_precision_wraps_the_optimizer_by_itself(
    k: ModuleType, ending: str, tmp_path: Path, opened: Any
) -> None:
    k.mixed_precision.set_global_policy("mixed_float16")
    try:
        model = _dense(k)
        model.compile("adam", "mse")
        model.fit(np.zeros((8, 5)), np.zeros((8, 3)), verbose=0)
    finally:
        k.mixed_precision.set_global_policy("float32")
    _filled(model).save(tmp_path / f"model.{ending}")
    labels = _joined(opened(tmp_path / f"model.{ending}"), model)
    assert len(labels) == 2 * len(model.trainable_variables)
