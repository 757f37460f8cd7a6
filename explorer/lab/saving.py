"""The save methods of the catalogue, each by exactly the call that the catalogue shows."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path

import tensorflow as tf

from explorer.lab.catalog import Variant
from explorer.lab.models import DemoModel, input_spec
from explorer.lab.placing import staged


def save(demo: DemoModel, method: str, target: Path, *, replace: bool) -> float:
    """Save by a method's key; ``target`` holds a whole new artifact afterwards, or is untouched.

    Returns the seconds of the library's call alone. Raises whatever the library raises,
    `TargetError` and `OSError`.
    """
    with staged(target, replace=replace) as path:
        start = time.perf_counter()
        _WRITERS[method](demo, str(path))
        return time.perf_counter() - start


def _save_weights(demo: DemoModel, path: str) -> None:
    demo.model.save_weights(path)


def _save_keras_saved_model(demo: DemoModel, path: str) -> None:
    demo.model.save(path, save_format="tf")


def _save_whole(demo: DemoModel, path: str) -> None:
    demo.model.save(path)


def _save_saved_model(demo: DemoModel, path: str) -> None:
    if demo.settings.variant is Variant.PORTED_3:
        serve = tf.function(demo.model.call, input_signature=[input_spec(demo.settings)])
        tf.saved_model.save(demo.model, path, signatures=serve)
    else:
        tf.saved_model.save(demo.model, path)


def _save_checkpoint_weights(demo: DemoModel, path: str) -> None:
    demo.model.save_weights(f"{path}/mannal_checkpoint")


def _export(demo: DemoModel, path: str) -> None:
    demo.model.export(path)


def _save_checkpoint(demo: DemoModel, path: str) -> None:
    tf.train.Checkpoint(model=demo.model).save(f"{path}/checkpoint")


def _save_tflite(demo: DemoModel, path: str) -> None:
    Path(path).write_bytes(tf.lite.TFLiteConverter.from_keras_model(demo.model).convert())


_WRITERS: Mapping[str, Callable[[DemoModel, str], None]] = {
    "weights_h5": _save_weights,
    "keras_saved_model": _save_keras_saved_model,
    "whole_h5": _save_whole,
    "saved_model": _save_saved_model,
    "checkpoint_weights": _save_checkpoint_weights,
    "weights_today": _save_weights,
    "export": _export,
    "keras_archive": _save_whole,
    "checkpoint": _save_checkpoint,
    "tflite": _save_tflite,
}
