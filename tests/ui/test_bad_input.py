"""What a person can get wrong: each is told in the window, which goes on working."""

from __future__ import annotations

import os
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PySide6.QtWidgets import QLabel, QPushButton

from explorer.ui.driver import Driver


def message_of(driver: Driver, path: Path) -> str:
    """What the window says to opening ``path``; it must still work afterwards."""
    driver.clear_notice()
    driver.window.open_paths([str(path)])
    notice = driver.notice()
    driver.until(lambda: driver.window.session.opening == 0, "the end of opening")
    assert notice.level == "error"
    assert notice.title == f"{path.name} was not opened"
    assert driver.window.session.artifacts == []
    driver.clear_notice()
    return notice.text


def test_a_file_that_is_no_model(driver: Driver, tmp_path: Path) -> None:
    path = tmp_path / "letter.txt"
    path.write_text("Dear reader, this is no model.")
    driver.window.open_paths([str(path)])
    notice = driver.notice()
    assert (notice.level, notice.title) == ("warning", "letter.txt is shown as a plain file")
    assert "letter.txt is no model that can be read here" in notice.text
    (entry,) = driver.window.session.artifacts
    assert entry.artifact.size == path.stat().st_size


def test_many_notes_leave_room_for_the_tree(driver: Driver, tmp_path: Path) -> None:
    path = tmp_path / "letter.txt"
    path.write_text("Dear reader, this is no model.")
    artifact = driver.open(path).artifact
    notes = driver.find(QLabel, "browse.notes")
    assert notes.text() == f"{artifact.notes[0]}\n… and {len(artifact.notes) - 1} more"
    assert notes.toolTip() == "\n".join(artifact.notes)


def test_a_file_cut_short_while_it_is_open_is_called_so(
    driver: Driver, corpus: Path, tmp_path: Path
) -> None:
    path = tmp_path / "my.h5"
    path.write_bytes((corpus / "emotion_model.hdf5").read_bytes())
    driver.open(path)
    path.write_bytes(path.read_bytes()[:5000])
    driver.click("browse.kinds.tensors")
    found = driver.find(QLabel, "browse.found")
    driver.until(lambda: found.text().startswith("Nothing that can be read"), "the search")
    assert "my.h5 cannot be read any further" in found.text()
    assert "open it again" in found.text()
    driver.click("browse.kinds.all")


def test_a_success_takes_an_older_message_away(
    driver: Driver, corpus: Path, tmp_path: Path
) -> None:
    (tmp_path / "empty.h5").touch()
    driver.window.open_paths([str(tmp_path / "empty.h5")])
    driver.notice()
    driver.window.open_paths([str(corpus / "sleep_stages.keras")])
    driver.until(lambda: driver.window.session.artifacts, "the artifact")
    assert driver.window.notice() is None
    both = [str(tmp_path / "empty.h5"), str(corpus / "emotion_model.hdf5")]
    driver.window.open_paths(both)
    driver.until(lambda: driver.window.session.opening == 0, "both to be opened")
    assert driver.notice().title == "empty.h5 was not opened"


def test_a_model_in_an_archive_is_shown_and_not_loaded(
    driver: Driver, corpus: Path, tmp_path: Path
) -> None:
    with zipfile.ZipFile(tmp_path / "models.zip", "w") as archive:
        archive.write(corpus / "emotion_model.hdf5", "emotion.h5")
    entry = driver.open(tmp_path / "models.zip")
    assert (entry.artifact.name, entry.artifact.format) == ("emotion.h5", "keras_hdf5")
    driver.click("nav.predict")
    load = driver.find(QPushButton, "predict.load")
    assert not load.isEnabled()
    assert (
        "Unpack the archive to load the model" in driver.find(QLabel, "predict.load.about").text()
    )


def test_an_empty_file(driver: Driver, tmp_path: Path) -> None:
    path = tmp_path / "empty.h5"
    path.touch()
    assert "empty" in message_of(driver, path)


def test_a_truncated_file(driver: Driver, tmp_path: Path, corpus: Path) -> None:
    path = tmp_path / "cut.hdf5"
    path.write_bytes((corpus / "emotion_model.hdf5").read_bytes()[:100_000])
    text = message_of(driver, path)
    assert "100,000" in text
    assert "872,856" in text


def test_a_folder_without_a_model(driver: Driver, tmp_path: Path) -> None:
    path = tmp_path / "holiday"
    path.mkdir()
    (path / "beach.jpg").write_bytes(b"\xff\xd8\xff")
    text = message_of(driver, path)
    assert "saved_model.pb" in text
    assert "beach.jpg" in text


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="root may read every file")
def test_a_file_that_may_not_be_read(driver: Driver, tmp_path: Path) -> None:
    path = tmp_path / "secret.h5"
    path.write_bytes(b"\x89HDF\r\n\x1a\n")
    path.chmod(0)
    assert "permission" in message_of(driver, path).casefold()


def test_a_path_that_vanished(driver: Driver, tmp_path: Path) -> None:
    assert "does not exist" in message_of(driver, tmp_path / "gone.keras")


@pytest.fixture
def loaded(driver: Driver) -> Driver:
    """A saved model, loaded on the Predict page, with its input to come from a file."""
    driver.train()
    driver.save("keras_archive")
    driver.click("nav.predict")
    assert driver.load()
    driver.click("predict.input.digits.source.file")
    return driver


def message_for_input(driver: Driver, path: Path) -> str:
    driver.clear_notice()
    driver.enter("predict.input.digits.path", str(path))
    assert not driver.run()
    notice = driver.notice()
    assert notice.title == "The input does not fit"
    assert driver.window.predict.outputs.outputs() == {}
    return notice.text


def test_inputs_that_do_not_fit(loaded: Driver, tmp_path: Path) -> None:
    wrong_shape = tmp_path / "wide.npy"
    np.save(wrong_shape, np.zeros((4, 33), np.float32))
    assert "expected float32 (?, 32)" in message_for_input(loaded, wrong_shape)
    assert "float32 (4, 33)" in loaded.notice().text

    wrong_dtype = tmp_path / "text.npy"
    np.save(wrong_dtype, np.full((4, 32), "a"))
    assert "expected float32" in message_for_input(loaded, wrong_dtype)

    words = tmp_path / "words.csv"
    words.write_text("a,b\n" + ",".join(["1"] * 31 + ["two"]) + "\n")
    assert "line 2, column 32: expected a number, found “two”" in message_for_input(loaded, words)

    assert "does not exist" in message_for_input(loaded, tmp_path / "gone.npy").casefold() or (
        "No such file" in loaded.notice().text
    )

    latin = tmp_path / "latin.csv"
    latin.write_bytes("größe,b\n".encode("latin-1"))
    assert "line 1: expected text in UTF-8" in message_for_input(loaded, latin)

    good = tmp_path / "good.csv"
    good.write_text("\n".join(",".join(["0.5"] * 32) for _ in range(3)))
    loaded.clear_notice()
    loaded.enter("predict.input.digits.path", str(good))
    assert loaded.run()
    (output,) = loaded.window.predict.outputs.outputs().values()
    assert output.shape == (3, 10)

    unknown = tmp_path / "unknown.npy"
    np.save(unknown, np.full((2, 32), np.nan, np.float32))
    loaded.enter("predict.input.digits.path", str(unknown))
    assert loaded.run()
    remarks = loaded.find(QLabel, "predict.input.remarks")
    assert remarks.text() == "digits: 64 of 64 values are NaN or infinite."


def test_what_a_run_gave_stays_while_a_later_one_fails(loaded: Driver, tmp_path: Path) -> None:
    page = loaded.window.predict
    earlier = page.findChild(QLabel, "predict.output.earlier")
    assert earlier is not None
    loaded.click("predict.input.digits.source.random")
    assert loaded.run()
    outputs = page.outputs.outputs()
    assert not earlier.isVisible()
    bad = tmp_path / "bad.csv"
    bad.write_text("1,2,three")
    loaded.click("predict.input.digits.source.file")
    loaded.enter("predict.input.digits.path", str(bad))
    assert not loaded.run()
    assert page.outputs.outputs() is outputs
    assert earlier.isVisible()
    assert earlier.text().startswith("Of the run at ")
    loaded.until(page.agreement.agreements, "the comparison of the earlier run")
    target = tmp_path / "outputs.npz"
    assert loaded.find(QPushButton, "predict.export").isVisible()
    page.export(target)
    loaded.until(target.exists, "the file")
    loaded.click("predict.input.digits.source.random")
    assert loaded.run()
    assert not earlier.isVisible()
    assert page.outputs.outputs() is not outputs


def test_a_pickle_in_a_numpy_file_is_not_opened(loaded: Driver, tmp_path: Path) -> None:
    path = tmp_path / "objects.npy"
    np.save(path, np.array([{"a": 1}], dtype=object), allow_pickle=True)
    assert "plain numbers" in message_for_input(loaded, path)


def test_an_artifact_from_elsewhere_is_loaded_only_after_a_question(
    driver: Driver, corpus: Path
) -> None:
    driver.open(corpus / "sleep_stages.keras")
    driver.click("nav.predict")
    driver.click("predict.load")
    assert driver.asked()
    driver.answer(proceed=False)
    driver.pause(100)
    assert not driver.window.predict.busy
    assert driver.window.predict.signatures.current() is None
    assert driver.load(), driver.notice().text
    assert driver.window.predict.signatures.current() is not None


def test_an_existing_artifact_is_replaced_only_after_a_question(
    driver: Driver, tmp_path: Path
) -> None:
    driver.train()
    driver.save("saved_model")
    graph = tmp_path / "experiments" / "4_keras_model" / "saved_model.pb"
    first = graph.stat().st_ino
    driver.click("nav.lab")
    driver.click("save.run")
    driver.answer(proceed=False)
    assert graph.stat().st_ino == first
    driver.click("save.run")
    driver.answer(proceed=True)
    driver.until(lambda: driver.window.page() == "browse", "the artifact")
    assert graph.stat().st_ino != first
    assert len(driver.window.session.artifacts) == 1


@pytest.mark.parametrize("name", ["../outside", "a/b", "..", "x" * 300])
def test_a_name_that_is_not_one_of_the_workspace(driver: Driver, name: str) -> None:
    driver.train()
    driver.enter("save.target", name)
    driver.click("save.run")
    assert driver.notice().title == "It was not saved"
    assert not driver.window.lab.busy


def test_the_cause_of_a_failed_run_stands_before_the_traceback(
    driver: Driver, corpus: Path
) -> None:
    driver.open(corpus / "half_plus_two_tf1")
    driver.click("nav.predict")
    assert driver.load()
    driver.choose("predict.signature", "classify_x_to_y")
    driver.enter("predict.input.inputs.text", "\n")  # one text, which is empty
    assert not driver.run()
    notice = driver.notice()
    assert notice.text.startswith("This input takes serialized tf.train.Example messages")
    assert "Feature: x (data type: float) is required but could not be found" in notice.text
    assert 'File "' not in notice.text
    assert 'File "' in notice.details


def test_predict_is_not_offered_for_what_nothing_loads(driver: Driver, corpus: Path) -> None:
    driver.open(corpus / "sleep_stages.keras")
    offered = driver.find(QPushButton, "browse.predict")
    driver.open(corpus / "notes_tf20" / "x_test.npy")
    driver.until(lambda: not offered.isVisible(), "a page without it")
