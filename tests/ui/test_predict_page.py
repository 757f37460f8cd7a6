"""The Predict page over the real worker: waiting, switching, runs, texts, and odd outputs."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QLabel, QSpinBox, QTableView

from explorer.analysis.agreement import Verdict
from explorer.ui.driver import Driver
from explorer.ui.predict.name_box import NameBox
from explorer.ui.widgets import ElidedLabel

LONG = "a_signature_whose_name_goes_on_and_on_for_far_more_than_fifty_characters"
TEXTS = ["hello, world", "Grüße aus Köln", ""]


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """SavedModels with odd signatures, and beside them what TensorFlow answers."""
    folder = tmp_path_factory.mktemp("models")
    script = Path(__file__).with_name("odd_models.py")
    subprocess.run([sys.executable, str(script), str(folder)], check=True, capture_output=True)
    return folder


def cells(driver: Driver, name: str = "predict.table") -> list[list[str]]:
    """The texts of a table that is shown."""
    model = driver.find(QTableView, name).model()
    rows, columns = range(model.rowCount()), range(model.columnCount())
    return [[model.index(row, column).data() for column in columns] for row in rows]


def headers(driver: Driver) -> list[str]:
    model = driver.find(QTableView, "predict.table").model()
    across = Qt.Orientation.Horizontal
    return [model.headerData(column, across) for column in range(model.columnCount())]


def shape(driver: Driver) -> str:
    return driver.find(QLabel, "predict.output.shape").text()


def show(driver: Driver, output: str) -> None:
    driver.choose("predict.output", output)


def state(driver: Driver) -> str:
    return driver.find(QLabel, "predict.state").text()


# Waiting, and other artifacts --------------------------------------------------------------------


def train_for_long(driver: Driver, epochs: int) -> None:
    driver.click("nav.lab")
    driver.enter("lab.epochs", epochs)
    driver.click("lab.train")
    progress = driver.window.lab.training.progress
    driver.until(lambda: progress.value() > 0, "the training to begin")


def test_a_run_that_waits_for_a_training_says_so_and_can_be_called_off(
    driver: Driver, corpus: Path
) -> None:
    driver.open(corpus / "notes_tf20" / "functional" / "4_model")
    driver.click("nav.predict")
    assert driver.load()
    train_for_long(driver, 5000)
    driver.click("nav.predict")
    driver.click("predict.run")
    driver.until(lambda: state(driver) == "waiting", "the run to wait")
    waiting = driver.find(ElidedLabel, "predict.waiting")
    assert waiting.full_text() == "waiting for the training of functional · Keras 3 to end"
    rows = driver.find(QSpinBox, "predict.input.digits.rows")
    driver.window.activateWindow()
    driver.until(driver.window.isActiveWindow, "the keyboard")
    rows.setFocus()
    QTest.keyClick(rows, Qt.Key.Key_Escape)
    driver.until(lambda: not driver.window.predict.busy, "the wait to end")
    assert not waiting.isVisible()
    assert driver.window.lab.busy  # the training goes on
    driver.click("nav.lab")
    driver.click("lab.cancel")
    driver.until(lambda: not driver.window.lab.busy, "the training to end")
    driver.click("nav.predict")
    assert driver.run(), driver.notice()
    assert driver.window.predict.outputs.outputs()


def test_what_waits_for_tensorflow_to_start_says_so_and_is_run(
    new_driver: Callable[[], Driver], corpus: Path
) -> None:
    driver = new_driver()
    driver.open(corpus / "notes_tf20" / "functional" / "4_model")
    driver.click("nav.predict")
    driver.click("predict.run")
    driver.answer(proceed=True)
    waiting = driver.find(ElidedLabel, "predict.waiting")
    assert waiting.full_text() == "waiting for TensorFlow to start"
    driver.until(lambda: driver.window.predict.runs.rows(), "the run")
    assert not waiting.isVisible()


def test_what_waits_for_a_training_is_run_though_the_new_model_is_shown_by_then(
    driver: Driver, corpus: Path
) -> None:
    entry = driver.open(corpus / "notes_tf20" / "functional" / "4_model")
    driver.click("nav.predict")
    assert driver.load()
    train_for_long(driver, 20)
    driver.click("nav.predict")
    driver.click("predict.run")
    runs = driver.window.predict.runs
    driver.until(lambda: runs.rows(), "the run")
    assert driver.window.session.current is driver.window.session.models[0]
    assert [row[:2] for row in runs.rows()] == [("4_model", "serving_default")]
    assert driver.window.predict.outputs.outputs() == {}  # the new model was not run
    driver.pick(entry)
    assert set(driver.window.predict.outputs.outputs()) == {"predictions"}
    assert state(driver).startswith("loaded in")


def test_a_run_asked_for_goes_on_while_another_artifact_is_looked_at(
    driver: Driver, corpus: Path, models: Path
) -> None:
    entry = driver.open(corpus / "notes_tf20" / "functional" / "4_model")
    other = driver.open(models / "shapes")
    driver.pick(entry)
    driver.click("nav.predict")
    driver.click("predict.run")
    driver.answer(proceed=True)
    assert driver.window.predict.busy
    driver.pick(other)
    assert not driver.window.predict.busy
    assert state(driver) == "not loaded"
    runs = driver.window.predict.runs
    driver.until(lambda: runs.rows(), "the run")
    assert runs.rows()[0][0] == "4_model"
    assert state(driver) == "not loaded"
    assert driver.window.predict.outputs.outputs() == {}
    driver.pick(entry)
    assert set(driver.window.predict.outputs.outputs()) == {"predictions"}


def test_choices_are_there_again_when_an_artifact_is_shown_again(
    driver: Driver, models: Path
) -> None:
    texts, shapes = driver.open(models / "texts"), driver.open(models / "shapes")
    driver.pick(texts)
    driver.click("nav.predict")
    assert driver.load()
    driver.choose("predict.signature", "column")
    driver.enter("predict.input.text.text", "some words")
    driver.pick(shapes)
    driver.pick(texts)
    call = driver.window.predict.signatures.call()
    assert call is not None
    assert call.signature.key == "column"
    assert [choice.text for choice in call.choices] == ["some words"]


def test_what_runs_for_an_artifact_that_is_removed_is_told_to_be_stopped(
    driver: Driver, corpus: Path
) -> None:
    entry = driver.open(corpus / "basic_pitch_nmp")
    driver.click("nav.predict")
    driver.click("predict.run")
    driver.answer(proceed=True)
    driver.window.session.remove(entry)
    assert driver.notice().title == "What ran for basic_pitch_nmp was stopped"


def test_an_artifact_that_is_opened_again_can_be_run_again(driver: Driver, corpus: Path) -> None:
    path = corpus / "notes_tf20" / "functional" / "4_model"
    driver.open(path)
    driver.click("nav.predict")
    assert driver.run(), driver.notice()
    driver.window.session.open(str(path), select=False)
    driver.until(lambda: driver.window.session.opening == 0, "the artifact")
    driver.pick(driver.window.session.artifacts[0])
    assert state(driver) == "not loaded"
    assert driver.run(), driver.notice()
    assert len(driver.window.predict.runs.rows()) == 2


# Runs --------------------------------------------------------------------------------------------


def test_runs_name_the_signature(driver: Driver, corpus: Path, models: Path) -> None:
    driver.open(models / "texts")
    driver.click("nav.predict")
    assert driver.load()
    for signature in ("serving_default", "column"):
        driver.choose("predict.signature", signature)
        driver.enter("predict.input.text.text", "words")
        assert driver.run(), driver.notice()
    driver.open(corpus / "notes_tf20" / "functional" / "3_model.h5")
    driver.click("nav.predict")
    driver.choose("predict.loader", "keras2")
    assert driver.run(), driver.notice()
    assert [row[:3] for row in cells(driver, "predict.runs")] == [
        ["3_model.h5", "predict", "random, seed 42"],
        ["texts", "column", "typed"],
        ["texts", "serving_default", "typed"],
    ]


def test_a_long_signature_leaves_the_other_columns_their_room(driver: Driver, models: Path) -> None:
    driver.open(models / "shapes")
    driver.click("nav.predict")
    assert driver.load()
    driver.choose("predict.signature", LONG)
    assert driver.run(), driver.notice()
    assert cells(driver, "predict.runs")[0][1:3] == [LONG, "12 × random, seed 42"]
    table = driver.find(QTableView, "predict.runs")
    metrics = table.fontMetrics()
    for column, text in enumerate(cells(driver, "predict.runs")[0]):
        fits = table.columnWidth(column) > metrics.horizontalAdvance(text)
        assert fits == (column != 1)
    assert len(driver.window.predict.signatures.editors) == 12
    assert len(driver.window.predict.outputs.outputs()) == 20


def test_names_are_whole_in_a_narrow_window(driver: Driver, models: Path) -> None:
    window = driver.window
    size = window.size()
    window.resize(1100, 700)
    try:
        driver.open(models / "shapes")
        driver.click("nav.predict")
        assert driver.load()
        driver.choose("predict.signature", LONG)
        assert driver.run(), driver.notice()
        box = driver.find(NameBox, "predict.output")
        assert box.shown_text() == box.currentText() == "an_output_with_a_long_name_0"
        assert "…" in driver.find(NameBox, "predict.signature").shown_text()
        driver.click("predict.view.table")
        assert driver.find(QTableView, "predict.table").isVisible()
    finally:
        window.resize(size)


# Inputs ------------------------------------------------------------------------------------------


def test_files_that_are_empty_or_cut_short_are_called_so(
    driver: Driver, models: Path, tmp_path: Path
) -> None:
    empty, cut = tmp_path / "empty.npz", tmp_path / "cut.npz"
    empty.touch()
    np.savez(tmp_path / "whole.npz", x=np.zeros(100))
    cut.write_bytes((tmp_path / "whole.npz").read_bytes()[:300])
    driver.open(models / "shapes")
    driver.click("nav.predict")
    assert driver.load()
    driver.click("predict.input.x.source.file")
    for path, message in ((empty, "empty.npz is empty"), (cut, "end is missing or damaged")):
        driver.enter("predict.input.x.path", str(path))
        assert not driver.run()
        assert message in driver.notice().text
        assert driver.notice().title == "The input does not fit"


def test_rows_beyond_the_end_of_a_file_are_told(
    driver: Driver, models: Path, tmp_path: Path
) -> None:
    np.save(tmp_path / "twelve.npy", np.arange(12, dtype=np.float32))
    driver.open(models / "shapes")
    driver.click("nav.predict")
    assert driver.load()
    driver.click("predict.input.x.source.file")
    driver.enter("predict.input.x.path", str(tmp_path / "twelve.npy"))
    driver.enter("predict.input.x.take", "10-20")
    assert driver.run(), driver.notice()
    assert driver.find(QLabel, "predict.input.remarks").text() == (
        "x: Rows 10–20 asked for, twelve.npy has 12 rows, counted from 0: 10–11 were used."
    )
    assert [row[0] for row in cells(driver, "predict.input.table")] == ["10.0000", "11.0000"]
    driver.enter("predict.input.x.take", "12-20")
    assert not driver.run()
    assert driver.notice().text.endswith("has 12 rows, counted from 0: none is left.")


def test_texts_are_typed_and_shown(driver: Driver, models: Path) -> None:
    answers = np.load(models / "texts.npz")
    driver.open(models / "texts")
    driver.click("nav.predict")
    assert driver.load()
    driver.enter("predict.input.text.text", "\n".join(TEXTS) + "\n")
    assert driver.run(), driver.notice()
    assert driver.find(QLabel, "predict.input.shape").text() == "string (3,)"
    show(driver, "upper")
    assert shape(driver) == "string (3,)"
    assert cells(driver) == [[text.decode()] for text in answers["upper"]]
    driver.choose("predict.signature", "column")
    driver.enter("predict.input.text.text", "\n".join(TEXTS) + "\n")
    assert driver.run(), driver.notice()
    assert cells(driver) == [[text.decode()] for (text,) in answers["twice"]]


def test_texts_from_a_file(driver: Driver, models: Path, tmp_path: Path) -> None:
    path = tmp_path / "texts.txt"
    path.write_text("\n".join(TEXTS) + "\n", encoding="utf-8")
    driver.open(models / "texts")
    driver.click("nav.predict")
    assert driver.load()
    driver.click("predict.input.text.source.file")
    driver.enter("predict.input.text.path", str(path))
    assert driver.run(), driver.notice()
    show(driver, "length")
    driver.click("predict.view.table")
    lengths = [[str(number)] for number in np.load(models / "texts.npz")["length"]]
    assert cells(driver) == lengths


# Outputs -----------------------------------------------------------------------------------------


@pytest.fixture
def run(driver: Driver, models: Path) -> Driver:
    """The signature with outputs of every kind, run."""
    driver.open(models / "shapes")
    driver.click("nav.predict")
    assert driver.load()
    driver.click("predict.input.x.source.typed")
    driver.enter("predict.input.x.text", "0.25, 0.5, 0.75, 1")
    assert driver.run(), driver.notice()
    return driver


def test_outputs_of_every_kind_are_what_tensorflow_answers(run: Driver, models: Path) -> None:
    with np.load(models / "shapes.npz") as answers:
        expected = {name: answers[name] for name in answers.files}
    found = run.window.predict.outputs.outputs()
    assert list(found) == sorted(expected)
    for name, array in expected.items():
        np.testing.assert_array_equal(found[name], array)
        assert found[name].dtype == array.dtype


@pytest.mark.parametrize(
    ("output", "described", "first_row", "titles"),
    [
        ("scalar", "float32 ()", ["2.5000"], ["0"]),
        ("nan", "float32 (4,)", ["nan"], ["0"]),
        ("whole", "int64 (4,)", ["1"], ["0"]),
        ("flag", "bool (4,)", ["False"], ["0"]),
        (
            "cube",
            "int32 (4, 2, 3)",
            ["0", "1", "2", "3", "4", "5"],
            ["0, 0", "0, 1", "0, 2", "1, 0", "1, 1", "1, 2"],
        ),
        ("complex", "complex64 (4,)", ["0.25-0.25j"], ["0"]),
    ],
)
def test_a_table_of_each_output(
    run: Driver, output: str, described: str, first_row: list[str], titles: list[str]
) -> None:
    show(run, output)
    if output != "complex":  # which has no chart
        run.click("predict.view.table")
    assert shape(run) == described
    assert cells(run)[0] == first_row
    assert headers(run) == titles


def test_an_image_is_drawn(run: Driver, models: Path) -> None:
    show(run, "image")
    run.click("predict.view.picture")
    run.enter("predict.row", 3)
    picture = run.window.predict.outputs.picture
    run.until(lambda: not picture.image().isNull(), "the picture")
    image = picture.image()
    with np.load(models / "shapes.npz") as answers:
        values = answers["image"][3]
    levels = np.round((values - values.min()) / np.ptp(values) * 255)
    for y, x in ((0, 0), (4, 2), (7, 8)):
        assert image.pixelColor(x, y).getRgb()[:3] == tuple(levels[y, x])
    assert (image.height(), image.width()) == values.shape[:2]
    show(run, "nan")
    assert run.window.predict.outputs.kind.key() != "picture"


def test_an_output_without_values_says_so(run: Driver) -> None:
    show(run, "empty")
    note = run.find(QLabel, "predict.output.note")
    assert note.text() == "It holds no values: a dimension of its shape is 0."


def test_a_million_values(driver: Driver, models: Path, tmp_path: Path) -> None:
    driver.open(models / "shapes")
    driver.click("nav.predict")
    assert driver.load()
    driver.choose("predict.signature", "huge")
    driver.click("predict.input.count.source.typed")
    driver.enter("predict.input.count.text", "1000000")
    assert driver.run(), driver.notice()
    driver.click("predict.view.table")
    note = driver.find(QLabel, "predict.output.note")
    for output, text in (
        ("column", "first 500,000 of 1,000,000 rows and 1 of 1 columns"),
        ("row", "first 1 of 1 rows and 4,096 of 1,000,000 columns"),
    ):
        show(driver, output)
        assert text in note.text()
    driver.window.predict.export(tmp_path / "all.npz")
    driver.until((tmp_path / "all.npz").exists, "the outputs to be written")
    with np.load(tmp_path / "all.npz") as written:
        np.testing.assert_array_equal(written["row"][0], np.arange(1_000_000))


def test_nan_in_both_is_said_plainly(driver: Driver) -> None:
    driver.train()
    driver.save("keras_archive")
    driver.click("nav.predict")
    assert driver.load()
    driver.click("predict.input.digits.source.typed")
    driver.enter("predict.input.digits.text", ", ".join(["2e38"] * 32))  # it overflows
    assert driver.run(), driver.notice()
    card = driver.window.predict.agreement
    driver.until(lambda: card.agreements(), "the comparison")
    (found,) = card.agreements().values()
    (answer,) = driver.window.predict.outputs.outputs().values()
    assert np.isnan(answer).all()
    assert (found.verdict, found.both_nan) == (Verdict.SAME, answer.size)
    remark = driver.find(QLabel, "predict.nan").text()
    assert remark == "Both answer NaN at 10 places: counted as the same."
