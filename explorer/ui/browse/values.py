"""The Values tab of the inspector: a slice of the tensor as a table."""

from __future__ import annotations

from PySide6.QtCore import Qt
from PySide6.QtWidgets import (
    QAbstractItemView,
    QHBoxLayout,
    QSpinBox,
    QTableView,
    QVBoxLayout,
    QWidget,
)

from explorer.analysis.planes import Plane, known_shape, table_plane
from explorer.formats.artifact import Tensor
from explorer.ui.browse.slice_bar import SliceBar
from explorer.ui.browse.values_model import MOST_COLUMNS, MOST_ROWS, ValuesModel
from explorer.ui.widgets import describe, label

_NUMBER_WIDTH = 92
_TEXT_WIDTH = 600


class ValuesPanel(QWidget):
    """Shows the values of a `Tensor`."""

    def __init__(self) -> None:
        super().__init__()
        self._tensor: Tensor | None = None
        self._plane: Plane | None = None
        self.model = ValuesModel(self)
        self.model.failed.connect(self._show_reason)
        self.slices = SliceBar("inspector.values.slice")
        self.slices.changed.connect(self._show_plane)
        self._reason = label("", "muted", wrap=True, name="inspector.values.reason")
        self._make_table()
        self._start = QWidget()
        self._first_row = self._spin("first_row", self.tr("From row"))
        self._first_column = self._spin("first_column", self.tr("From column"))
        self._lay_out()

    def _make_table(self) -> None:
        self.table = QTableView()
        describe(self.table, "inspector.values", self.tr("Values"), self.tr("Values of the slice"))
        self.table.setToolTip("")
        self.table.setModel(self.model)
        self.table.setWordWrap(False)
        self.table.setCornerButtonEnabled(False)
        self.table.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.table.setHorizontalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        self.table.verticalHeader().setDefaultSectionSize(24)
        self.table.horizontalHeader().setHighlightSections(False)
        self.table.verticalHeader().setHighlightSections(False)

    def _spin(self, key: str, title: str) -> QSpinBox:
        spin = QSpinBox()
        spin.setKeyboardTracking(False)
        describe(spin, f"inspector.values.{key}", title, title)
        spin.valueChanged.connect(self._fill)
        return spin

    def _lay_out(self) -> None:
        start = QHBoxLayout(self._start)
        start.setContentsMargins(0, 0, 0, 0)
        start.addWidget(label(self.tr("From"), "small"))
        start.addWidget(self._first_row, 1)
        start.addWidget(self._first_column, 1)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(8)
        column.addWidget(self.slices)
        column.addWidget(self._start)
        column.addWidget(self._reason)
        column.addWidget(self.table, 1)

    def show_tensor(self, tensor: Tensor) -> None:
        """Show another tensor from its beginning."""
        shape = known_shape(tensor.shape)
        self._tensor = tensor
        if shape is None:
            self.model.show(None, None)
            self._start.hide()
            self.slices.hide()
            self._show_reason(self.tr("The shape is not known, so there are no values to show."))
            return
        plane = table_plane(shape)
        self.slices.show_plane(plane)
        width = _TEXT_WIDTH if tensor.dtype == "string" else _NUMBER_WIDTH
        self.table.horizontalHeader().setDefaultSectionSize(width)
        self.table.horizontalHeader().setStretchLastSection(
            tensor.dtype == "string" and len(shape) < 2
        )
        self._show_plane(plane)
        if 0 in shape:
            self._show_reason(self.tr("The tensor is empty: one of its dimensions is 0."))

    def _show_plane(self, plane: Plane) -> None:
        self._plane = plane
        for spin, count, most in (
            (self._first_row, plane.rows, MOST_ROWS),
            (self._first_column, plane.columns, MOST_COLUMNS),
        ):
            spin.blockSignals(True)
            spin.setRange(0, max(count - 1, 0))
            spin.setValue(0)
            spin.setVisible(count > most)
            spin.blockSignals(False)
        self._start.setVisible(plane.rows > MOST_ROWS or plane.columns > MOST_COLUMNS)
        self._fill()

    def _fill(self) -> None:
        self._reason.hide()
        self.table.show()
        first = (self._first_row.value(), self._first_column.value())
        self.model.show(self._tensor, self._plane, first)
        self.table.scrollToTop()

    def _show_reason(self, reason: str) -> None:
        self.table.hide()
        self._reason.setText(reason)
        self._reason.setAlignment(Qt.AlignmentFlag.AlignTop)
        self._reason.show()
