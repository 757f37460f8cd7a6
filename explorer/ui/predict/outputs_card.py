"""The outputs of a run: as a table, and one row as a chart or a picture."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from PySide6.QtCore import Qt
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QHBoxLayout, QStackedWidget, QWidget

from explorer.formats.text import array_text
from explorer.ui.predict.array_view import MOST_COLUMNS, MOST_ROWS, ArrayTable, as_rows
from explorer.ui.predict.chart import Chart
from explorer.ui.predict.name_box import NameBox
from explorer.ui.predict.picture import Picture, is_picture
from explorer.ui.widgets import Card, Segmented, chip, label, spin_box

_ROOM_FOR_SHAPE = 640  # pixels of the card
_ROOM_FOR_CONTROLS = 520


class OutputsCard(Card):
    """Shows the arrays that a signature returned."""

    def __init__(self) -> None:
        super().__init__(self.tr("Output"))
        self._outputs: Mapping[str, np.ndarray] = {}
        self.output = NameBox("predict.output", self.tr("Which output"))
        self.output.currentIndexChanged.connect(self._show_output)
        self._shape = chip("", "code", name="predict.output.shape")
        self._row_caption = label(self.tr("Row"), "small")
        self.row = spin_box("predict.row", self.tr("Row that the chart shows"), 0, 0)
        self.row.valueChanged.connect(self._show_row)
        self.kind = self._kinds()
        self.title_row.addWidget(self.output)
        self.title_row.addWidget(self._shape)
        self.title_row.addStretch(1)
        self._controls = self._row_and_kind()
        self.title_row.addWidget(self._controls)
        self.chart = Chart()
        self.table = ArrayTable("predict.table", self.tr("Values of the output"))
        self.picture = Picture()
        self._views: dict[str, QWidget] = {
            "chart": self.chart,
            "table": self.table,
            "picture": self.picture,
        }
        self._note = label("", "small", wrap=True, name="predict.output.note")
        self._stack = QStackedWidget()
        for view in self._views.values():
            self._stack.addWidget(view)
        self._earlier = label("", "warning", wrap=True, name="predict.output.earlier")
        self.body.addWidget(self._earlier)
        self.body.addWidget(self._note)
        self.body.addWidget(self._stack, 1)
        self.body.addStretch(0)
        self.clear()

    def _row_and_kind(self) -> QWidget:
        controls = QWidget()
        row = QHBoxLayout(controls)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(8)
        for widget in (self._row_caption, self.row, self.kind):
            row.addWidget(widget)
        return controls

    def _kinds(self) -> Segmented:
        choices = [
            ("chart", self.tr("Chart")),
            ("table", self.tr("Table")),
            ("picture", self.tr("Picture")),
        ]
        kinds = Segmented("predict.view", choices, self.tr("Show as"))
        kinds.chosen.connect(self._show_kind)
        return kinds

    def resizeEvent(self, event: QResizeEvent) -> None:
        """In a narrow card the controls have a line of their own."""
        super().resizeEvent(event)
        self._show_shape()
        narrow = self.width() <= _ROOM_FOR_CONTROLS
        if narrow != (self.body.indexOf(self._controls) >= 0):
            if narrow:
                self.title_row.removeWidget(self._controls)
                self.body.insertWidget(1, self._controls, 0, Qt.AlignmentFlag.AlignLeft)
            else:
                self.body.removeWidget(self._controls)
                self.title_row.addWidget(self._controls)

    def _show_shape(self) -> None:
        self._shape.setVisible(bool(self._outputs) and self.width() > _ROOM_FOR_SHAPE)

    def clear(self) -> None:
        """Show nothing."""
        self.show_outputs({})

    def show_outputs(self, outputs: Mapping[str, np.ndarray]) -> None:
        """Take the arrays of a run; the output and row shown before stay where they can."""
        self._outputs = outputs
        self.output.show_names(outputs, self.output.currentText())
        self._show_output()

    def show_earlier(self, text: str) -> None:
        """Say that the outputs are of an earlier run; nothing where they are of the last."""
        self._earlier.setText(text)
        self._earlier.setVisible(bool(text))

    def outputs(self) -> Mapping[str, np.ndarray]:
        """What is shown."""
        return self._outputs

    def _array(self) -> np.ndarray:
        return self._outputs.get(self.output.currentText(), np.zeros((0, 0)))

    def _can_chart(self) -> bool:
        array = self._array()
        return bool(array.size) and _is_real(array)

    def _show_output(self) -> None:
        array = self._array()
        self._shape.setText(array_text(array))
        self._show_shape()
        self.row.setRange(0, max(len(_charted(array)) - 1, 0))
        self.table.show_array(array)
        self.kind.set_available("picture", is_picture(array))
        self._show_row()
        self._show_kind()

    def _show_row(self) -> None:
        array, row = self._array(), self.row.value()
        self.chart.show_values(_charted(array)[row] if self._can_chart() else np.zeros(0))
        if is_picture(array):
            self.picture.show_array(array[row])

    def _show_kind(self) -> None:
        kind = self.kind.key() if self._can_chart() else "table"
        self._stack.setCurrentWidget(self._views[kind])
        by_row = kind != "table" and self.row.maximum() > 0
        self._row_caption.setVisible(by_row)
        self.row.setVisible(by_row)
        self._controls.setVisible(self._can_chart())
        self._note.setText(self._note_text(kind))
        self._note.setVisible(bool(self._note.text()))
        self._stack.setVisible(bool(self._array().size))

    def _note_text(self, kind: str) -> str:
        array = self._array()
        if not self._outputs:
            return self.tr("Run it to see what it answers.")
        if not array.size:
            return self.tr("It holds no values: a dimension of its shape is 0.")
        rows, columns = as_rows(array).shape
        if kind == "table" and (rows > MOST_ROWS or columns > MOST_COLUMNS):
            return self.tr(
                "The table shows the first {rows:,} of {all_rows:,} rows and {columns:,} of "
                "{all_columns:,} columns. Export the outputs to have them all."
            ).format(
                rows=min(rows, MOST_ROWS),
                all_rows=rows,
                columns=min(columns, MOST_COLUMNS),
                all_columns=columns,
            )
        return ""


def _charted(array: np.ndarray) -> np.ndarray:
    """The rows that a chart shows one of: a list of numbers is one row."""
    return array[np.newaxis] if array.ndim == 1 else as_rows(array)


def _is_real(array: np.ndarray) -> bool:
    """Whether it is of numbers that have a place on a line, such as bfloat16, too."""
    return array.dtype.kind in "biuf" or array.dtype.type.__module__ == "ml_dtypes"
