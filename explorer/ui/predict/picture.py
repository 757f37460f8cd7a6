"""One row of an output as a picture, where its shape is that of one."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from PySide6.QtCore import QPoint, QRect, QSize, Qt
from PySide6.QtGui import QImage, QPainter, QPaintEvent
from PySide6.QtWidgets import QSizePolicy, QWidget

from explorer.formats.text import value_text
from explorer.ui.background import Background
from explorer.ui.widgets import describe

_LEAST_SIDE = 8  # pixels; anything smaller is a table of numbers
_LONGEST_SIDE = 1024
_LEAST_HEIGHT = 200
_FORMATS = {1: QImage.Format.Format_Grayscale8, 3: QImage.Format.Format_RGB888}


@dataclass(frozen=True)
class Pixels:
    """Height × width × 1 or 3 bytes; ``low`` is drawn black and ``high`` white."""

    values: np.ndarray
    low: float
    high: float


def is_picture(array: np.ndarray) -> bool:
    """Whether each row of an output is height × width × 1 or 3 real numbers."""
    if array.ndim != 4 or array.size == 0 or array.dtype.kind not in "biuf":
        return False
    return array.shape[3] in _FORMATS and min(array.shape[1:3]) >= _LEAST_SIDE


def pixels_of(array: np.ndarray) -> Pixels:
    """Bytes of a height × width × 1 or 3 array of real numbers; others are thinned out evenly."""
    step = -(-max(array.shape[:2]) // _LONGEST_SIDE)
    numbers = array[::step, ::step].astype(np.float64)
    finite = numbers[np.isfinite(numbers)]
    low, high = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 0.0)
    scaled = (np.nan_to_num(numbers, nan=low, posinf=high, neginf=low) - low) / ((high - low) or 1)
    return Pixels(np.ascontiguousarray((scaled * 255).round().astype(np.uint8)), low, high)


class Picture(QWidget):
    """Draws pixels as large as there is room for, each a square."""

    def __init__(self) -> None:
        super().__init__()
        self._image = QImage()
        self._making = Background(self)
        describe(self, "predict.picture", self.tr("One row of the output as a picture"))
        self.setMinimumHeight(_LEAST_HEIGHT)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)

    def show_array(self, array: np.ndarray) -> None:
        """Draw a height × width × 1 or 3 array once its pixels are made."""
        self._image = QImage()
        self._making.run(lambda: pixels_of(array), self._take, lambda _error: None)
        self.update()

    def image(self) -> QImage:
        """What is drawn; null until it is made."""
        return self._image

    def _take(self, pixels: Pixels) -> None:
        height, width, channels = pixels.values.shape
        raw = pixels.values.tobytes()
        image = QImage(raw, width, height, width * channels, _FORMATS[channels])
        self._image = image.copy()  # the bytes are gone after this
        text = self.tr("Black is {low}, white {high}.")
        self.setToolTip(text.format(low=value_text(pixels.low), high=value_text(pixels.high)))
        self.update()

    def sizeHint(self) -> QSize:
        return QSize(300, _LEAST_HEIGHT)

    def paintEvent(self, event: QPaintEvent) -> None:
        if self._image.isNull():
            return
        size = self._image.size().scaled(self.size(), Qt.AspectRatioMode.KeepAspectRatio)
        with QPainter(self) as painter:
            painter.drawImage(QRect(QPoint(0, 0), size), self._image)
