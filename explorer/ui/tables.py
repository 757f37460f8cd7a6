"""Tables of short texts: the model, and the view whose columns share its width."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from PySide6.QtCore import (
    QAbstractTableModel,
    QModelIndex,
    QObject,
    QPersistentModelIndex,
    Qt,
)
from PySide6.QtGui import QFontMetrics, QResizeEvent
from PySide6.QtWidgets import QAbstractItemView, QHeaderView, QTableView

from explorer.ui.theme import HEADER_HEIGHT, ROW_HEIGHT, color, mono_font, ui_font
from explorer.ui.widgets import describe

_CELL_PADDING = 18
_HEADER_PADDING = 22
_HEADER_FONT = 12, 500
"""Pixels and weight, as in the style sheet, which a header's own metrics do not know."""
_ROWS_MEASURED = 50
Index = QModelIndex | QPersistentModelIndex


class RowsModel(QAbstractTableModel):
    """A table of short texts; ``mono`` columns are numbers or code; ``right`` ones aligned."""

    def __init__(
        self,
        headers: Sequence[str],
        *,
        mono: Iterable[int] = (),
        right: Iterable[int] = (),
        muted: Iterable[int] = (),
        parent: QObject | None = None,
    ) -> None:
        super().__init__(parent)
        self._headers = list(headers)
        self._rows: list[Sequence[str]] = []
        self._mono, self._right, self._muted = set(mono), set(right), set(muted)

    def set_rows(self, rows: Iterable[Sequence[str]]) -> None:
        """Replace all rows."""
        self.beginResetModel()
        self._rows = list(rows)
        self.endResetModel()

    def set_headers(self, headers: Sequence[str], right: Iterable[int]) -> None:
        """Replace the columns; the rows go."""
        self.beginResetModel()
        self._headers, self._right, self._rows = list(headers), set(right), []
        self._mono = set(self._right)
        self.endResetModel()

    def extend(self, rows: Sequence[Sequence[str]]) -> None:
        """Add rows at the end."""
        if rows:
            first = len(self._rows)
            self.beginInsertRows(QModelIndex(), first, first + len(rows) - 1)
            self._rows.extend(rows)
            self.endInsertRows()

    def rows(self) -> list[Sequence[str]]:
        """The rows as they are shown."""
        return list(self._rows)

    def rowCount(self, parent: Index = QModelIndex()) -> int:  # noqa: B008
        return 0 if parent.isValid() else len(self._rows)

    def columnCount(self, parent: Index = QModelIndex()) -> int:  # noqa: B008
        return 0 if parent.isValid() else len(self._headers)

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        if not index.isValid():
            return None
        column = index.column()
        if role in (Qt.ItemDataRole.DisplayRole, Qt.ItemDataRole.ToolTipRole):
            return self._rows[index.row()][column]
        if role == Qt.ItemDataRole.FontRole and column in self._mono:
            return mono_font()
        if role == Qt.ItemDataRole.ForegroundRole and column in self._muted:
            return color("muted")
        if role == Qt.ItemDataRole.TextAlignmentRole:
            return self._alignment(column)
        return None

    def _alignment(self, column: int) -> Qt.AlignmentFlag:
        side = Qt.AlignmentFlag.AlignRight if column in self._right else Qt.AlignmentFlag.AlignLeft
        return side | Qt.AlignmentFlag.AlignVCenter

    def headerData(
        self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole
    ) -> Any:
        if orientation is not Qt.Orientation.Horizontal or not 0 <= section < len(self._headers):
            return None
        if role in (Qt.ItemDataRole.DisplayRole, Qt.ItemDataRole.ToolTipRole):
            return self._headers[section]
        if role == Qt.ItemDataRole.TextAlignmentRole:
            return self._alignment(section)
        return None


class Table(QTableView):
    """A flat table over a `RowsModel`; with ``fit``, exactly as high as its rows."""

    def __init__(
        self, model: QAbstractTableModel, name: str, accessible: str, *, fit: bool = True
    ) -> None:
        super().__init__()
        self.setModel(model)
        describe(self, name, accessible)
        self._fit = fit
        self.setShowGrid(False)
        self.setWordWrap(False)
        self.setTextElideMode(Qt.TextElideMode.ElideMiddle)
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.verticalHeader().hide()
        self.verticalHeader().setDefaultSectionSize(ROW_HEIGHT)
        self.verticalHeader().setSectionResizeMode(QHeaderView.ResizeMode.Fixed)
        header = self.horizontalHeader()
        header.setSectionResizeMode(QHeaderView.ResizeMode.Fixed)
        header.setHighlightSections(False)
        header.setFixedHeight(HEADER_HEIGHT)
        header.setTextElideMode(Qt.TextElideMode.ElideRight)
        model.modelReset.connect(self._spread)
        model.rowsInserted.connect(self._spread)
        if fit:
            self.setVerticalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
            self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
            model.rowsInserted.connect(self._refit)
            model.modelReset.connect(self._refit)
            self._refit()

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._spread()

    def _spread(self) -> None:
        """Each column as wide as it needs; all share what is left, the widest what is missing."""
        header = self.horizontalHeader()
        needed = [self._needed(column) for column in range(self.model().columnCount())]
        room = self.viewport().width()
        if sum(needed) > room > 0:
            needed = _within(room, needed)
        rest = max(room - sum(needed), 0)
        for column, width in enumerate(needed):
            header.resizeSection(column, width + rest // len(needed))

    def _needed(self, column: int) -> int:
        """By the texts themselves: Qt's own size hints ask the style sheet for every cell."""
        model = self.model()
        title = model.headerData(column, Qt.Orientation.Horizontal)
        header = QFontMetrics(ui_font(*_HEADER_FONT)).horizontalAdvance(str(title))
        widths = [header + _HEADER_PADDING]
        for row in range(min(model.rowCount(), _ROWS_MEASURED)):
            index = model.index(row, column)
            font = index.data(Qt.ItemDataRole.FontRole) or self.font()
            text = QFontMetrics(font).horizontalAdvance(str(index.data()))
            widths.append(text + _CELL_PADDING)
        return max(widths)

    def _refit(self) -> None:
        rows = self.model().rowCount()
        self.setFixedHeight(HEADER_HEIGHT + rows * ROW_HEIGHT + 2)


def _within(room: int, widths: Sequence[int]) -> list[int]:
    """The widths, cut to the largest one with which all of them fit."""
    limit, rest = 0, room
    for position, width in enumerate(sorted(widths)):
        limit = max(rest // (len(widths) - position), 0)
        if width > limit:
            break
        rest -= width
    return [min(width, limit) for width in widths]
