"""One row of an array as a chart: bars with their values, or a line where there are many."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from PySide6.QtCore import QRectF, QSize, Qt
from PySide6.QtGui import QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QSizePolicy, QWidget

from explorer.formats.text import value_text
from explorer.ui.background import Background
from explorer.ui.plot import Axis, finite, polyline, thinned
from explorer.ui.theme import color, mono_font
from explorer.ui.widgets import describe

_MOST_BARS = 32
_MOST_STRETCHES = 2000
_LINE_HEIGHT = 200
_WIDEST_NUMBER = "-0.0000e+00"


@dataclass(frozen=True)
class _Line:
    """The places in a row and the values there, as many of them as can be seen."""

    places: np.ndarray
    values: np.ndarray


def _line_of(row: np.ndarray) -> _Line:
    numbers = row.astype(np.float64)
    return _Line(*thinned(*finite(np.arange(len(numbers)), numbers), _MOST_STRETCHES))


class Chart(QWidget):
    """Draws one row of real numbers."""

    def __init__(self) -> None:
        super().__init__()
        self._values = np.zeros(0)
        self._line: _Line | None = None
        self._reducing = Background(self)
        describe(self, "predict.chart", self.tr("Chart of one row of the output"))
        self.setMinimumHeight(120)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)

    def show_values(self, values: np.ndarray) -> None:
        """Draw ``values``, one dimension of real numbers; a line leaves out what is not finite."""
        self._values, self._line = values, None
        self._reducing.drop()
        if len(values) > _MOST_BARS:
            self._reducing.run(lambda: _line_of(values), self._take_line, lambda _error: None)
        self.setMinimumHeight(self.sizeHint().height())
        self.setAccessibleDescription(self.tr("{count} values").format(count=len(values)))
        self.updateGeometry()
        self.update()

    def _take_line(self, line: _Line) -> None:
        self._line = line
        self.update()

    def sizeHint(self) -> QSize:
        bars = len(self._values)
        return QSize(300, 20 * bars + 8 if bars <= _MOST_BARS else _LINE_HEIGHT)

    def paintEvent(self, event: QPaintEvent) -> None:
        with QPainter(self) as painter:
            painter.setRenderHint(QPainter.RenderHint.Antialiasing)
            painter.setFont(mono_font())
            if 0 < len(self._values) <= _MOST_BARS:
                self._paint_bars(painter)
            elif self._line is not None:
                self._paint_line(painter, self._line)

    def _paint_bars(self, painter: QPainter) -> None:
        numbers = self._values.astype(np.float64)
        metrics = painter.fontMetrics()
        finite = np.where(np.isfinite(numbers), numbers, 0.0)
        low, high = min(float(finite.min()), 0.0), max(float(finite.max()), 0.0)
        left = metrics.horizontalAdvance(str(len(numbers) - 1)) + 12
        room = max(self.width() - left - metrics.horizontalAdvance(_WIDEST_NUMBER) - 14, 20)
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

    def _paint_line(self, painter: QPainter, line: _Line) -> None:
        if not len(line.values):
            return
        low, high = float(line.values.min()), float(line.values.max())
        left = painter.fontMetrics().horizontalAdvance(_WIDEST_NUMBER) + 8
        area = QRectF(left, 8, self.width() - left - 8, self.height() - 34)
        for value, y in ((high, area.top()), (low, area.bottom())):
            side = QRectF(0, y - 9, left - 8, 18)
            self._text(painter, side, value_text(value), "muted", right=True)
            painter.setPen(QPen(color("border")))
            painter.drawLine(int(area.left()), int(y), int(area.right()), int(y))
        self._text(painter, QRectF(area.left(), area.bottom() + 6, 80, 18), "0", "muted")
        last = QRectF(area.right() - 100, area.bottom() + 6, 100, 18)
        self._text(painter, last, str(len(self._values) - 1), "muted", right=True)
        painter.setPen(QPen(color("accent"), 1.4))
        across = Axis(0, len(self._values) - 1).place(line.places)
        up = Axis(low, high).place(line.values) if low < high else np.zeros(len(line.values))
        places = polyline(area.left() + area.width() * across, area.bottom() - area.height() * up)
        painter.drawPolyline(places)
