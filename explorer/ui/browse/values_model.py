"""The values of a slice for Qt: read in blocks, off the GUI thread, as they come into sight."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

import numpy as np
from PySide6.QtCore import QAbstractTableModel, QModelIndex, QObject, Qt, Signal

from explorer.analysis.planes import Plane
from explorer.formats.artifact import Tensor
from explorer.formats.text import exact_text
from explorer.ui.background import Background
from explorer.ui.tables import Index
from explorer.ui.theme import color, mono_font

MOST_ROWS = 500_000
MOST_COLUMNS = 5_000
_BLOCK = (64, 16)
_KEPT = 256  # blocks
_LONGEST = 200  # characters of a string in a cell; the tooltip has more
_RIGHT = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
_LEFT = Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter

_Key = tuple[int, int]


class ValuesModel(QAbstractTableModel):
    """Rows and columns of a plane. ``failed`` carries the reason why values cannot be read.

    A table shows at most `MOST_ROWS` × `MOST_COLUMNS`, from ``first_row`` and ``first_column`` on.
    """

    failed = Signal(str)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._tensor: Tensor | None = None
        self._plane: Plane | None = None
        self._first = (0, 0)
        self._blocks: OrderedDict[_Key, np.ndarray] = OrderedDict()
        self._wanted: OrderedDict[_Key, None] = OrderedDict()
        self._reading: _Key | None = None
        self._reads = Background(self)

    def show(
        self, tensor: Tensor | None, plane: Plane | None, first: tuple[int, int] = (0, 0)
    ) -> None:
        """Show a plane of a tensor from row and column ``first`` on."""
        self.beginResetModel()
        self._reads.drop()
        self._reading = None
        self._blocks.clear()
        self._wanted.clear()
        self._tensor, self._plane, self._first = tensor, plane, first
        self.endResetModel()

    def rowCount(self, parent: Index = QModelIndex()) -> int:  # noqa: B008
        if parent.isValid() or self._plane is None:
            return 0
        return max(min(self._plane.rows - self._first[0], MOST_ROWS), 0)

    def columnCount(self, parent: Index = QModelIndex()) -> int:  # noqa: B008
        if parent.isValid() or self._plane is None:
            return 0
        return max(min(self._plane.columns - self._first[1], MOST_COLUMNS), 0)

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        if not index.isValid():
            return None
        if role == Qt.ItemDataRole.DisplayRole:
            return self._text(index.row(), index.column())
        if role == Qt.ItemDataRole.ToolTipRole:
            return self._tip(index.row(), index.column())
        if role == Qt.ItemDataRole.FontRole:
            return mono_font()
        if role == Qt.ItemDataRole.TextAlignmentRole:
            return _LEFT if self._is_text() else _RIGHT
        return None

    def headerData(
        self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole
    ) -> Any:
        across = orientation is Qt.Orientation.Horizontal
        if role == Qt.ItemDataRole.DisplayRole:
            return str(section + self._first[1 if across else 0])
        if role == Qt.ItemDataRole.TextAlignmentRole:
            return _LEFT if across and self._is_text() else _RIGHT
        return color("muted") if role == Qt.ItemDataRole.ForegroundRole else None

    def _is_text(self) -> bool:
        return self._tensor is not None and self._tensor.dtype == "string"

    def _text(self, row: int, column: int) -> str:
        value = self._value(row, column)
        return "…" if value is None else cell_text(value)

    def _tip(self, row: int, column: int) -> str:
        value = self._value(row, column)
        at = f"[{row + self._first[0]}, {column + self._first[1]}]"
        return at if value is None else f"{at}  {exact_text(value)}"

    # Blocks

    def _value(self, row: int, column: int) -> Any:
        key = (row // _BLOCK[0], column // _BLOCK[1])
        block = self._blocks.get(key)
        if block is None:
            self._want(key)
            return None
        self._blocks.move_to_end(key)
        return block[row % _BLOCK[0], column % _BLOCK[1]]

    def _want(self, key: _Key) -> None:
        if key == self._reading:
            return
        self._wanted[key] = None
        self._wanted.move_to_end(key)
        if len(self._wanted) > _KEPT // 2:  # scrolled past long ago
            self._wanted.popitem(last=False)
        if self._reading is None:
            self._read_next()

    def _read_next(self) -> None:
        tensor, plane = self._tensor, self._plane
        if not self._wanted or tensor is None or plane is None:
            return
        key, _ = self._wanted.popitem()
        self._reading = key
        rows, columns = self._range(key)
        self._reads.run(
            lambda: plane.read(tensor, rows, columns),
            lambda block: self._arrived(key, block),
            self._failed,
        )

    def _range(self, key: _Key) -> tuple[slice, slice]:
        """The rows and columns of the tensor that a block covers."""
        top, left = key[0] * _BLOCK[0], key[1] * _BLOCK[1]
        bottom = min(top + _BLOCK[0], self.rowCount())
        right = min(left + _BLOCK[1], self.columnCount())
        down, across = self._first
        return slice(down + top, down + bottom), slice(across + left, across + right)

    def _arrived(self, key: _Key, block: np.ndarray) -> None:
        self._reading = None
        self._blocks[key] = block
        if len(self._blocks) > _KEPT:
            self._blocks.popitem(last=False)
        top, left = key[0] * _BLOCK[0], key[1] * _BLOCK[1]
        rows, columns = block.shape
        self.dataChanged.emit(self.index(top, left), self.index(top + rows - 1, left + columns - 1))
        self._read_next()

    def _failed(self, error: Exception) -> None:
        self.show(None, None)
        self.failed.emit(str(error) or type(error).__name__)


def cell_text(value: Any) -> str:
    """A value in few characters."""
    if isinstance(value, bytes):
        text = exact_text(value)
        return text if len(text) <= _LONGEST else text[:_LONGEST] + "…"
    if isinstance(value, (float, np.floating)):
        return f"{float(value):.6g}"
    if isinstance(value, (complex, np.complexfloating)):
        return f"{complex(value):.4g}"
    return str(value)
