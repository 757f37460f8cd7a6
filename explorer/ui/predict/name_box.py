"""A choice among names that come from an artifact: signatures, inputs, outputs."""

from __future__ import annotations

from collections.abc import Iterable

from PySide6.QtCore import QSize

from explorer.ui.widgets import ComboBox

_SLACK = 8  # pixels between what Qt asks for and what it takes to paint all of a text


class NameBox(ComboBox):
    """As wide as its longest name where there is room."""

    def __init__(self, name: str, accessible: str) -> None:
        super().__init__(name, accessible)
        self.setSizeAdjustPolicy(self.SizeAdjustPolicy.AdjustToContents)

    def sizeHint(self) -> QSize:
        return super().sizeHint() + QSize(_SLACK, 0)

    def show_names(self, names: Iterable[str], chosen: str) -> None:
        """Offer ``names`` without telling of a change; ``chosen``, else the first, is current."""
        self.blockSignals(True)
        self.clear()
        self.addItems(list(names))
        self.setCurrentIndex(max(self.findText(chosen), 0))
        self.blockSignals(False)
        self.setVisible(self.count() > 0)
