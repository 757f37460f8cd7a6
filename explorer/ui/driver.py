"""Drives the window as a person does: finds controls by name, clicks, types, waits."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from PySide6.QtCore import QEventLoop, QPoint, Qt, QTimer
from PySide6.QtTest import QTest
from PySide6.QtWidgets import (
    QComboBox,
    QDialog,
    QLineEdit,
    QListView,
    QPlainTextEdit,
    QScrollArea,
    QSpinBox,
    QTabBar,
    QWidget,
)

from explorer.engine.client import Phase
from explorer.ui.library import title_of
from explorer.ui.notices import Notice
from explorer.ui.session import ArtifactEntry, Entry, ModelEntry
from explorer.ui.window import Window

W = TypeVar("W", bound=QWidget)
_POLL_MS = 10
_APPEARS = 2.0


class Stuck(Exception):  # noqa: N818 - the name says what happened
    """What was waited for did not come; says what, and what the window shows instead."""


class Driver:
    """Works one window. Every method uses the window's own controls."""

    def __init__(self, window: Window, patience: float = 120.0) -> None:
        self.window = window
        self.patience = patience

    # Waiting

    def until(self, condition: Callable[[], object], what: str) -> None:
        """Let the window live until ``condition`` holds. Raises `Stuck` when patience ends."""
        end = time.monotonic() + self.patience
        while not condition():
            if time.monotonic() > end:
                raise Stuck(f"Waited {self.patience:.0f} s for {what}. {self._shown()}")
            self.pause(_POLL_MS)

    def pause(self, milliseconds: int) -> None:
        """Let the window live for a moment."""
        loop = QEventLoop()
        QTimer.singleShot(milliseconds, loop, loop.quit)
        loop.exec()

    def _shown(self) -> str:
        notice = self.window.notice()
        return (
            f"The window says: {notice.title}. {notice.text}" if notice else "No message is shown."
        )

    def engine_ready(self) -> None:
        """Wait until TensorFlow is imported in the worker."""
        self.until(
            lambda: self.window.engine.state.phase in (Phase.READY, Phase.BROKEN), "the engine"
        )
        if self.window.engine.state.phase is Phase.BROKEN:
            raise Stuck(f"The engine does not start: {self.window.engine.state.detail}")

    # Controls

    def find(self, kind: type[W], name: str, where: QWidget | None = None) -> W:
        """The control of that object name, once it is shown. Raises `Stuck`."""
        end = time.monotonic() + _APPEARS
        while time.monotonic() < end:
            for widget in (where or self.window).findChildren(kind, name):
                if widget.isVisible():
                    return widget
            self.pause(_POLL_MS)
        raise Stuck(f"There is no {name} to be seen. {self._shown()}")

    def click(self, name: str, where: QWidget | None = None) -> None:
        """Bring a control into view and click it. Raises `Stuck` if it cannot be clicked.

        As after a person's click, the window lives before anything else happens.
        """
        widget = self.find(QWidget, name, where)
        self._bring_into_view(widget)
        if not widget.isEnabled():
            raise Stuck(f"{name} cannot be clicked now. {self._shown()}")
        spot = QPoint(min(widget.width() // 2, 40), min(widget.height() // 2, 14))
        QTest.mouseClick(widget, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier, spot)
        self.pause(0)

    def _bring_into_view(self, widget: QWidget) -> None:
        parent = widget.parentWidget()
        while parent is not None:
            if isinstance(parent, QScrollArea):
                parent.ensureWidgetVisible(widget)
            parent = parent.parentWidget()

    def choose(self, name: str, data: object) -> None:
        """Choose an entry of a combo box by its data, or by its text where it has none."""
        box = self.find(QComboBox, name)
        position = max(box.findData(data), box.findText(str(data)))
        if position < 0:
            raise Stuck(f"{name} does not offer {data}.")
        self._bring_into_view(box)
        box.setFocus()
        box.setCurrentIndex(position)
        box.activated.emit(position)

    def enter(self, name: str, value: str | int) -> None:
        """Type into a text or number field, in place of what it holds."""
        field = self.find(QWidget, name)
        self._bring_into_view(field)
        field.setFocus()
        if isinstance(field, QPlainTextEdit):  # keys other than ASCII cannot be clicked
            field.selectAll()
            field.insertPlainText(str(value))
            return
        editor = field.lineEdit() if isinstance(field, QSpinBox) else field
        if isinstance(editor, QLineEdit):
            editor.selectAll()
        QTest.keyClicks(editor, str(value))
        if isinstance(field, QSpinBox):
            QTest.keyClick(editor, Qt.Key.Key_Tab)

    def tab(self, name: str, text: str) -> bool:
        """Choose a tab by its title; whether it is there."""
        bar = self.find(QTabBar, name)
        for position in range(bar.count()):
            if bar.tabText(position) == text and bar.isTabVisible(position):
                centre = bar.tabRect(position).center()
                QTest.mouseClick(bar, Qt.MouseButton.LeftButton, pos=centre)
                return True
        return False

    def answer(self, proceed: bool) -> None:
        """Answer the question that is shown."""
        self.until(lambda: self._dialog("question") is not None, "a question")
        dialog = self._dialog("question")
        self.click("question.proceed" if proceed else "question.back", dialog)
        self.until(lambda: self._dialog("question") is None, "the question to close")

    def asked(self) -> bool:
        """Whether a question is shown."""
        return self._dialog("question") is not None

    def _dialog(self, name: str) -> QDialog | None:
        for dialog in self.window.findChildren(QDialog, name):
            if dialog.isVisible():
                return dialog
        return None

    # Things people do

    def open(self, path: Path | str) -> ArtifactEntry:
        """Open a file or folder, as dropping it does."""
        before = len(self.window.session.artifacts), self.window.session.current
        self.clear_notice()
        self.window.open_paths([str(path)])
        self.until(lambda: self.window.session.opening == 0, f"{path} to open")
        entry = self.window.session.current
        if not isinstance(entry, ArtifactEntry) or (self.window.notice() and before[1] is entry):
            raise Stuck(f"{path} did not open. {self._shown()}")
        return entry

    def pick(self, entry: Entry) -> None:
        """Click an entry of the library."""
        view = self.find(QListView, "library.list")
        model = view.model()
        for row in range(model.rowCount()):
            index = model.index(row, 0)
            if index.data(Qt.ItemDataRole.UserRole) is entry:
                view.scrollTo(index)
                spot = view.visualRect(index).center()
                QTest.mouseClick(view.viewport(), Qt.MouseButton.LeftButton, pos=spot)
                return
        raise Stuck(f"{title_of(entry)} is not in the library.")

    def clear_notice(self) -> None:
        """Close the message that is shown, if there is one."""
        if self.window.notice() is not None:
            self.click("notice.close")

    def notice(self) -> Notice:
        """Wait for a message."""
        self.until(lambda: self.window.notice() is not None, "a message")
        found = self.window.notice()
        assert found is not None  # noqa: S101 - for the type checker
        return found

    def train(self) -> ModelEntry:
        """Click Train and wait for the model."""
        session, count = self.window.session, len(self.window.session.models)
        self.clear_notice()
        self.click("lab.train")
        self.until(
            lambda: (
                len(session.models) > count or (self.window.notice() and not self.window.lab.busy)
            ),
            "the training",
        )
        if len(session.models) == count:
            raise Stuck(f"The model was not trained. {self._shown()}")
        return session.models[-1]

    def save(self, method: str) -> None:
        """Save the trained model by a method that accepts it, and wait for it on Browse."""
        self.click(f"save.method.{method}")
        self.click("save.run")
        self.until(lambda: self.window.page() == "browse", "the artifact")

    def load(self) -> bool:
        """Click Load and wait; whether it loaded."""
        return self._and_wait("predict.load")

    def run(self) -> bool:
        """Click Run and wait for outputs and agreement; whether it ran."""
        return self._and_wait("predict.run")

    def _and_wait(self, name: str) -> bool:
        self.clear_notice()
        self.click(name)
        page = self.window.predict
        self.pause(_POLL_MS)
        self.until(lambda: not page.busy or self.asked(), "the engine")
        if self.asked():
            self.answer(True)
            self.pause(_POLL_MS)
            self.until(lambda: not page.busy, "the engine")
        notice = self.window.notice()
        return notice is None or notice.level != "error"
