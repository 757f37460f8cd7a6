"""Lines over a grid: axes with round numbers, and long lines in as many points as can be seen."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QWidget

from explorer.ui.theme import color, ui_font

_MARGIN = 0.04  # of an axis, between its ends and the values
_BELOW = 20.0  # pixels for the labels; those beside the axis take what they need
_TICK_EVERY = (90.0, 20.0)  # pixels, across and up
_DOT = 2.5  # pixels, half of one's width
_MOST_DOTS = 60
_FAINT = 0.4


def finite(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The points of a line whose ``y`` has a place on an axis."""
    kept = np.isfinite(y)
    return x[kept], y[kept]


def thinned(x: np.ndarray, y: np.ndarray, most: int) -> tuple[np.ndarray, np.ndarray]:
    """The points of a line, or two for each of ``most`` equal stretches: least and largest.

    They draw the same picture where the line has more points than the picture has pixels.
    """
    if len(y) <= 2 * most:
        return x, y
    starts = np.linspace(0, len(y), most, endpoint=False).astype(np.int64)
    ends = np.stack([np.minimum.reduceat(y, starts), np.maximum.reduceat(y, starts)], axis=1)
    return np.repeat(x[starts], 2), ends.reshape(-1)


def polyline(x: np.ndarray, y: np.ndarray) -> list[QPointF]:
    """Places in pixels as Qt takes them."""
    return [QPointF(*point) for point in zip(x.tolist(), y.tolist(), strict=True)]


@dataclass(frozen=True)
class Axis:
    """From ``low`` to ``high``; both are powers of ten where it is logarithmic."""

    low: float
    high: float
    logarithmic: bool = False

    @classmethod
    def around(cls, values: np.ndarray, *, logarithmic: bool = False) -> Axis:
        """An axis with room for ``values``, finite numbers or their powers of ten."""
        low, high = float(values.min()), float(values.max())
        room = (high / 2 - low / 2) * (2 * _MARGIN) or abs(high) * _MARGIN or 0.5
        return cls(low - room, high + room, logarithmic)

    def place(self, values: np.ndarray) -> np.ndarray:
        """Where ``values`` lie: 0 at the low end, 1 at the high one."""
        # Halves: the ends may be as far apart as numbers can be.
        return np.asarray((values / 2 - self.low / 2) / (self.high / 2 - self.low / 2))

    def ticks(self, most: int) -> dict[float, str]:
        """At most ``most`` round numbers between the ends, with their texts."""
        span = self.high - self.low
        if not 0 < span < math.inf:
            return {}
        step = _step(span / max(most, 1))
        if self.logarithmic:
            step = max(step, 1.0)
        first, last = math.ceil(self.low / step), math.floor(self.high / step)
        return {number * step: self._text(number * step, step) for number in range(first, last + 1)}

    def _text(self, value: float, step: float) -> str:
        if self.logarithmic:
            return f"1e{value:.0f}"
        decimals = max(-math.floor(math.log10(step)), 0)
        largest = max(abs(self.low), abs(self.high))
        if decimals <= 6 and largest < 1e5:
            return f"{value:.{decimals}f}"
        digits = math.floor(math.log10(largest)) - math.floor(math.log10(step))
        return f"{value:.{max(digits, 0)}e}"


def _step(least: float) -> float:
    """The first of 1, 2 or 5 times a power of ten that is not below ``least``."""
    power: float = 10.0 ** math.floor(math.log10(least))
    return next((power * factor for factor in (1, 2, 5) if power * factor >= least), power * 10)


@dataclass(frozen=True)
class Line:
    """One line of a plot: as many ``x`` as ``y``, all finite, in a colour of the theme."""

    x: np.ndarray
    y: np.ndarray
    tone: str
    faint: bool = False
    dashed: bool = False


class Plot(QWidget):
    """Draws lines on axes of their own making. Call `show_lines` to change them."""

    def __init__(self) -> None:
        super().__init__()
        self._lines: list[Line] = []
        self.x_axis = self.y_axis = Axis(0, 1)

    def show_lines(self, lines: Sequence[Line], *, logarithmic: bool = False) -> None:
        """Draw ``lines``; with ``logarithmic`` all ``y`` are above 0 and shown by powers of ten."""
        self._lines = [line for line in lines if len(line.x)]
        if logarithmic:
            self._lines = [_to_powers(line) for line in self._lines]
        if self._lines:
            self.x_axis = Axis.around(np.concatenate([line.x for line in self._lines]))
            heights = np.concatenate([line.y for line in self._lines])
            self.y_axis = Axis.around(heights, logarithmic=logarithmic)
        self.update()

    def paintEvent(self, event: QPaintEvent) -> None:
        if not self._lines:
            return
        area = QRectF(self.rect()).adjusted(0, 6, -2, -_BELOW)
        ticks = self.y_axis.ticks(int(area.height() / _TICK_EVERY[1]))
        with QPainter(self) as painter:
            painter.setFont(ui_font(11))
            widths = map(painter.fontMetrics().horizontalAdvance, ticks.values())
            area.setLeft(max(widths, default=0) + 10)
            self._paint_grid(painter, area, ticks)
            painter.setRenderHint(QPainter.RenderHint.Antialiasing)
            for line in self._lines:
                self._paint_line(painter, line, area)

    def _paint_grid(self, painter: QPainter, area: QRectF, ticks: dict[float, str]) -> None:
        middle = Qt.AlignmentFlag.AlignVCenter
        heights = self._y(np.array([*ticks]), area).tolist()
        for y, text in zip(heights, ticks.values(), strict=True):
            painter.setPen(color("border"))
            painter.drawLine(QPointF(area.left(), round(y)), QPointF(area.right(), round(y)))
            painter.setPen(color("muted"))
            where = QRectF(0, y - 9, area.left() - 8, 18)
            painter.drawText(where, int(Qt.AlignmentFlag.AlignRight | middle), text)
        across = self.x_axis.ticks(int(area.width() / _TICK_EVERY[0]))
        for x, text in zip(self._x(np.array([*across]), area), across.values(), strict=True):
            where = QRectF(x - 50, area.bottom() + 3, 100, _BELOW - 3)
            painter.drawText(where, int(Qt.AlignmentFlag.AlignHCenter | middle), text)

    def _paint_line(self, painter: QPainter, line: Line, area: QRectF) -> None:
        tint = color(line.tone)
        tint.setAlphaF(_FAINT if line.faint else 1.0)
        style = Qt.PenStyle.DashLine if line.dashed else Qt.PenStyle.SolidLine
        painter.setPen(QPen(tint, 1.0 if line.faint else 1.6, style))
        x, y = thinned(self._x(line.x, area), self._y(line.y, area), max(self.width(), 1))
        points = polyline(x, y)
        painter.drawPolyline(points)
        if not line.faint and len(points) <= _MOST_DOTS:
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(tint)
            for point in points:
                painter.drawEllipse(point, _DOT, _DOT)

    def _x(self, values: np.ndarray, area: QRectF) -> np.ndarray:
        return area.left() + area.width() * self.x_axis.place(values)

    def _y(self, values: np.ndarray, area: QRectF) -> np.ndarray:
        return area.bottom() - area.height() * self.y_axis.place(values)


def _to_powers(line: Line) -> Line:
    return Line(line.x, np.log10(line.y), line.tone, line.faint, line.dashed)
