"""The demo data: shapes, labels, repeatability, and settings that contradict it."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np
import pytest

from explorer.lab.catalog import DATASETS, DEMOS, DemoSettings, LayerSpec, Line
from explorer.lab.data import check, demo_inputs, training_data
from explorer.lab.explaining import SettingsError

FUNCTIONAL = DEMOS["functional"].settings(Line.KERAS3)
SUBCLASS = DEMOS["subclass"].settings(Line.KERAS3)


def changed(settings: DemoSettings, **changes: Any) -> DemoSettings:
    return msgspec.structs.replace(settings, **changes)


DIGITS = changed(FUNCTIONAL, dataset="digits", features=64)


def test_the_notes_data_for_the_functional_model() -> None:
    train, validation = training_data(FUNCTIONAL)
    assert (train.x.shape, train.y.shape) == ((1000, 32), (1000,))
    assert (validation.x.shape, validation.y.shape) == ((200, 32), (200,))
    assert demo_inputs(FUNCTIONAL).shape == (200, 32)
    assert train.x.dtype == np.float32
    assert 0 <= train.x.min() < 0.01 < 0.99 < train.x.max() <= 1
    assert set(train.y.tolist()) == set(range(10))


def test_the_notes_data_for_the_subclass() -> None:
    train, _ = training_data(SUBCLASS)
    assert train.y.shape == (1000, 10)
    assert 0 <= train.y.min() < 0.01 < 0.99 < train.y.max() <= 1


@pytest.mark.parametrize("settings", [FUNCTIONAL, SUBCLASS, DIGITS])
def test_the_seed_makes_data_repeatable(settings: DemoSettings) -> None:
    again, other = training_data(settings), training_data(changed(settings, seed=7))
    for one, two, three in zip(training_data(settings), again, other, strict=True):
        np.testing.assert_array_equal(one.x, two.x)
        np.testing.assert_array_equal(one.y, two.y)
        assert not np.array_equal(one.x, three.x)
    np.testing.assert_array_equal(demo_inputs(settings), demo_inputs(settings))


def test_the_test_set_does_not_depend_on_how_much_is_trained() -> None:
    more = changed(FUNCTIONAL, train_rows=5000, epochs=9, line=Line.KERAS2)
    np.testing.assert_array_equal(demo_inputs(FUNCTIONAL), demo_inputs(more))


def test_parts_do_not_overlap() -> None:
    train, validation = training_data(DIGITS)
    rows = np.concatenate([train.x, validation.x, demo_inputs(DIGITS)])
    everything = changed(DIGITS, train_rows=1795, validation_rows=1, test_rows=1)
    whole = training_data(everything)[0].x
    assert len(np.unique(rows, axis=0)) > 1390
    assert len(np.unique(whole, axis=0)) > 1790


def test_digits_are_pixels_from_0_to_1_with_the_digit_they_show() -> None:
    train, _ = training_data(DIGITS)
    assert (train.x.min(), train.x.max()) == (0, 1)
    assert train.x.shape == (1000, 64)
    zeros, ones = train.x[train.y == 0].mean(axis=0), train.x[train.y == 1].mean(axis=0)
    middle = 8 * 3 + 3
    assert zeros[middle] < 0.2 < 0.6 < ones[middle]


def test_digits_are_one_hot_for_losses_that_need_it() -> None:
    sparse, _ = training_data(DIGITS)
    dense, _ = training_data(changed(DIGITS, loss="CategoricalCrossentropy"))
    np.testing.assert_array_equal(dense.y.argmax(axis=1), sparse.y)
    assert set(np.unique(dense.y)) == {0.0, 1.0}


@pytest.mark.parametrize("demo", DEMOS)
def test_the_proposed_digits_settings_are_accepted(demo: str) -> None:
    check(changed(DEMOS[demo].settings(Line.KERAS3), dataset="digits", features=64))
    assert demo in (DATASETS["digits"].proposed or {})


DENSE = LayerSpec("dense_1", 8, "relu")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (changed(FUNCTIONAL, dataset="digits"), "64 features, the model expects 32"),
        (
            changed(DIGITS, layers=(LayerSpec("out", 12, "linear"),)),
            "10 classes, the last layer gives 12",
        ),
        (changed(DIGITS, train_rows=1500), "1,797 rows; 1,900 are asked for"),
        (changed(FUNCTIONAL, dataset="mnist"), "no dataset called 'mnist'"),
        (changed(FUNCTIONAL, loss="Hinge"), "no loss called 'Hinge'"),
        (changed(FUNCTIONAL, optimizer="Lion"), "no optimizer called 'Lion'"),
        (changed(FUNCTIONAL, demo="rnn"), "no demo model called 'rnn'"),
        (changed(FUNCTIONAL, layers=(LayerSpec("a", 8, "softplus"),)), "no activation"),
        (changed(FUNCTIONAL, layers=()), "no layer"),
        (changed(FUNCTIONAL, layers=(DENSE, DENSE)), "taken twice"),
        (changed(FUNCTIONAL, layers=(LayerSpec("digits", 8, "relu"),)), "taken twice"),
        (changed(FUNCTIONAL, layers=(LayerSpec("a b", 8, "relu"),)), "cannot name a layer"),
        (changed(FUNCTIONAL, layers=(LayerSpec("a", 0, "relu"),)), "0 units"),
        (changed(FUNCTIONAL, train_rows=0), "Rows to train on: 0"),
        (changed(FUNCTIONAL, validation_rows=-1), "Rows to validate on: -1"),
        (changed(FUNCTIONAL, batch_size=0), "Batch size: 0"),
        (changed(FUNCTIONAL, epochs=0), "Epochs: 0"),
        (changed(FUNCTIONAL, learning_rate=0.0), "Learning rate: 0.0"),
        (changed(FUNCTIONAL, learning_rate=float("nan")), "Learning rate: nan"),
        (changed(FUNCTIONAL, seed=-1), "Seed: -1"),
        (changed(FUNCTIONAL, train_rows=10**9), "data would not fit the memory"),
        (changed(FUNCTIONAL, layers=(LayerSpec("a", 2**40, "relu"),)), "weights would not fit"),
    ],
)
def test_settings_that_contradict_are_refused(settings: DemoSettings, message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        training_data(settings)
