"""The right side of the Tree tab: everything about the row that is selected."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import QTimer
from PySide6.QtWidgets import QFrame, QScrollArea, QStackedWidget, QVBoxLayout, QWidget

from explorer.formats.artifact import Artifact, Node, Tensor
from explorer.formats.text import bytes_text, count_text, shape_text
from explorer.ui.browse.attributes import AttributesPanel
from explorer.ui.browse.image import ImagePanel
from explorer.ui.browse.summary import SummaryPanel
from explorer.ui.browse.values import ValuesPanel
from explorer.ui.widgets import ElidedLabel, Segmented, label, page_scroll

_PAUSE = 120  # milliseconds between rows below which the values in between are not read


class Inspector(QFrame):
    """Shows one node: summary, values, image and attributes, each read when it is looked at."""

    def __init__(self) -> None:
        super().__init__()
        self.setObjectName("inspector")
        self._artifact: Artifact | None = None
        self._node: Node | None = None
        self._preferred = "summary"
        self._shown: set[str] = set()
        self._pause = QTimer(self, interval=_PAUSE, singleShot=True)
        self._pause.timeout.connect(self._show_panel)
        self.title = ElidedLabel("", "strong", name="inspector.title")
        self.subtitle = ElidedLabel("", "muted", name="inspector.subtitle")
        self.tabs = Segmented(
            "inspector.tabs",
            (
                ("summary", self.tr("Summary")),
                ("values", self.tr("Values")),
                ("image", self.tr("Image")),
                ("attributes", self.tr("Attributes")),
            ),
            self.tr("Show"),
        )
        self.tabs.chosen.connect(self._choose)
        self.summary, self.values = SummaryPanel(), ValuesPanel()
        self.image, self.attributes = ImagePanel(), AttributesPanel()
        self._lay_out()
        self.show_node(None)

    def _lay_out(self) -> None:
        self._stack = QStackedWidget()
        self._panels: dict[str, QWidget] = {
            "summary": self._scrolled(self.summary),
            "values": self.values,
            "image": self.image,
            "attributes": self.attributes,
        }
        for panel in self._panels.values():
            self._stack.addWidget(panel)
        self._empty = label(self.tr("Select a row to see what it holds."), "muted", wrap=True)
        column = QVBoxLayout(self)
        column.setContentsMargins(16, 14, 14, 14)
        column.setSpacing(4)
        column.addWidget(self.title)
        column.addWidget(self.subtitle)
        column.addSpacing(6)
        column.addWidget(self.tabs)
        column.addSpacing(8)
        column.addWidget(self._stack, 1)
        column.addWidget(self._empty)
        column.addStretch(0)

    def _scrolled(self, panel: QWidget) -> QScrollArea:
        area = page_scroll(panel)
        area.setProperty("role", "inspector")
        panel.setProperty("role", "inspectorBody")
        area.setFrameShape(QFrame.Shape.NoFrame)
        return area

    def show_node(self, node: Node | None) -> None:
        """Show another node; while a key runs through the rows, only the last one is read."""
        self._node = node
        self._shown.clear()
        self.summary.stop()
        for widget in (self.title, self.subtitle, self.tabs, self._stack):
            widget.setVisible(node is not None)
        self._empty.setVisible(node is None)
        if node is None:
            self._pause.stop()
            return
        self.title.setText(called(node))
        self.subtitle.setText(_subtitle(node))
        self._offer_tabs(node)
        if not self._pause.isActive():
            self._show_panel()
        self._pause.start()

    def show_artifact(self, artifact: Artifact | None) -> None:
        """The nodes to come are of this artifact."""
        self._artifact = artifact
        self.show_node(None)

    def _is_root(self, node: Node) -> bool:
        return self._artifact is not None and node is self._artifact.root

    def _offer_tabs(self, node: Node) -> None:
        tensor, wanted = node.tensor, self._preferred
        available = {
            "summary": bool(tensor or node.signature or self._is_root(node)),
            "values": tensor is not None,
            "image": tensor is not None and tensor.dtype != "string",
            "attributes": True,
        }
        self.tabs.blockSignals(True)
        for key, is_available in available.items():
            self.tabs.set_available(key, is_available)
        fallback = next(key for key, is_available in available.items() if is_available)
        self.tabs.choose(wanted if available[wanted] else fallback)
        self.tabs.blockSignals(False)
        self.tabs.setVisible(sum(available.values()) > 1)
        self._stack.setCurrentWidget(self._panels[self.tabs.key()])

    def _choose(self, key: str) -> None:
        self._preferred = key
        self._stack.setCurrentWidget(self._panels[key])
        self._show_panel()

    def _show_panel(self) -> None:
        """Fill the panel in front, if it does not show the node yet."""
        key, node = self.tabs.key(), self._node
        if node is None or key in self._shown:
            return
        self._shown.add(key)
        if key == "attributes":
            self.attributes.show_node(node)
        elif key == "summary":
            self.summary.show_node(node, self._artifact if self._is_root(node) else None)
        elif node.tensor is not None:
            show: Callable[[Tensor], None] = (
                self.values.show_tensor if key == "values" else self.image.show_tensor
            )
            show(node.tensor)


def called(node: Node) -> str:
    """What people call the node: a tensor's label or whole path."""
    return node.name if node.tensor is None else node.tensor.label or node.tensor.path


def _subtitle(node: Node) -> str:
    tensor = node.tensor
    if tensor is not None:
        values = count_text(tensor.element_count, "value")
        parts = [node.kind, tensor.dtype, shape_text(tensor.shape), values]
    else:
        parts = [node.kind, node.summary, "" if node.size is None else bytes_text(node.size)]
    return " · ".join(filter(None, parts))
