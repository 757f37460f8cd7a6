"""The tree as a view: columns that fit, keys, the menu of a row, opening what is worth seeing."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from PySide6.QtCore import QModelIndex, QPoint, Qt, Signal
from PySide6.QtGui import QKeyEvent, QKeySequence, QMouseEvent, QResizeEvent
from PySide6.QtWidgets import QAbstractItemView, QHeaderView, QTreeView

from explorer.formats.artifact import Node, NodeType
from explorer.ui.browse.tree_model import DTYPE, KIND, NAME, SHAPE, SIZE, ArtifactTreeModel
from explorer.ui.widgets import describe

_WIDTHS = {KIND: 164, DTYPE: 72, SHAPE: 128, SIZE: 72}
_NARROW = {KIND: 120, DTYPE: 66, SHAPE: 118, SIZE: 70}
_USUAL = 750  # pixels of all columns; in a wider view all of them are wider
_TIGHT = 600  # pixels below which the columns are narrow
_NARROWEST_NAME = 210
_LEAST_OF_NAME = 146  # pixels; about twenty characters
_ICON = 30  # pixels that a row's icon takes with what is around it
_ENTER = (Qt.Key.Key_Return, Qt.Key.Key_Enter)
_OPENED_AT_ONCE = 34  # rows; about what fits on a screen
_OPENED_DEEP = 6  # levels; leaves room for the columns, and no usual file nests deeper
_LONG_LIST = 60  # rows
_WORTH_OPENING = (NodeType.DIRECTORY, NodeType.FILE, NodeType.GROUP)


class TreeView(QTreeView):
    """A tree of nodes. ``node_selected`` carries the current row's node or ``None``.

    ``menu_asked`` carries the node under the pointer and a global position.
    """

    node_selected = Signal(object)
    copy_asked = Signal(object)
    menu_asked = Signal(object, QPoint)

    def __init__(self, name: str, accessible: str, tip: str) -> None:
        super().__init__()
        describe(self, name, accessible, tip)
        self.setToolTip("")  # each row has its own
        self.tree = ArtifactTreeModel(self)
        self.setModel(self.tree)
        self._to_open: deque[tuple[int, ...]] = deque()
        self._budget = 0
        self._way: list[int] = []
        self._deepest = 0
        self._set_up()
        self.expanded.connect(self._make_room)
        self.tree.listed.connect(self._listed)
        self.selectionModel().currentRowChanged.connect(
            lambda current, _old: self.node_selected.emit(self.tree.node(current))
        )
        self.customContextMenuRequested.connect(self._ask_menu)

    def _set_up(self) -> None:
        self.setUniformRowHeights(True)
        self.setAllColumnsShowFocus(False)  # Fusion would draw a frame over the row
        self.setIndentation(18)
        self.setTextElideMode(Qt.TextElideMode.ElideMiddle)
        self.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.setContextMenuPolicy(Qt.ContextMenuPolicy.CustomContextMenu)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        header = self.header()
        header.setStretchLastSection(False)
        header.setMinimumSectionSize(48)
        header.setSectionsMovable(False)
        header.setHighlightSections(False)
        header.setSectionResizeMode(NAME, QHeaderView.ResizeMode.Stretch)

    # Contents

    def show_tree(self, root: Node | None) -> None:
        """Show an artifact, opened as far as fits on a screen, its first row selected."""
        self._to_open.clear()
        self._deepest = 0
        self._fit_columns()
        self._way = []
        self.tree.show([] if root is None else [root])
        if root is None:
            return
        self._budget = _OPENED_AT_ONCE
        first = self.tree.index(0, 0)
        self.setCurrentIndex(first)
        self.tree.fetchMore(first)

    def show_rows(self, nodes: Sequence[Node]) -> None:
        """Show these nodes at the top level, closed."""
        self._to_open.clear()
        self._way = []
        self._budget = 0
        self.tree.show(nodes)

    def _listed(self, parent: QModelIndex) -> None:
        if self.tree.is_damaged(self.tree.index(0, 0, parent)):
            self.setFirstColumnSpanned(0, parent, True)  # it says why, which takes room
        if self._way:
            self._follow_way()
        elif self._budget > 0:
            self._open_more(parent)

    def _open_more(self, parent: QModelIndex) -> None:
        """Open level by level while there is room; of long lists only those of tensors.

        Ended by the first touch of the person.
        """
        count = self.tree.rowCount(parent)
        if count <= _LONG_LIST or self._holds_tensors(parent) or not self._to_open:
            self.expand(parent)
            self._budget -= count
            self._queue_below(parent)
        if self._budget > 0 and self._to_open:
            self.tree.fetchMore(self._index_at(self._to_open.popleft()))
        else:
            self.stop_opening()

    def _holds_tensors(self, parent: QModelIndex) -> bool:
        first = self.tree.node(self.tree.index(0, 0, parent))
        return first is not None and first.tensor is not None

    def _queue_below(self, parent: QModelIndex) -> None:
        above, count = _rows_of(parent), self.tree.rowCount(parent)
        if len(above) >= _OPENED_DEEP:
            return
        rows = [row for row in range(count) if self._is_worth_opening(row, parent)]
        self._to_open.extend((*above, row) for row in rows)

    def _is_worth_opening(self, row: int, parent: QModelIndex) -> bool:
        node = self.tree.node(self.tree.index(row, 0, parent))
        return node is not None and node.has_children and node.type in _WORTH_OPENING

    def _index_at(self, rows: Sequence[int]) -> QModelIndex:
        index = QModelIndex()
        for row in rows:
            index = self.tree.index(row, 0, index)
        return index

    def stop_opening(self) -> None:
        """Open nothing further by itself."""
        self._budget = 0
        self._to_open.clear()

    # Going to a row

    def go_to(self, rows: Sequence[int]) -> None:
        """Open the way to the row at ``rows`` below the root and select it, once it is listed."""
        self.stop_opening()
        self._way = [0, *rows]
        self._follow_way()

    def _follow_way(self) -> None:
        index = QModelIndex()
        for row in self._way:
            if row >= self.tree.rowCount(index):
                self.tree.fetchMore(index)
                return
            if index.isValid():
                self.expand(index)
            index = self.tree.index(row, 0, index)
        self._way = []
        self.setCurrentIndex(index)
        self.scrollTo(index, QAbstractItemView.ScrollHint.PositionAtCenter)

    # Events

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._fit_columns()

    def _make_room(self, opened: QModelIndex) -> None:
        """The names below a row that was opened begin further right."""
        depth = len(_rows_of(opened))
        if depth > self._deepest:
            self._deepest = depth
            self._fit_columns()

    def _least_name_width(self) -> int:
        before = (self._deepest + 1) * self.indentation() + _ICON
        return max(before + _LEAST_OF_NAME, _NARROWEST_NAME)

    def _fit_columns(self) -> None:
        """Leave room for the names: the kind goes first, then dtype, size and shape.

        The inspector has all of them.
        """
        room = self.viewport().width()
        scale = max(room / _USUAL, 1.0)
        widths = _WIDTHS if room >= _TIGHT else _NARROW
        least = self._least_name_width()
        fits = True
        for column in (SHAPE, SIZE, DTYPE, KIND):
            wanted = round(widths[column] * scale)
            fits = fits and room - wanted >= least
            self.setColumnHidden(column, not fits)
            if fits:
                self.header().resizeSection(column, wanted)
                room -= wanted

    def mousePressEvent(self, event: QMouseEvent) -> None:
        self.stop_opening()
        super().mousePressEvent(event)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        self.stop_opening()
        index = self.currentIndex()
        if event.matches(QKeySequence.StandardKey.Copy):
            self.copy_asked.emit(self.tree.node(index))
        elif event.key() in _ENTER and self.tree.hasChildren(index):
            self.setExpanded(index.siblingAtColumn(NAME), not self.isExpanded(index))
        else:
            super().keyPressEvent(event)

    def _ask_menu(self, where: QPoint) -> None:
        node = self.tree.node(self.indexAt(where))
        if node is not None:
            self.menu_asked.emit(node, self.viewport().mapToGlobal(where))


def _rows_of(index: QModelIndex) -> tuple[int, ...]:
    rows: tuple[int, ...] = ()
    while index.isValid():
        rows = (index.row(), *rows)
        index = index.parent()
    return rows
