"""Saving over something, and names that will not do: nothing is lost, and everything is said."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from pathlib import Path

import h5py
import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QLabel, QPushButton

from explorer.lab.catalog import SAVE_METHODS
from explorer.ui.driver import Driver
from explorer.ui.labels import CodeLabel
from explorer.ui.widgets import ElidedLabel


@pytest.fixture
def workspace(driver: Driver) -> Path:
    """The folder that the Lab saves to, with a trained model to be saved."""
    driver.train()
    folder = driver.window.session.places.workspace
    folder.mkdir(exist_ok=True)
    return folder


def save(driver: Driver, method: str, name: str = "") -> None:
    driver.clear_notice()
    driver.click("nav.lab")
    driver.click(f"save.method.{method}")
    if name:
        driver.enter("save.target", name)
    driver.click("save.run")


def assert_refused(driver: Driver, *words: str) -> None:
    notice = driver.notice()
    assert notice.title == "It was not saved"
    for word in words:
        assert word in notice.text
    assert not driver.asked()
    assert not driver.window.lab.busy


def question(driver: Driver) -> str:
    driver.until(driver.asked, "a question")
    text = driver.find(QLabel, "question.text").text()
    driver.answer(proceed=False)
    return text


@pytest.mark.parametrize(
    ("method", "name", "expected"),
    [
        ("whole_h5", "plain", ".h5 or .hdf5"),
        ("keras_archive", "model.h5", ".keras"),
        ("weights_today", "model.h5", ".weights.h5"),
    ],
)
def test_a_name_of_another_format_is_refused(
    driver: Driver, workspace: Path, method: str, name: str, expected: str
) -> None:
    (workspace / name).write_text("here before")
    save(driver, method, name)
    assert_refused(driver, expected)
    assert expected in driver.window.lab.saving.hint.text()
    assert (workspace / name).read_text() == "here before"


def test_what_is_no_model_is_never_replaced(driver: Driver, workspace: Path) -> None:
    notes = workspace / "notes.h5"
    notes.write_text("Dear diary")
    save(driver, "whole_h5", "notes.h5")
    assert_refused(driver, "notes.h5 is a file that cannot be read as a model")
    with h5py.File(workspace / "table.h5", "w") as file:
        file["measured"] = [1.0]
    save(driver, "whole_h5", "table.h5")
    assert_refused(driver, "holds no Keras model")
    folder = workspace / "4_keras_model"
    folder.mkdir()
    (folder / "saved_model.pb").write_bytes(b"")
    (folder / "thesis.txt").write_text("years of work")
    save(driver, "saved_model")
    assert_refused(driver, "thesis.txt")
    assert notes.read_text() == "Dear diary"
    assert (folder / "thesis.txt").read_text() == "years of work"


def test_the_question_names_what_would_be_replaced(
    driver: Driver, workspace: Path, corpus: Path
) -> None:
    save(driver, "whole_h5")
    driver.until(lambda: driver.window.page() == "browse", "the artifact")
    save(driver, "whole_h5")
    text = question(driver)
    assert "a Keras HDF5 file that this app wrote" in text
    assert "KB, saved today at" in text
    (workspace / "other.h5").write_bytes((corpus / "emotion_model.hdf5").read_bytes())
    save(driver, "whole_h5", "other.h5")
    assert "a Keras HDF5 file that this app did not write, 852 KB" in question(driver)


def test_no_question_where_the_library_refuses_all_the_same(
    driver: Driver, workspace: Path
) -> None:
    (workspace / "1_weight.h5").write_text("here before")
    save(driver, "weights_h5")
    notice = driver.notice()
    assert "ValueError: The filename must end in" in notice.text
    assert not driver.asked()
    assert (workspace / "1_weight.h5").read_text() == "here before"


def test_a_refused_call_is_accepted_under_a_fitting_name(driver: Driver, workspace: Path) -> None:
    driver.click("save.method.weights_h5")
    verdict = driver.find(QLabel, "save.verdict.weights_h5")
    button = driver.find(QPushButton, "save.run")
    assert (verdict.text(), button.text()) == ("refused", "Try it all the same")
    driver.enter("save.target", "ok.weights.h5")
    assert (verdict.text(), button.text()) == ("accepted", "Save · ok.weights.h5")
    driver.click("save.run")
    driver.until(lambda: driver.window.page() == "browse", "the artifact")
    entry = driver.window.session.artifacts[0]
    assert (entry.artifact.format, entry.method) == ("keras_weights_hdf5", "weights_today")
    save(driver, "weights_h5", "ok.weights.h5")
    driver.until(driver.asked, "a question")
    assert "an HDF5 weights file that this app" in driver.find(QLabel, "question.text").text()
    before = (workspace / "ok.weights.h5").stat().st_mtime_ns
    driver.answer(proceed=True)
    driver.until(lambda: driver.window.page() == "browse", "the artifact")
    assert (workspace / "ok.weights.h5").stat().st_mtime_ns > before
    driver.click("nav.lab")
    driver.click("save.method.export")
    assert verdict.text() == "refused"


def test_a_refused_call_asks_too_before_a_model_that_is_there(
    driver: Driver, workspace: Path, corpus: Path
) -> None:
    there = (corpus / "emotion_model.hdf5").read_bytes()
    (workspace / "1_weight.h5").write_bytes(there)
    save(driver, "weights_h5")
    driver.until(driver.asked, "a question")
    driver.answer(proceed=True)
    assert "ValueError: The filename must end in" in driver.notice().text
    assert (workspace / "1_weight.h5").read_bytes() == there


@pytest.mark.parametrize("method", ["export", "saved_model", "checkpoint"])
@pytest.mark.parametrize("ending", [".keras", ".h5", ".hdf5", ".tflite"])
def test_no_folder_gets_the_name_of_a_file(
    driver: Driver, workspace: Path, method: str, ending: str
) -> None:
    save(driver, method, f"folder{ending}")
    assert_refused(driver, "which makes a folder", ending)
    assert list(workspace.iterdir()) == []


SIZES = [(960, 620), (1100, 700), (1440, 900)]


@pytest.mark.parametrize("size", SIZES)
def test_the_chosen_card_shows_the_whole_call_with_the_name_typed(
    driver: Driver, size: tuple[int, int]
) -> None:
    before = driver.window.size()
    driver.window.resize(*size)
    variant = driver.window.lab.settings.settings().variant
    for key, method in SAVE_METHODS.items():
        driver.click(f"save.method.{key}")
        for name in ("short", "a_name_that_is_rather_long_" * 3, 'quo"ted name 日本語'):
            driver.enter("save.target", "x")
            driver.window.lab.saving.target.setText(name)
            shown = driver.find(CodeLabel, f"save.call.{key}")
            lines = shown.text().split("\n")
            typed = name.replace('"', '\\"')
            assert "".join(lines) == method.call_on(variant, name)
            assert typed in "".join(lines)
            assert max(map(shown.fontMetrics().horizontalAdvance, lines)) <= shown.width()
            needed = len(lines) * shown.fontMetrics().height()
            driver.until(lambda: shown.height() >= needed, "room for the call")  # noqa: B023
    driver.click("save.method.export")
    other = driver.find(CodeLabel, "save.call.keras_saved_model")
    assert other.text().startswith('model.save("2_keras_')
    assert other.toolTip() == 'model.save("2_keras_model", save_format="tf")'
    driver.window.resize(before)
    driver.pause(50)


@pytest.mark.skipif(sys.platform != "linux", reason="names a folder of Linux")
def test_a_workspace_that_cannot_be_written_is_told_once_and_plainly(
    driver: Driver, workspace: Path
) -> None:
    driver.window.session.set_workspace(Path("/sys"))
    save(driver, "keras_archive")
    assert_refused(driver, "The workspace folder /sys cannot be written: ", "top of the window")
    driver.clear_notice()
    driver.click("save.all")
    assert_refused(driver, "The workspace folder /sys cannot be written: ")
    text = driver.notice().text
    assert "Errno" not in text
    assert "PermissionError" not in text
    assert text.count("/sys") == 1
    driver.clear_notice()
    driver.window.session.set_workspace(Path("/proc/there/is/none"))
    save(driver, "keras_archive")
    assert_refused(driver, "/proc/there/is/none cannot be made: ")


def test_a_workspace_that_is_a_file_is_told(driver: Driver, workspace: Path) -> None:
    file = workspace / "file"
    file.write_text("mine")
    driver.window.session.set_workspace(file)
    save(driver, "keras_archive")
    assert_refused(driver, f"The workspace {file} is a file, and no folder.")
    assert file.read_text() == "mine"


def left_behind(folder: Path) -> list[Path]:
    return [path for path in folder.iterdir() if path.name.startswith(".")]


def test_cancelled_saves_are_counted_and_leave_nothing_behind(
    driver: Driver, workspace: Path
) -> None:
    driver.click("save.all")
    session = driver.window.session
    driver.until(lambda: session.artifacts, "the first artifact")
    driver.click("lab.cancel")
    notice = driver.notice()
    found = re.fullmatch(r"Cancelled: (\d) saved, (\d) not", notice.title)
    assert found, notice
    assert notice.level == "warning"
    assert int(found[1]) + int(found[2]) == 7
    assert "6_model.tflite" in notice.text
    assert not driver.window.lab.busy
    driver.until(lambda: not left_behind(workspace), "the leftovers to go")
    driver.until(lambda: session.opening == 0, "the artifacts")
    assert len(names_of(driver)) == int(found[1]) == len(list(workspace.iterdir()))
    driver.engine_ready()


def test_a_save_cancelled_at_once_saves_nothing(driver: Driver, workspace: Path) -> None:
    driver.find(QPushButton, "save.all").click()
    driver.find(QPushButton, "lab.cancel").click()  # before the window lives on: nothing is saved
    notice = driver.notice()
    assert (notice.level, notice.title) == ("warning", "Nothing was saved")
    assert not driver.window.lab.busy
    driver.pause(200)
    assert list(workspace.iterdir()) == []
    save(driver, "keras_archive")
    driver.until(lambda: driver.window.page() == "browse", "the artifact")


def test_a_window_closed_in_a_save_leaves_nothing_behind(
    driver: Driver, new_driver: Callable[[], Driver]
) -> None:
    mine = new_driver()
    mine.engine_ready()
    mine.train()
    workspace = mine.window.session.places.workspace
    mine.click("save.all")
    mine.until(lambda: workspace.exists() and left_behind(workspace), "a save to begin")
    mine.window.close()
    mine.window.shut_down()
    assert left_behind(workspace) == []


def test_saving_by_every_method_leaves_out_what_must_stay(driver: Driver, workspace: Path) -> None:
    notes = workspace / "3_model.keras"
    notes.write_text("Dear diary")
    driver.click("save.all")
    notice = driver.notice()
    assert notice.title == "6 artifacts saved, 1 not"
    assert "3_model.keras is a file that cannot be read as a model" in notice.text
    assert notes.read_text() == "Dear diary"


def test_an_empty_name_is_told(driver: Driver, workspace: Path) -> None:
    driver.click("save.method.saved_model")
    driver.window.lab.saving.target.clear()
    assert driver.window.lab.saving.hint.text() == "Type a name for the artifact."
    assert driver.window.lab.saving.hint.isVisible()
    assert not driver.find(QPushButton, "save.run").isEnabled()
    driver.enter("save.target", "named")
    assert not driver.window.lab.saving.hint.isVisible()
    assert driver.find(QPushButton, "save.run").text() == "Save · named"


def saved_from(driver: Driver, name: str) -> str:
    """The id of the model that the open artifact of that name was saved from."""
    driver.until(lambda: name in names_of(driver), f"{name} in the library")
    return next(e for e in driver.window.session.artifacts if e.artifact.name == name).model_id


def names_of(driver: Driver) -> list[str]:
    return [entry.artifact.name for entry in driver.window.session.artifacts]


def test_the_chosen_model_is_saved_until_another_is_chosen(driver: Driver, workspace: Path) -> None:
    first = driver.window.session.models[0]
    driver.enter("lab.seed", 7)
    second = driver.train()
    driver.pick(first)
    for name in ("one.keras", "two.keras"):
        save(driver, "keras_archive", name)
        assert saved_from(driver, name) == first.ref.model_id
    driver.click("nav.lab")
    said = driver.find(ElidedLabel, "save.model")
    assert said.full_text().startswith("Saves functional · Keras 3, 5 epochs · loss 2.")
    driver.click("lab.line.keras2")
    assert not said.isVisible()
    driver.click("lab.line.keras3")
    assert said.full_text().startswith("Saves functional · Keras 3, ")
    driver.pick(second)
    assert said.full_text().startswith("Saves functional · Keras 3 · 2, ")
    save(driver, "keras_archive", "three.keras")
    assert saved_from(driver, "three.keras") == second.ref.model_id
    driver.window.session.remove(second)
    assert said.full_text().startswith("Saves functional · Keras 3, ")


def test_a_model_trained_with_other_settings_than_those_shown_is_told(
    driver: Driver, workspace: Path
) -> None:
    driver.choose("lab.dataset", "digits")
    told = driver.find(QLabel, "save.differs").text()
    assert told.startswith("Trained with other settings: random numbers, 32 features, 5 epochs")
    assert "1,000 training rows" in told
    driver.train()
    assert not driver.window.lab.saving.findChild(QLabel, "save.differs").isVisible()
    driver.enter("lab.seed", 3)
    assert driver.find(QLabel, "save.differs").text() == "Trained with other settings: seed 42."


def test_the_key_saves_whatever_the_button_says(driver: Driver, workspace: Path) -> None:
    driver.click("save.method.saved_model")
    driver.enter("save.target", "by_key")
    driver.window.activateWindow()
    driver.until(driver.window.isActiveWindow, "the keyboard")
    QTest.keyClick(driver.window, Qt.Key.Key_S, Qt.KeyboardModifier.ControlModifier)
    driver.until(lambda: driver.window.page() == "browse", "the artifact")
    assert (workspace / "by_key" / "saved_model.pb").exists()
