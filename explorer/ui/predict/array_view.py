"""An array in memory as a table and as a chart."""

from __future__ import annotations

import numpy as np
from PySide6.QtCore import QAbstractTableModel, QModelIndex, QObject, QPointF, QRectF, QSize, Qt
from PySide6.QtGui import QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QAbstractItemView, QSizePolicy, QTableView, QWidget

from explorer.formats.text import value_text
from explorer.ui.theme import ROW_HEIGHT, color, mono_font
from explorer.ui.widgets import Index, describe

_MOST_COLUMNS = 4096
_LEAST_HEIGHT = 130
_MOST_BARS = 32


def as_rows(array: np.ndarray) -> np.ndarray:
    """Two dimensions: the first stays, all others are laid side by side."""
    if array.ndim == 0:
        return array.reshape(1, 1)
    return array.reshape(len(array), -1) if array.size else array.reshape(len(array), 0)


class ArrayModel(QAbstractTableModel):
    """The rows of an array; only the cells on screen are turned into text."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._rows = np.zeros((0, 0))

    def show(self, array: np.ndarray) -> None:
        """Replace what is shown; ``array`` may have any rank."""
        self.beginResetModel()
        self._rows = as_rows(array)
        self.endResetModel()

    def rowCount(self, parent: Index = QModelIndex()) -> int:  # noqa: B008
        return 0 if parent.isValid() else int(self._rows.shape[0])

    def columnCount(self, parent: Index = QModelIndex()) -> int:  # noqa: B008
        return 0 if parent.isValid() else min(int(self._rows.shape[1]), _MOST_COLUMNS)

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> object:
        if not index.isValid():
            return None
        if role == Qt.ItemDataRole.DisplayRole:
            return value_text(self._rows[index.row(), index.column()])
        if role == Qt.ItemDataRole.FontRole:
            return mono_font()
        if role == Qt.ItemDataRole.TextAlignmentRole:
            return Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
        return None

    def headerData(
        self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole
    ) -> object:
        if role == Qt.ItemDataRole.DisplayRole:
            return str(section)
        return None


class ArrayTable(QTableView):
    """A table over an `ArrayModel`."""

    def __init__(self, name: str, accessible: str) -> None:
        super().__init__()
        self.array_model = ArrayModel(self)
        self.setModel(self.array_model)
        describe(self, name, accessible)
        self.setShowGrid(False)
        self.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.horizontalHeader().setDefaultSectionSize(84)
        self.horizontalHeader().setHighlightSections(False)
        self.verticalHeader().setDefaultSectionSize(ROW_HEIGHT)
        self.verticalHeader().setHighlightSections(False)
        self.setCornerButtonEnabled(False)
        self.setMinimumHeight(_LEAST_HEIGHT)


class Chart(QWidget):
    """One row of an array: horizontal bars with their values, or a line where there are many."""

    def __init__(self) -> None:
        super().__init__()
        self._values = np.zeros(0)
        describe(self, "predict.chart", self.tr("Chart of one row of the output"))
        self.setMinimumHeight(120)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)

    def show_values(self, values: np.ndarray) -> None:
        """Draw ``values``, one dimension of numbers; not-a-numbers are left out of a line."""
        self._values = values.astype(np.float64)
        self.setMinimumHeight(self.sizeHint().height())
        self.setAccessibleDescription(f"{values.size} values")
        self.updateGeometry()
        self.update()

    def sizeHint(self) -> QSize:
        bars = min(len(self._values), _MOST_BARS)
        return QSize(300, 20 * bars + 8 if len(self._values) <= _MOST_BARS else 200)

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setFont(mono_font())
        if not len(self._values):
            return
        if len(self._values) <= _MOST_BARS:
            self._paint_bars(painter)
        else:
            self._paint_line(painter)

    def _paint_bars(self, painter: QPainter) -> None:
        metrics = painter.fontMetrics()
        finite = np.where(np.isfinite(self._values), self._values, 0.0)
        low, high = min(float(finite.min()), 0.0), max(float(finite.max()), 0.0)
        left = metrics.horizontalAdvance(str(len(self._values) - 1)) + 12
        room = max(self.width() - left - metrics.horizontalAdvance("-0.0000e+00") - 14, 20)
        scale = room / ((high - low) or 1.0)
        largest = int(finite.argmax())
        for row, value in enumerate(self._values):
            y = 4 + 20 * row
            self._text(painter, QRectF(0, y, left - 12, 18), str(row), "muted", right=True)
            start = left + (min(float(finite[row]), 0.0) - low) * scale
            width = max(abs(float(finite[row])) * scale, 1.0)
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(color("accent" if row == largest else "bar"))
            painter.drawRoundedRect(QRectF(start, y + 3, width, 12), 2, 2)
            number = QRectF(start + width + 6, y, self.width(), 18)
            self._text(painter, number, value_text(value), "text")

    def _text(
        self, painter: QPainter, where: QRectF, text: str, tone: str, *, right: bool = False
    ) -> None:
        side = Qt.AlignmentFlag.AlignRight if right else Qt.AlignmentFlag.AlignLeft
        painter.setPen(color(tone))
        painter.drawText(where, int(side | Qt.AlignmentFlag.AlignVCenter), text)

    def _paint_line(self, painter: QPainter) -> None:
        """As many points as there are pixels: each the extremes of the values below it."""
        finite = self._values[np.isfinite(self._values)]
        if not len(finite):
            return
        low, high = float(finite.min()), float(finite.max())
        left = painter.fontMetrics().horizontalAdvance("-0.0000e+00") + 8
        area = QRectF(left, 8, self.width() - left - 8, self.height() - 34)
        for value, y in ((high, area.top()), (low, area.bottom())):
            self._text(
                painter, QRectF(0, y - 9, left - 8, 18), value_text(value), "muted", right=True
            )
            painter.setPen(QPen(color("border")))
            painter.drawLine(int(area.left()), int(y), int(area.right()), int(y))
        self._text(painter, QRectF(area.left(), area.bottom() + 6, 80, 18), "0", "muted")
        last = QRectF(area.right() - 100, area.bottom() + 6, 100, 18)
        self._text(painter, last, str(len(self._values) - 1), "muted", right=True)
        painter.setPen(QPen(color("accent"), 1.4))
        painter.drawPolyline(self._points(area, low, high))

    def _points(self, area: QRectF, low: float, high: float) -> list[QPointF]:
        columns = max(int(area.width()), 2)
        chunks = np.array_split(self._values, min(columns, len(self._values)))
        scale = area.height() / ((high - low) or 1.0)
        points: list[QPointF] = []
        for position, chunk in enumerate(chunks):
            x = area.left() + area.width() * position / max(len(chunks) - 1, 1)
            good = chunk[np.isfinite(chunk)]
            for value in (good.min(), good.max()) if len(good) else ():
                points.append(QPointF(x, area.bottom() - (float(value) - low) * scale))
        return points
