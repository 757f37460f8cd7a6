"""The box at the top: open a path, jump to a model, an artifact or a tensor, run a command."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from PySide6.QtCore import QAbstractListModel, QModelIndex, QObject, QSize, Qt, SignalInstance
from PySide6.QtGui import QKeySequence, QPainter, QShortcut
from PySide6.QtWidgets import (
    QCompleter,
    QLineEdit,
    QListView,
    QStyle,
    QStyledItemDelegate,
    QStyleOptionViewItem,
    QWidget,
)

from explorer.formats.storage import local_path
from explorer.ui.background import Background
from explorer.ui.library import title_of
from explorer.ui.notices import Notice
from explorer.ui.session import ArtifactEntry, Entry, Session
from explorer.ui.tables import Index
from explorer.ui.theme import color, dress
from explorer.ui.widgets import describe

_MOST = 40
_LEAST_OF_DETAIL = 70  # pixels
_COMMAND = Qt.ItemDataRole.UserRole


@dataclass(frozen=True)
class Command:
    """Something to do: ``kind`` is action, open, entry or tensor; ``target`` says which.

    Of kind nothing there is one where nothing was found: it says so, with what to do in ``target``.
    """

    kind: str
    target: str
    title: str
    detail: str = ""
    entry: Entry | None = None

    def matches(self, words: Sequence[str]) -> bool:
        """Whether each word is in its title, or in the path of a tensor called otherwise."""
        said = f"{self.title} {self.target}" if self.kind == "tensor" else self.title
        return self.kind == "open" or all(word in said.casefold() for word in words)


class _Found(QAbstractListModel):
    """The commands that fit what was typed."""

    def __init__(self, parent: QObject) -> None:
        super().__init__(parent)
        self._commands: Sequence[Command] = ()

    def show(self, commands: Sequence[Command]) -> None:
        self.beginResetModel()
        self._commands = commands
        self.endResetModel()

    def first(self) -> Command | None:
        """What Enter takes where no row is chosen."""
        return next(iter(self._commands), None)

    def rowCount(self, parent: Index = QModelIndex()) -> int:  # noqa: B008
        return 0 if parent.isValid() else len(self._commands)

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> object:
        if not index.isValid():
            return None
        command = self._commands[index.row()]
        if role == _COMMAND:
            return command
        if role in (Qt.ItemDataRole.DisplayRole, Qt.ItemDataRole.EditRole):
            return command.title
        return None


class _Delegate(QStyledItemDelegate):
    """Title left, detail right and muted."""

    def sizeHint(self, option: QStyleOptionViewItem, index: Index) -> QSize:
        return QSize(200, 30)

    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: Index) -> None:
        command: Command = index.data(_COMMAND)
        rect = option.rect
        state = option.state
        chosen = bool(state & QStyle.StateFlag.State_Selected)
        painter.fillRect(rect, color("accent_soft" if chosen else "surface"))
        inner = rect.adjusted(10, 0, -10, 0)
        metrics = painter.fontMetrics()
        title_width = inner.width() - _LEAST_OF_DETAIL if command.detail else inner.width()
        title = metrics.elidedText(command.title, Qt.TextElideMode.ElideMiddle, title_width)
        room = inner.width() - metrics.horizontalAdvance(title) - 12
        detail = metrics.elidedText(command.detail, Qt.TextElideMode.ElideRight, room)
        painter.setPen(color("muted" if command.kind == "nothing" else "text"))
        painter.drawText(inner, Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter, title)
        painter.setPen(color("muted"))
        painter.drawText(inner, Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter, detail)


class CommandBox(QLineEdit):
    """Ctrl+K, then type. ``run`` is called with what was chosen; Enter takes the first."""

    def __init__(self, session: Session, run: Callable[[Command], None]) -> None:
        super().__init__()
        self._session, self._run = session, run
        self._tensors: Sequence[tuple[str, str]] = ()
        self._listing = Background(self)
        self.setFixedWidth(380)
        self.setPlaceholderText(self.tr("Open, find a tensor, run a command…   Ctrl+K"))
        describe(
            self, "searchbox", self.tr("Open, find a tensor, run a command"), self.tr("Ctrl+K")
        )
        self._found = _Found(self)
        completer = QCompleter(self._found, self)
        completer.setCompletionMode(QCompleter.CompletionMode.UnfilteredPopupCompletion)
        completer.setMaxVisibleItems(12)
        self._popup = QListView()
        dress(self._popup)
        self._popup.setObjectName("searchbox.found")
        completer.setPopup(self._popup)
        self._popup.setItemDelegate(_Delegate(self._popup))  # after setPopup, which sets its own
        # By row, not by text: two commands can have the same title.
        by_row: SignalInstance = completer.activated[QModelIndex]  # type: ignore[index]
        by_row.connect(self._chosen)
        self.setCompleter(completer)
        self.textEdited.connect(self._search)
        self.returnPressed.connect(self._enter)
        session.current_changed.connect(self._list_tensors)
        QShortcut(QKeySequence("Ctrl+K"), self, self._start)

    def _start(self) -> None:
        self.setFocus(Qt.FocusReason.ShortcutFocusReason)
        self.selectAll()
        self._search(self.text())

    def _list_tensors(self, entry: Entry | None) -> None:
        """In the background, so that they are there when something is typed."""
        artifact = entry.artifact if isinstance(entry, ArtifactEntry) else None
        self._tensors = ()
        self._listing.drop()
        if artifact is not None:
            self._listing.run(
                lambda: [(tensor.path, tensor.label) for tensor in artifact.tensors()],
                self._take_tensors,
                lambda _error: None,  # the page of the artifact shows it
            )

    def lists_tensors(self) -> bool:
        """Whether the tensors of the current artifact can be found."""
        return bool(self._tensors)

    def _take_tensors(self, tensors: Sequence[tuple[str, str]]) -> None:
        self._tensors = tensors

    def _search(self, text: str) -> None:
        words = text.casefold().split()
        found: list[Command] = []
        for command in self._commands(text.strip()):
            if len(found) == _MOST:
                break
            if command.matches(words):
                found.append(command)
        self._found.show(found or [self._nothing(text.strip())])
        # The completer looked before the commands were there.
        self.completer().complete()

    def _enter(self) -> None:
        """Enter without a row chosen; one that is chosen comes to `_chosen`."""
        is_chosen = self._popup.isVisible() and self._popup.currentIndex().isValid()
        if is_chosen or not self.text().strip():
            return
        self._search(self.text())
        command = self._found.first()
        self._popup.hide()
        if command is not None:
            self._do(command)

    def _chosen(self, index: QModelIndex) -> None:
        self._do(index.data(_COMMAND))

    def _do(self, command: Command) -> None:
        if command.kind == "nothing":
            self._session.notice.emit(Notice("warning", command.title, command.target))
            return
        self._run(command)
        self.clear()
        window: QWidget = self.window()
        window.setFocus()

    # What there is

    def _commands(self, text: str) -> Iterator[Command]:
        if _is_openable(text):
            yield Command("open", text, self.tr("Open {path}").format(path=text), self.tr("path"))
        entries: list[Entry] = [*self._session.models, *self._session.artifacts]
        for entry in entries:
            kind = self.tr("artifact") if isinstance(entry, ArtifactEntry) else self.tr("model")
            yield Command("entry", "", title_of(entry), kind, entry)
        yield from self._actions()
        current = self._session.current
        for path_in_file, called in self._tensors:
            detail = path_in_file if called else self.tr("tensor")
            yield Command("tensor", path_in_file, called or path_in_file, detail, current)

    def _nothing(self, text: str) -> Command:
        if _is_path(text):
            title = self.tr("{path} does not exist").format(path=text)
            return Command("nothing", self.tr("Check the path, or choose with Ctrl+O."), title)
        title = self.tr("Nothing is called “{text}”").format(text=text)
        advice = self.tr("What is in the library, commands and whole paths of files are found.")
        return Command("nothing", advice, title)

    def _actions(self) -> Iterator[Command]:
        for target, title, keys in (
            ("lab", self.tr("Go to Lab"), "Ctrl+1"),
            ("browse", self.tr("Go to Browse"), "Ctrl+2"),
            ("predict", self.tr("Go to Predict"), "Ctrl+3"),
            ("train", self.tr("Train the demo model"), "Ctrl+T"),
            ("open_file", self.tr("Open file…"), "Ctrl+O"),
            ("open_folder", self.tr("Open folder…"), "Ctrl+Shift+O"),
            ("workspace", self.tr("Choose the workspace folder…"), ""),
            ("theme", self.tr("Light or dark"), "Ctrl+Shift+L"),
        ):
            yield Command("action", target, title, keys)


def _is_openable(text: str) -> bool:
    """Whether ``text`` is a URL, or the absolute path of something that is there."""
    if "://" in text:
        return True
    try:
        return _is_path(text) and local_path(text).exists()
    except (OSError, ValueError):  # too long, a NUL
        return False


def _is_path(text: str) -> bool:
    return local_path(text).is_absolute()
