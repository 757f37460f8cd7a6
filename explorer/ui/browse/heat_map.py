"""A slice of a tensor as a picture: blue below zero, orange above, the stronger the farther."""

from __future__ import annotations

import numpy as np
from PySide6.QtCore import QEvent, QPointF, QRect, QSize, Qt
from PySide6.QtGui import QColor, QHelpEvent, QImage, QLinearGradient, QPainter, QPaintEvent
from PySide6.QtWidgets import QSizePolicy, QToolTip, QWidget

from explorer.analysis.planes import Sample
from explorer.ui.browse.histogram import number_text
from explorer.ui.theme import Theme, color, current_theme, mono_font
from explorer.ui.widgets import describe

_BELOW = {Theme.LIGHT: "#4256d0", Theme.DARK: "#5b70f5"}
_ABOVE = {Theme.LIGHT: "#d8681c", Theme.DARK: "#e8782a"}
_LONGEST_SIDE = 6  # times the shorter one; beyond that cells are no longer square


def heat_image(values: np.ndarray) -> QImage:
    """One pixel per value, in the theme's colours; a value that is no number is ``faint``.

    ``values`` has two axes.
    """
    limit = _limit(values)
    strength = np.clip(np.nan_to_num(values / limit, nan=0.0, posinf=1.0, neginf=-1.0), -1, 1)
    centre, below, above = (_rgb(c) for c in _colours())
    ends = np.where(strength[..., None] < 0, below, above)
    pixels = centre + (ends - centre) * np.abs(strength)[..., None]
    pixels[np.isnan(values)] = _rgb(color("faint"))
    raw = np.ascontiguousarray(pixels.round().astype(np.uint8))
    height, width = values.shape
    return QImage(raw.data, width, height, 3 * width, QImage.Format.Format_RGB888).copy()


def _limit(values: np.ndarray) -> float:
    finite = values[np.isfinite(values)]
    return float(np.abs(finite).max(initial=0.0)) or 1.0


def _colours() -> tuple[QColor, QColor, QColor]:
    theme = current_theme()
    return color("row"), QColor(_BELOW[theme]), QColor(_ABOVE[theme])


def _rgb(tint: QColor) -> np.ndarray:
    return np.array([tint.red(), tint.green(), tint.blue()], dtype=np.float64)


class HeatMap(QWidget):
    """Paints a `Sample`; ``fill`` stretches it over all the room, else its cells are square."""

    def __init__(self, name: str, accessible: str, *, fill: bool = False) -> None:
        super().__init__()
        describe(self, name, accessible)
        self.setToolTip("")
        self._sample: Sample | None = None
        self._image: QImage | None = None
        self._fill = fill
        vertical = QSizePolicy.Policy.Fixed if fill else QSizePolicy.Policy.Expanding
        self.setSizePolicy(QSizePolicy.Policy.Expanding, vertical)

    def set_sample(self, sample: Sample | None) -> None:
        """Show other values."""
        self._sample, self._image = sample, None
        self.updateGeometry()
        self.update()

    def sizeHint(self) -> QSize:
        rows = 1 if self._sample is None else self._sample.values.shape[0]
        return QSize(300, min(96, 16 + rows * 8) if self._fill else 300)

    def changeEvent(self, event: QEvent) -> None:
        if event.type() == QEvent.Type.PaletteChange:
            self._image = None
            self.update()
        super().changeEvent(event)

    def paintEvent(self, event: QPaintEvent) -> None:
        if self._sample is None or not self._sample.values.size:
            return
        if self._image is None:
            self._image = heat_image(self._sample.values)
        with QPainter(self) as painter:
            painter.drawImage(self._area(), self._image)

    def _area(self) -> QRect:
        if self._fill or self._sample is None:
            return self.rect()
        rows, columns = self._sample.values.shape
        ratio = min(max(rows / columns, 1 / _LONGEST_SIDE), _LONGEST_SIDE)
        width = min(self.width(), self.height() / ratio)
        return QRect(0, 0, max(round(width), 1), max(round(width * ratio), 1))

    def event(self, event: QEvent) -> bool:
        if event.type() == QEvent.Type.ToolTip and isinstance(event, QHelpEvent):
            QToolTip.showText(event.globalPos(), self._value_at(event.x(), event.y()), self)
            return True
        return super().event(event)

    def _value_at(self, x: int, y: int) -> str:
        area, sample = self._area(), self._sample
        if sample is None or not area.contains(x, y):
            return ""
        rows, columns = sample.values.shape
        row, column = y * rows // area.height(), x * columns // area.width()
        value = number_text(sample.values[row, column])
        return f"[{row * sample.row_step}, {column * sample.column_step}] = {value}"


class Legend(QWidget):
    """The colours of a heat map and what numbers they stand for."""

    def __init__(self, name: str, accessible: str) -> None:
        super().__init__()
        describe(self, name, accessible)
        self._limit = 1.0
        self.setFixedHeight(30)

    def set_sample(self, sample: Sample) -> None:
        """Take the range from the values."""
        self._limit = _limit(sample.values)
        self.update()

    def paintEvent(self, event: QPaintEvent) -> None:
        with QPainter(self) as painter:
            centre, below, above = _colours()
            gradient = QLinearGradient(QPointF(0, 0), QPointF(self.width(), 0))
            for position, tint in ((0.0, below), (0.5, centre), (1.0, above)):
                gradient.setColorAt(position, tint)
            painter.fillRect(QRect(0, 0, self.width(), 8), gradient)
            painter.setFont(mono_font())
            painter.setPen(color("muted"))
            line = QRect(0, 11, self.width(), 19)
            for side, value in (
                (Qt.AlignmentFlag.AlignLeft, -self._limit),
                (Qt.AlignmentFlag.AlignHCenter, 0.0),
                (Qt.AlignmentFlag.AlignRight, self._limit),
            ):
                painter.drawText(line, side | Qt.AlignmentFlag.AlignVCenter, number_text(value))
