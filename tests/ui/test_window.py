"""The shell: the box at the top, the layers dialog, saving by every method, themes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PySide6.QtCore import QMimeData, QPointF, Qt, QUrl
from PySide6.QtGui import QDropEvent
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QDialog, QLabel, QLineEdit, QListView

from explorer.ui.driver import Driver
from explorer.ui.session import Entry
from explorer.ui.theme import Theme, current_theme


def run_command(driver: Driver, text: str) -> None:
    driver.window.activateWindow()
    box = driver.find(QLineEdit, "searchbox")
    box.setFocus()
    driver.pause(50)
    QTest.keyClicks(box, text)
    popup = box.completer().popup()
    driver.until(popup.isVisible, "the commands")
    QTest.keyClick(popup, Qt.Key.Key_Down)
    QTest.keyClick(popup, Qt.Key.Key_Return)


def test_the_box_goes_to_pages_paths_and_tensors(driver: Driver, corpus: Path) -> None:
    run_command(driver, "go to predict")
    assert driver.window.page() == "predict"
    run_command(driver, str(corpus / "emotion_model.hdf5"))
    driver.until(lambda: driver.window.session.artifacts, "the artifact")
    assert driver.window.page() == "browse"
    driver.until(lambda: driver.window.commands.lists_tensors(), "the list of tensors")
    run_command(driver, "conv2d_2 kernel")
    title = driver.window.browse.inspector.title
    driver.until(lambda: "kernel" in title.full_text(), "the tensor")


def type_and_enter(driver: Driver, text: str) -> str:
    """Type into the box and press Enter; the first row that was offered."""
    driver.window.activateWindow()
    box = driver.find(QLineEdit, "searchbox")
    box.setFocus()
    box.clear()
    driver.pause(50)
    QTest.keyClicks(box, text)
    popup = box.completer().popup()
    driver.until(popup.isVisible, "the commands")
    first: str = popup.model().index(0, 0).data()
    QTest.keyClick(popup, Qt.Key.Key_Return)
    driver.until(lambda: not popup.isVisible(), "the commands to close")
    return first


def test_the_box_finds_a_tensor_by_the_name_that_is_shown(driver: Driver, corpus: Path) -> None:
    driver.open(corpus / "notes_tf20" / "functional" / "checkpoints")
    driver.until(lambda: driver.window.commands.lists_tensors(), "the list of tensors")
    assert type_and_enter(driver, "dense_1/kernel") == "dense_1/kernel"
    title = driver.window.browse.inspector.title
    driver.until(lambda: title.full_text() == "dense_1/kernel", "the tensor")
    assert type_and_enter(driver, "layer_with_weights-1/bias") == "dense_2/bias"
    driver.until(lambda: title.full_text() == "dense_2/bias", "the tensor")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("zzzz", "Nothing is called “zzzz”"),
        ("/no/such/model.keras", "/no/such/model.keras does not exist"),
    ],
)
def test_the_box_says_what_it_does_not_find(driver: Driver, text: str, expected: str) -> None:
    assert type_and_enter(driver, text) == expected
    assert driver.notice().title == expected
    box = driver.find(QLineEdit, "searchbox")
    assert box.text() == text  # to be corrected
    box.clear()


def test_enter_takes_the_first_row(driver: Driver) -> None:
    assert type_and_enter(driver, "go to pred") == "Go to Predict"
    assert driver.window.page() == "predict"
    assert driver.window.notice() is None


def test_a_dropped_file_opens(driver: Driver, corpus: Path) -> None:
    data = QMimeData()
    data.setUrls([QUrl.fromLocalFile(str(corpus / "sleep_stages.keras"))])
    copy, left, none = (
        Qt.DropAction.CopyAction,
        Qt.MouseButton.LeftButton,
        Qt.KeyboardModifier.NoModifier,
    )
    driver.window.dropEvent(QDropEvent(QPointF(5, 5), copy, data, left, none))
    driver.until(lambda: driver.window.session.artifacts, "the artifact")
    assert driver.window.session.artifacts[0].artifact.name == "sleep_stages.keras"


def test_edited_layers_are_built(driver: Driver) -> None:
    driver.click("lab.layers.edit")
    dialog = driver.find(QDialog, "layers")
    driver.click("layers.add", dialog)
    driver.find(QLineEdit, "layers.2.name", dialog).setText("extra")
    driver.click("layers.confirm", dialog)
    model = driver.train()
    assert [layer.name for layer in model.ref.settings.layers] == [
        "dense_1",
        "dense_2",
        "extra",
        "predictions",
    ]
    names = [row[0] for row in driver.window.lab.training.layers.rows()]
    assert names == ["digits", "dense_1", "dense_2", "extra", "predictions"]


def test_the_same_seed_trains_the_same_model(driver: Driver) -> None:
    first, second = driver.train(), driver.train()
    assert first.trained.metrics == second.trained.metrics
    driver.enter("lab.seed", 7)
    assert driver.train().trained.metrics != first.trained.metrics


def press_delete(driver: Driver, entry: Entry) -> None:
    driver.pick(entry)
    QTest.keyClick(driver.find(QListView, "library.list"), Qt.Key.Key_Delete)


def test_a_model_that_was_never_saved_is_removed_only_after_a_question(driver: Driver) -> None:
    session = driver.window.session
    model = driver.train()
    press_delete(driver, model)
    driver.until(driver.asked, "a question")
    assert "never saved" in driver.find(QLabel, "question.text").text()
    driver.answer(proceed=False)
    assert session.models == [model]
    press_delete(driver, model)
    driver.answer(proceed=True)
    assert session.models == []

    saved = driver.train()
    driver.click("save.method.keras_archive")
    driver.click("save.run")
    driver.until(lambda: session.artifacts, "the artifact")
    press_delete(driver, session.artifacts[0])
    press_delete(driver, saved)
    assert not driver.asked()
    assert session.models == session.artifacts == []


def test_every_accepting_method_saves(driver: Driver) -> None:
    driver.train()
    driver.click("save.all")
    notice = driver.notice()
    assert notice.title == "7 artifacts saved"
    driver.until(lambda: driver.window.session.opening == 0, "the artifacts")
    assert len(driver.window.session.artifacts) == 7
    driver.clear_notice()
    driver.click("save.all")
    driver.answer(proceed=False)
    assert driver.window.lab.busy is False


def test_outputs_are_exported_whole(driver: Driver, tmp_path: Path) -> None:
    model = driver.train()
    driver.pick(model)
    driver.click("nav.predict")
    assert driver.run()
    target = tmp_path / "outputs.npz"
    driver.window.predict.export(target)
    driver.until(target.exists, "the file")
    (shown,) = driver.window.predict.outputs.outputs().values()
    with np.load(target) as stored:
        (name,) = stored.files
        np.testing.assert_array_equal(stored[name], shown)


def test_the_theme_changes_and_is_remembered(driver: Driver) -> None:
    driver.click("theme")
    driver.until(lambda: current_theme() is Theme.DARK, "the dark theme")
    driver.click("theme")
    driver.until(lambda: current_theme() is Theme.LIGHT, "the light theme")


def test_an_entry_is_taken_off_the_list_by_its_key(driver: Driver, corpus: Path) -> None:
    entry = driver.open(corpus / "sleep_stages.keras")
    driver.pick(entry)
    view = driver.find(QListView, "library.list")
    QTest.keyClick(view, Qt.Key.Key_Delete)
    assert driver.window.session.artifacts == []
    assert (corpus / "sleep_stages.keras").exists()
