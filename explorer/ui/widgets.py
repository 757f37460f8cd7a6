"""Small building blocks that every page uses: labels, cards, chips, buttons, choices."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from PySide6.QtCore import (
    QEvent,
    QRect,
    QSize,
    Qt,
    Signal,
)
from PySide6.QtGui import QHelpEvent, QPainter, QPaintEvent, QResizeEvent
from PySide6.QtWidgets import (
    QButtonGroup,
    QComboBox,
    QFrame,
    QHBoxLayout,
    QLabel,
    QLayout,
    QPushButton,
    QScrollArea,
    QSizePolicy,
    QSpinBox,
    QStyle,
    QStyleOptionComboBox,
    QStylePainter,
    QToolButton,
    QToolTip,
    QVBoxLayout,
    QWidget,
)

from explorer.formats.text import visible
from explorer.ui.theme import color, mono_font, ui_font

_BUTTON_PADDING = 14
_COMBO_PADDING = 4
_POPUP_PADDING = 18
_WIDEST_POPUP = 900


_ROLE_FONTS = {
    "title": (17, 600),
    "cardTitle": (13, 600),
    "strong": (13, 600),
    "small": (12, 400),
    "section": (11, 600),
}


def _set_role(widget: QLabel, role: str) -> None:
    if role:
        widget.setProperty("role", role)
    if role in _ROLE_FONTS:
        widget.setFont(ui_font(*_ROLE_FONTS[role]))


def label(text: str = "", role: str = "", *, wrap: bool = False, name: str = "") -> QLabel:
    """A label in a role of the style sheet (``title``, ``muted``, ``mono``, …)."""
    widget = QLabel(text)
    widget.setTextFormat(Qt.TextFormat.PlainText)  # names come from files
    _set_role(widget, role)
    if name:
        widget.setObjectName(name)
    widget.setWordWrap(wrap)
    if wrap:
        widget.setMinimumWidth(1)  # Qt would ask for a width that suits its line breaks
    return widget


class ElidedLabel(QLabel):
    """A label that shortens its text in the middle where there is no room; the tooltip has all."""

    def __init__(self, text: str = "", role: str = "", *, name: str = "") -> None:
        super().__init__()
        self.setTextFormat(Qt.TextFormat.PlainText)
        _set_role(self, role)
        self.setObjectName(name)
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        self._full = ""
        self.setText(text)

    def setText(self, text: str) -> None:
        self._full = visible(text)
        self.setToolTip(self._full)
        self.setAccessibleName(self._full)
        self.updateGeometry()
        self._elide()

    def full_text(self) -> str:
        """The text without shortening."""
        return self._full

    def sizeHint(self) -> QSize:
        return QSize(
            self.fontMetrics().horizontalAdvance(self._full) + 2, super().sizeHint().height()
        )

    def minimumSizeHint(self) -> QSize:
        return QSize(24, super().minimumSizeHint().height())

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._elide()

    def _elide(self) -> None:
        mode = Qt.TextElideMode.ElideMiddle
        super().setText(self.fontMetrics().elidedText(self._full, mode, max(self.width(), 24)))


def chip(text: str, tone: str = "neutral", name: str = "") -> QLabel:
    """A small rounded badge; ``tone`` is neutral, accent, ok, warning, danger or code."""
    widget = label(text, name=name)
    widget.setProperty("tone", tone)
    widget.setFont(mono_font() if tone == "code" else ui_font(11, 500))
    widget.setSizePolicy(QSizePolicy.Policy.Maximum, QSizePolicy.Policy.Fixed)
    return widget


def set_tone(widget: QLabel, text: str, tone: str) -> None:
    """Change a chip's text and tone."""
    widget.setText(text)
    widget.setProperty("tone", tone)
    restyle(widget)


def restyle(widget: QWidget) -> None:
    """Apply the style sheet again after a dynamic property changed."""
    widget.style().unpolish(widget)
    widget.style().polish(widget)


class ElidedButton(QPushButton):
    """A push button that shortens its text in the middle where there is no room."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self.setText(text)

    def setText(self, text: str) -> None:
        """The accessible name has all of the text."""
        self.setAccessibleName(text)
        self._elide()

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._elide()

    def _elide(self) -> None:
        text, mode = self.accessibleName(), Qt.TextElideMode.ElideMiddle
        room = max(self.width() - 2 * _BUTTON_PADDING, 0)
        shortcut = self.shortcut()  # which Qt drops when the text changes
        super().setText(self.fontMetrics().elidedText(text, mode, room).replace("&", "&&"))
        self.setShortcut(shortcut)


def button(
    text: str,
    name: str,
    *,
    role: str = "",
    tip: str = "",
    shortcut: str = "",
    elided: bool = False,
) -> QPushButton:
    """A push button with its object name, accessible name and tooltip with shortcut.

    An ``elided`` one takes the width it gets and shortens its text to that.
    """
    widget = ElidedButton(text) if elided else QPushButton(text)
    widget.setFont(ui_font(13, 400 if role in ("quiet", "drop") else 500))
    widget.setObjectName(name)
    widget.setAccessibleName(text)
    if role:
        widget.setProperty("role", role)
    if shortcut:
        widget.setShortcut(shortcut)
    widget.setToolTip(f"{tip or text} ({shortcut})" if shortcut else tip or text)
    return widget


def describe(widget: QWidget, name: str, accessible: str, tip: str = "") -> None:
    """Give a control its object name, accessible name and tooltip."""
    widget.setObjectName(name)
    widget.setAccessibleName(accessible)
    widget.setToolTip(tip or accessible)


def spin_box(name: str, accessible: str, low: int, high: int, value: int = 0) -> QSpinBox:
    """A number field with its object name and accessible name."""
    box = QSpinBox()
    box.setRange(low, high)
    box.setValue(value)
    spin_box_look(box, name, accessible)
    return box


def spin_box_look(box: QSpinBox, name: str, accessible: str) -> None:
    """Give a number field its margins, object name and accessible name."""
    box.setMinimumWidth(40)
    box.lineEdit().setTextMargins(6, 0, 0, 0)  # a style sheet's padding does not reach it
    describe(box, name, accessible)


class ComboBox(QComboBox):
    """A choice whose text is shortened where there is no room; the tooltip has all of it."""

    def __init__(self, name: str, accessible: str) -> None:
        super().__init__()
        self.setMinimumWidth(40)
        self.setMinimumContentsLength(4)
        self.setSizeAdjustPolicy(self.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        describe(self, name, accessible)

    def shown_text(self) -> str:
        """The current text as it is painted."""
        option = QStyleOptionComboBox()
        self.initStyleOption(option)
        field = self.style().subControlRect(
            QStyle.ComplexControl.CC_ComboBox,
            option,
            QStyle.SubControl.SC_ComboBoxEditField,
            self,
        )
        return self.fontMetrics().elidedText(
            self.currentText(), Qt.TextElideMode.ElideMiddle, field.width() - _COMBO_PADDING
        )

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QStylePainter(self)
        with painter:
            option = QStyleOptionComboBox()
            self.initStyleOption(option)
            painter.drawComplexControl(QStyle.ComplexControl.CC_ComboBox, option)
            option.currentText = self.shown_text()
            painter.drawControl(QStyle.ControlElement.CE_ComboBoxLabel, option)

    def event(self, event: QEvent) -> bool:
        if event.type() == QEvent.Type.ToolTip and isinstance(event, QHelpEvent):
            QToolTip.showText(event.globalPos(), f"{self.toolTip()}: {self.currentText()}", self)
            return True
        return super().event(event)

    def showPopup(self) -> None:
        """The list is as wide as its texts, up to what a screen shows."""
        needed = self.view().sizeHintForColumn(0) + 2 * _POPUP_PADDING
        self.view().setMinimumWidth(min(max(needed, self.width()), _WIDEST_POPUP))
        super().showPopup()


class Card(QFrame):
    """A bordered surface with an optional title row; add contents to `body`."""

    def __init__(self, title: str = "", parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setProperty("role", "card")
        self.body = QVBoxLayout(self)
        self.body.setContentsMargins(14, 12, 14, 14)
        self.body.setSpacing(8)
        self.title_row = QHBoxLayout()
        self.title_row.setSpacing(8)
        if title:
            self.title_row.addWidget(label(title, "cardTitle"))
            self.body.addLayout(self.title_row)


class Segmented(QFrame):
    """Exclusive choices side by side. ``chosen`` carries the key of the new choice."""

    chosen = Signal(str)

    def __init__(self, name: str, choices: Sequence[tuple[str, str]], tip: str = "") -> None:
        super().__init__()
        self.setObjectName(name)
        self.setProperty("role", "segments")
        row = QHBoxLayout(self)
        row.setContentsMargins(1, 1, 1, 1)
        row.setSpacing(0)
        self._group = QButtonGroup(self)
        self._buttons: dict[str, QToolButton] = {}
        for key, text in choices:
            self._add(key, text, tip)
        self._buttons[choices[0][0]].setChecked(True)

    def _add(self, key: str, text: str, tip: str) -> None:
        choice = QToolButton()
        choice.setText(text)
        choice.setCheckable(True)
        choice.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        describe(choice, f"{self.objectName()}.{key}", text, f"{tip}: {text}" if tip else text)
        choice.clicked.connect(lambda: self.chosen.emit(key))
        self._group.addButton(choice)
        self._buttons[key] = choice
        layout = self.layout()
        if layout is not None:
            layout.addWidget(choice)

    def key(self) -> str:
        """The key of the current choice."""
        return next(key for key, choice in self._buttons.items() if choice.isChecked())

    def choose(self, key: str) -> None:
        """Make ``key`` the choice and tell it."""
        self._buttons[key].setChecked(True)
        self.chosen.emit(key)

    def set_available(self, key: str, available: bool) -> None:
        """Show or hide one choice; a hidden one is never the current one."""
        self._buttons[key].setVisible(available)
        if not available and self._buttons[key].isChecked():
            self.choose(next(k for k, b in self._buttons.items() if not b.isHidden()))


class ChipRow(QWidget):
    """Chips that wrap, painted by one widget: a page has dozens of them."""

    _HEIGHT, _GAP, _PADDING = 17, 4, 8

    def __init__(self, name: str = "") -> None:
        super().__init__()
        self.setObjectName(name)
        self._texts: list[str] = []
        self._tone = "neutral"
        self.setFont(ui_font(11, 500))
        policy = QSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Minimum)
        policy.setHeightForWidth(True)
        self.setSizePolicy(policy)

    def show_texts(self, texts: Iterable[str], tone: str) -> None:
        """Replace the chips; ``tone`` as of `chip`."""
        self._texts, self._tone = list(texts), tone
        self.setAccessibleName(", ".join(self._texts))
        self.updateGeometry()
        self.update()

    def _places(self, width: int) -> list[QRect]:
        metrics, places = self.fontMetrics(), list[QRect]()
        x = y = 0
        for text in self._texts:
            needed = metrics.horizontalAdvance(text) + 2 * self._PADDING
            if x and x + needed > width:
                x, y = 0, y + self._HEIGHT + self._GAP
            places.append(QRect(x, y, needed, self._HEIGHT))
            x += needed + self._GAP
        return places

    def heightForWidth(self, width: int) -> int:
        places = self._places(width)
        return places[-1].bottom() + 1 if places else 0

    def sizeHint(self) -> QSize:
        return QSize(200, self.heightForWidth(max(self.width(), 200)))

    def paintEvent(self, event: QPaintEvent) -> None:
        with QPainter(self) as painter:
            painter.setRenderHint(QPainter.RenderHint.Antialiasing)
            neutral = self._tone == "neutral"
            for text, place in zip(self._texts, self._places(self.width()), strict=True):
                painter.setPen(Qt.PenStyle.NoPen)
                painter.setBrush(color("row" if neutral else f"{self._tone}_soft"))
                painter.drawRoundedRect(place, 8, 8)
                painter.setPen(color("muted" if neutral else self._tone))
                painter.drawText(place, Qt.AlignmentFlag.AlignCenter, text)


def fit_height(dialog: QWidget) -> None:
    """Make a dialog as high as its contents are at its width; Qt guesses where texts wrap."""
    layout = dialog.layout()
    if layout is not None:
        layout.activate()
        width = max(dialog.minimumWidth(), layout.totalMinimumSize().width())
        dialog.resize(width, layout.totalHeightForWidth(width))


def clear_layout(layout: QLayout) -> None:
    """Remove and delete everything in a layout."""
    while (item := layout.takeAt(0)) is not None:
        if (widget := item.widget()) is not None:
            widget.hide()
            widget.deleteLater()
        elif (inner := item.layout()) is not None:
            clear_layout(inner)


def page_scroll(body: QWidget) -> QScrollArea:
    """A scroll area in the page's background colour."""
    area = QScrollArea()
    area.setProperty("role", "page")
    body.setProperty("role", "body")
    area.setWidgetResizable(True)
    area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
    area.setWidget(body)
    return area
