"""Training the demo models: by ``fit``, and by the notes' own loop."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import tensorflow as tf

from explorer.lab.catalog import DemoSettings, Variant
from explorer.lab.data import Part, training_data
from explorer.lab.models import METRICS, DemoModel, build, layer_rows, loss_of
from explorer.lab.reporting import Report

_INTERVAL = 0.05
"""Seconds between two reports of values and progress."""


@dataclass(frozen=True)
class Training:
    """A trained model, the values of its last epoch, and the seconds of training alone."""

    model: DemoModel
    metrics: Mapping[str, float]
    steps: int
    seconds: float


def train(settings: DemoSettings, report: Report) -> Training:
    """Build and train a demo model. Raises `SettingsError`, and `Stopped` when cancelled."""
    parts = training_data(settings)
    demo = build(settings)
    pace = _Pace(settings, report)
    layers = layer_rows(demo.model)
    report.built(layers, pace.total)
    _say_what_is_special(settings, report)
    report.check()
    pace.start()
    run = _fit if settings.demo == "functional" else _loop
    run(demo, *parts, pace)
    if layer_rows(demo.model) != layers:  # as written on Keras 3, the first batch makes them
        report.built(layer_rows(demo.model), pace.total)
    return Training(demo, pace.last_epoch, pace.total, pace.seconds)


def _say_what_is_special(settings: DemoSettings, report: Report) -> None:
    if settings.variant is not Variant.SUBCLASS_3:
        return
    call = f"model.build((None, {settings.features}))"
    if settings.build_first:
        report.log(
            f"{call} was called before training, which the notes do not do: with @tf.function on "
            "call, Keras 3 would otherwise find no variable to train."
        )
    else:
        report.log(
            f"{call} was not called: with @tf.function on call, Keras 3 then finds no variable to "
            "train, so no gradient reaches any and the first step fails."
        )


class _Pace:
    """Counts batches, reports at most every 50 ms, and says how long the rest will take."""

    def __init__(self, settings: DemoSettings, report: Report) -> None:
        self.per_epoch = math.ceil(settings.train_rows / settings.batch_size)
        self.total = self.per_epoch * settings.epochs
        self.last_epoch: Mapping[str, float] = {}
        self.report = report
        self._epochs = settings.epochs
        self._epoch = 0
        self._done = 0
        self._start = self._first = self._reported = 0.0

    @property
    def seconds(self) -> float:
        """Since the training started."""
        return time.perf_counter() - self._start

    def start(self) -> None:
        """The training begins."""
        self._start = self._reported = time.perf_counter()
        self._tell_progress(None)

    def batch(self, values: Callable[[], Mapping[str, float]]) -> None:
        """A batch is done; ``values`` is called only if they are reported. Raises `Stopped`."""
        self.report.check()
        self._done += 1
        now = time.perf_counter()
        if self._done == 1:
            self._first = now  # tracing makes the first batch slow: it tells nothing of the rest
        if now - self._reported < _INTERVAL and self._done < self.total:
            return
        self._reported = now
        self.report.metric(self._epoch, self._done, values(), now - self._start, False)
        self._tell_progress(self._seconds_left(now))

    def epoch(self, values: Mapping[str, float]) -> None:
        """An epoch is done."""
        self.last_epoch = values
        self.report.metric(self._epoch, self._done, values, self.seconds, True)
        self._epoch = min(self._epoch + 1, self._epochs - 1)

    def _seconds_left(self, now: float) -> float | None:
        if self._done < 2:
            return None
        return (now - self._first) / (self._done - 1) * (self.total - self._done)

    def _tell_progress(self, seconds_left: float | None) -> None:
        text = f"Epoch {self._epoch + 1} of {self._epochs}"
        self.report.progress(text, self._done, self.total, seconds_left)


def _fit(demo: DemoModel, train: Part, validation: Part, pace: _Pace) -> None:
    settings = demo.settings
    demo.model.fit(
        train.x,
        train.y,
        batch_size=settings.batch_size,
        epochs=settings.epochs,
        validation_data=(validation.x, validation.y),
        callbacks=[_callback(demo.keras, pace)],
        verbose=2,
    )


def _callback(keras: Any, pace: _Pace) -> Any:
    class Callback(keras.callbacks.Callback):  # type: ignore[misc]
        """Passes what ``fit`` tells on to the pace."""

        _supports_tf_logs = True  # Keras 2 then leaves values on the device until they are read

        def on_train_batch_end(self, batch: int, logs: Mapping[str, Any] | None = None) -> None:
            pace.batch(lambda: _floats(logs))

        def on_test_batch_end(self, batch: int, logs: Mapping[str, Any] | None = None) -> None:
            pace.report.check()

        def on_epoch_end(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
            pace.epoch(_floats(logs))

    return Callback()


def _floats(values: Mapping[str, Any] | None) -> dict[str, float]:
    return {name: float(value) for name, value in (values or {}).items()}


def _loop(demo: DemoModel, train: Part, validation: Part, pace: _Pace) -> None:
    """The notes' loop, with its prints; the loss of the validation is added."""
    settings = demo.settings
    loop = _Loop(demo, pace)
    rows = tf.data.Dataset.from_tensor_slices((train.x, train.y))
    batches = rows.shuffle(buffer_size=1024).batch(settings.batch_size)
    held_out = tf.data.Dataset.from_tensor_slices((validation.x, validation.y))
    for epoch in range(settings.epochs):
        print(f"Start of epoch {epoch}")
        trained = loop.train(batches)
        print(f"Training acc over epoch: {trained[loop.metric_name]}")
        validated = loop.validate(held_out.batch(settings.batch_size))
        print(f"Validation acc: {validated[loop.metric_name]}")
        pace.epoch(trained | {f"val_{name}": value for name, value in validated.items()})


class _Loop:
    """One pass over batches, to train or to validate."""

    def __init__(self, demo: DemoModel, pace: _Pace) -> None:
        self._model, self._optimizer, self._pace = demo.model, demo.optimizer, pace
        self._batch_size = demo.settings.batch_size
        self._loss = loss_of(demo.settings)
        self.metric_name, metric = METRICS[demo.settings.loss]
        self._train_metric = getattr(demo.keras.metrics, metric)()
        self._validation_metric = getattr(demo.keras.metrics, metric)()

    def train(self, batches: Any) -> dict[str, float]:
        """Train on every batch; the values are means over them."""
        metric, losses = self._train_metric, _Mean()
        for step, (x, y) in enumerate(batches):
            with tf.GradientTape() as tape:
                logits = self._model(x)
                loss = self._loss(y, logits)
            gradients = tape.gradient(loss, self._model.trainable_weights)
            pairs = zip(gradients, self._model.trainable_weights, strict=True)
            self._optimizer.apply_gradients(pairs)
            metric(y, logits)
            losses.add(loss)
            if step % 200 == 0:
                print(f"Training loss (for one batch) at step {step}: {float(loss)}")
                print(f"Seen so far: {(step + 1) * self._batch_size} samples")
            self._pace.batch(lambda: self._values(losses, metric))
        values = self._values(losses, metric)
        metric.reset_state()
        return values

    def validate(self, batches: Any) -> dict[str, float]:
        """Run every batch."""
        metric, losses = self._validation_metric, _Mean()
        for x, y in batches:
            logits = self._model(x)
            metric(y, logits)
            losses.add(self._loss(y, logits))
            self._pace.report.check()
        values = self._values(losses, metric)
        metric.reset_state()
        return values

    def _values(self, losses: _Mean, metric: Any) -> dict[str, float]:
        return {"loss": losses.result(), self.metric_name: float(metric.result())}


class _Mean:
    """The mean of losses, kept on the device until it is asked for."""

    def __init__(self) -> None:
        self._total: Any = 0.0
        self._count = 0

    def add(self, loss: Any) -> None:
        """Count one batch."""
        self._total += loss
        self._count += 1

    def result(self) -> float:
        """The mean so far."""
        return float(self._total) / self._count
