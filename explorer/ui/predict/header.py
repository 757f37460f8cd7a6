"""The top of the Predict page: what is loaded and how, what is under way, and what can be done."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import Qt
from PySide6.QtGui import QKeySequence, QShortcut
from PySide6.QtWidgets import QFrame, QHBoxLayout, QSizePolicy, QVBoxLayout

from explorer.engine.messages import Load, LoadRef, Predict, Request, Save, Train
from explorer.formats.text import duration_text
from explorer.ui.library import title_of
from explorer.ui.predict.jobs import PredictJobs
from explorer.ui.session import ArtifactEntry, settings_title
from explorer.ui.widgets import ElidedLabel, button, chip, set_tone


class Header(QFrame):
    """Name, state and buttons; the page connects the buttons."""

    def __init__(self) -> None:
        super().__init__()
        self.setProperty("role", "header")
        self.code = button(
            self.tr("Copy as code"), "predict.code", tip=self.tr("Python that does the same")
        )
        self.export = button(
            self.tr("Export outputs…"), "predict.export", tip=self.tr("Write them to an .npz file")
        )
        self.cancel = button(
            self.tr("Cancel"), "predict.cancel", tip=self.tr("Stop what runs or waits (Esc)")
        )
        # Not the button's own: that one clicks a moment later, if the button is still free then.
        self._escape = QShortcut(QKeySequence(Qt.Key.Key_Escape), self, self.cancel.click)
        self.run = button(self.tr("Run"), "predict.run", role="primary", shortcut="Ctrl+Return")
        row = QHBoxLayout(self)
        row.setContentsMargins(18, 10, 18, 10)
        row.setSpacing(8)
        row.addLayout(self._names(), 1)
        row.addSpacing(12)
        for widget in (self.code, self.export, self.cancel, self.run):
            row.addWidget(widget)

    def _names(self) -> QVBoxLayout:
        self._name = ElidedLabel("", "title", name="predict.name")
        self._name.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Preferred)
        self._format = chip("", "accent")
        self._state = chip("", name="predict.state")
        self._how = ElidedLabel("", "monoMuted", name="predict.how")
        self._waiting = ElidedLabel("", "muted", name="predict.waiting")
        first = QHBoxLayout()
        first.setSpacing(8)
        for widget in (self._name, self._format, self._state):
            first.addWidget(widget)
        first.addStretch(1)
        names = QVBoxLayout()
        names.setSpacing(4)
        names.addLayout(first)
        names.addWidget(self._how)
        names.addWidget(self._waiting)
        return names

    def show_jobs(self, jobs: PredictJobs | None, *, can_load: bool) -> None:
        """Tell the state of an entry's jobs; ``None`` where no entry is chosen."""
        entry = jobs.entry if jobs is not None else None
        self._name.setText(title_of(entry) if entry is not None else self.tr("Predict"))
        artifact = entry.artifact if isinstance(entry, ArtifactEntry) else None
        self._format.setText(artifact.format_name if artifact else self.tr("in memory"))
        for widget in (self._format, self._state, self.run):
            widget.setVisible(entry is not None)
        busy = jobs is not None and jobs.busy
        loaded = jobs is not None and jobs.loaded is not None
        self.cancel.setVisible(busy)
        self._escape.setEnabled(busy)
        self.run.setEnabled(can_load and not busy)
        self.code.setVisible(loaded and artifact is not None)
        self.export.setVisible(jobs is not None and jobs.last_run is not None)
        if jobs is not None:
            self._show_state(jobs)
        self._how.setVisible(loaded and not self._waiting.full_text())
        self._waiting.setVisible(bool(self._waiting.full_text()))

    def _show_state(self, jobs: PredictJobs) -> None:
        waiting = self._waiting_text(jobs)
        self._waiting.setText(waiting)
        self._how.setText(jobs.loaded.call if jobs.loaded is not None else "")
        if waiting:
            set_tone(self._state, self.tr("waiting"), "warning")
        elif jobs.busy:
            set_tone(self._state, self.tr("working"), "accent")
        elif jobs.loaded is not None:
            text = self.tr("loaded in {time}").format(time=duration_text(jobs.loaded.seconds))
            set_tone(self._state, text, "ok")
        else:
            set_tone(self._state, self.tr("not loaded"), "neutral")

    def _waiting_text(self, jobs: PredictJobs) -> str:
        if jobs.waits_for_engine():
            return self.tr("waiting for TensorFlow to start")
        ahead = jobs.waits_for()
        return self._ahead_text(ahead) if ahead is not None else ""

    def _ahead_text(self, ahead: Request) -> str:
        if isinstance(ahead, Train):
            text = self.tr("waiting for the training of {name} to end")
            return text.format(name=settings_title(ahead.model.settings))
        if isinstance(ahead, Save):
            text = self.tr("waiting for {name} to be saved")
            return text.format(name=settings_title(ahead.model.settings))
        if isinstance(ahead, Load | Predict):
            text = self.tr("waiting for {name}, which is loaded or run now")
            source = ahead.source
            return text.format(
                name=Path(source.path).name
                if isinstance(source, LoadRef)
                else settings_title(source.settings)
            )
        return self.tr("waiting for a test set to be made")
