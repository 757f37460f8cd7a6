"""Icons: drawings of ``resources/icons`` in a colour of the theme, and the tree's letters."""

from __future__ import annotations

from functools import lru_cache

from PySide6.QtCore import QByteArray, QRectF, QSize, Qt
from PySide6.QtGui import QColor, QFont, QIcon, QPainter, QPixmap
from PySide6.QtSvg import QSvgRenderer

from explorer.formats.artifact import NodeType
from explorer.resources import resource_path
from explorer.ui.theme import Theme, color, current_theme

_BADGES: dict[NodeType, tuple[str, str]] = {
    NodeType.DIRECTORY: ("D", "group"),
    NodeType.FILE: ("F", "faint"),
    NodeType.GROUP: ("G", "group"),
    NodeType.TENSOR: ("T", "tensor"),
    NodeType.SIGNATURE: ("S", "signature"),
    NodeType.FUNCTION: ("ƒ", "group"),
    NodeType.OBJECT: ("O", "group"),
    NodeType.LAYER: ("K", "group"),
    NodeType.ATTRIBUTE: ("A", "attribute"),
}
_SCALE = 2  # drawn at twice the size, so that it is sharp on high-density screens


def icon(name: str, token: str = "muted", checked: str = "accent") -> QIcon:
    """The drawing ``name``, in ``token`` and, when its button is checked, in ``checked``."""
    result = QIcon()
    result.addPixmap(_drawing(name, color(token).name()))
    result.addPixmap(_drawing(name, color(checked).name()), QIcon.Mode.Normal, QIcon.State.On)
    return result


def app_icon() -> QIcon:
    """The program's own icon."""
    return QIcon(str(resource_path("icons/app.svg")))


@lru_cache(maxsize=64)
def _drawing(name: str, tint: str, size: int = 20) -> QPixmap:
    source = resource_path(f"icons/{name}.svg").read_text(encoding="utf-8")
    renderer = QSvgRenderer(QByteArray(source.replace("#000000", tint).encode()))
    pixmap = QPixmap(size * _SCALE, size * _SCALE)
    pixmap.fill(Qt.GlobalColor.transparent)
    with QPainter(pixmap) as painter:
        renderer.render(painter)
    pixmap.setDevicePixelRatio(_SCALE)
    return pixmap


def node_icon(kind: NodeType) -> QIcon:
    """The lettered square of a tree node."""
    return _badge(kind, current_theme())


@lru_cache(maxsize=32)
def _badge(kind: NodeType, theme: Theme) -> QIcon:
    letter, token = _BADGES[kind]
    side = QSize(14, 14)
    pixmap = QPixmap(side * _SCALE)
    pixmap.fill(Qt.GlobalColor.transparent)
    with QPainter(pixmap) as painter:
        painter.scale(_SCALE, _SCALE)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(color(token))
        painter.drawRoundedRect(QRectF(0, 0, side.width(), side.height()), 3, 3)
        font = QFont("Inter")
        font.setPixelSize(9)
        font.setBold(True)
        painter.setFont(font)
        painter.setPen(QColor("#ffffff") if theme is Theme.LIGHT else color("background"))
        painter.drawText(
            QRectF(0, 0, side.width(), side.height()), Qt.AlignmentFlag.AlignCenter, letter
        )
    pixmap.setDevicePixelRatio(_SCALE)
    # The same picture when selected: Qt would tint it with the highlight otherwise.
    result = QIcon(pixmap)
    result.addPixmap(pixmap, QIcon.Mode.Selected)
    return result
