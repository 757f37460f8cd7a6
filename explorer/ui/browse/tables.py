"""Tables whose columns keep their shares of the width."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import QAbstractTableModel, Qt

from explorer.ui.tables import Table


class SharedTable(Table):
    """A table whose columns take ``shares`` of the width, whatever is in them."""

    def __init__(
        self,
        model: QAbstractTableModel,
        name: str,
        accessible: str,
        shares: Sequence[int],
        *,
        fit: bool = True,
    ) -> None:
        self._shares = shares
        super().__init__(model, name, accessible, fit=fit)
        self.setTextElideMode(Qt.TextElideMode.ElideRight)

    def _spread(self) -> None:
        width = self.viewport().width()
        for column, share in enumerate(self._shares):
            self.horizontalHeader().resizeSection(column, width * share // sum(self._shares))
