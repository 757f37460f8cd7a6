"""What Predict proposes for an artifact loads it, or else the reason says what to choose."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PySide6.QtWidgets import QComboBox

from explorer.lab.catalog import Line
from explorer.ui.driver import Driver
from explorer.ui.session import ArtifactEntry


def open_counted(driver: Driver, path: Path) -> ArtifactEntry:
    entry = driver.open(path)
    driver.until(lambda: entry.parameters is not None, "the count")
    driver.click("nav.predict")
    return entry


def proposed(driver: Driver) -> tuple[str, str]:
    loader = driver.find(QComboBox, "predict.loader").currentData()
    return loader, driver.find(QComboBox, "predict.demo").currentText()


@pytest.mark.parametrize("demo", ["functional", "subclass"])
@pytest.mark.parametrize("name", ["checkpoints", "1_weight.h5"])
def test_weights_of_the_notes_load_as_proposed(
    driver: Driver, corpus: Path, demo: str, name: str
) -> None:
    notes = corpus / "notes_tf20"
    open_counted(driver, notes / demo / name)
    assert proposed(driver) == ("load_weights", f"{demo}, Keras 2")
    assert driver.load(), driver.notice()
    driver.click("predict.input.digits.source.file")
    driver.enter("predict.input.digits.path", str(notes / "x_test.npy"))
    assert driver.run(), driver.notice()
    (output,) = driver.window.predict.outputs.outputs().values()
    expected = np.load(notes / f"{demo}_expected.npy")
    np.testing.assert_allclose(output, expected, rtol=0, atol=2e-6)


def test_a_checkpoint_in_keras_3_fails_with_what_to_choose(driver: Driver, corpus: Path) -> None:
    open_counted(driver, corpus / "notes_tf20" / "functional" / "checkpoints")
    driver.choose("predict.demo", "functional, Keras 3")
    assert not driver.load()
    assert driver.notice().text.startswith(
        "TensorFlow checkpoint: Keras 3's load_weights reads only .weights.h5; choose a Keras 2 "
        "model."
    )


@pytest.mark.parametrize(("line", "form"), [("keras2", ""), ("keras3", "ported")])
def test_another_ledger_makes_no_difference(
    driver: Driver, tmp_path: Path, line: str, form: str
) -> None:
    """What the Lab saved elsewhere, with other features, is proposed by its weights alone."""
    driver.click("lab.demo.subclass")
    driver.click(f"lab.line.{line}")
    if form:
        driver.click(f"lab.form.{form}")
    driver.choose("lab.dataset", "digits")
    model = driver.train()
    driver.save("checkpoint")
    made = driver.window.session.current
    assert isinstance(made, ArtifactEntry)
    moved = tmp_path / "from_elsewhere"
    Path(made.path).rename(moved)
    (moved / "note.txt").write_text("another digest")
    entry = open_counted(driver, moved)
    assert not entry.made_here
    settings = driver.window.predict.loading.settings()
    assert settings is not None
    assert settings.features == 64
    assert settings.variant is model.ref.settings.variant
    assert proposed(driver)[0] == "restore_checkpoint"
    assert driver.load(), driver.notice()


@pytest.mark.parametrize("line", list(Line))
def test_a_saved_subclass_says_which_way_to_load_knows_its_class(
    driver: Driver, line: Line
) -> None:
    driver.click("lab.demo.subclass")
    driver.click(f"lab.line.{line.value}")
    if line is Line.KERAS3:
        driver.click("lab.form.ported")
    driver.train()
    driver.save("keras_archive")
    driver.click("nav.predict")
    assert not driver.load()
    assert "choose the way to load that names it in custom_objects" in driver.notice().text
    driver.choose("predict.loader", f"{line.value}_class")
    assert driver.load(), driver.notice()
    assert driver.run(), driver.notice()
