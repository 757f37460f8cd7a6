"""A histogram in the colours of the theme."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import QEvent, QRect, QSize, Qt
from PySide6.QtGui import QHelpEvent, QPainter, QPaintEvent
from PySide6.QtWidgets import QSizePolicy, QToolTip, QWidget

from explorer.ui.theme import color, mono_font
from explorer.ui.widgets import describe

_LABELS = 22  # pixels below the bars


class Histogram(QWidget):
    """Bars from the smallest to the largest value; where 0 lies is marked if it is in between."""

    def __init__(self, name: str, accessible: str) -> None:
        super().__init__()
        describe(self, name, accessible)
        self.setToolTip("")
        self._counts: Sequence[int] = ()
        self._edges: Sequence[float] = ()
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)

    def set_counts(self, counts: Sequence[int], edges: Sequence[float]) -> None:
        """Show ``counts`` between ``edges``, of which there is one more."""
        self._counts, self._edges = counts, edges
        if counts:
            self.setAccessibleDescription(f"{number_text(edges[0])} – {number_text(edges[-1])}")
        self.update()

    def sizeHint(self) -> QSize:
        return QSize(300, 98 + _LABELS)

    def paintEvent(self, event: QPaintEvent) -> None:
        with QPainter(self) as painter:
            if self._counts:
                self._paint_bars(painter)
                self._paint_labels(painter)

    def _bar(self, position: int) -> QRect:
        """Where a bar stands; a count that is not 0 is at least one pixel high."""
        room = self.height() - _LABELS
        left = self._x(position)
        width = max(self._x(position + 1) - left - 1, 1)
        count = self._counts[position]
        height = max(round(room * count / max(self._counts)), 1) if count else 0
        return QRect(left, room - height, width, height)

    def _x(self, edge: int) -> int:
        return round(edge * self.width() / len(self._counts))

    def _paint_bars(self, painter: QPainter) -> None:
        tint = color("tensor")
        for position in range(len(self._counts)):
            painter.fillRect(self._bar(position), tint)
        base = self.height() - _LABELS
        painter.fillRect(QRect(0, base, self.width(), 1), color("border"))

    def _paint_labels(self, painter: QPainter) -> None:
        painter.setFont(mono_font())
        painter.setPen(color("muted"))
        line = QRect(0, self.height() - _LABELS + 3, self.width(), _LABELS - 3)
        low, high = self._edges[0], self._edges[-1]
        first, last = number_text(low), number_text(high)
        painter.drawText(line, Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter, first)
        painter.drawText(line, Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter, last)
        if not low < 0 < high:
            return
        zero = round(-low / (high - low) * self.width())
        wide = painter.fontMetrics().horizontalAdvance
        if wide(first) + 12 < zero < self.width() - wide(last) - 12:
            centre = Qt.AlignmentFlag.AlignHCenter | Qt.AlignmentFlag.AlignVCenter
            painter.drawText(QRect(zero - 10, line.top(), 20, line.height()), centre, "0")

    def event(self, event: QEvent) -> bool:
        if event.type() == QEvent.Type.ToolTip and isinstance(event, QHelpEvent):
            QToolTip.showText(event.globalPos(), self._bar_text(event.x()), self)
            return True
        return super().event(event)

    def _bar_text(self, x: int) -> str:
        if not self._counts or not 0 <= x < self.width():
            return ""
        position = x * len(self._counts) // self.width()
        return self.tr("{count:,} values from {low} to {high}").format(
            count=self._counts[position],
            low=number_text(self._edges[position]),
            high=number_text(self._edges[position + 1]),
        )


def number_text(value: float) -> str:
    """A number in four digits, as short as it can be."""
    return f"{value:.4g}"
