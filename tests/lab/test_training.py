"""Training: repeatable by its seed, honest about what does not learn, kept beyond its worker."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from typing import Any

import msgspec
import numpy as np
import pytest

from explorer.engine.client import Phase
from explorer.engine.messages import Built, Failed, Log, Result, Train, Trained
from explorer.lab.catalog import DATASETS, DEMOS, DemoSettings, LayerSpec, Line
from tests.engine.bench import PATIENCE, Bench, working

FUNCTIONAL = DEMOS["functional"].settings(Line.KERAS3)
WRITTEN = DEMOS["subclass"].settings(Line.KERAS3)
ALL = [
    demo.settings(line, ported=ported)
    for demo in DEMOS.values()
    for line in Line
    for ported in (False, True)
    if not ported or (demo.key == "subclass" and line is Line.KERAS3)
]


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    with working(tmp_path_factory.mktemp("scratch")) as bench:
        yield bench


def changed(settings: DemoSettings, **changes: Any) -> DemoSettings:
    return msgspec.structs.replace(settings, **changes)


def outputs(bench: Bench, settings: DemoSettings) -> np.ndarray:
    """What a newly trained model predicts for the test set of the notes' seed."""
    x = bench.test_set(changed(settings, seed=42))
    (y,) = bench.predict(bench.train(settings), "predict", {"digits": x}).values()
    return y


@pytest.mark.parametrize("settings", ALL, ids=lambda settings: settings.variant.value)
def test_the_same_seed_gives_the_same_weights(bench: Bench, settings: DemoSettings) -> None:
    first = outputs(bench, settings)
    np.testing.assert_array_equal(outputs(bench, settings), first)
    assert not np.array_equal(outputs(bench, changed(settings, seed=43)), first)


@pytest.mark.parametrize("settings", ALL, ids=lambda settings: settings.variant.value)
def test_both_demos_learn_the_digits(bench: Bench, settings: DemoSettings) -> None:
    proposed = DATASETS["digits"].proposed
    assert proposed is not None
    epochs, rate = proposed[settings.demo]
    digits = changed(settings, dataset="digits", features=64, epochs=epochs, learning_rate=rate)
    trained = bench.answer(Train(bench.ref(digits)))
    accuracy = next(v for k, v in trained.metrics.items() if k.startswith("val_") and "acc" in k)
    assert accuracy > 0.85


@pytest.mark.parametrize("line", list(Line))
@pytest.mark.parametrize("demo", DEMOS)
@pytest.mark.parametrize("loss", ["CategoricalCrossentropy", "MeanSquaredError"])
@pytest.mark.parametrize("optimizer", ["Adam", "AdamW", "Adagrad"])
def test_other_settings_train_too(
    bench: Bench, line: Line, demo: str, loss: str, optimizer: str
) -> None:
    settings = changed(
        DEMOS[demo].settings(line),
        loss=loss,
        optimizer=optimizer,
        epochs=1,
        batch_size=300,
        layers=(LayerSpec("wide", 100, "tanh"), LayerSpec("out", 7, "softmax")),
    )
    trained = bench.answer(Train(bench.ref(settings)))
    assert isinstance(trained, Trained)
    assert trained.steps == 4
    assert all(np.isfinite(value) for value in trained.metrics.values())


def logged(bench: Bench, settings: DemoSettings) -> tuple[list[Built], str]:
    """The layers that are told, and the log, of a training that succeeds."""
    events: list[Any] = []
    job = bench.client.submit(
        Train(bench.ref(settings)), listener=lambda event, _arrays: events.append(event)
    )
    assert isinstance(job.wait(PATIENCE), Result)
    lines = [event.text for event in events if isinstance(event, Log)]
    return [event for event in events if isinstance(event, Built)], "\n".join(lines)


def test_as_written_on_keras_3_says_that_it_was_built_first(bench: Bench) -> None:
    built, log = logged(bench, WRITTEN)
    assert "model.build((None, 32)) was called before training" in log
    assert [row.parameters for row in built[0].layers] == [0, 0]
    assert [row.parameters for row in built[-1].layers] == [1056, 330]


def test_as_written_on_keras_3_no_gradient_reaches_a_variable_unless_built_first(
    bench: Bench,
) -> None:
    lines: list[str] = []
    job = bench.client.submit(
        Train(bench.ref(changed(WRITTEN, build_first=False))),
        listener=lambda event, _arrays: lines.append(getattr(event, "text", "")),
    )
    failed = job.wait(PATIENCE)
    assert isinstance(failed, Failed)
    assert failed.exception == "ValueError"
    assert failed.message == "No gradients provided for any variable."
    assert "built first" in failed.reason
    assert any("no gradient reaches any" in line for line in lines)


@pytest.mark.skipif(os.name == "nt", reason="Windows has no signals")
def test_models_outlive_their_worker(bench: Bench) -> None:
    models = [bench.train(settings) for settings in ALL]
    x = {"digits": bench.test_set(FUNCTIONAL)}
    before = [bench.predict(model, "predict", x) for model in models]
    killed = bench.client.state.pid
    assert killed is not None
    os.kill(killed, signal.SIGKILL)
    bench.wait_until(lambda state: state.phase is Phase.READY and state.pid != killed)
    for model, expected in zip(models, before, strict=True):
        for name, found in bench.predict(model, "predict", x).items():
            np.testing.assert_array_equal(found, expected[name])
