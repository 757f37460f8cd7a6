"""The artifact's tree for Qt: it only adapts nodes, and lists children off the GUI thread."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from PySide6.QtCore import QAbstractItemModel, QCoreApplication, QModelIndex, QObject, Qt, Signal

from explorer.analysis.ranges import rows_below
from explorer.formats.artifact import Node, NodeType
from explorer.formats.text import bytes_text, shape_text, visible
from explorer.ui.background import run_in_pool
from explorer.ui.icons import node_icon
from explorer.ui.tables import Index
from explorer.ui.theme import color, mono_font

NODE_ROLE = Qt.ItemDataRole.UserRole
NAME, KIND, DTYPE, SHAPE, SIZE = range(5)
_MONO = (DTYPE, SHAPE)
_MUTED = (KIND, DTYPE, SIZE)
_LEFT = Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter
_RIGHT = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter


class _Item:
    """A node in the model. ``listed`` is false until its children have been asked for."""

    __slots__ = ("children", "damaged", "listed", "listing", "node", "parent", "row")

    def __init__(self, node: Node, parent: _Item | None, row: int) -> None:
        self.node = node
        self.parent = parent
        self.row = row
        self.children: list[_Item] = []
        self.listed = not node.has_children
        self.listing = False
        self.damaged = False


class ArtifactTreeModel(QAbstractItemModel):
    """Rows of an artifact's tree.

    No level holds more than `ranges.PAGE` rows. ``fetchMore`` returns at once; the rows are
    inserted when they have been listed, and ``listed`` is emitted, also where there are none.
    """

    listed = Signal(QModelIndex)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._top = _Item(Node("", NodeType.GROUP), None, 0)
        self._headers = (
            self.tr("Name"),
            self.tr("Kind"),
            self.tr("dtype"),
            self.tr("Shape"),
            self.tr("Size"),
        )

    def show(self, nodes: Sequence[Node]) -> None:
        """Replace everything by these nodes at the top level."""
        self.beginResetModel()
        self._top = _Item(Node("", NodeType.GROUP), None, 0)
        self._top.children = [_Item(node, self._top, row) for row, node in enumerate(nodes)]
        self.endResetModel()

    def node(self, index: Index) -> Node | None:
        """The node of a row."""
        return self._item(index).node if index.isValid() else None

    def is_damaged(self, index: Index) -> bool:
        """Whether a row stands for what could not be listed."""
        return index.isValid() and self._item(index).damaged

    def _item(self, index: Index) -> _Item:
        if not index.isValid():
            return self._top
        item: _Item = index.internalPointer()
        return item

    def _index(self, item: _Item) -> QModelIndex:
        return QModelIndex() if item.parent is None else self.createIndex(item.row, 0, item)

    def index(self, row: int, column: int, parent: Index = QModelIndex()) -> QModelIndex:  # noqa: B008
        children = self._item(parent).children
        if parent.column() > 0 or not (0 <= row < len(children) and 0 <= column <= SIZE):
            return QModelIndex()
        return self.createIndex(row, column, children[row])

    def parent(self, index: Index = QModelIndex()) -> QModelIndex:  # type: ignore[override]  # noqa: B008
        parent = self._item(index).parent
        return QModelIndex() if parent is None else self._index(parent)

    def rowCount(self, parent: Index = QModelIndex()) -> int:  # noqa: B008
        return 0 if parent.column() > 0 else len(self._item(parent).children)

    def columnCount(self, parent: Index = QModelIndex()) -> int:  # noqa: B008
        return SIZE + 1

    def hasChildren(self, parent: Index = QModelIndex()) -> bool:  # noqa: B008
        if parent.column() > 0:
            return False
        item = self._item(parent)
        return bool(item.children) or not item.listed

    # Listing

    def canFetchMore(self, parent: Index) -> bool:
        item = self._item(parent)
        return parent.column() <= 0 and not item.listed and not item.listing

    def fetchMore(self, parent: Index) -> None:
        if not self.canFetchMore(parent):
            return
        item, top = self._item(parent), self._top
        item.listing = True
        run_in_pool(
            self,
            lambda: rows_below(item.node),
            lambda nodes: self._arrived(top, item, nodes),
            lambda error: self._arrived(top, item, [_damaged(error)], damaged=True),
        )

    def _arrived(
        self, top: _Item, item: _Item, nodes: Sequence[Node], *, damaged: bool = False
    ) -> None:
        if top is not self._top:  # another artifact is shown by now
            return
        children = [_Item(node, item, row) for row, node in enumerate(nodes)]
        for child in children:
            child.damaged = damaged
        parent = self._index(item)
        item.listed, item.listing = True, False
        if children:
            self.beginInsertRows(parent, 0, len(children) - 1)
            item.children = children
            self.endInsertRows()
        self.listed.emit(parent)

    # What is shown

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        if not index.isValid():
            return None
        item, column = self._item(index), index.column()
        if role == Qt.ItemDataRole.DisplayRole:
            return _text(item.node, column)
        if role == Qt.ItemDataRole.DecorationRole:
            return node_icon(item.node.type) if column == NAME and not item.damaged else None
        if role == Qt.ItemDataRole.FontRole:
            return mono_font() if column in _MONO else None
        if role == Qt.ItemDataRole.ForegroundRole:
            return _foreground(item, column)
        return self._more(item, column, role)

    def _more(self, item: _Item, column: int, role: int) -> Any:
        if role == Qt.ItemDataRole.TextAlignmentRole:
            return _RIGHT if column == SIZE else _LEFT
        if role == Qt.ItemDataRole.ToolTipRole:
            return _tip(item.node, column) or None
        return item.node if role == NODE_ROLE else None

    def headerData(
        self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole
    ) -> Any:
        if orientation is not Qt.Orientation.Horizontal or not 0 <= section <= SIZE:
            return None
        if role == Qt.ItemDataRole.DisplayRole:
            return self._headers[section]
        if role == Qt.ItemDataRole.TextAlignmentRole:
            return _RIGHT if section == SIZE else _LEFT
        return None


def _damaged(error: Exception) -> Node:
    why = str(error) or type(error).__name__
    text = QCoreApplication.translate("ArtifactTreeModel", "This part cannot be listed: {why}")
    return Node(text.format(why=why), NodeType.ATTRIBUTE, attributes=lambda: (("error", why),))


def _text(node: Node, column: int) -> str:
    tensor = node.tensor
    if column == NAME:
        return visible(node.text)
    if column == KIND:
        return visible(node.kind)
    if column == DTYPE:
        return tensor.dtype if tensor else ""
    if column == SHAPE:
        return shape_text(tensor.shape) if tensor else visible(node.summary)
    return "" if node.size is None else bytes_text(node.size)


def _tip(node: Node, column: int) -> str:
    if column == NAME and node.tensor is not None:
        return visible(node.tensor.path)
    if column == SIZE and node.size is not None:
        return f"{node.size:,} bytes"
    return _text(node, column)


def _foreground(item: _Item, column: int) -> Any:
    if item.damaged:
        return color("danger")
    return color("muted") if column in _MUTED else color("text")
