"""Each page, light and dark, as it was last looked at."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PySide6.QtCore import QSettings
from PySide6.QtWidgets import QApplication

from explorer.analysis.inputs import Choice, Source
from explorer.engine.messages import (
    Built,
    CallSignature,
    CallTensor,
    Metric,
    ModelRef,
    Progress,
    Trained,
)
from explorer.lab.catalog import DEMOS, Line
from explorer.ui import app
from explorer.ui.driver import Driver
from explorer.ui.lab.plan import planned_layers
from explorer.ui.predict.jobs import Call
from explorer.ui.session import Places
from explorer.ui.theme import Theme, current_theme
from explorer.ui.window import Window
from tests.ui.goldens import assert_matches_golden

SETTINGS = DEMOS["functional"].settings(Line.KERAS3)


@pytest.fixture(params=list(Theme), ids=lambda theme: theme.value)
def driver(request: pytest.FixtureRequest, qapp: QApplication, tmp_path: Path) -> Iterator[Driver]:
    """A window whose engine is never started: nothing in it depends on time or versions."""
    app.application(request.param)
    places = Places(tmp_path / "experiments", tmp_path / "data", tmp_path)
    window = Window(places, QSettings(str(tmp_path / "s.ini"), QSettings.Format.IniFormat))
    window.resize(1440, 900)
    yield Driver(window)
    window.shut_down()
    window.close()
    window.deleteLater()
    app.application(Theme.LIGHT)


def shoot(driver: Driver, name: str) -> None:
    window = driver.window
    window.statusbar.action_text.setText("")
    window.setFocus()
    window.ensurePolished()
    driver.pause(50)
    window.grab()  # the first one lays everything out
    driver.pause(50)
    assert_matches_golden(window, f"{name}_{current_theme().value}")


def opened(driver: Driver, path: Path) -> None:
    driver.window.open_paths([str(path)])
    driver.until(lambda: driver.window.session.opening == 0, "the artifact")


def test_lab_before_a_training(driver: Driver) -> None:
    shoot(driver, "lab_empty")


def test_lab_after_a_training(driver: Driver) -> None:
    lab = driver.window.lab
    lab.training.start(SETTINGS)
    lab.show_built("model", Built(1, planned_layers(SETTINGS), 160))
    for step in range(1, 161):
        loss = 2.3 + 0.6 * np.exp(-step / 40)
        at_end = step % 32 == 0
        values = {"loss": loss, "accuracy": 0.1 + step / 1000}
        if at_end:
            values |= {"val_loss": loss + 0.05, "val_accuracy": 0.1 + step / 1200}
        epoch = (step - 1) // 32
        lab.training.show_metric(Metric(1, epoch, step, values, step * 0.01, at_end))
    lab.training.show_progress(Progress(1, "Epoch 5 of 5", 160, 160))
    lab.training.finish_done(5, 160, 1.8)
    model = ModelRef("model", SETTINGS, "")
    driver.window.session.add_model(Trained(model, {"loss": 2.291}, 160, 1.8))
    driver.pause(400)  # the curves are drawn a moment after their values arrive
    shoot(driver, "lab_trained")


def test_browse_without_an_artifact(driver: Driver) -> None:
    driver.window.show_page("browse")
    shoot(driver, "browse_empty")


def test_browse_a_saved_model(driver: Driver, corpus: Path) -> None:
    opened(driver, corpus / "basic_pitch_nmp")
    browse = driver.window.browse
    driver.pause(300)
    browse.reveal("layer_with_weights-3/kernel/.ATTRIBUTES/VARIABLE_VALUE")
    driver.pause(900)
    shoot(driver, "browse_saved_model")


def test_browse_signatures(driver: Driver, corpus: Path) -> None:
    opened(driver, corpus / "basic_pitch_nmp")
    tabs = driver.window.browse.header.tabs
    tabs.setCurrentIndex(1)
    driver.pause(600)
    shoot(driver, "browse_signatures")


def test_predict_without_anything(driver: Driver) -> None:
    driver.window.show_page("predict")
    shoot(driver, "predict_empty")


def test_predict_with_outputs(driver: Driver, corpus: Path) -> None:
    opened(driver, corpus / "notes_tf20" / "functional" / "4_model")
    driver.window.show_page("predict")
    page = driver.window.predict
    signature = CallSignature(
        "serving_default",
        (CallTensor("digits", "float32", (None, 32)),),
        (CallTensor("predictions", "float32", (None, 10)),),
    )
    inputs = {"digits": np.load(corpus / "notes_tf20" / "x_test.npy").astype(np.float32)}
    outputs = {"predictions": np.load(corpus / "notes_tf20" / "functional_expected.npy")}
    call = Call(signature, [Choice(Source.TEST_SET)], {})
    page.signatures.show_signatures([signature], call, inputs)
    page.input.show_inputs(inputs)
    page.outputs.show_outputs(outputs)
    page.runs.set_rows([("4_model", "serving_default", "x_test.npy", "14:02:11", "3.1 ms")])
    shoot(driver, "predict_outputs")
