"""The Lab page: numbers that will not do, texts that are too long, sizes, and the keyboard."""

from __future__ import annotations

import math
import re
from itertools import pairwise

import pytest
from PySide6.QtCore import QEvent, QPoint, Qt
from PySide6.QtGui import QFontMetrics, QHelpEvent
from PySide6.QtTest import QTest
from PySide6.QtWidgets import (
    QApplication,
    QDialog,
    QLabel,
    QLineEdit,
    QListView,
    QPushButton,
    QScrollArea,
    QTableView,
    QToolTip,
    QWidget,
)

from explorer.ui.driver import Driver
from explorer.ui.lab.fields import WholeNumber
from explorer.ui.labels import FittingLabel
from explorer.ui.plot import Plot
from explorer.ui.theme import Theme, color, current_theme, ui_font
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
    driver.pause(10)
    box = driver.find(QWidget, field)
    assert box.property("text") == typed
    assert box.property("invalid") is True
    assert range_said in driver.find(QLabel, "lab.problem").text()
    driver.click("lab.train")
    notice = driver.notice()
    assert f"“{typed}”" in notice.text
    assert range_said in notice.text
    assert not driver.window.lab.busy
    driver.pause(50)
    assert box.visibleRegion().boundingRect() == box.rect()
    driver.click("lab.reset")
    assert box.property("invalid") is False
    assert driver.window.lab.settings.wrong_field() is None


def test_a_wrong_number_outlasts_enter_and_another_page(driver: Driver) -> None:
    driver.enter("lab.epochs", "0")
    field = driver.find(WholeNumber, "lab.epochs")
    field.setFocus()
    QTest.keyClick(field, Qt.Key.Key_Return)
    driver.click("nav.browse")
    driver.click("nav.lab")
    assert field.text() == "0"
    assert field.problem()
    field.stepUp()
    assert field.property("invalid") is False
    assert field.text() == str(field.value()) == "5"


def test_a_learning_rate_trains_as_it_was_typed(driver: Driver) -> None:
    driver.enter("lab.learning_rate", "2.5e-3")
    assert driver.train().ref.settings.learning_rate == 0.0025


@pytest.mark.parametrize(
    ("line", "form"), [("keras2", ""), ("keras3", "as_written"), ("keras3", "ported")]
)
def test_the_layers_of_a_subclass_are_the_same_planned_and_built(
    driver: Driver, line: str, form: str
) -> None:
    driver.click("lab.demo.subclass")
    driver.click(f"lab.line.{line}")
    if form:
        driver.click(f"lab.form.{form}")
    table = driver.window.lab.training.layers
    facts = [["Dense · relu", "(?, 32)", "1,056"], ["Dense · linear", "(?, 10)", "330"]]
    assert [list(row[1:]) for row in table.rows()] == facts
    assert [row[0] for row in table.rows()] == ["dense_1", "dense_2"]
    driver.train()
    built = [["dense_1 (Keras: dense)", *facts[0]], ["dense_2 (Keras: dense_1)", *facts[1]]]
    assert [list(row) for row in table.rows()] == built
    driver.click("lab.demo.functional")
    assert [row[0] for row in table.rows()] == ["digits", "dense_1", "dense_2", "predictions"]
    driver.click("lab.demo.subclass")
    if form:
        driver.click(f"lab.form.{form}")
    assert [list(row) for row in table.rows()] == built


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


def start_long_training(driver: Driver) -> None:
    driver.enter("lab.epochs", 5000)
    driver.click("lab.train")
    progress = driver.window.lab.training.progress
    driver.until(lambda: progress.value() > 0, "the training to begin")


@pytest.mark.parametrize("focus", ["lab.metric", "lab.log", "save.target", "library.list", ""])
def test_escape_cancels_a_training_wherever_the_focus_is(driver: Driver, focus: str) -> None:
    start_long_training(driver)
    driver.window.activateWindow()
    driver.until(driver.window.isActiveWindow, "the keyboard")
    if focus:
        driver.find(QWidget, focus).setFocus()
    QTest.keyClick(QApplication.focusWidget() or driver.window, Qt.Key.Key_Escape)
    driver.until(lambda: not driver.window.lab.busy, "the training to end")
    assert driver.window.lab.training.progress_text.full_text() == "Cancelled"
    assert driver.window.session.models == []


def test_escape_closes_an_open_list_first_and_then_cancels(driver: Driver) -> None:
    start_long_training(driver)
    box = driver.find(ComboBox, "lab.metric")
    box.showPopup()
    driver.until(box.view().isVisible, "the list")
    QTest.keyClick(box.view(), Qt.Key.Key_Escape)
    driver.until(lambda: not box.view().isVisible(), "the list to close")
    assert driver.window.lab.busy
    driver.window.activateWindow()
    driver.until(driver.window.isActiveWindow, "the keyboard")
    QTest.keyClick(box, Qt.Key.Key_Escape)
    driver.until(lambda: not driver.window.lab.busy, "the training to end")


def test_a_diverged_training_is_told(driver: Driver) -> None:
    driver.choose("lab.optimizer", "SGD")
    driver.choose("lab.loss", "MeanSquaredError")
    driver.enter("lab.learning_rate", "1000")
    model = driver.train()
    assert not math.isfinite(model.trained.metrics["loss"])
    assert driver.find(QLabel, "lab.diverged").text() == "diverged"
    text = driver.find(QLabel, "lab.diverged.text").text()
    assert text.startswith("Since epoch 1 the loss is no finite number")
    assert "learning rate below 1000" in text
    assert model.diverged
    index = driver.find(QListView, "library.list").currentIndex()
    assert "diverged" in index.data(Qt.ItemDataRole.ToolTipRole)
    empty = driver.find(QLabel, "lab.curves.empty")  # all that is finite is the first batch
    assert empty.text() == "loss is no finite number: there is nothing to draw."
    driver.click("lab.reset")
    assert not driver.train().diverged
    assert not driver.window.findChild(QLabel, "lab.diverged").isVisible()


def test_a_loss_of_every_size_is_drawn_on_a_logarithmic_axis(driver: Driver) -> None:
    driver.enter("lab.learning_rate", "1e6")
    assert driver.train().trained.metrics["loss"] > 1e4
    plot = driver.find(Plot, "lab.plot")
    driver.until(lambda: plot.y_axis.logarithmic, "the axis")
    assert -5 < plot.y_axis.low < plot.y_axis.high < 40  # powers of ten
    assert "e+" in driver.window.lab.training.epochs.rows()[0][1]


@pytest.mark.parametrize("size", [(960, 620), (1100, 700), (1440, 900), (1920, 1080)])
def test_the_time_left_is_never_cut(driver: Driver, size: tuple[int, int]) -> None:
    before = driver.window.size()
    driver.window.resize(*size)
    driver.enter("lab.epochs", 9000)
    driver.click("lab.train")
    shown = driver.find(FittingLabel, "lab.progress.text")
    try:
        driver.until(lambda: shown.full_text().endswith(" left"), "the time left")
        assert re.fullmatch(
            r"Epoch \d+ of 9000 · step \d+ of 288000 · [^·]+ left", shown.full_text()
        )
        assert "…" not in shown.text()
        assert shown.fontMetrics().horizontalAdvance(shown.text()) <= shown.width()
        *epoch, left = shown.full_text().split(" · ")
        assert shown.text() in (shown.full_text(), f"{epoch[0]} · {left}", left)
        assert size < (1440, 900) or shown.text() == shown.full_text()
    finally:
        driver.click("lab.cancel")
        driver.until(lambda: not driver.window.lab.busy, "the training to end")
        driver.window.resize(before)
        driver.pause(50)


def test_no_heading_of_the_epochs_is_cut_at_the_design_size(driver: Driver) -> None:
    driver.train()
    table = driver.find(QTableView, "lab.epochs.table")
    header = table.horizontalHeader()
    names = [header.model().headerData(n, Qt.Orientation.Horizontal) for n in range(6)]
    assert names == ["Epoch", "loss", "accuracy", "val_loss", "val_accuracy", "time"]
    metrics = QFontMetrics(ui_font(12, 500))
    for column, name in enumerate(names):
        assert header.sectionSize(column) >= metrics.horizontalAdvance(name) + 22
    assert header.length() <= table.viewport().width()


@pytest.mark.parametrize("size", [(960, 620), (1100, 700), (1366, 768), (1920, 1080)])
def test_nothing_of_the_lab_is_cut_off_at_the_sides(driver: Driver, size: tuple[int, int]) -> None:
    before = driver.window.size()
    driver.window.resize(*size)
    driver.train()
    driver.pause(300)
    try:
        for area in driver.window.lab.findChildren(QScrollArea):
            if area.isVisible():
                assert area.widget().width() <= area.viewport().width()
        for name in ("lab.layers", "lab.epochs.table"):
            table = driver.find(QTableView, name)
            shown = table.visibleRegion().boundingRect().width()
            assert shown == table.width() or table.visibleRegion().isEmpty()
    finally:
        driver.window.resize(before)
        driver.pause(50)


def test_the_settings_are_the_same_ones_after_the_columns_were_stacked(driver: Driver) -> None:
    before = driver.window.size()
    driver.enter("lab.epochs", 7)
    driver.window.resize(960, 620)
    driver.pause(50)
    assert driver.find(QWidget, "lab.epochs").property("value") == 7
    driver.window.resize(before)
    driver.pause(50)
    assert driver.find(QWidget, "lab.epochs").property("value") == 7
    field, plot = driver.find(QWidget, "lab.epochs"), driver.find(QWidget, "lab.metric")
    assert field.mapToGlobal(QPoint()).x() < plot.mapToGlobal(QPoint()).x()


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_long_names_are_shortened_and_widen_nothing(driver: Driver, theme: str) -> None:
    if theme == "dark":
        driver.click("theme")
        driver.until(lambda: current_theme() is Theme.DARK, "the dark theme")
    width, panel = driver.window.width(), driver.window.lab.saving.width()
    layers = [f"{letter}{'_long_name' * 10}"[:100] for letter in "abc"]
    driver.click("lab.layers.edit")
    dialog = driver.find(QDialog, "layers")
    for position, layer in enumerate(layers):
        driver.find(QLineEdit, f"layers.{position}.name", dialog).setText(layer)
        driver.find(WholeNumber, f"layers.{position}.units", dialog).setValue(1234)
    driver.click("layers.confirm", dialog)
    assert [layer.name for layer in driver.train().ref.settings.layers] == layers
    name = "artifact_" * 13 + "end"
    driver.click("save.method.saved_model")
    driver.enter("save.target", name)
    save = driver.find(QPushButton, "save.run")
    assert save.accessibleName() == f"Save · {name}"
    assert "…" in save.text()
    assert save.fontMetrics().horizontalAdvance(save.text()) < save.width()
    driver.click("save.run")
    driver.until(lambda: driver.window.page() == "browse", "the artifact")
    assert driver.window.session.artifacts[0].artifact.name == name
    driver.click("nav.lab")
    assert (driver.window.width(), driver.window.lab.saving.width()) == (width, panel)
    if theme == "dark":
        driver.click("theme")
        driver.until(lambda: current_theme() is Theme.LIGHT, "the light theme")


def test_the_button_of_many_layers_says_them_in_short(driver: Driver) -> None:
    driver.click("lab.layers.edit")
    dialog = driver.find(QDialog, "layers")
    while driver.find(QPushButton, "layers.add", dialog).isEnabled():
        driver.click("layers.add", dialog)
    driver.pause(50)
    names = [driver.find(QLineEdit, f"layers.{position}.name", dialog) for position in range(12)]
    for upper, lower in pairwise(names):
        assert upper.geometry().bottom() < lower.geometry().top()
        assert upper.height() >= upper.minimumSizeHint().height()
    driver.click("layers.confirm", dialog)
    shown = driver.find(QPushButton, "lab.layers.edit")
    assert shown.accessibleName() == "-".join(["64"] * 2 + ["32"] * 9 + ["10"]) + " …"
    assert shown.fontMetrics().horizontalAdvance(shown.text()) < shown.width()
    driver.click("lab.reset")


def test_the_curves_change_their_colours_with_the_theme(driver: Driver) -> None:
    driver.train()
    curves = driver.find(QWidget, "lab.curves")
    driver.click("theme")
    driver.until(lambda: current_theme() is Theme.DARK, "the dark theme")
    driver.pause(500)
    image = curves.grab().toImage()
    drawn = {
        image.pixelColor(x, y).name() for x in range(image.width()) for y in range(image.height())
    }
    driver.click("theme")
    driver.until(lambda: current_theme() is Theme.LIGHT, "the light theme")
    for token in ("accent", "warning"):
        assert color(token, Theme.DARK).name() in drawn
        assert color(token, Theme.LIGHT).name() not in drawn
