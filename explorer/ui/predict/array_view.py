"""An array in memory as a table."""

from __future__ import annotations

import numpy as np
from PySide6.QtCore import QAbstractTableModel, QModelIndex, QObject, Qt
from PySide6.QtWidgets import QAbstractItemView, QTableView

from explorer.formats.text import value_text
from explorer.ui.tables import Index
from explorer.ui.theme import ROW_HEIGHT, mono_font
from explorer.ui.widgets import describe

MOST_ROWS = 500_000
MOST_COLUMNS = 4096
_LEAST_HEIGHT = 130
_LONGEST = 200  # characters of a text in a cell; the tooltip has more
_LONGEST_TIP = 2000


def as_rows(array: np.ndarray) -> np.ndarray:
    """Two dimensions: the first stays, all others are laid side by side."""
    if array.ndim == 0:
        return array.reshape(1, 1)
    return array.reshape(len(array), -1) if array.size else array.reshape(len(array), 0)


class ArrayModel(QAbstractTableModel):
    """The rows of an array, at most `MOST_ROWS` × `MOST_COLUMNS`; cells on screen become text."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._rows = np.zeros((0, 0))
        self._inner: tuple[int, ...] = ()

    def show(self, array: np.ndarray) -> None:
        """Replace what is shown; ``array`` may have any rank."""
        self.beginResetModel()
        self._rows = as_rows(array)
        self._inner = array.shape[1:]
        self.endResetModel()

    def rowCount(self, parent: Index = QModelIndex()) -> int:  # noqa: B008
        return 0 if parent.isValid() else min(int(self._rows.shape[0]), MOST_ROWS)

    def columnCount(self, parent: Index = QModelIndex()) -> int:  # noqa: B008
        return 0 if parent.isValid() else min(int(self._rows.shape[1]), MOST_COLUMNS)

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> object:
        if not index.isValid():
            return None
        if role == Qt.ItemDataRole.DisplayRole:
            return self._text(index, _LONGEST)
        if role == Qt.ItemDataRole.ToolTipRole:
            return self._text(index, _LONGEST_TIP)
        if role == Qt.ItemDataRole.FontRole:
            return mono_font()
        if role == Qt.ItemDataRole.TextAlignmentRole:
            text = self._rows.dtype == object
            side = Qt.AlignmentFlag.AlignLeft if text else Qt.AlignmentFlag.AlignRight
            return side | Qt.AlignmentFlag.AlignVCenter
        return None

    def _text(self, index: Index, longest: int) -> str:
        text = value_text(self._rows[index.row(), index.column()])
        return text if len(text) <= longest else text[:longest] + "…"

    def headerData(
        self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole
    ) -> object:
        if role != Qt.ItemDataRole.DisplayRole:
            return None
        if orientation is Qt.Orientation.Vertical or len(self._inner) < 2:
            return str(section)
        return ", ".join(str(at) for at in np.unravel_index(section, self._inner))


class ArrayTable(QTableView):
    """A table over an `ArrayModel`; a single column takes all the room."""

    def __init__(self, name: str, accessible: str) -> None:
        super().__init__()
        self.array_model = ArrayModel(self)
        self.setModel(self.array_model)
        describe(self, name, accessible)
        self.setShowGrid(False)
        self.setWordWrap(False)
        self.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.horizontalHeader().setDefaultSectionSize(84)
        self.horizontalHeader().setHighlightSections(False)
        self.verticalHeader().setDefaultSectionSize(ROW_HEIGHT)
        self.verticalHeader().setHighlightSections(False)
        self.setCornerButtonEnabled(False)
        self.setMinimumHeight(_LEAST_HEIGHT)

    def show_array(self, array: np.ndarray) -> None:
        """Replace what is shown; texts have wider columns."""
        texts = array.dtype == object
        self.horizontalHeader().setDefaultSectionSize(220 if texts else 84)
        self.array_model.show(array)
        self.horizontalHeader().setStretchLastSection(texts and self.array_model.columnCount() == 1)
