"""The Lab page: numbers that will not do, texts that are too long, sizes, and the keyboard."""

from __future__ import annotations

import pytest
from PySide6.QtCore import QEvent, QPoint
from PySide6.QtGui import QHelpEvent
from PySide6.QtWidgets import QApplication, QDialog, QLabel, QLineEdit, QToolTip, QWidget

from explorer.ui.driver import Driver
from explorer.ui.widgets import ComboBox


@pytest.mark.parametrize(
    ("field", "typed", "range_said"),
    [
        ("lab.learning_rate", "-1", "above 0 and up to 1,000,000"),
        ("lab.learning_rate", "1e-", "above 0"),
        ("lab.learning_rate", "0,01", "above 0"),
        ("lab.learning_rate", "1_0", "above 0"),
        ("lab.epochs", "0", "from 1 to 10,000"),
        ("lab.epochs", "-5", "from 1 to 10,000"),
        ("lab.seed", "many", "from 0 to 2,147,483,647"),
    ],
)
def test_a_number_that_will_not_do_stays_and_is_told(
    driver: Driver, field: str, typed: str, range_said: str
) -> None:
    driver.enter(field, typed)
    driver.find(QWidget, "lab.dataset").setFocus()
    box = driver.find(QWidget, field)
    assert box.property("text") == typed
    assert box.property("invalid") is True
    assert range_said in driver.find(QLabel, "lab.problem").text()
    driver.click("lab.train")
    notice = driver.notice()
    assert f"“{typed}”" in notice.text
    assert range_said in notice.text
    assert not driver.window.lab.busy
    driver.click("lab.reset")
    assert box.property("invalid") is False
    assert driver.window.lab.settings.wrong_field() is None


def test_a_learning_rate_trains_as_it_was_typed(driver: Driver) -> None:
    driver.enter("lab.learning_rate", "2.5e-3")
    assert driver.train().ref.settings.learning_rate == 0.0025


def test_a_choice_too_long_for_its_field_is_shortened_and_told_by_its_tooltip(
    driver: Driver,
) -> None:
    box = driver.find(ComboBox, "lab.loss")
    driver.choose("lab.loss", "SparseCategoricalCrossentropy")
    assert "…" in box.shown_text()
    assert box.fontMetrics().horizontalAdvance(box.shown_text()) < box.width() - 22
    spot = QPoint(5, 5)
    QApplication.sendEvent(box, QHelpEvent(QEvent.Type.ToolTip, spot, box.mapToGlobal(spot)))
    assert QToolTip.text() == "Loss: SparseCategoricalCrossentropy"
    QToolTip.hideText()
    driver.choose("lab.optimizer", "SGD")
    assert driver.find(ComboBox, "lab.optimizer").shown_text() == "SGD"


@pytest.mark.parametrize("name", ["not valid!", "_hidden", "ünits", "", "digits"])
def test_a_layer_name_that_will_not_do_is_refused(driver: Driver, name: str) -> None:
    driver.click("lab.layers.edit")
    dialog = driver.find(QDialog, "layers")
    driver.find(QLineEdit, "layers.0.name", dialog).setText(name)
    driver.click("layers.confirm", dialog)
    assert f"“{name}” cannot name a layer" in driver.find(QLabel, "layers.problem", dialog).text()
    assert driver.find(QLineEdit, "layers.0.name", dialog).text() == name
    driver.click("layers.cancel", dialog)
    assert driver.window.lab.settings.settings().layers[0].name == "dense_1"
