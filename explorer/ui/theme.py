"""Colours, fonts and the style sheet: the tokens of the design, light and dark."""

from __future__ import annotations

import enum
import re
from functools import lru_cache
from pathlib import Path

import fontpkg_inter
import fontpkg_jetbrains_mono
from PySide6.QtCore import Qt, QTimer
from PySide6.QtGui import QColor, QFont, QFontDatabase, QPalette
from PySide6.QtWidgets import QApplication, QWidget

from explorer.resources import resource_path

ROW_HEIGHT = 27


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


def color(token: str) -> QColor:
    """A token of the current theme, such as ``accent`` or ``ok_soft``."""
    light, dark = _TOKENS[token]
    return QColor(light if _current is Theme.LIGHT else dark)


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


def _style_sheet() -> str:
    template = resource_path("style.qss").read_text(encoding="utf-8")
    template = template.replace("@icons", resource_path("icons").as_posix())
    template = template.replace("@theme", _current.value)
    return re.sub(r"@(\w+)", lambda match: color(match[1]).name(), template)


def system_theme(app: QApplication) -> Theme:
    """The theme that the desktop asks for."""
    dark = app.styleHints().colorScheme() is Qt.ColorScheme.Dark
    return Theme.DARK if dark else Theme.LIGHT


def apply_theme(app: QApplication, theme: Theme) -> None:
    """Show ``theme`` everywhere; widgets that paint themselves get a palette change event."""
    _set_base(app)
    _take_off(app)
    _put_on(app, theme)


def change_theme(app: QApplication, theme: Theme, contents: QWidget) -> None:
    """Change the theme in two turns of the event loop, both short.

    ``contents`` is hidden meanwhile: Qt lays out anew, at each step, what can be seen.
    """
    focus = app.focusWidget()
    contents.hide()
    _take_off(app)

    def put_on() -> None:
        _put_on(app, theme)
        contents.show()
        if focus is not None:
            focus.setFocus()

    QTimer.singleShot(0, contents, put_on)


@lru_cache(maxsize=1)
def _set_base(app: QApplication) -> None:
    _load_fonts()
    app.setStyle("Fusion")
    app.setFont(ui_font())


def _take_off(app: QApplication) -> None:
    """Qt needs three times as long to put one style sheet in place of another."""
    app.setStyleSheet("")


def _put_on(app: QApplication, theme: Theme) -> None:
    global _current
    _current = theme
    app.setPalette(_palette())
    app.setStyleSheet(_style_sheet())
