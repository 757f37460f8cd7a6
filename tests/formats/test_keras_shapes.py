"""Output shapes of layers, worked out from the config, compared with Keras's own."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import closing
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from explorer.formats.registry import open_artifact
from tests.formats import keras_layer_cases, keras_originals
from tests.formats.keras_layer_cases import IMAGE, NEVER_CALLED, SEQUENCE, Case
from tests.formats.walking import flat

Shape = tuple[int | None, ...] | None
Shapes = dict[str, Shape]

_UNKNOWN = {"Lambda", "ReversibleEmbedding"}
"""Classes whose code, or whose call, says what they give: that may be unknown."""

_CALLED_OTHERWISE = {
    *("GroupedQueryAttention", "MultiHeadAttention", "ReversibleEmbedding"),
    "SpectralNormalization",  # that of Keras 2 fails
}


@pytest.fixture(params=["keras", "tf_keras"])
def k(request: pytest.FixtureRequest) -> ModuleType:
    return keras_originals.line(request.param)


def in_files(model: Any, folder: Path, kinds: Iterable[str] = ("keras", "h5")) -> list[Shapes]:
    """The shape of each layer by its name, in each kind of file; those of nested models too."""
    found = []
    for kind in kinds:
        model.save(folder / f"model.{kind}")
        with closing(open_artifact(str(folder / f"model.{kind}"))) as artifact:
            found.append({layer.name: layer.output_shape for layer in flat(artifact.layers())})
    return found


def in_keras(model: Any) -> Shapes:
    """The shape of the first output of each layer in its first call, as Keras has it."""
    return {layer.name: keras_originals.first_shape(layer) for layer in _layers(model)}


def _layers(model: Any) -> list[Any]:
    """Its layers, with the operations of Keras 3 beside them."""
    return list(getattr(model, "operations", model.layers))


def called(k: ModuleType, cases: Iterable[Case], dtype: str = "float32") -> Any:
    """A model that calls each layer on inputs of its own, and gives all that they give."""
    inputs, outputs = [], []
    for layer, shapes in cases:
        several = isinstance(shapes, list)
        taken = [k.Input(shape, dtype=dtype) for shape in (shapes if several else [shapes])]
        given = layer(taken if several else taken[0])
        inputs += taken
        outputs += given if isinstance(given, list | tuple) else [given]
    return k.Model(inputs, outputs)


def check(model: Any, folder: Path, kinds: Iterable[str] = ("keras", "h5")) -> None:
    expected = in_keras(model)
    unknown = {one.name for one in _layers(model) if type(one).__name__ in _UNKNOWN}
    for found in in_files(model, folder, kinds):
        differing = {name for name, shape in expected.items() if found[name] != shape}
        assert differing <= unknown
        assert {found[name] for name in differing} <= {None}


# Layers


def test_layers_that_take_numbers(k: ModuleType, tmp_path: Path) -> None:
    check(called(k, keras_layer_cases.cases(k.layers)), tmp_path)
    check(called(k, keras_layer_cases.whole_cases(k.layers), "int32"), tmp_path)


def test_layers_that_take_texts(k: ModuleType, tmp_path: Path) -> None:
    check(called(k, keras_layer_cases.text_cases(k.layers), "string"), tmp_path)


def test_layers_of_archives_alone(k: ModuleType, tmp_path: Path) -> None:
    check(called(k, keras_layer_cases.archive_cases(k.layers)), tmp_path, ["keras"])


def test_no_class_of_either_line_is_left_out(k: ModuleType) -> None:
    there = {
        found.__name__
        for found in vars(k.layers).values()
        if isinstance(found, type) and issubclass(found, k.layers.Layer)
    }
    tried = {type(layer).__name__ for layer, _ in keras_layer_cases.every_case(k.layers)}
    assert there - tried - NEVER_CALLED <= _CALLED_OTHERWISE


def test_layers_that_are_called_in_other_ways(k: ModuleType, tmp_path: Path) -> None:
    layers = k.layers
    query, value = k.Input(SEQUENCE), k.Input((3, 7))
    words = k.Input((5,), dtype="int32")
    outputs = [
        layers.MultiHeadAttention(2, 4)(query, value),
        layers.MultiHeadAttention(2, 4, output_shape=5)(query, query),
        layers.MultiHeadAttention(2, 4, output_shape=(2, 3))(query, value),
        layers.MultiHeadAttention(2, 4)(query, value, return_attention_scores=True)[0],
    ]
    if k.__name__ == "keras":
        outputs.append(layers.MultiHeadAttention(2, 4)(value=value, query=query))
        outputs.append(layers.GroupQueryAttention(4, 2, 2)(query, query))
        outputs.append(layers.ReversibleEmbedding(9, 4)(words))
        outputs.append(layers.ReversibleEmbedding(9, 4)(query, reverse=True))
    read, *states = layers.LSTM(4, return_state=True)(query)
    outputs.append(layers.LSTM(4, return_sequences=True)(value, initial_state=states))
    outputs.append(layers.Add()([read, states[1]]))
    inner = k.Sequential([k.Input(IMAGE), layers.Conv2D(2, 3), layers.Flatten()])
    film = k.Input((4, *IMAGE))
    outputs.append(layers.TimeDistributed(inner)(film))
    check(k.Model([query, value, words, film], outputs), tmp_path)


# Models


def test_each_call_of_a_shared_layer_has_a_shape_of_its_own(k: ModuleType, tmp_path: Path) -> None:
    layers = k.layers
    a, b = k.Input((3, 4)), k.Input((5, 4))
    dense = layers.Dense(8)
    inner_input = k.Input((None, 8))
    inner = k.Model(inner_input, [layers.Dense(2)(inner_input), layers.Conv1D(3, 2)(inner_input)])
    outputs = [layers.Flatten()(dense(a)), layers.Flatten()(dense(b))]
    for one in (a, b):
        outputs += [layers.Flatten()(made) for made in inner(dense(dense(one)[:, :, :4]))]
    model = k.Model([a, b], outputs)
    expected = in_keras(inner) | in_keras(model)
    for found in in_files(model, tmp_path):
        assert found == expected


def test_a_layer_tried_on_data_falsifies_nothing(k: ModuleType, tmp_path: Path) -> None:
    layers = k.layers
    head, norm = layers.Dense(2, name="head"), layers.BatchNormalization(name="norm")
    head(np.zeros((7, 4), np.float32))
    norm(np.zeros((9, 4), np.float32))
    base = k.Sequential([k.Input((3,)), layers.Dense(4, name="inner")], name="base")
    model = k.Sequential([k.Input((3,)), base, norm, layers.Dense(4, name="first"), head])
    model(np.zeros((5, 3), np.float32))
    expected = in_keras(base) | in_keras(model)
    assert {expected[name] for name in ("base", "norm", "first")} == {(None, 4)}
    for found in in_files(model, tmp_path):
        assert {name: found[name] for name in expected} == expected


def test_a_layer_of_another_model_falsifies_nothing(k: ModuleType, tmp_path: Path) -> None:
    layers = k.layers
    shared, other = layers.Dense(4, name="shared"), k.Input((7, 4))
    k.Model(other, shared(other))
    model = k.Sequential(
        [k.Input((3,)), layers.Dense(4, name="first"), shared, layers.Dense(2, name="last")]
    )
    expected = in_keras(model) | {"shared": (None, 4)}  # Keras tells the shape in the other model
    for found in in_files(model, tmp_path):
        assert {name: found[name] for name in expected} == expected


def test_classes_named_like_keras_own_have_no_known_shape(k: ModuleType, tmp_path: Path) -> None:
    def call(self: Any, inputs: Any) -> Any:
        return inputs[:, :1]

    for name in ("Dense", "Normalization"):
        kind = type(name, (getattr(k.layers, name),), {"call": call})
        kind = k.saving.register_keras_serializable("mine")(kind)
        inputs = k.Input((6,))
        layer = kind(5) if name == "Dense" else kind()
        model = k.Model(inputs, layer(inputs))
        for found in in_files(model, tmp_path):
            assert found[layer.name] is None


@pytest.mark.parametrize(
    ("line", "name"), [("tf_keras", "MobileNetV3Small"), ("keras", "EfficientNetB0")]
)
def test_applications(line: str, name: str, tmp_path: Path) -> None:
    k = keras_originals.line(line)
    model = getattr(k.applications, name)((32, 32, 3), weights=None, classes=3)
    check(model, tmp_path, ["h5"])


# Operations


def _keras_operations(ops: Any, x: Any, y: Any) -> list[Any]:
    """What operations of Keras 3 give for (?, 6, 4) and (?, 1, 4)."""
    given = [ops.matmul(x, ops.transpose(y, (0, 2, 1))), ops.not_equal(x, 0.0), x / y, 2.0 - x]
    given += [ops.reshape(x, (-1, 8)), ops.reshape(x, (-1, 2, 12)), ops.transpose(x)]
    given += [ops.expand_dims(x, -1), ops.squeeze(y, 1), ops.concatenate([x, y], axis=1)]
    given += [ops.stack([x, x], axis=1), *ops.split(x, 2, axis=1), *ops.split(x, [1], axis=-1)]
    given += [x[:, 0], x[:, 1:5:2, None], x[..., -1], x[:, :-2], *ops.unstack(x, axis=2)]
    given += [ops.sum(x), ops.mean(x, axis=(1, 2), keepdims=True), ops.max(x, axis=-1)]
    given += [ops.argmax(x), ops.argmax(x, axis=1), ops.cumsum(x, axis=1), ops.cumsum(x)]
    given += [ops.take(x, [0, 2, 1], axis=1), ops.one_hot(ops.cast(x, "int32"), 5)]
    given += [ops.tile(x, [1, 2, 3]), ops.pad(x, [[0, 0], [1, 2], [3, 0]]), ops.relu(x)]
    given += [ops.where(x > 0, x, y), ops.maximum(x, y), ops.softmax(x), *ops.top_k(x, 2)]
    return given


def _tensorflow_operations(tf: Any, x: Any, y: Any) -> list[Any]:
    """What operations of TensorFlow give for (?, 6, 4) and (?, 1, 4)."""
    given = [tf.matmul(x, y, transpose_b=True), tf.not_equal(x, 0.0), x / y, 2.0 - x, x > y]
    given += [tf.reshape(x, (-1, 8)), tf.reshape(x, (-1, 2, 12)), tf.transpose(x)]
    given += [tf.transpose(x, (0, 2, 1)), tf.expand_dims(x, -1), tf.squeeze(y, 1)]
    given += [tf.concat([x, y], axis=1), tf.stack([x, x], axis=1), *tf.split(x, 2, axis=1)]
    given += [*tf.split(x, [1, 3], axis=-1), x[:, 0], x[:, 1:5:2, None], x[:, :-2]]
    given += [*tf.unstack(x, axis=2), tf.reduce_sum(x), tf.reduce_max(x, axis=-1)]
    given += [tf.reduce_mean(x, axis=(1, 2), keepdims=True), tf.argmax(x, axis=1)]
    given += [tf.cumsum(x, axis=1), tf.gather(x, [0, 2, 1], axis=1), tf.cast(x, "int32")]
    given += [tf.one_hot(tf.cast(x, "int32"), 5), tf.tile(x, [1, 2, 3]), tf.nn.relu(x)]
    given += [tf.pad(x, [[0, 0], [1, 2], [3, 0]]), tf.where(x > 0, x, y), tf.maximum(x, y)]
    given += [tf.nn.softmax(x), *tf.math.top_k(x, 2), tf.clip_by_value(x, 0.0, 1.0), tf.shape(x)]
    given += [tf.math.reduce_std(x, 1), tf.nn.bias_add(x, [1.0] * 4), tf.math.l2_normalize(x, [1])]
    return given


def test_operations(k: ModuleType, tmp_path: Path) -> None:
    x, y = k.Input((6, 4)), k.Input((1, 4))
    if k.__name__ == "keras":
        outputs = _keras_operations(k.ops, x, y)
    else:
        outputs = _tensorflow_operations(pytest.importorskip("tensorflow"), x, y)
    check(k.Model([x, y], outputs), tmp_path)
