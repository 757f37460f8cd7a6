"""The table of values shows the numbers of the tensor, and reads only what comes into sight."""

from __future__ import annotations

from dataclasses import replace

import ml_dtypes
import numpy as np
import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QAbstractItemModelTester
from pytestqt.qtbot import QtBot

from explorer.analysis.planes import table_plane
from explorer.formats.artifact import Selection, Tensor
from explorer.ui.browse import values_model
from explorer.ui.browse.values_model import ValuesModel, cell_text
from tests.ui.trees import KERNEL, WORDS, array_tensor, unreadable

WARN = QAbstractItemModelTester.FailureReportingMode.Warning


@pytest.fixture
def model(qtbot: QtBot) -> ValuesModel:
    return ValuesModel()


def text(qtbot: QtBot, model: ValuesModel, row: int, column: int) -> str:
    """The text of a cell once it has been read."""
    qtbot.waitUntil(lambda: model.index(row, column).data() != "…")
    shown: str = model.index(row, column).data()
    return shown


def test_it_obeys_the_rules_of_qt(qtbot: QtBot, model: ValuesModel) -> None:
    tester = QAbstractItemModelTester(model, WARN)
    tensor = array_tensor("t", KERNEL)
    model.show(tensor, table_plane(KERNEL.shape))
    text(qtbot, model, 7, 7)
    model.show(None, None)
    assert model.rowCount() == 0
    del tester


def test_a_cell_holds_the_number_of_the_tensor(qtbot: QtBot, model: ValuesModel) -> None:
    plane = replace(table_plane(KERNEL.shape), at=(2, 38, 0, 0))
    model.show(array_tensor("t", KERNEL), plane)
    for row, column in ((0, 0), (7, 3), (5, 7)):
        shown = float(text(qtbot, model, row, column))
        assert shown == pytest.approx(float(KERNEL[2, 38, row, column]), rel=1e-5)
    tip = model.index(7, 3).data(Qt.ItemDataRole.ToolTipRole)
    assert tip == "[7, 3]  " + str(KERNEL[2, 38, 7, 3])


def test_cells_far_apart_read_only_their_own_blocks(qtbot: QtBot, model: ValuesModel) -> None:
    read: list[Selection] = []
    values = np.arange(100_000 * 200).reshape(100_000, 200)

    def reader(selection: Selection) -> np.ndarray:
        read.append(selection)
        return values[selection]

    tensor = Tensor("t", "int64", values.shape, values.nbytes, reader=reader)
    model.show(tensor, table_plane(values.shape))
    assert model.rowCount() == 100_000
    assert text(qtbot, model, 99_999, 199) == str(values[-1, -1])
    assert text(qtbot, model, 0, 0) == "0"
    assert text(qtbot, model, 1, 1) == "201"
    assert len(read) == 2
    assert all(values[selection].size <= 64 * 16 for selection in read)


def test_a_line_of_values_runs_down(qtbot: QtBot, model: ValuesModel) -> None:
    model.show(array_tensor("t", np.arange(5.0)), table_plane((5,)))
    assert (model.rowCount(), model.columnCount()) == (5, 1)
    assert text(qtbot, model, 4, 0) == "4"


def test_strings_are_shown_as_text_and_other_bytes_as_bytes(
    qtbot: QtBot, model: ValuesModel
) -> None:
    model.show(array_tensor("t", WORDS, "string"), table_plane(WORDS.shape))
    assert [text(qtbot, model, row, 0) for row in range(3)] == ["plain", "größer", r"b'\xff\xfe'"]


@pytest.mark.parametrize(("dtype", "tip"), [("bfloat16", "1.0"), ("int4", "1")])
def test_types_that_numpy_lacks_are_shown_as_its_own(
    qtbot: QtBot, model: ValuesModel, dtype: str, tip: str
) -> None:
    model.show(array_tensor("t", np.ones(2, getattr(ml_dtypes, dtype))), table_plane((2,)))
    assert text(qtbot, model, 0, 0) == "1"
    assert model.index(0, 0).data(Qt.ItemDataRole.ToolTipRole) == f"[0, 0]  {tip}"


def test_what_cannot_be_read_says_why(qtbot: QtBot, model: ValuesModel) -> None:
    tensor = unreadable("t")
    model.show(tensor, table_plane((4, 4)))
    with qtbot.waitSignal(model.failed) as failed:
        model.index(0, 0).data()
    assert failed.args == ["The block at byte 99 is damaged. Save the model again."]
    assert model.rowCount() == 0


def test_blocks_of_another_tensor_never_show(qtbot: QtBot, model: ValuesModel) -> None:
    model.show(array_tensor("t", np.zeros((4, 4))), table_plane((4, 4)))
    model.index(0, 0).data()
    model.show(array_tensor("t", np.ones((4, 4))), table_plane((4, 4)))
    assert text(qtbot, model, 0, 0) == "1"


def test_a_very_long_tensor_starts_where_it_is_told(
    qtbot: QtBot, model: ValuesModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(values_model, "MOST_ROWS", 10)
    model.show(array_tensor("t", np.arange(35)), table_plane((35,)), (30, 0))
    assert model.rowCount() == 5
    assert text(qtbot, model, 4, 0) == "34"
    assert model.headerData(4, Qt.Orientation.Vertical) == "34"


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (np.float32(0.1), "0.1"),
        (np.float64(-1234567.0), "-1.23457e+06"),
        (np.float32("nan"), "nan"),
        (np.int64(-9_000_000_000), "-9000000000"),
        (np.bool_(True), "True"),
        (np.complex64(1 + 2j), "1+2j"),
        (b"x" * 500, "x" * 200 + "…"),
    ],
)
def test_a_value_in_few_characters(value: object, shown: str) -> None:
    assert cell_text(value) == shown
