"""The window: rail, library, pages, messages and the bar at the bottom."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from PySide6.QtCore import QEvent, QPoint, QSettings, QSize, Qt, QTimer, Signal
from PySide6.QtGui import (
    QCloseEvent,
    QDragEnterEvent,
    QDropEvent,
    QKeySequence,
    QResizeEvent,
    QShortcut,
)
from PySide6.QtWidgets import (
    QApplication,
    QButtonGroup,
    QFileDialog,
    QFrame,
    QHBoxLayout,
    QMainWindow,
    QMenu,
    QStackedWidget,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from explorer.ui.browse.page import BrowsePage
from explorer.ui.command_box import Command, CommandBox
from explorer.ui.engine_link import EngineLink
from explorer.ui.icons import icon
from explorer.ui.lab.page import LabPage
from explorer.ui.library import Library
from explorer.ui.notices import Notice, NoticeBar
from explorer.ui.predict.page import PredictPage
from explorer.ui.session import ArtifactEntry, Entry, ModelEntry, Places, Session
from explorer.ui.statusbar import StatusBar
from explorer.ui.theme import Theme, change_theme, current_theme, dress
from explorer.ui.widgets import button, describe, label

_NARROW = 1200  # below this many pixels the library takes less


class Window(QMainWindow):
    """The main window. It can be closed at once; `shut_down` ends the engine, which may wait."""

    closed = Signal()

    def __init__(self, places: Places, settings: QSettings) -> None:
        super().__init__()
        self._settings = settings
        self._begun = False
        self._stale: Notice | None = None
        self.setObjectName("window")
        self.setWindowTitle(QApplication.applicationName())
        self.setAcceptDrops(True)
        self.setMinimumSize(960, 620)
        self.resize(1440, 900)
        self.session = Session(places, self)
        self.engine = EngineLink(places.scratch, self)
        self.notices = NoticeBar()
        self.library = Library(self.session)
        self.statusbar = StatusBar(self.engine, self.session)
        self.lab = LabPage(self.session, self.engine)
        self.browse = BrowsePage(self.session)
        self.predict = PredictPage(self.session, self.engine)
        self._pages = {"lab": self.lab, "browse": self.browse, "predict": self.predict}
        self._rail_buttons: dict[str, QToolButton] = {}
        self._build()
        self._connect()
        self._restore()
        self.show_page("lab")
        self._rail_buttons["lab"].setFocus()

    # Layout

    def _build(self) -> None:
        self._stack = QStackedWidget()
        for page in self._pages.values():
            self._stack.addWidget(page)
        notice_holder = QWidget()
        notice_row = QVBoxLayout(notice_holder)
        notice_row.setContentsMargins(18, 10, 18, 0)
        notice_row.addWidget(self.notices)
        notice_holder.setVisible(False)
        self.notices.visibility_changed.connect(notice_holder.setVisible)
        centre = QVBoxLayout()
        centre.setSpacing(0)
        centre.addWidget(notice_holder)
        centre.addWidget(self._stack, 1)
        middle = QHBoxLayout()
        middle.setSpacing(0)
        body = QWidget()
        column = QVBoxLayout(body)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        topbar, rail = self._topbar(), self._rail()
        middle.addWidget(rail)
        middle.addWidget(self.library)
        middle.addLayout(centre, 1)
        column.addWidget(topbar)
        column.addLayout(middle, 1)
        column.addWidget(self.statusbar)
        self.setCentralWidget(body)
        dress(topbar, rail, self.library, notice_holder, self.statusbar, *self._pages.values())

    def _topbar(self) -> QFrame:
        bar = QFrame()
        bar.setObjectName("topbar")
        bar.setFixedHeight(44)
        row = QHBoxLayout(bar)
        row.setContentsMargins(14, 0, 14, 0)
        row.setSpacing(10)
        row.addWidget(label(QApplication.applicationName(), "strong"))
        self._workspace = button("", "workspace", role="quiet")
        self._workspace.clicked.connect(self._choose_workspace)
        self._workspace.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self._show_workspace()
        row.addWidget(self._workspace)
        row.addStretch(1)
        self.commands = CommandBox(self.session, self._run_command)
        row.addWidget(self.commands)
        self._theme_button = QToolButton()
        self._theme_button.setProperty("role", "plain")
        describe(
            self._theme_button,
            "theme",
            self.tr("Light or dark"),
            self.tr("Light or dark (Ctrl+Shift+L)"),
        )
        self._theme_button.setShortcut("Ctrl+Shift+L")
        self._theme_button.setIcon(icon("theme"))
        self._theme_button.clicked.connect(self.toggle_theme)
        row.addWidget(self._theme_button)
        return bar

    def _rail(self) -> QFrame:
        rail = QFrame()
        rail.setObjectName("rail")
        rail.setFixedWidth(64)
        column = QVBoxLayout(rail)
        column.setContentsMargins(6, 10, 6, 10)
        column.setSpacing(4)
        group = QButtonGroup(rail)
        titles = {
            "lab": self.tr("Lab"),
            "browse": self.tr("Browse"),
            "predict": self.tr("Predict"),
        }
        for number, (key, title) in enumerate(titles.items(), 1):
            choice = self._rail_button(key, title, f"Ctrl+{number}")
            group.addButton(choice)
            column.addWidget(choice)
        column.addStretch(1)
        return rail

    def _rail_button(self, key: str, title: str, shortcut: str) -> QToolButton:
        choice = QToolButton()
        choice.setProperty("role", "rail")
        choice.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextUnderIcon)
        choice.setText(title)
        choice.setIcon(icon(key))
        choice.setIconSize(QSize(20, 20))
        choice.setCheckable(True)
        choice.setShortcut(shortcut)
        choice.setFixedSize(52, 52)
        describe(choice, f"nav.{key}", title, f"{title} ({shortcut})")
        choice.clicked.connect(lambda: self.show_page(key))
        self._rail_buttons[key] = choice
        return choice

    # Wiring

    def _connect(self) -> None:
        self.session.notice.connect(self.notices.show_notice)
        self.session.artifact_opened.connect(self._opened)
        self.session.current_changed.connect(self._show_current)
        self.library.chosen.connect(self._choose)
        self.library.open_asked.connect(self._open_menu)
        self.browse.predict_asked.connect(self._predict)
        self.browse.open_asked.connect(self._open_menu)
        for keys, action in (("Ctrl+O", self._open_file), ("Ctrl+Shift+O", self._open_folder)):
            QShortcut(QKeySequence(keys), self, action)

    def show_page(self, key: str) -> None:
        """Bring a page to the front: ``lab``, ``browse`` or ``predict``."""
        self._rail_buttons[key].setChecked(True)
        self._stack.setCurrentWidget(self._pages[key])

    def page(self) -> str:
        """The key of the page in front."""
        return next(k for k, page in self._pages.items() if page is self._stack.currentWidget())

    def _opened(self, entry: ArtifactEntry) -> None:
        """Show it; what was said before it was asked for is not about it."""
        if self._stale is not None and self._stale is self.notices.notice:
            self.notices.clear()
        if self.session.current is entry:
            self.show_page("browse")

    def _show_current(self, entry: Entry | None) -> None:
        self.browse.show_entry(entry if isinstance(entry, ArtifactEntry) else None)
        self.predict.show_entry(entry)

    def _choose(self, entry: Entry) -> None:
        """A click in the library: the entry, on the page that fits it."""
        self.session.select(entry)
        if isinstance(entry, ModelEntry) and self.page() == "browse":
            self.show_page("predict")
        elif isinstance(entry, ArtifactEntry) and self.page() == "lab":
            self.show_page("browse")

    def _predict(self, entry: ArtifactEntry, signature: str) -> None:
        self.session.select(entry)
        self.predict.choose_signature(signature)
        self.show_page("predict")

    # Opening

    def open_paths(self, paths: Sequence[str]) -> None:
        """Open files and folders, one after the other."""
        self._stale = self.notices.notice
        for path in paths:
            self.session.open(path)

    def _open_menu(self, where: QPoint) -> None:
        menu = QMenu(self)
        dress(menu)
        menu.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        menu.addAction(self.tr("Open file…"), self._open_file)
        menu.addAction(self.tr("Open folder…"), self._open_folder)
        menu.popup(where)

    def _open_file(self) -> None:
        self._ask_paths(QFileDialog.FileMode.ExistingFiles, self.tr("Open a model file"))

    def _open_folder(self) -> None:
        self._ask_paths(QFileDialog.FileMode.Directory, self.tr("Open a model folder"))

    def _ask_paths(self, mode: QFileDialog.FileMode, title: str) -> None:
        dialog = QFileDialog(self, title)
        dress(dialog)
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        dialog.setFileMode(mode)
        dialog.filesSelected.connect(self.open_paths)
        dialog.open()

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:
        if event.mimeData().hasUrls():
            event.acceptProposedAction()

    def dropEvent(self, event: QDropEvent) -> None:
        paths = [
            url.toLocalFile() if url.isLocalFile() else url.toString()
            for url in event.mimeData().urls()
        ]
        event.acceptProposedAction()
        self.open_paths(paths)

    # Workspace and theme

    def _show_workspace(self) -> None:
        folder = self.session.places.workspace
        self._workspace.setText(self.tr("workspace · {name}").format(name=folder.name))
        self._workspace.setAccessibleName(self.tr("Workspace folder"))
        self._workspace.setToolTip(
            self.tr("The Lab saves to {folder}. Click to choose another folder.").format(
                folder=folder
            )
        )

    def _choose_workspace(self) -> None:
        dialog = QFileDialog(self, self.tr("Choose the folder that the Lab saves to"))
        dress(dialog)
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        dialog.setFileMode(QFileDialog.FileMode.Directory)
        dialog.fileSelected.connect(self._set_workspace)
        dialog.open()

    def _set_workspace(self, folder: str) -> None:
        self.session.set_workspace(Path(folder))
        self._settings.setValue("workspace", folder)
        self._show_workspace()

    def toggle_theme(self) -> None:
        """Light to dark and back."""
        theme = Theme.DARK if current_theme() is Theme.LIGHT else Theme.LIGHT
        app = QApplication.instance()
        if isinstance(app, QApplication):
            change_theme(app, theme, self)
            self._settings.setValue("theme", theme.value)

    def _run_command(self, command: Command) -> None:
        actions = {
            "lab": lambda: self.show_page("lab"),
            "browse": lambda: self.show_page("browse"),
            "predict": lambda: self.show_page("predict"),
            "train": self._train,
            "open_file": self._open_file,
            "open_folder": self._open_folder,
            "theme": self.toggle_theme,
            "workspace": self._choose_workspace,
        }
        if command.kind == "action":
            actions[command.target]()
        elif command.kind == "open":
            self.open_paths([command.target])
        elif command.entry is not None:
            self._reveal(command)

    def _train(self) -> None:
        self.show_page("lab")
        self.lab.train()

    def _reveal(self, command: Command) -> None:
        assert command.entry is not None  # noqa: S101 - for the type checker
        self._choose(command.entry)
        if command.kind == "tensor" and isinstance(command.entry, ArtifactEntry):
            self.show_page("browse")
            self.browse.reveal(command.target)

    # The window's own life

    def changeEvent(self, event: QEvent) -> None:
        super().changeEvent(event)
        if event.type() == QEvent.Type.PaletteChange and self._rail_buttons:
            for key, choice in self._rail_buttons.items():
                choice.setIcon(icon(key))
            self._theme_button.setIcon(icon("theme"))

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self.library.set_narrow(event.size().width() < _NARROW)

    def event(self, event: QEvent) -> bool:
        handled = super().event(event)
        if event.type() == QEvent.Type.Paint and not self._begun:
            # After the first picture is on screen: nothing that follows may hold it up.
            self._begun = True
            QTimer.singleShot(0, self, self.engine.start)
        return handled

    def _restore(self) -> None:
        geometry = self._settings.value("geometry")
        if geometry is not None:
            self.restoreGeometry(geometry)

    def closeEvent(self, event: QCloseEvent) -> None:
        self._settings.setValue("geometry", self.saveGeometry())
        super().closeEvent(event)
        self.closed.emit()

    def shut_down(self) -> None:
        """End the engine and close what is open."""
        self.engine.close()
        self.session.close()

    def notice(self) -> Notice | None:
        """The message that is shown."""
        return self.notices.notice
