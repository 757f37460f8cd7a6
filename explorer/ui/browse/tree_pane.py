"""The left side of the Tree tab: the filter, the tree, and what a search finds."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from PySide6.QtCore import QModelIndex, QPoint, Qt, QTimer, Signal
from PySide6.QtGui import QGuiApplication, QKeySequence, QShortcut
from PySide6.QtWidgets import (
    QFileDialog,
    QHBoxLayout,
    QLineEdit,
    QMenu,
    QStackedWidget,
    QVBoxLayout,
    QWidget,
)

from explorer.analysis.export import export_npy
from explorer.analysis.ranges import shown_rows
from explorer.analysis.search import Found, Hit, Kinds, Query, find, locate, parse_query
from explorer.formats.artifact import Artifact, Node, Tensor
from explorer.formats.text import count_text, tuple_text
from explorer.ui.background import Background, run_in_pool
from explorer.ui.browse.inspector import called
from explorer.ui.browse.tree_view import TreeView
from explorer.ui.notices import Notice, notice_for
from explorer.ui.session import Session
from explorer.ui.widgets import Segmented, describe, label

_PAUSE = 150  # milliseconds without a key before a search starts
_LATE = 300  # milliseconds of searching before it is said


class _Ticket:
    """Says whether a search that is under way is still wanted."""

    def __init__(self) -> None:
        self.void = False

    def is_void(self) -> bool:
        return self.void


class TreePane(QWidget):
    """Filter and tree. ``node_selected`` carries the `Node` that is current, or ``None``."""

    node_selected = Signal(object)

    def __init__(self, session: Session) -> None:
        super().__init__()
        self._session = session
        self._artifact: Artifact | None = None
        self._hits: list[Hit] = []
        self._search = Background(self)
        self._ticket = _Ticket()
        self._pause = QTimer(self, interval=_PAUSE, singleShot=True)
        self._pause.timeout.connect(self._start_search)
        self._late = QTimer(self, interval=_LATE, singleShot=True)
        self._late.timeout.connect(self._show_wait)
        self._make_views()
        self._lay_out()
        self._connect()

    def _make_views(self) -> None:
        self.view = TreeView(
            "browse.tree", self.tr("What the artifact holds"), self.tr("Contents of the artifact")
        )
        self.results = TreeView(
            "browse.results", self.tr("What the filter found"), self.tr("What the filter found")
        )
        self.filter = QLineEdit()
        self.filter.setPlaceholderText(
            self.tr("Filter by name, dtype or shape — e.g. kernel float32 [*,8,8]")
        )
        self.filter.setClearButtonEnabled(True)
        describe(
            self.filter,
            "browse.filter",
            self.tr("Filter by name, dtype or shape"),
            self.tr(
                "Words that a path holds or a dtype begins with, and shapes in brackets: * is any "
                "one dimension, ... any number of them (Ctrl+F; Esc clears)"
            ),
        )
        self.kinds = Segmented(
            "browse.kinds",
            (
                (Kinds.ALL.value, self.tr("All")),
                (Kinds.TENSORS.value, self.tr("Tensors")),
                (Kinds.FILES.value, self.tr("Files")),
            ),
            self.tr("Show"),
        )
        self._found = label("", "small", wrap=True, name="browse.found")

    def _lay_out(self) -> None:
        bar = QHBoxLayout()
        bar.setContentsMargins(10, 8, 10, 8)
        bar.setSpacing(8)
        bar.addWidget(self.filter, 1)
        self.kinds.setFixedWidth(204)
        bar.addWidget(self.kinds)
        found = QWidget()
        found_row = QVBoxLayout(found)
        found_row.setContentsMargins(0, 0, 0, 0)
        found_row.setSpacing(0)
        self._found.setContentsMargins(10, 0, 10, 6)
        found_row.addWidget(self._found)
        found_row.addWidget(self.results, 1)
        self._stack = QStackedWidget()
        self._stack.addWidget(self.view)
        self._stack.addWidget(found)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        column.addLayout(bar)
        column.addWidget(self._stack, 1)
        self.setProperty("role", "surface")
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)

    def _connect(self) -> None:
        self.filter.textChanged.connect(self._ask_search)
        self.filter.returnPressed.connect(self._enter_list)
        self.kinds.chosen.connect(lambda _key: self._start_search())
        self.view.node_selected.connect(lambda node: self._selected(node, in_results=False))
        self.results.node_selected.connect(lambda node: self._selected(node, in_results=True))
        for view in (self.view, self.results):
            view.menu_asked.connect(self._show_menu)
            view.copy_asked.connect(self._copy_path)
        self.results.activated.connect(self._reveal_hit)
        scope = Qt.ShortcutContext.WindowShortcut
        QShortcut(QKeySequence.StandardKey.Find, self, self._focus_filter, context=scope)
        inner = Qt.ShortcutContext.WidgetWithChildrenShortcut
        QShortcut(QKeySequence("Esc"), self, self.clear_filter, context=inner)

    # Contents

    def show_artifact(self, artifact: Artifact | None) -> None:
        """Show another artifact, unfiltered."""
        self._artifact = artifact
        self.clear_filter()
        self.results.show_rows([])
        self.view.show_tree(artifact.root if artifact else None)

    def is_searching(self) -> bool:
        """Whether the results are shown in place of the tree."""
        return self._stack.currentIndex() == 1

    def reveal(self, tensor_path: str) -> None:
        """Select a tensor in the tree, wherever it is."""
        artifact = self._artifact
        if artifact is None:
            return
        self._begin_search()

        def rows() -> list[int] | None:
            hit = locate(artifact.root, tensor_path, self._ticket.is_void)
            return shown_rows(artifact.root, hit.rows) if hit else None

        self._search.run(rows, self._go_to, self._failed)

    def _go_to(self, rows: list[int] | None) -> None:
        if rows is not None:
            self.clear_filter()
            self.view.go_to(rows)

    def _selected(self, node: Node | None, *, in_results: bool) -> None:
        if in_results == self.is_searching():
            self.node_selected.emit(node)

    # Searching

    def _focus_filter(self) -> None:
        self.filter.setFocus(Qt.FocusReason.ShortcutFocusReason)
        self.filter.selectAll()

    def clear_filter(self) -> None:
        """Show the whole tree again."""
        self.filter.clear()
        if self.kinds.key() != Kinds.ALL.value:
            self.kinds.choose(Kinds.ALL.value)
        self._start_search()

    def _ask_search(self) -> None:
        self._ticket.void = True
        self._pause.start()

    def _begin_search(self) -> _Ticket:
        self._pause.stop()
        self._late.stop()
        self._ticket.void = True
        self._ticket = _Ticket()
        return self._ticket

    def _start_search(self) -> None:
        ticket = self._begin_search()
        query, kinds = parse_query(self.filter.text()), Kinds(self.kinds.key())
        artifact = self._artifact
        if artifact is None or (query == Query() and kinds is Kinds.ALL):
            self._search.drop()
            self._show_stack(0)
            return
        self._late.start()
        self._search.run(
            lambda: find(artifact.root, query, kinds, cancelled=ticket.is_void),
            self._show_found,
            self._failed,
        )

    def _show_wait(self) -> None:
        self._hits = []
        self.results.show_rows([])
        self._found.setText(self.tr("Searching… Esc stops it."))
        self._show_stack(1)

    def _show_found(self, found: Found) -> None:
        self._late.stop()
        self._hits = list(found.hits)
        self.results.show_rows([replace(hit.node, name=_called(hit)) for hit in self._hits])
        self._found.setText(self._found_text(found))
        self._show_stack(1)

    def _found_text(self, found: Found) -> str:
        if not found.hits and found.problem:
            text = self.tr("Nothing that can be read here matches. {problem}")
            return text.format(problem=found.problem)
        if not found.hits:
            return self.tr("Nothing here matches. Esc shows everything again.")
        text = count_text(len(found.hits), self.tr("match"), self.tr("matches"))
        if found.limited:
            return self.tr("The first {matches}. Add a word to narrow it down.").format(
                matches=text
            )
        if found.problem:
            return self.tr("{matches}. A part was left out. {problem}").format(
                matches=text, problem=found.problem
            )
        return text

    def _show_stack(self, page: int) -> None:
        if page == self._stack.currentIndex():
            return
        self._stack.setCurrentIndex(page)
        view = self.results if page else self.view
        self.node_selected.emit(view.tree.node(view.currentIndex()))

    def _enter_list(self) -> None:
        if self._pause.isActive():
            self._start_search()
        view = self.results if self.is_searching() else self.view
        view.setFocus(Qt.FocusReason.OtherFocusReason)
        if not view.currentIndex().isValid():
            view.setCurrentIndex(view.tree.index(0, 0))

    def _reveal_hit(self, index: QModelIndex) -> None:
        if index.isValid() and not index.parent().isValid():
            self._reveal(self._hits[index.row()])

    def _reveal(self, hit: Hit) -> None:
        artifact = self._artifact
        if artifact is not None:
            self._begin_search()
            self._search.run(lambda: shown_rows(artifact.root, hit.rows), self._go_to, self._failed)

    def _failed(self, error: Exception) -> None:
        self._late.stop()
        self._session.notice.emit(notice_for(self.tr("The search stopped"), error))

    # The menu of a row

    def _show_menu(self, node: Node, where: QPoint) -> None:
        self.menu_for(node).popup(where)

    def menu_for(self, node: Node) -> QMenu:
        """What can be done with a row."""
        menu = QMenu(self)
        menu.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        menu.addAction(self.tr("Copy name"), lambda: _copy(node.name))
        tensor = node.tensor
        if tensor is not None:
            menu.addAction(self.tr("Copy path"), lambda: _copy(tensor.path))
            menu.addAction(self.tr("Copy shape"), lambda: _copy(tuple_text(tensor.shape)))
        if self.is_searching():
            menu.addAction(self.tr("Show in the tree"), lambda: self._reveal_node(node))
        if tensor is not None:
            menu.addSeparator()
            menu.addAction(self.tr("Export as .npy…"), lambda: self.export(tensor))
        return menu

    def _reveal_node(self, node: Node) -> None:
        for hit in self._hits:
            if _called(hit) == node.name:
                self._reveal(hit)
                return

    def _copy_path(self, node: Node | None) -> None:
        if node is not None:
            _copy(node.tensor.path if node.tensor else node.name)

    def export(self, tensor: Tensor) -> None:
        """Ask for a file and write the tensor to it."""
        dialog = QFileDialog(self, self.tr("Export {path}").format(path=tensor.path))
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        dialog.setObjectName("browse.export")
        dialog.setAcceptMode(QFileDialog.AcceptMode.AcceptSave)
        dialog.setNameFilter(self.tr("NumPy arrays (*.npy)"))
        dialog.setDefaultSuffix("npy")
        dialog.selectFile(tensor.path.replace("/", "_").replace(":", "_") + ".npy")
        dialog.fileSelected.connect(lambda target: self.export_to(tensor, Path(target)))
        dialog.open()

    def export_to(self, tensor: Tensor, target: Path) -> None:
        """Write the tensor in the background; a notice tells how it ended."""
        artifact = self._artifact

        def done(_: None) -> None:
            self._session.notice.emit(
                Notice("info", self.tr("Exported to {name}").format(name=target.name), str(target))
            )

        def failed(error: Exception) -> None:
            title = self.tr("{path} was not exported").format(path=tensor.path)
            self._session.notice.emit(notice_for(title, error))

        run_in_pool(self, lambda: export_npy(tensor, target, artifact), done, failed)


def _called(hit: Hit) -> str:
    return hit.path if hit.node.tensor is None else called(hit.node)


def _copy(text: str) -> None:
    QGuiApplication.clipboard().setText(text)
