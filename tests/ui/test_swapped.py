"""What lies at a path may be another thing by the time it is loaded: the bytes are looked at."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from PySide6.QtWidgets import QLabel

from explorer.ui.driver import Driver
from explorer.ui.session import ArtifactEntry


@pytest.fixture
def saved(driver: Driver) -> ArtifactEntry:
    """A Keras archive that the Lab saved, in front on the Predict page."""
    driver.train()
    driver.save("keras_archive")
    assert driver.find(QLabel, "browse.origin").text() == "made here"
    entry = driver.window.session.current
    assert isinstance(entry, ArtifactEntry)
    driver.click("nav.predict")
    return entry


def swap(path: str | Path, other: Path) -> None:
    """Another file in place of the first, as a program that replaces it would."""
    beside = Path(path).with_name("beside")
    shutil.copyfile(other, beside)
    beside.replace(path)


def ask_to_load(driver: Driver) -> str:
    driver.click("predict.load")
    driver.until(driver.asked, "a question")
    return driver.find(QLabel, "question.text").text()


def shown_origin(driver: Driver) -> str:
    driver.click("nav.browse")
    text = driver.find(QLabel, "browse.origin").text()
    driver.click("nav.predict")
    return text


def test_a_file_put_in_place_of_one_made_here_is_loaded_only_after_a_question(
    driver: Driver, saved: ArtifactEntry, corpus: Path, tmp_path: Path
) -> None:
    original = tmp_path / "original.keras"
    shutil.copyfile(saved.path, original)
    swap(saved.path, corpus / "sleep_stages.keras")
    assert "its bytes have changed since" in ask_to_load(driver)
    driver.answer(proceed=False)
    assert not driver.window.predict.busy
    assert driver.window.predict.signatures.current() is None
    assert shown_origin(driver) == "changed since"
    ask_to_load(driver)
    driver.answer(proceed=True)
    driver.until(lambda: driver.window.predict.signatures.current() is not None, "the model")
    swap(saved.path, original)
    assert driver.load()
    assert not driver.asked()
    assert shown_origin(driver) == "made here"


def test_a_file_swapped_after_it_was_loaded_is_not_run(
    driver: Driver, saved: ArtifactEntry, corpus: Path
) -> None:
    assert driver.load()
    swap(saved.path, corpus / "sleep_stages.keras")
    assert not driver.run()
    assert "3_model.keras has changed on disk since it was checked" in driver.notice().text
    ask_to_load(driver)
    driver.answer(proceed=False)


def test_what_was_agreed_to_holds_for_the_same_bytes_alone(
    driver: Driver, corpus: Path, tmp_path: Path
) -> None:
    path = tmp_path / "model.h5"
    shutil.copyfile(corpus / "notes_tf20" / "functional" / "3_model.h5", path)
    driver.open(path)
    driver.click("nav.predict")
    ask_to_load(driver)
    driver.answer(proceed=True)
    driver.until(lambda: driver.window.predict.signatures.current() is not None, "the model")
    driver.click("predict.load")
    driver.pause(100)
    driver.until(lambda: not driver.window.predict.busy, "the model")
    assert not driver.asked()
    swap(path, corpus / "emotion_model.hdf5")
    assert "changed since you agreed" in ask_to_load(driver)
    driver.answer(proceed=False)


def test_what_is_gone_is_told(driver: Driver, saved: ArtifactEntry) -> None:
    Path(saved.path).unlink()
    assert not driver.load()
    assert "any more" in driver.notice().text
    assert shown_origin(driver) == "made here"
