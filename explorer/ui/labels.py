"""Labels that make the best of the room they get: whole lines of code, texts to choose from."""

from __future__ import annotations

import re

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QLabel

from explorer.ui.widgets import ElidedLabel


class CodeLabel(ElidedLabel):
    """Code in one line, shortened at its end; or whole, on as many lines as it takes."""

    def __init__(self, role: str = "monoMuted", *, name: str = "") -> None:
        self._whole = False
        super().__init__("", role, name=name)

    def set_whole(self, whole: bool) -> None:
        """Show all of it, or one line."""
        self._whole = whole
        self._elide()

    def _elide(self) -> None:
        metrics, room = self.fontMetrics(), max(self.width(), 24)
        if self._whole:
            # Of many at a time, since one is told in whole pixels.
            widest = max(metrics.horizontalAdvance(100 * c) for c in {*self._full, "m"})
            QLabel.setText(self, "\n".join(_code_lines(self._full, 100 * room // widest)))
        else:
            mode = Qt.TextElideMode.ElideRight
            QLabel.setText(self, metrics.elidedText(self._full, mode, room))


def _code_lines(code: str, columns: int) -> list[str]:
    """The code in lines of at most so many characters, broken after punctuation if it has any."""
    fitting = f".{{1,{columns}}}"
    return re.findall(rf"{fitting}$|{fitting}(?<=[(,=/ ])|{fitting}", code)


class FittingLabel(ElidedLabel):
    """Shows the first of its texts that there is room for; the tooltip has the first of all."""

    def __init__(self, text: str = "", role: str = "", *, name: str = "") -> None:
        self._shorter: tuple[str, ...] = ()
        super().__init__(text, role, name=name)

    def setText(self, text: str, *shorter: str) -> None:
        """The text, and what may stand in for it, longest first."""
        self._shorter = shorter
        super().setText(text)

    def _elide(self) -> None:
        metrics = self.fontMetrics()
        for text in (self._full, *self._shorter):
            if metrics.horizontalAdvance(text) <= self.width():
                QLabel.setText(self, text)
                return
        super()._elide()
