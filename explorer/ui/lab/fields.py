"""Number fields that keep what is typed, right or wrong, and say what is wrong with it.

Qt's own correct a wrong number in silence, and training would begin with one that nobody typed.
"""

from __future__ import annotations

import math

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QFocusEvent, QHideEvent, QKeyEvent, QShowEvent, QValidator
from PySide6.QtWidgets import QLineEdit, QSpinBox, QWidget

from explorer.ui.widgets import describe, restyle, spin_box_look

_HIGHEST_RATE = 1e6


def _mark(field: QWidget, wrong: bool) -> None:
    if bool(field.property("invalid")) is not wrong:
        field.setProperty("invalid", wrong)
        restyle(field)


class WholeNumber(QSpinBox):
    """A whole number from ``low`` to ``high``; `value` is the last one that was right."""

    edited = Signal()

    def __init__(self, name: str, accessible: str, low: int, high: int, value: int = 0) -> None:
        super().__init__()
        self.setRange(low, high)
        spin_box_look(self, name, accessible)
        self.lineEdit().textChanged.connect(self._edited)
        self.setValue(value)

    def setValue(self, value: int) -> None:
        super().setValue(value)
        self._edited()  # Qt tells of a new number, not of a text that was wrong

    def stepBy(self, steps: int) -> None:
        super().stepBy(steps)  # from a wrong text, Qt steps to the last right number
        self._edited()

    def problem(self) -> str:
        """What is wrong with the text; empty where it is a number that will do."""
        if self.hasAcceptableInput():
            return ""
        return self.tr("{field}: “{text}” is not a whole number from {low:,} to {high:,}.").format(
            field=self.accessibleName(), text=self.text(), low=self.minimum(), high=self.maximum()
        )

    def validate(self, text: str, position: int) -> tuple[QValidator.State, str, int]:
        """Let everything be typed; only a number in the range is taken."""
        digits = text.isascii() and text.isdigit()
        if digits and self.minimum() <= int(text) <= self.maximum():
            return QValidator.State.Acceptable, text, position
        return QValidator.State.Intermediate, text, position

    def focusOutEvent(self, event: QFocusEvent) -> None:
        if self.hasAcceptableInput():
            super().focusOutEvent(event)
        else:  # Qt would put the last right number in its place; so in the next three
            self.lineEdit().event(event)
            QWidget.focusOutEvent(self, event)

    def hideEvent(self, event: QHideEvent) -> None:
        if self.hasAcceptableInput():
            super().hideEvent(event)

    def showEvent(self, event: QShowEvent) -> None:
        if self.hasAcceptableInput():
            super().showEvent(event)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        enter = event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter)
        if self.hasAcceptableInput() or not enter:
            super().keyPressEvent(event)

    def _edited(self) -> None:
        _mark(self, not self.hasAcceptableInput())
        self.edited.emit()


class Rate(QLineEdit):
    """A learning rate: a number above 0, in plain or scientific notation."""

    edited = Signal()

    def __init__(self, name: str, accessible: str) -> None:
        super().__init__()
        self.setMinimumWidth(40)
        describe(self, name, accessible)
        self.textChanged.connect(self._edited)

    def value(self) -> float:
        """The number; not a number (NaN) where the text is none that will do."""
        try:
            number = float(self.text().replace("_", "?"))  # Python alone takes underscores
        except ValueError:
            return math.nan
        return number if 0 < number <= _HIGHEST_RATE else math.nan

    def problem(self) -> str:
        """What is wrong with the text; empty where it is a number that will do."""
        if not math.isnan(self.value()):
            return ""
        return self.tr(
            "{field}: “{text}” is not a number above 0 and up to {most:,.0f}. Type one such as "
            "0.001 or 1e-3."
        ).format(field=self.accessibleName(), text=self.text(), most=_HIGHEST_RATE)

    def _edited(self) -> None:
        _mark(self, bool(self.problem()))
        self.edited.emit()


NumberField = WholeNumber | Rate
