"""What is shown at once of a message, and where the rest of it is."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtWidgets import QDialog, QLabel, QPlainTextEdit

from explorer.ui.driver import Driver


def details(driver: Driver) -> str:
    driver.click("notice.details")
    dialog = driver.find(QDialog, "details")
    text = driver.find(QPlainTextEdit, "details.text", dialog).toPlainText()
    driver.click("details.close", dialog)
    return text


def test_a_very_long_path_is_cut_in_the_middle(driver: Driver, tmp_path: Path) -> None:
    width = driver.window.width()
    path = tmp_path.joinpath(*(letter * 100 for letter in "abcdefgh"), "n" * 200 + ".keras")
    driver.window.open_paths([str(path)])
    assert str(path) in driver.notice().text
    shown = driver.find(QLabel, "notice.text")
    assert "…" in shown.text()
    assert len(shown.text()) < 400
    assert str(path) in shown.toolTip()
    assert str(path) in details(driver)
    assert driver.window.width() == width
    title = driver.find(QLabel, "notice.title")
    assert title.fontMetrics().horizontalAdvance(title.text()) <= title.width()


def test_a_wrong_keyword_is_told_without_the_values_that_were_passed(
    driver: Driver, corpus: Path
) -> None:
    driver.open(corpus / "notes_tf20" / "functional" / "4_model")
    driver.click("nav.predict")
    assert driver.load()
    driver.enter("predict.input.digits.keyword", "wrong")
    assert not driver.run()
    notice = driver.notice()
    assert notice.text.startswith("The signature's inputs have other names.")
    assert "'wrong': <tf.Tensor: shape=(" in notice.text
    assert "numpy=" not in notice.text
    assert "numpy=" in details(driver)


def test_a_keyword_that_is_no_name_is_refused(driver: Driver, corpus: Path) -> None:
    driver.open(corpus / "notes_tf20" / "functional" / "4_model")
    driver.click("nav.predict")
    assert driver.load()
    driver.enter("predict.input.digits.keyword", "not valid!")
    assert not driver.run()
    assert "“not valid!” cannot be the keyword of an input" in driver.notice().text
