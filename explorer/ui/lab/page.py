"""The Lab: train a demo model, save it by every method, see what each keeps."""

from __future__ import annotations

import uuid
from collections.abc import Sequence

from PySide6.QtCore import Qt, QTimer
from PySide6.QtGui import QKeySequence, QResizeEvent, QShortcut
from PySide6.QtWidgets import QFrame, QHBoxLayout, QVBoxLayout, QWidget

from explorer.engine.messages import Built, Failed, LayerRow, ModelRef, Train, Trained
from explorer.formats.text import duration_text
from explorer.lab.catalog import DemoSettings
from explorer.ui.engine_link import EngineLink, Task
from explorer.ui.lab.layers_dialog import LayersDialog
from explorer.ui.lab.save_panel import SavePanel
from explorer.ui.lab.saver import Saver
from explorer.ui.lab.settings_panel import SettingsPanel
from explorer.ui.lab.training_panel import TrainingPanel
from explorer.ui.notices import Notice, notice_for
from explorer.ui.session import Entry, ModelEntry, Session
from explorer.ui.widgets import button, label, page_scroll

_NARROW = 1080
_STACKED = 900
"""Widths of the page in pixels, below which its columns are laid out otherwise."""


class LabPage(QWidget):
    """Puts the three columns together and gives the engine its jobs."""

    def __init__(self, session: Session, engine: EngineLink) -> None:
        super().__init__()
        self.setObjectName("page.lab")
        self.setProperty("role", "page")
        self._session, self._engine = session, engine
        self._task: Task | None = None
        self._layers: dict[str, Sequence[LayerRow]] = {}  # by the model's id
        self.settings = SettingsPanel()
        self.training = TrainingPanel()
        self.saving = SavePanel()
        self.saver = Saver(session, engine, self)
        self._build()
        self._connect()
        self._settings_changed()

    # Layout

    def _build(self) -> None:
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        column.addWidget(self._header())
        self._columns = row = QHBoxLayout()
        self._left = page_scroll(self.settings)
        body = QWidget()
        self._stack = QVBoxLayout(body)
        self._stack.setContentsMargins(0, 0, 0, 0)
        self._stack.setSpacing(12)
        self._stack.addWidget(self.training)
        self._middle = page_scroll(body)
        self._middle.setObjectName("lab.middle")
        row.addWidget(self._left)
        row.addWidget(self._middle, 1)
        row.addWidget(self.saving)
        column.addLayout(row, 1)

    def _header(self) -> QFrame:
        header = QFrame()
        header.setProperty("role", "header")
        header.setFixedHeight(57)
        row = QHBoxLayout(header)
        row.setContentsMargins(18, 0, 18, 0)
        row.setSpacing(8)
        row.addWidget(label(self.tr("Lab"), "title"))
        self._subtitle = label(
            self.tr("Train a demo model, save it every way, see what each way keeps"), "muted"
        )
        row.addWidget(self._subtitle)
        row.addStretch(1)
        self._reset = button(
            self.tr("Reset"), "lab.reset", tip=self.tr("Back to the values of the notes")
        )
        self._reset.clicked.connect(self.settings.reset)
        self._cancel = button(
            self.tr("Cancel"), "lab.cancel", tip=self.tr("Stop what is running (Esc)")
        )
        self._cancel.clicked.connect(self.cancel)
        self._cancel.hide()
        # Not the button's own: that one clicks a moment later, if the button is still free then.
        self._escape = QShortcut(QKeySequence(Qt.Key.Key_Escape), self, self.cancel)
        self._escape.setEnabled(False)
        self._train = button(self.tr("Train"), "lab.train", role="primary", shortcut="Ctrl+T")
        self._train.clicked.connect(self.train)
        for widget in (self._reset, self._cancel, self._train):
            row.addWidget(widget)
        return header

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Narrow columns at the sides leave the tables in the middle room."""
        narrow = self.width() < _NARROW
        side = 12 if narrow else 18
        self._columns.setContentsMargins(side, 14, side, 14)
        self._columns.setSpacing(8 if narrow else 14)
        self._left.setFixedWidth(216 if narrow else 258)
        self.saving.setFixedWidth(300 if narrow else 344)
        self._subtitle.setVisible(self.width() > 700)
        self._set_stacked(self.width() < _STACKED)
        super().resizeEvent(event)

    def _set_stacked(self, stacked: bool) -> None:
        """Where there is no room for three columns, the settings stand above the training."""
        if stacked is self._left.isHidden():
            return
        if stacked:
            self._stack.insertWidget(0, self._left.takeWidget())
            self.settings.show()
        else:
            self._left.setWidget(self.settings)
            self._middle.verticalScrollBar().setValue(0)
        self._left.setVisible(not stacked)

    def _connect(self) -> None:
        self.settings.changed.connect(self._settings_changed)
        self.settings.edit_layers.connect(self._edit_layers)
        self.saving.save_asked.connect(self.save)
        self.saving.save_all_asked.connect(self.save_all)
        self.saver.busy_changed.connect(self._set_busy)
        self._session.current_changed.connect(self._show_current)
        self._session.changed.connect(self._settings_changed)

    # Settings

    def _settings_changed(self) -> None:
        settings = self.settings.settings()
        model = self._model()
        if self._task is None:
            self._show_layers(model, settings)
        self.saving.show_model(model, settings)

    def _show_layers(self, model: ModelEntry | None, settings: DemoSettings) -> None:
        """Those of the trained model if the settings are its own, else what they would build."""
        is_shown = model is not None and model.ref.settings == settings
        layers = self._layers.get(model.ref.model_id) if model and is_shown else None
        if layers is None:
            self.training.show_plan(settings)
        else:
            self.training.show_layers(layers)

    def _show_current(self, entry: Entry | None) -> None:
        """A model chosen in the library brings its settings with it."""
        if isinstance(entry, ModelEntry):
            if self._task is None and entry.ref.settings != self.settings.settings():
                self.settings.show_settings(entry.ref.settings)
            self._settings_changed()

    def _edit_layers(self) -> None:
        LayersDialog(self.settings.settings(), self.window(), self.settings.set_layers).open()

    # Jobs

    def _set_task(self, task: Task | None) -> None:
        self._task = task
        self._set_busy(task is not None)

    def _set_busy(self, busy: bool) -> None:
        self._cancel.setVisible(busy)
        self._escape.setEnabled(busy)
        self._train.setEnabled(not busy)
        self._reset.setEnabled(not busy)
        self.settings.set_enabled(not busy)
        self.saving.set_busy(busy)

    @property
    def busy(self) -> bool:
        """Whether a job of this page runs."""
        return self._task is not None or self.saver.busy

    def cancel(self) -> None:
        """Stop the job of this page."""
        self.saver.cancel()
        if self._task is not None:
            self.training.progress_text.setText(self.tr("Cancelling"))
            self._engine.cancel(self._task)

    # Training

    def train(self) -> None:
        """Train a model with the settings shown."""
        settings = self.settings.settings()
        if self.busy or not self._can_train():
            return
        name = uuid.uuid4().hex
        snapshot = self._session.places.scratch / "models" / name / "snapshot"
        task = self._engine.submit(Train(ModelRef(name, settings, str(snapshot))))
        self.training.start(settings)
        task.built.connect(lambda built: self.show_built(name, built))
        task.progress.connect(self.training.show_progress)
        task.metric.connect(self.training.show_metric)
        task.log.connect(self.training.show_log)
        task.done.connect(lambda trained, _arrays: self._trained(trained))
        task.failed.connect(self._training_failed)
        task.cancelled.connect(lambda: self.training.finish(self.tr("Cancelled")))
        task.ended.connect(lambda: self._set_task(None))
        self._set_task(task)
        self._middle.verticalScrollBar().setValue(self.training.y())

    def show_built(self, model_id: str, built: Built) -> None:
        """The model that is to be trained exists; its layers are shown again with it later."""
        self._layers[model_id] = built.layers
        self.training.show_built(built)

    def _can_train(self) -> bool:
        wrong = self.settings.wrong_field()
        if wrong is None:
            return True
        title = self.tr("The model was not trained")
        self._session.notice.emit(Notice("error", title, wrong.problem()))
        wrong.setFocus()
        area = self._middle if self._left.isHidden() else self._left
        QTimer.singleShot(0, wrong, lambda: area.ensureWidgetVisible(wrong))  # below the notice
        return False

    def _trained(self, trained: Trained) -> None:
        settings = trained.model.settings
        self.training.finish_done(settings.epochs, trained.steps, trained.seconds)
        self._session.add_model(trained)  # while the task counts: what is shown is no plan
        self._session.action_timed.emit(
            self.tr("Trained in {time}").format(time=duration_text(trained.seconds))
        )

    def _training_failed(self, failed: Failed) -> None:
        self.training.finish(self.tr("Not trained"))
        self._session.notice.emit(notice_for(self.tr("The model was not trained"), failed))

    # Saving

    def _model(self) -> ModelEntry | None:
        return self._session.model_of(self.settings.settings().variant)

    def save(self, method: str, name: str) -> None:
        """Save the model by one method; asks before it replaces anything."""
        model = self._model()
        if model is not None and not self.busy:
            self.saver.save(model, method, name)

    def save_all(self) -> None:
        """Save by every method that accepts this model; asks once before replacing."""
        model = self._model()
        if model is not None and not self.busy:
            self.saver.save_all(model)
