"""Colours, fonts and the style sheet: the tokens of the design, light and dark."""

from __future__ import annotations

import enum
import re
from functools import lru_cache
from pathlib import Path
from weakref import WeakSet

import fontpkg_inter
import fontpkg_jetbrains_mono
from PySide6.QtCore import Qt, QTimer
from PySide6.QtGui import QColor, QFont, QFontDatabase, QPalette
from PySide6.QtWidgets import QApplication, QWidget
from shiboken6 import isValid

from explorer.resources import resource_path

ROW_HEIGHT = 27
HEADER_HEIGHT = 31


class Theme(enum.Enum):
    """Which set of tokens is shown."""

    LIGHT = "light"
    DARK = "dark"


_TOKENS = {
    "background": ("#f5f6f8", "#12151a"),
    "surface": ("#ffffff", "#191d24"),
    "raised": ("#fafbfc", "#1f242c"),
    "border": ("#e2e5ea", "#2b313b"),
    "row": ("#f0f2f6", "#20262f"),
    "text": ("#1b2130", "#e7eaf0"),
    "muted": ("#667085", "#929bab"),
    "faint": ("#98a1b0", "#697384"),
    "accent": ("#4256d0", "#8795ff"),
    "on_accent": ("#ffffff", "#12151a"),
    "accent_soft": ("#eceefb", "#262c4a"),
    "bar": ("#c3c9d4", "#465062"),
    "ok": ("#17764b", "#56c493"),
    "ok_soft": ("#e5f4ed", "#16312a"),
    "warning": ("#935c00", "#e0ab4e"),
    "warning_soft": ("#fbf1dd", "#352a16"),
    "danger": ("#b83434", "#f08080"),
    "danger_soft": ("#fbe9e9", "#3a1f22"),
    "tensor": ("#0f7b83", "#4fc3cb"),
    "group": ("#5b6578", "#9aa5b8"),
    "signature": ("#7a3fb8", "#c596f5"),
    "attribute": ("#935c00", "#e0ab4e"),
}

_current = Theme.LIGHT


def current_theme() -> Theme:
    """The theme that is shown."""
    return _current


def color(token: str, theme: Theme | None = None) -> QColor:
    """A token of ``theme`` or else of the current one, such as ``accent`` or ``ok_soft``."""
    light, dark = _TOKENS[token]
    return QColor(light if (theme or _current) is Theme.LIGHT else dark)


@lru_cache(maxsize=1)
def _load_fonts() -> None:
    for package in (fontpkg_inter, fontpkg_jetbrains_mono):
        folder = Path(package.__file__).parent / "files"
        for file in sorted(folder.glob("*.ttf")):
            if "Italic" not in file.name:
                QFontDatabase.addApplicationFont(str(file))


def mono_font() -> QFont:
    """JetBrains Mono 12 px, for code, shapes and numbers."""
    font = QFont("JetBrains Mono")
    font.setPixelSize(12)
    return font


def ui_font(pixels: int = 13, weight: int = 400) -> QFont:
    """Inter in a size and weight (400 regular to 700 bold)."""
    font = QFont("Inter")
    font.setPixelSize(pixels)
    font.setWeight(QFont.Weight(weight))
    # The font is a variable one: a style sheet's font-weight alone does not reach its axis.
    font.setVariableAxis(QFont.Tag("wght"), weight)
    return font


def _palette() -> QPalette:
    palette = QPalette()
    roles = {
        QPalette.ColorRole.Window: "background",
        QPalette.ColorRole.Base: "surface",
        QPalette.ColorRole.AlternateBase: "raised",
        QPalette.ColorRole.Button: "surface",
        QPalette.ColorRole.Text: "text",
        QPalette.ColorRole.WindowText: "text",
        QPalette.ColorRole.ButtonText: "text",
        QPalette.ColorRole.ToolTipBase: "surface",
        QPalette.ColorRole.ToolTipText: "text",
        QPalette.ColorRole.PlaceholderText: "muted",
        QPalette.ColorRole.Highlight: "accent_soft",
        QPalette.ColorRole.HighlightedText: "text",
        QPalette.ColorRole.Link: "accent",
        QPalette.ColorRole.Mid: "border",
    }
    for role, token in roles.items():
        palette.setColor(role, color(token))
    for role in (QPalette.ColorRole.Text, QPalette.ColorRole.ButtonText):
        palette.setColor(QPalette.ColorGroup.Disabled, role, color("faint"))
    return palette


@lru_cache(maxsize=1)
def _template() -> str:
    template = resource_path("style.qss").read_text(encoding="utf-8")
    return template.replace("@icons", resource_path("icons").as_posix())


@lru_cache(maxsize=2)
def _style_sheet(theme: Theme) -> str:
    template = _template().replace("@theme", theme.value)
    return re.sub(r"@(\w+)", lambda match: color(match[1], theme).name(), template)


def system_theme(app: QApplication) -> Theme:
    """The theme that the desktop asks for."""
    dark = app.styleHints().colorScheme() is Qt.ColorScheme.Dark
    return Theme.DARK if dark else Theme.LIGHT


@lru_cache(maxsize=1)
def _set_base(app: QApplication) -> None:
    _load_fonts()
    app.setStyle("Fusion")
    app.setFont(ui_font())


def _set_current(app: QApplication, theme: Theme) -> None:
    global _current
    _current = theme
    app.setPalette(_palette())


_dressed: WeakSet[QWidget] = WeakSet()


def dress(*parts: QWidget) -> None:
    """Give each part and all in it the style sheet of the theme, now and whenever it changes.

    Parts have one each, and the application none: Qt restyles all that a sheet covers in one go,
    and for the whole window that takes longer than a frame may.
    """
    for part in parts:
        part.setStyleSheet(_style_sheet(_current))
        _dressed.add(part)


def _living() -> list[QWidget]:
    return [part for part in _dressed if isValid(part)]


def apply_theme(app: QApplication, theme: Theme) -> None:
    """Show ``theme`` everywhere; widgets that paint themselves get a palette change event."""
    _set_base(app)
    _set_current(app, theme)
    dress(*_living())


def change_theme(app: QApplication, theme: Theme, window: QWidget) -> None:
    """Change the theme part by part, each in a turn of the event loop, so that none is long.

    ``window`` is not painted until all are done: nobody sees it half light and half dark.
    """
    window.setUpdatesEnabled(False)
    _set_current(app, theme)
    parts = sorted(_living(), key=lambda part: part.isVisible())

    def next_part() -> None:
        while parts and not isValid(parts[-1]):
            parts.pop()
        if not parts:
            window.setUpdatesEnabled(True)
            return
        dress(parts.pop())
        QTimer.singleShot(0, window, next_part)

    next_part()
