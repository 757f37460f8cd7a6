"""The list beside the rail: models in memory, then open artifacts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from PySide6.QtCore import (
    QAbstractListModel,
    QModelIndex,
    QPoint,
    QRect,
    QSize,
    Qt,
    QUrl,
    Signal,
)
from PySide6.QtGui import QDesktopServices, QFontMetrics, QGuiApplication, QKeyEvent, QPainter
from PySide6.QtWidgets import (
    QFrame,
    QListView,
    QMenu,
    QPushButton,
    QStyle,
    QStyledItemDelegate,
    QStyleOptionViewItem,
    QVBoxLayout,
    QWidget,
)

from explorer.formats.text import bytes_text, visible
from explorer.ui.notices import Question
from explorer.ui.session import ArtifactEntry, Entry, ModelEntry, Session
from explorer.ui.tables import Index
from explorer.ui.theme import color, ui_font
from explorer.ui.widgets import describe, label

_ENTRY = Qt.ItemDataRole.UserRole
_HEADING_HEIGHT = 30
_ENTRY_HEIGHT = 52
_WIDTH, _NARROW_WIDTH = 248, 196


class LibraryModel(QAbstractListModel):
    """Headings and entries in one list; a heading is a pair of text and count."""

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self._session = session
        self._rows: list[Entry | tuple[str, int]] = []
        session.changed.connect(self.refresh)

    def refresh(self) -> None:
        """Read the session again."""
        self.beginResetModel()
        self._rows = []
        models, artifacts = self._session.models, self._session.artifacts
        if models:
            self._rows += [(self.tr("IN MEMORY"), len(models)), *models]
        if artifacts:
            self._rows += [(self.tr("ARTIFACTS"), len(artifacts)), *artifacts]
        self.endResetModel()

    def row_of(self, entry: Entry | None) -> int:
        """Where an entry stands, or -1."""
        return next((i for i, row in enumerate(self._rows) if row is entry), -1)

    def rowCount(self, parent: Index = QModelIndex()) -> int:  # noqa: B008
        return 0 if parent.isValid() else len(self._rows)

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        if not index.isValid():
            return None
        row = self._rows[index.row()]
        if role == _ENTRY:
            return row
        if role == Qt.ItemDataRole.DisplayRole:
            return row[0] if isinstance(row, tuple) else title_of(row)
        if role == Qt.ItemDataRole.ToolTipRole and not isinstance(row, tuple):
            return row.path if isinstance(row, ArtifactEntry) else self._about(row)
        return None

    def _about(self, model: ModelEntry) -> str:
        about = f"{model.title}: {model.detail}"
        if not model.diverged:
            return about
        diverged = self.tr("Its training diverged: its weights are of no use.")
        return f"{about}\n{diverged}"

    def flags(self, index: Index) -> Qt.ItemFlag:
        if index.isValid() and isinstance(self._rows[index.row()], tuple):
            return Qt.ItemFlag.NoItemFlags
        return super().flags(index)


def title_of(entry: Entry) -> str:
    """What an entry is called."""
    return visible(entry.artifact.name) if isinstance(entry, ArtifactEntry) else entry.title


class _Delegate(QStyledItemDelegate):
    """Paints headings, and entries on two lines with a badge."""

    def sizeHint(self, option: QStyleOptionViewItem, index: Index) -> QSize:
        heading = isinstance(index.data(_ENTRY), tuple)
        return QSize(100, _HEADING_HEIGHT if heading else _ENTRY_HEIGHT)

    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: Index) -> None:
        painter.save()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        row = index.data(_ENTRY)
        rect: QRect = option.rect
        if isinstance(row, tuple):
            self._paint_heading(painter, rect, *row)
        else:
            state: QStyle.StateFlag = option.state
            self._paint_entry(painter, rect, row, state)
        painter.restore()

    def _paint_heading(self, painter: QPainter, rect: QRect, text: str, count: int) -> None:
        painter.setFont(ui_font(11, 600))
        painter.setPen(color("muted"))
        inner = rect.adjusted(16, 8, -16, 0)
        painter.drawText(inner, Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter, text)
        painter.drawText(
            inner, Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter, str(count)
        )

    def _paint_entry(
        self, painter: QPainter, rect: QRect, entry: Entry, state: QStyle.StateFlag
    ) -> None:
        box = rect.adjusted(8, 1, -8, -1)
        painter.setPen(Qt.PenStyle.NoPen)
        if state & QStyle.StateFlag.State_Selected:
            painter.setBrush(color("accent_soft"))
            painter.drawRoundedRect(box, 7, 7)
        elif state & QStyle.StateFlag.State_MouseOver:
            painter.setBrush(color("row"))
            painter.drawRoundedRect(box, 7, 7)
        inner = box.adjusted(9, 7, -9, -7)
        painter.setFont(ui_font(13, 500))
        painter.setPen(color("text"))
        title = painter.fontMetrics().elidedText(
            title_of(entry), Qt.TextElideMode.ElideMiddle, inner.width()
        )
        painter.drawText(inner, Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignTop, title)
        self._paint_detail(painter, inner, entry)

    def _paint_detail(self, painter: QPainter, inner: QRect, entry: Entry) -> None:
        badge, tone = self._badge(entry)
        painter.setFont(ui_font(11, 500))
        width = painter.fontMetrics().horizontalAdvance(badge) + 14
        painter.setFont(ui_font(11))
        room = inner.width() - width - 6
        text = _fitting(painter.fontMetrics(), self._details(entry), room)
        painter.setPen(color("muted"))
        line = QRect(inner.left(), inner.bottom() - 17, inner.width(), 18)
        painter.drawText(line, Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter, text)
        left = inner.left() + painter.fontMetrics().horizontalAdvance(text) + 6
        pill = QRect(left, line.top(), width, 18)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(color(f"{tone}_soft"))
        painter.drawRoundedRect(pill, 9, 9)
        painter.setFont(ui_font(11, 500))
        painter.setPen(color(tone))
        painter.drawText(pill, Qt.AlignmentFlag.AlignCenter, badge)

    def _details(self, entry: Entry) -> tuple[str, str]:
        """What to say of an entry, and the part of it that matters most."""
        if isinstance(entry, ModelEntry):
            return entry.detail, entry.loss_text or entry.detail
        form = entry.artifact.format_name
        return f"{form} · {bytes_text(entry.artifact.size)}", form

    def _badge(self, entry: Entry) -> tuple[str, str]:
        """The words and tone of the badge."""
        if isinstance(entry, ModelEntry):
            diverged, trained = (self.tr("diverged"), "warning"), (self.tr("trained"), "ok")
            return diverged if entry.diverged else trained
        if entry.changed:
            return self.tr("changed since"), "warning"
        if entry.made_here:
            return self.tr("made here"), "ok"
        return self.tr("from elsewhere"), "warning"


def _fitting(metrics: QFontMetrics, texts: Sequence[str], room: int) -> str:
    """The first of ``texts`` that fits, else the last one, shortened."""
    for text in texts:
        if metrics.horizontalAdvance(text) <= room:
            return text
    return metrics.elidedText(texts[-1], Qt.TextElideMode.ElideRight, room)


class _List(QListView):
    """A list whose Delete key asks for the current entry to be removed."""

    remove_asked = Signal()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.key() == Qt.Key.Key_Delete:
            self.remove_asked.emit()
        else:
            super().keyPressEvent(event)


class Library(QFrame):
    """The list with its place to drop files on. ``chosen`` carries the entry clicked."""

    chosen = Signal(object)
    open_asked = Signal(QPoint)

    def __init__(self, session: Session) -> None:
        super().__init__()
        self.setObjectName("library")
        self.set_narrow(False)
        self._session = session
        self._model = LibraryModel(session)
        self.view = _List()
        self.view.setModel(self._model)
        self.view.setItemDelegate(_Delegate(self.view))
        self.view.setMouseTracking(True)
        self.view.setContextMenuPolicy(Qt.ContextMenuPolicy.CustomContextMenu)
        self.view.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        describe(
            self.view,
            "library.list",
            self.tr("Models in memory and open artifacts"),
            self.tr("Models and artifacts. Del takes one off the list"),
        )
        self.view.clicked.connect(self._choose)
        self.view.activated.connect(self._choose)
        self.view.remove_asked.connect(self._remove)
        self.view.customContextMenuRequested.connect(self._menu)
        self._drop = QPushButton(self.tr("Drop or open a model"))
        self._drop.setProperty("role", "drop")
        describe(
            self._drop, "library.open", self.tr("Open a file or folder"), self.tr("Open… (Ctrl+O)")
        )
        self._drop.clicked.connect(
            lambda: self.open_asked.emit(self._drop.mapToGlobal(self._drop.rect().bottomLeft()))
        )
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 6, 1, 10)  # the list must not cover the border
        self._empty = label(
            self.tr("The models you train and the files you open are listed here."),
            "small",
            wrap=True,
        )
        self._empty.setContentsMargins(16, 8, 12, 0)
        column.addWidget(self._empty)
        column.addWidget(self.view, 1)
        holder = QWidget()
        inner = QVBoxLayout(holder)
        inner.setContentsMargins(10, 0, 10, 0)
        inner.addWidget(self._drop)
        column.addWidget(holder)
        session.current_changed.connect(self._show_current)
        session.changed.connect(self._refresh)
        session.origin_changed.connect(lambda _entry: self.view.viewport().update())

    def _refresh(self) -> None:
        self._empty.setVisible(self._model.rowCount() == 0)
        self._show_current(self._session.current)

    def set_narrow(self, narrow: bool) -> None:
        """Leave more room to the page."""
        self.setFixedWidth(_NARROW_WIDTH if narrow else _WIDTH)

    def _choose(self, index: QModelIndex) -> None:
        entry = index.data(_ENTRY)
        if not isinstance(entry, tuple):
            self.chosen.emit(entry)

    def _show_current(self, entry: Entry | None) -> None:
        row = self._model.row_of(entry)
        index = self._model.index(row, 0) if row >= 0 else QModelIndex()
        self.view.setCurrentIndex(index)

    def _remove(self) -> None:
        entry = self.view.currentIndex().data(_ENTRY)
        if entry is not None and not isinstance(entry, tuple):
            self._ask_to_remove(entry)

    def _ask_to_remove(self, entry: Entry) -> None:
        """Only a model that is nowhere else is lost, so only that is asked about."""
        if isinstance(entry, ArtifactEntry) or entry.is_saved:
            self._session.remove(entry)
            return
        Question(
            self.window(),
            self.tr("Remove {name}?").format(name=entry.title),
            self.tr(
                "It was never saved: once it is off the list, what it learned is lost. To keep it, "
                "save it in the Lab first."
            ),
            self.tr("Remove it"),
            lambda yes: self._session.remove(entry) if yes else None,
        ).open()

    def _menu(self, where: QPoint) -> None:
        entry = self.view.indexAt(where).data(_ENTRY)
        if entry is None or isinstance(entry, tuple):
            return
        menu = QMenu(self)
        if isinstance(entry, ArtifactEntry):
            path = entry.path
            menu.addAction(self.tr("Read again"), lambda: self._session.open(path))
            menu.addAction(self.tr("Copy path"), lambda: QGuiApplication.clipboard().setText(path))
            menu.addAction(
                self.tr("Show in folder"),
                lambda: QDesktopServices.openUrl(QUrl.fromLocalFile(_folder_of(path))),
            )
        menu.addAction(self.tr("Take off the list"), lambda: self._ask_to_remove(entry))
        menu.popup(self.view.viewport().mapToGlobal(where))


def _folder_of(path: str) -> str:
    return path.rsplit("/", 1)[0] or "/"
