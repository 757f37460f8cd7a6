"""The outputs of a run: as a table, and one row as a chart."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QComboBox, QStackedWidget

from explorer.formats.text import tuple_text
from explorer.ui.predict.array_view import ArrayTable, Chart, as_rows
from explorer.ui.widgets import Card, Segmented, chip, describe, label, spin_box

_ROOM_FOR_SHAPE = 520  # pixels of the card


class OutputsCard(Card):
    """Shows the arrays that a signature returned."""

    def __init__(self) -> None:
        super().__init__(self.tr("Output"))
        self._outputs: Mapping[str, np.ndarray] = {}
        self.output = QComboBox()
        describe(self.output, "predict.output", self.tr("Which output"))
        self.output.currentIndexChanged.connect(self._show_output)
        self._shape = chip("", "code", name="predict.output.shape")
        self._row_caption = label(self.tr("Row"), "small")
        self.row = spin_box("predict.row", self.tr("Row that the chart shows"), 0, 0)
        self.row.valueChanged.connect(self._show_row)
        self.kind = Segmented(
            "predict.view",
            [("chart", self.tr("Chart")), ("table", self.tr("Table"))],
            self.tr("Show as"),
        )
        self.kind.setFixedWidth(132)
        self.kind.chosen.connect(self._show_kind)
        self.title_row.addWidget(self.output)
        self.title_row.addWidget(self._shape)
        self.title_row.addStretch(1)
        self.title_row.addWidget(self._row_caption)
        self.title_row.addWidget(self.row)
        self.title_row.addWidget(self.kind)
        self.chart = Chart()
        self.table = ArrayTable("predict.table", self.tr("Values of the output"))
        self._note = label("", "small", wrap=True)
        self._stack = QStackedWidget()
        self._stack.addWidget(self.chart)
        self._stack.addWidget(self.table)
        self.body.addWidget(self._note)
        self.body.addWidget(self._stack, 1)
        self.body.addStretch(0)
        self.clear()

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._show_shape()

    def _show_shape(self) -> None:
        self._shape.setVisible(bool(self._outputs) and self.width() > _ROOM_FOR_SHAPE)

    def clear(self) -> None:
        """Show nothing."""
        self.show_outputs({})

    def show_outputs(self, outputs: Mapping[str, np.ndarray]) -> None:
        """Take the arrays of a run; the output and row shown before stay where they can."""
        before = self.output.currentText()
        self._outputs = outputs
        self.output.blockSignals(True)
        self.output.clear()
        self.output.addItems(list(outputs))
        self.output.setCurrentIndex(max(self.output.findText(before), 0))
        self.output.blockSignals(False)
        self.output.setVisible(bool(outputs))
        self._show_output()

    def outputs(self) -> Mapping[str, np.ndarray]:
        """What is shown."""
        return self._outputs

    def _array(self) -> np.ndarray:
        return self._outputs.get(self.output.currentText(), np.zeros((0, 0)))

    def _show_output(self) -> None:
        array = self._array()
        self._shape.setText(f"{array.dtype} {tuple_text(array.shape)}")
        self._show_shape()
        self.row.setRange(0, max(len(as_rows(array)) - 1, 0))
        self.table.array_model.show(array)
        self._show_row()
        self._show_kind()

    def _show_row(self) -> None:
        rows = as_rows(self._array())
        drawable = rows.size and rows.dtype != object
        values = rows[self.row.value()] if drawable else np.zeros(0)
        self.chart.show_values(values)

    def _show_kind(self) -> None:
        chart = self.kind.key() == "chart"
        self._stack.setCurrentIndex(0 if chart else 1)
        self._row_caption.setVisible(chart and bool(self._outputs))
        self.row.setVisible(chart and bool(self._outputs))
        self.kind.setVisible(bool(self._outputs))
        if not self._outputs:
            self._note.setText(self.tr("Run it to see what it answers."))
        elif chart and self._array().dtype == object:
            self._note.setText(self.tr("Text cannot be drawn. The table shows it."))
        else:
            self._note.setText("")
        self._note.setVisible(bool(self._note.text()))
        self._stack.setVisible(not self._note.text())
