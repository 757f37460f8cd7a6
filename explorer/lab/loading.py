"""The loaders of the catalogue: from a path to something that can be run."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import msgspec
import tensorflow as tf

from explorer.lab.catalog import LOADERS, DemoSettings, Line
from explorer.lab.explaining import ArtifactError
from explorer.lab.models import DemoModel, build, keras_of, subclass_of
from explorer.lab.running import KerasRunner, Runner, SavedModelRunner, TFLiteRunner

_MOST_WARNINGS = 20


@dataclass(frozen=True)
class LoadedArtifact:
    """Something loaded; ``call`` is the code that did it, ``seconds`` the loading alone."""

    runner: Runner
    call: str
    seconds: float
    warnings: tuple[str, ...]


def load(path: str, loader: str, demo: DemoSettings | None = None) -> LoadedArtifact:
    """Load by a loader's key, into the freshly built model ``demo`` where the loader needs one.

    Raises whatever the library raises, and `ArtifactError`.
    """
    if loader not in LOADERS:
        raise ArtifactError(f"There is no loader called {loader!r}.")
    if not Path(path).exists() and not Path(f"{path}.index").exists():
        raise ArtifactError(
            f"Nothing is at {path} any more. Check that it was not moved or renamed, and open it "
            "again."
        )
    if LOADERS[loader].needs_demo and demo is None:
        raise ArtifactError(
            "This loader puts weights into a model built from its code. Choose which demo model "
            "to build."
        )
    name = _name(Path(path), loader)
    start = time.perf_counter()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("default")
        runner = _READERS[loader](name, demo)
    seconds = time.perf_counter() - start
    said = dict.fromkeys(" ".join(str(warning.message).split()) for warning in caught)
    said = {text: None for text in said if _OF_NO_USE not in text}
    call = LOADERS[loader].call.format(name=name)
    return LoadedArtifact(runner, call, seconds, tuple(said)[:_MOST_WARNINGS])


_OF_NO_USE = "tf.lite.Interpreter is deprecated"
"""Said of every TensorFlow Lite file; nothing about the file, and nothing its reader can change."""


def _name(path: Path, loader: str) -> str:
    """What to give the library: for a checkpoint its prefix, else the path."""
    if loader == "saved_model" and path.name in ("saved_model.pb", "saved_model.pbtxt"):
        return path.parent.as_posix()
    if loader not in ("load_weights", "restore_checkpoint"):
        return path.as_posix()
    if path.suffix == ".index":
        return path.with_suffix("").as_posix()
    return _prefix_in(path).as_posix() if path.is_dir() else path.as_posix()


def _prefix_in(folder: Path) -> Path:
    """The newest checkpoint of a folder."""
    found = sorted(folder.glob("*.index"), key=lambda index: index.stat().st_mtime)
    if not found:
        raise ArtifactError(
            f"{folder.name} holds no checkpoint: a file that ends in .index was looked for."
        )
    return found[-1].with_suffix("")


def _saved_model(name: str, demo: DemoSettings | None) -> Runner:
    return SavedModelRunner(tf.saved_model.load(name))


def _keras(line: Line, **arguments: bool) -> Callable[[str, DemoSettings | None], Runner]:
    def read(name: str, demo: DemoSettings | None) -> Runner:
        return KerasRunner(keras_of(line).models.load_model(name, **arguments))

    return read


def _keras_with_class(line: Line) -> Callable[[str, DemoSettings | None], Runner]:
    def read(name: str, demo: DemoSettings | None) -> Runner:
        known = {"MyModel": subclass_of(demo)} if demo else {}
        return KerasRunner(keras_of(line).models.load_model(name, custom_objects=known))

    return read


def _fresh(demo: DemoSettings | None) -> DemoModel:
    """A new model with other initial weights, so that one that is not restored shows.

    It is not compiled: an optimizer of another version in the file would refuse to be restored.
    """
    assert demo is not None  # noqa: S101 - checked by `load`
    return build(msgspec.structs.replace(demo, seed=demo.seed ^ 1), compiled=False)


def _weights(name: str, demo: DemoSettings | None) -> Runner:
    built = _fresh(demo)
    built.model.load_weights(name)
    return KerasRunner(built.model, built)


def _checkpoint(name: str, demo: DemoSettings | None) -> Runner:
    built = _fresh(demo)
    status = tf.train.Checkpoint(model=built.model).restore(name)
    status.assert_existing_objects_matched().expect_partial()
    return KerasRunner(built.model, built)


def _tflite(name: str, demo: DemoSettings | None) -> Runner:
    return TFLiteRunner(tf.lite.Interpreter(name))


_READERS: Mapping[str, Callable[[str, DemoSettings | None], Runner]] = {
    "saved_model": _saved_model,
    "keras3": _keras(Line.KERAS3),
    "keras3_no_compile": _keras(Line.KERAS3, compile=False),
    "keras3_class": _keras_with_class(Line.KERAS3),
    "keras2": _keras(Line.KERAS2),
    "keras2_no_compile": _keras(Line.KERAS2, compile=False),
    "keras2_class": _keras_with_class(Line.KERAS2),
    "load_weights": _weights,
    "restore_checkpoint": _checkpoint,
    "tflite": _tflite,
}
