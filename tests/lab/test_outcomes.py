"""Every save method on every demo model: the outcome that was measured, not the one hoped for.

The same artifacts are then loaded by a bare script in a process of its own, by the notes' code.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from explorer.engine.messages import Failed, Load, LoadRef, ModelRef, Predict, Result, Save
from explorer.engine.transport import named_headers
from explorer.formats.registry import open_artifact
from explorer.lab.catalog import (
    DEMOS,
    LOADERS,
    SAVE_METHODS,
    DemoSettings,
    Line,
    Variant,
    loader_for_save,
    written_by,
)
from explorer.lab.data import training_data
from tests.engine.bench import Bench, working

SAME = "same predictions"
ROUNDED = "the same predictions up to rounding"
WRONG = "loads, predicts wrongly"
ENDING = "ValueError: The filename must end in `.weights.h5`."
SAVE_FORMAT = "ValueError: The `save_format` argument is deprecated in Keras 3."
NOT_FUNCTIONAL = (
    "NotImplementedError: Saving the model to HDF5 format requires the model to be a Functional "
    "model or a Sequential model."
)
NO_CLASS = "TypeError: Could not locate class 'MyModel'."
NO_LAYER = "ValueError: Unknown layer: 'MyModel'."
NO_LAYERS = "ValueError: Layer count mismatch when loading weights from file."

ALWAYS_RIGHT = {"saved_model": SAME, "export": SAME, "checkpoint": SAME, "tflite": ROUNDED}
REFUSED_3 = {
    "weights_h5": ENDING,
    "keras_saved_model": SAVE_FORMAT,
    "checkpoint_weights": ENDING,
}
SUBCLASS_FILES_3 = {
    "whole_h5": NO_LAYER,
    "whole_h5 with the class": NO_LAYERS,
    "keras_archive": NO_CLASS,
}
OUTCOMES: dict[Variant, dict[str, str]] = {
    Variant.FUNCTIONAL_2: dict.fromkeys(SAVE_METHODS, SAME) | ALWAYS_RIGHT,
    Variant.FUNCTIONAL_3: dict.fromkeys(SAVE_METHODS, SAME) | ALWAYS_RIGHT | REFUSED_3,
    Variant.SUBCLASS_2: dict.fromkeys(SAVE_METHODS, SAME)
    | ALWAYS_RIGHT
    | {
        "whole_h5": NOT_FUNCTIONAL,
        "keras_archive": NO_CLASS,
        "keras_archive with the class": SAME,
    },
    Variant.SUBCLASS_3: ALWAYS_RIGHT
    | REFUSED_3
    | SUBCLASS_FILES_3
    | {"weights_today": WRONG, "keras_archive with the class": WRONG},
    Variant.PORTED_3: ALWAYS_RIGHT
    | REFUSED_3
    | SUBCLASS_FILES_3
    | {"weights_today": SAME, "keras_archive with the class": SAME},
}
ROWS = [
    pytest.param(variant, row, outcome, id=f"{variant.value}-{row}")
    for variant, outcomes in OUTCOMES.items()
    for row, outcome in outcomes.items()
]

SETTINGS = {
    settings.variant: settings
    for demo in DEMOS.values()
    for settings in (
        demo.settings(Line.KERAS2),
        demo.settings(Line.KERAS3),
        demo.settings(Line.KERAS3, ported=demo.key == "subclass"),
    )
}


@dataclass(frozen=True)
class Found:
    """What became of a model: the outcome and, where it could be run, by what and what came out."""

    outcome: str
    source: LoadRef | None = None
    input_name: str = ""
    output: np.ndarray | None = None


class Matrix:
    """The trained models, their predictions, and what became of them so far."""

    def __init__(self, bench: Bench, folder: Path) -> None:
        self.bench = bench
        self.folder = folder
        self._models: dict[Variant, tuple[ModelRef, np.ndarray, np.ndarray]] = {}
        self._found: dict[tuple[Variant, str], Found] = {}

    def model(self, variant: Variant) -> tuple[ModelRef, np.ndarray, np.ndarray]:
        """A trained model, the test set, and what the model predicts for it."""
        if variant not in self._models:
            settings = SETTINGS[variant]
            ref = self.bench.train(settings)
            x = self.bench.test_set(settings)
            (y,) = self.bench.predict(ref, "predict", {"digits": x}).values()
            self._models[variant] = ref, x, y
        return self._models[variant]

    def found(self, variant: Variant, row: str) -> Found:
        """What becomes of a model saved by a method and loaded as the notes do."""
        if (variant, row) not in self._found:
            self._found[variant, row] = self._find(variant, row)
        return self._found[variant, row]

    def _find(self, variant: Variant, row: str) -> Found:
        key, _, with_class = row.partition(" with ")
        method = SAVE_METHODS[key]
        ref, x, y = self.model(variant)
        target = self.folder / variant.name / row / method.targets[ref.settings.demo]
        saved = self.bench.ask(Save(ref, key, str(target)))
        if isinstance(saved, Failed):
            assert not target.exists()
            return Found(_said(saved))
        loader = loader_for_save(method, ref.settings.line) + ("_class" if with_class else "")
        demo = ref.settings if LOADERS[loader].needs_demo else None
        source = LoadRef(str(target), loader, demo)
        loaded = self.bench.ask(Load(source))
        if isinstance(loaded, Failed):
            return Found(_said(loaded))
        assert isinstance(loaded, Result)
        return self._compare(source, loaded.value.signatures[0], x, y)

    def _compare(self, source: LoadRef, signature: Any, x: np.ndarray, y: np.ndarray) -> Found:
        (tensor,) = signature.inputs
        (output,) = self.bench.predict(source, signature.key, {tensor.name: x}).values()
        difference = float(abs(output - y).max())
        outcome = f"{WRONG} by {difference}"
        if difference < 1e-6:
            outcome = SAME if difference == 0 else ROUNDED
        return Found(outcome, source, tensor.name, output)


def _said(failed: Failed) -> str:
    assert failed.traceback.startswith("Traceback (most recent call last):")
    assert failed.reason
    return f"{failed.exception}: {failed.message}"


@pytest.fixture(scope="module")
def matrix(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Matrix]:
    with working(tmp_path_factory.mktemp("scratch")) as bench:
        yield Matrix(bench, tmp_path_factory.mktemp("artifacts"))


def test_every_method_has_an_outcome_for_every_model() -> None:
    for outcomes in OUTCOMES.values():
        assert {row.partition(" with ")[0] for row in outcomes} == set(SAVE_METHODS)


@pytest.mark.parametrize(("variant", "row", "outcome"), ROWS)
def test_the_measured_outcome(matrix: Matrix, variant: Variant, row: str, outcome: str) -> None:
    found = matrix.found(variant, row).outcome
    if outcome == WRONG:
        assert found.startswith(WRONG)
        assert float(found.rsplit(" ", 1)[1]) > 1e-3
    elif outcome in (SAME, ROUNDED):
        assert found == outcome
    else:
        assert found.startswith(outcome)


@pytest.mark.parametrize("variant", list(Variant))
def test_the_catalogue_knows_what_is_refused(variant: Variant) -> None:
    for key, method in SAVE_METHODS.items():
        refused = method.refusal(variant)
        outcome = OUTCOMES[variant][key]
        if refused is None:
            assert outcome not in (ENDING, SAVE_FORMAT, NOT_FUNCTIONAL)
        else:
            assert outcome.startswith(f"{refused.error}: {refused.message_start}")
        wrong = any(
            found not in (SAME, ROUNDED)
            for row, found in OUTCOMES[variant].items()
            if row.partition(" with ")[0] == key
        )
        assert wrong == (refused is not None or variant in (method.caution or {}))


REFUSED = [
    (variant, key, name)
    for variant in Variant
    for key, method in SAVE_METHODS.items()
    if method.refusal(variant)
    for name in ("plain", "a.h5", "a.hdf5", "a.weights.h5", "a.keras")
]


@pytest.mark.parametrize(("variant", "key", "name"), REFUSED)
def test_the_catalogue_knows_which_names_make_a_refused_call_succeed(
    matrix: Matrix, variant: Variant, key: str, name: str, tmp_path: Path
) -> None:
    method = SAVE_METHODS[key]
    refused, written = method.refusal(variant), written_by(method, variant, name)
    ref, _, _ = matrix.model(variant)
    ended = matrix.bench.ask(Save(ref, key, str(tmp_path / name)))
    assert refused is not None
    if written is None:
        assert isinstance(ended, Failed)
        assert f"{ended.exception}: {ended.message}".startswith(
            f"{refused.error}: {refused.message_start}"
        )
        assert not (tmp_path / name).exists()
        return
    assert isinstance(ended, Result), ended
    usual = tmp_path / f"usual{Path(name).suffix}"
    if written.key == "weights_today":
        usual = tmp_path / "usual.weights.h5"
    matrix.bench.save(ref, written.key, usual)
    with (
        closing(open_artifact(str(tmp_path / name))) as found,
        closing(open_artifact(str(usual))) as expected,
    ):
        assert (found.format, found.contents) == (expected.format, expected.contents)


def test_the_notes_call_of_method_four_fails_on_keras_3(matrix: Matrix) -> None:
    ref, x, _ = matrix.model(Variant.FUNCTIONAL_3)
    target = matrix.folder / "4_keras_model"
    matrix.bench.save(ref, "saved_model", target)
    source = LoadRef(str(target), "saved_model")
    headers = named_headers({"inputs": x})
    failed = matrix.bench.failure(
        Predict(source, "serving_default", headers, passed_as={"inputs": "digits"}), x
    )
    assert failed.exception == "TypeError"
    assert failed.message.startswith(
        "Binding inputs to tf.function failed due to `missing a required argument: 'inputs'`"
    )
    assert "names" in failed.reason


@pytest.mark.parametrize(
    ("variant", "output"),
    [(Variant.FUNCTIONAL_2, "predictions"), (Variant.SUBCLASS_2, "output_1")],
)
def test_the_notes_call_of_method_four_works_on_keras_2(
    matrix: Matrix, variant: Variant, output: str
) -> None:
    ref, x, y = matrix.model(variant)
    target = matrix.folder / variant.name / "4_model"
    matrix.bench.save(ref, "saved_model", target)
    found = matrix.bench.predict(
        LoadRef(str(target), "saved_model"), "serving_default", {"digits": x}
    )
    np.testing.assert_array_equal(found[output], y)


def test_a_bare_script_loads_the_artifacts_and_predicts_the_same(
    matrix: Matrix, tmp_path: Path
) -> None:
    right = [
        matrix.found(variant, row)
        for variant, outcomes in OUTCOMES.items()
        for row, outcome in outcomes.items()
        if outcome == SAME
    ]
    x = matrix.model(Variant.FUNCTIONAL_2)[1]
    tasks = [loading_task(found) for found in right]
    assert len(tasks) == 31
    results = run_notes(tmp_path, tasks, x)
    for found, task, result in zip(right, tasks, results, strict=True):
        np.testing.assert_array_equal(result, found.output, err_msg=task["path"])


def loading_task(found: Found) -> dict[str, Any]:
    """What the bare script shall do to load an artifact by the notes' code."""
    source = found.source
    assert source is not None
    variant = next(v for v in Variant if v.name in source.path)
    suffix = {"checkpoints": "/mannal_checkpoint", "checkpoints_today": "/checkpoint-1"}
    how = "load_model" if source.loader.startswith("keras") else source.loader
    path = source.path + suffix.get(Path(source.path).name, "")
    return task_for(SETTINGS[variant], how=how, path=path, input=found.input_name)


def task_for(settings: DemoSettings, **more: str) -> dict[str, Any]:
    return {
        "demo": settings.demo,
        "keras": settings.line.module,
        "ported": settings.ported,
        **more,
    }


def run_notes(folder: Path, tasks: list[dict[str, Any]], x: np.ndarray) -> list[np.ndarray]:
    """The predictions of each task by the bare script, in a process of its own."""
    np.save(folder / "x.npy", x)
    for number, task in enumerate(tasks):
        task |= {"x": str(folder / "x.npy"), "result": str(folder / f"{number}.npy")}
    request = folder / "request.json"
    request.write_text(json.dumps(tasks))
    script = Path(__file__).with_name("notes.py")
    subprocess.run([sys.executable, str(script), str(request)], check=True, capture_output=True)
    return [np.load(task["result"]) for task in tasks]


@pytest.mark.parametrize("variant", list(Variant))
def test_a_bare_script_trains_the_same_model(
    matrix: Matrix, variant: Variant, tmp_path: Path
) -> None:
    settings = SETTINGS[variant]
    train, validation = training_data(settings)
    path = tmp_path / "data.npz"
    np.savez(path, x_train=train.x, y_train=train.y, x_val=validation.x, y_val=validation.y)
    _, x, y = matrix.model(variant)
    (result,) = run_notes(tmp_path, [task_for(settings, how="train", path=str(path))], x)
    np.testing.assert_array_equal(result, y)
