"""The one channel for messages to the person: notices above the page, and questions."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import (
    QDialog,
    QFrame,
    QHBoxLayout,
    QPlainTextEdit,
    QSizePolicy,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from explorer.engine.messages import Failed
from explorer.formats.artifact import UnreadableArtifact
from explorer.ui.icons import icon
from explorer.ui.theme import dress
from explorer.ui.widgets import ElidedLabel, button, describe, fit_height, label, restyle

_LONGEST = 600  # characters of a message shown at once; all of it is in the details
_LONG_STRETCH = re.compile(r"(\S{40})\S{16,}(\S{40})")
_VALUES = re.compile(r"(<tf\.Tensor: shape=\([^)]*\), dtype=\w+), numpy=.*?(?:>|\Z)", re.DOTALL)


@dataclass(frozen=True)
class Notice:
    """A message: ``level`` is error, warning or info; ``details`` is shown on request."""

    level: str
    title: str
    text: str = ""
    details: str = ""

    def everything(self) -> str:
        """Text and details, whole."""
        return f"{self.text}\n\n{self.details}".strip()


def notice_for(title: str, error: Exception | Failed) -> Notice:
    """The notice of an error: what happened, why, what to do next, and all details."""
    if isinstance(error, Failed):
        details = error.traceback or ("" if error.plain else error.message)
        return Notice("error", title, failure_text(error), details)
    if isinstance(error, UnreadableArtifact):
        reasons = "\n".join(f"{name}: {why}" for name, why in error.reasons.items())
        found = f"First bytes: {error.found}" if error.found else ""
        return Notice("error", title, str(error), "\n\n".join(filter(None, (found, reasons))))
    return Notice("error", title, f"{type(error).__name__}: {error}")


def failure_text(failed: Failed) -> str:
    """Why in plain words, and a library's own error with its type."""
    if failed.plain:
        return failed.reason or failed.message
    message = _without_values(_without_frames(failed.message))
    said = f"{failed.exception}: {message}" if message else failed.exception
    return f"{failed.reason}\n{said}" if failed.reason else said


def shortened(text: str) -> str:
    """The text with its long unbroken stretches, such as paths, cut in the middle."""
    return _LONG_STRETCH.sub(lambda found: f"{found[1]}…{found[2]}", text)


def _at_a_glance(text: str) -> str:
    text = shortened(text)
    return text if len(text) <= _LONGEST else text[:_LONGEST] + " …"


def _without_values(message: str) -> str:
    """TensorFlow writes tensors into messages with all they hold."""
    return _VALUES.sub(r"\1>", message)


def _without_frames(message: str) -> str:
    """TensorFlow puts a traceback into messages, ahead of the cause; the details keep it."""
    lines = message.splitlines()
    return "\n".join(
        line for line in lines if line.strip() and not line.startswith(('  File "', "Detected at"))
    )


class NoticeBar(QFrame):
    """Shows the latest notice until it is closed. ``shown`` lets tests record every one."""

    shown = Signal(object)
    visibility_changed = Signal(bool)

    def __init__(self) -> None:
        super().__init__()
        self.setProperty("role", "notice")
        self.setObjectName("notice")
        self.notice: Notice | None = None
        row = QHBoxLayout(self)
        row.setContentsMargins(14, 10, 8, 10)
        column = QVBoxLayout()
        column.setSpacing(3)
        self._title = ElidedLabel("", "strong", name="notice.title")
        self._text = label("", wrap=True, name="notice.text")
        self._text.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        column.addWidget(self._title)
        column.addWidget(self._text)
        row.addLayout(column, 1)
        self._details = button(self.tr("Details"), "notice.details", tip=self.tr("Show everything"))
        self._details.clicked.connect(self._show_details)
        row.addWidget(self._details, 0, Qt.AlignmentFlag.AlignTop)
        close = QToolButton()
        close.setProperty("role", "plain")
        close.setIcon(icon("close"))
        describe(close, "notice.close", self.tr("Close this message"))
        close.clicked.connect(self.clear)
        row.addWidget(close, 0, Qt.AlignmentFlag.AlignTop)
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Maximum)
        self.hide()

    def show_notice(self, notice: Notice) -> None:
        """Replace what is shown."""
        self.notice = notice
        self._title.setText(notice.title)
        shown = _at_a_glance(notice.text)
        self._text.setText(shown)
        self._text.setToolTip(notice.text if shown != notice.text else "")
        self._text.setVisible(bool(notice.text))
        self._details.setVisible(bool(notice.details) or shown != notice.text)
        self.setProperty("level", notice.level)
        self.setAccessibleName(notice.title)
        restyle(self)
        self.show()
        self.visibility_changed.emit(True)
        self.shown.emit(notice)

    def clear(self) -> None:
        """Show nothing."""
        self.notice = None
        self.hide()
        self.visibility_changed.emit(False)

    def _show_details(self) -> None:
        if self.notice is not None:
            DetailsDialog(self.notice, self.window()).open()


class DetailsDialog(QDialog):
    """The whole text of a notice, to read and copy."""

    def __init__(self, notice: Notice, parent: QWidget) -> None:
        super().__init__(parent)
        dress(self)
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.setObjectName("details")
        self.setWindowTitle(notice.title)
        self.resize(860, 480)
        column = QVBoxLayout(self)
        column.setContentsMargins(16, 16, 16, 16)
        column.addWidget(label(_at_a_glance(notice.text), wrap=True))
        text = QPlainTextEdit(notice.everything())
        text.setReadOnly(True)
        text.setLineWrapMode(QPlainTextEdit.LineWrapMode.NoWrap)
        describe(text, "details.text", self.tr("Details"))
        column.addWidget(text, 1)
        row = QHBoxLayout()
        row.addStretch(1)
        copy = button(self.tr("Copy"), "details.copy", tip=self.tr("Copy everything"))
        copy.clicked.connect(lambda: QGuiApplication.clipboard().setText(text.toPlainText()))
        close = button(self.tr("Close"), "details.close", role="primary")
        close.clicked.connect(self.accept)
        row.addWidget(copy)
        row.addWidget(close)
        column.addLayout(row)


class Question(QDialog):
    """A question with one way on and one way back; ``answered`` is called with the choice."""

    def __init__(
        self,
        parent: QWidget,
        title: str,
        text: str,
        proceed: str,
        answered: Callable[[bool], None],
    ) -> None:
        super().__init__(parent)
        dress(self)
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.setObjectName("question")
        self.setWindowTitle(title)
        self.setMinimumWidth(520)
        self.text = text
        column = QVBoxLayout(self)
        column.setContentsMargins(20, 18, 20, 16)
        column.setSpacing(10)
        column.addWidget(label(shortened(title), "title", wrap=True))
        said = label(shortened(text), wrap=True, name="question.text")
        said.setToolTip(text if said.text() != text else "")
        column.addWidget(said)
        row = QHBoxLayout()
        row.addStretch(1)
        back = button(self.tr("Cancel"), "question.back")
        back.clicked.connect(self.reject)
        forward = button(proceed, "question.proceed", role="primary")
        forward.clicked.connect(self.accept)
        back.setDefault(True)
        forward.setAutoDefault(False)
        row.addWidget(back)
        row.addWidget(forward)
        column.addLayout(row)
        fit_height(self)
        self.finished.connect(lambda result: answered(result == QDialog.DialogCode.Accepted.value))
        back.setFocus()
