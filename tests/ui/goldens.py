"""Screenshots compared with stored ones, pixel by pixel.

Qt takes FreeType from the system, and its versions round the edges of some letters differently.
With `fonts.conf`, pages drawn with 2.12.1, 2.13.2 and 2.14.3 differ in up to 332 of 1,296,000
pixels by up to 5 of 255 steps, and nowhere else. That much is let pass, with a little room: it is
less than one letter in another place, and less than any area in another colour.

New pictures are written by ``pytest --update-goldens`` alone; look at them before committing them.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PySide6.QtGui import QColor, QImage, QPainter
from PySide6.QtWidgets import QWidget

_FOLDER = Path(__file__).resolve().parent / "goldens"
_OUT = _FOLDER.parent.parent.parent / ".out"
_GAP = 8
_LETTER_STEPS = 8
_LETTER_PIXELS_PER_THOUSAND = 1

updating = False
"""Whether pictures are written instead of compared; set by ``--update-goldens``."""


def assert_matches_golden(picture: QWidget | QImage, name: str) -> None:
    """Fail unless ``picture`` is ``goldens/<name>.png``, but for the rounding of letters.

    On failure ``.out/<name>.png`` shows expected, actual and difference side by side.
    """
    actual = _image(picture)
    file = _FOLDER / f"{name}.png"
    if updating:
        file.parent.mkdir(parents=True, exist_ok=True)
        assert actual.save(str(file)), f"{file} cannot be written"
        return
    assert file.exists(), f"there is no {file}; make it with pytest --update-goldens"
    expected = QImage(str(file)).convertToFormat(QImage.Format.Format_RGB32)
    problem = _difference(expected, actual)
    if problem:
        shown = _side_by_side(expected, actual, name)
        raise AssertionError(f"{name} is not as stored: {problem}. See {shown}")


def _image(picture: QWidget | QImage) -> QImage:
    image = picture.grab().toImage() if isinstance(picture, QWidget) else picture
    return image.convertToFormat(QImage.Format.Format_RGB32)


def _pixels(image: QImage) -> np.ndarray:
    """Height × width × 3, signed so that differences can be taken."""
    rows = np.frombuffer(image.constBits(), np.uint8).reshape(image.height(), image.bytesPerLine())
    return rows[:, : image.width() * 4].reshape(image.height(), -1, 4)[:, :, :3].astype(np.int16)


def _difference(expected: QImage, actual: QImage) -> str:
    """What differs, in words; empty where nothing does."""
    if expected.size() != actual.size():
        wanted, got = expected.size().toTuple(), actual.size().toTuple()
        return f"expected {wanted[0]} × {wanted[1]} pixels, got {got[0]} × {got[1]}"
    worst = np.abs(_pixels(expected) - _pixels(actual)).max(axis=2)
    rows, columns = np.nonzero(worst)
    few = rows.size * 1000 <= worst.size * _LETTER_PIXELS_PER_THOUSAND
    if few and worst.max() <= _LETTER_STEPS:
        return ""
    return (
        f"{rows.size} pixels differ by up to {worst.max()} of 255, between "
        f"x {columns.min()}–{columns.max()} and y {rows.min()}–{rows.max()}"
    )


def _side_by_side(expected: QImage, actual: QImage, name: str) -> Path:
    difference = _difference_picture(expected, actual)
    panels = (expected, actual, difference)
    width = sum(panel.width() for panel in panels) + _GAP * 2
    sheet = QImage(width, max(panel.height() for panel in panels), QImage.Format.Format_RGB32)
    sheet.fill(QColor("#ff00ff"))
    painter = QPainter(sheet)
    left = 0
    for panel in panels:
        painter.drawImage(left, 0, panel)
        left += panel.width() + _GAP
    painter.end()
    file = _OUT / f"{name}.png"
    file.parent.mkdir(parents=True, exist_ok=True)
    sheet.save(str(file))
    return file


def _difference_picture(expected: QImage, actual: QImage) -> QImage:
    """Black where both are equal, white where any channel differs."""
    size = expected.size().boundedTo(actual.size())
    first, second = (_pixels(image.copy(0, 0, *size.toTuple())) for image in (expected, actual))
    marked = (np.abs(first - second).max(axis=2) > 0).astype(np.uint8) * 255
    grey = QImage(marked.tobytes(), *size.toTuple(), size.width(), QImage.Format.Format_Grayscale8)
    return grey.copy()  # the bytes above are gone after this line
