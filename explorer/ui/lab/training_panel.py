"""The middle column of the Lab: live curves, progress, layers, epochs and the training log."""

from __future__ import annotations

import math
from collections.abc import Sequence

from PySide6.QtCore import Qt, QTimer
from PySide6.QtGui import QPainter, QPaintEvent
from PySide6.QtWidgets import (
    QFrame,
    QHBoxLayout,
    QPlainTextEdit,
    QProgressBar,
    QVBoxLayout,
    QWidget,
)

from explorer.engine.messages import Built, LayerRow, Metric, Progress
from explorer.formats.text import count_text, duration_text, tuple_text, value_text
from explorer.lab.catalog import DemoSettings
from explorer.ui.lab.curves import Curves
from explorer.ui.lab.plan import planned_layers
from explorer.ui.labels import FittingLabel
from explorer.ui.session import has_diverged
from explorer.ui.tables import RowsModel, Table
from explorer.ui.theme import color
from explorer.ui.widgets import Card, ComboBox, chip, describe, label, set_tone

_LOG_LINES = 5000
_EPOCHS_MS = 250


class _Key(QFrame):
    """A piece of line in a legend."""

    def __init__(self, tone: str, dashed: bool) -> None:
        super().__init__()
        self.setObjectName(f"key.{tone}")
        self.setFixedSize(18, 2)
        self._tone, self._dashed = tone, dashed
        self.setFrameShape(QFrame.Shape.NoFrame)

    def paintEvent(self, event: QPaintEvent) -> None:
        with QPainter(self) as painter:
            if self._dashed:
                for x in (0, 7, 14):
                    painter.fillRect(x, 0, 4, 2, color(self._tone))
            else:
                painter.fillRect(self.rect(), color(self._tone))


class TrainingPanel(QWidget):
    """Shows a model being trained, or the plan of one that is not."""

    def __init__(self) -> None:
        super().__init__()
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(12)
        column.addWidget(self._curves_card())
        column.addWidget(self._layers_card())
        column.addWidget(self._epochs_card())
        column.addWidget(self._log_card())
        column.addStretch(1)
        self._epoch_began = 0.0
        self._epochs_planned = 0
        self._rate = 0.0
        self._new_epochs: list[tuple[str, ...]] = []
        self._epochs_due = QTimer(self, singleShot=True, interval=_EPOCHS_MS)
        self._epochs_due.timeout.connect(self._show_epochs)

    # Layout

    def _curves_card(self) -> Card:
        card = Card()
        row = QHBoxLayout()
        row.setSpacing(8)
        self.metric_choice = ComboBox("lab.metric", self.tr("Which curve"))
        self.metric_choice.addItem("loss")
        self.metric_choice.currentTextChanged.connect(self._metric_chosen)
        row.addWidget(self.metric_choice)
        for text, tone, dashed in (
            (self.tr("train"), "accent", False),
            (self.tr("validation"), "warning", True),
        ):
            row.addWidget(label(text, "small"))
            row.addWidget(_Key(tone, dashed))
        row.addStretch(1)
        card.body.addLayout(row)
        self.curves = Curves()
        card.body.addWidget(self.curves)
        self.progress = QProgressBar()
        self.progress.setTextVisible(False)
        describe(self.progress, "lab.progress", self.tr("Training progress"))
        card.body.addWidget(self.progress)
        self.progress_text = FittingLabel(
            self.tr("Not trained yet"), "small", name="lab.progress.text"
        )
        card.body.addWidget(self.progress_text)
        card.body.addWidget(self._divergence())
        return card

    def _divergence(self) -> QWidget:
        self._diverged = QWidget()
        row = QHBoxLayout(self._diverged)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(8)
        row.addWidget(
            chip(self.tr("diverged"), "warning", "lab.diverged"), 0, Qt.AlignmentFlag.AlignTop
        )
        self._divergence_text = label("", wrap=True, name="lab.diverged.text")
        row.addWidget(self._divergence_text, 1)
        self._diverged.hide()
        return self._diverged

    def _layers_card(self) -> Card:
        card = Card(self.tr("Layers"))
        self._parameters = chip("")
        self._planned = chip(self.tr("planned"))
        card.title_row.addWidget(self._parameters)
        card.title_row.addWidget(self._planned)
        card.title_row.addStretch(1)
        headers = [
            self.tr("Layer"),
            self.tr("Class"),
            self.tr("Output shape"),
            self.tr("Parameters"),
        ]
        self.layers = RowsModel(headers, mono=(2, 3), right=(3,), muted=(1,), parent=self)
        card.body.addWidget(Table(self.layers, "lab.layers", self.tr("Layers of the model")))
        return card

    def _epochs_card(self) -> Card:
        card = Card(self.tr("Epochs"))
        self._epoch_chip = chip("")
        self._epoch_chip.hide()
        card.title_row.addWidget(self._epoch_chip)
        card.title_row.addStretch(1)
        self.epochs = RowsModel(self._epoch_headers([]), parent=self)
        self._epoch_names: list[str] = []
        self._epoch_table = Table(
            self.epochs, "lab.epochs.table", self.tr("Values after each epoch")
        )
        card.body.addWidget(self._epoch_table)
        self._epochs_empty = label(
            self.tr("One line for each epoch, once the model trains."), "small", wrap=True
        )
        card.body.addWidget(self._epochs_empty)
        self._epoch_table.hide()
        return card

    def _log_card(self) -> Card:
        card = Card(self.tr("Log"))
        card.title_row.addStretch(1)
        self.log = QPlainTextEdit()
        self.log.setReadOnly(True)
        self.log.setMaximumBlockCount(_LOG_LINES)
        self.log.setFixedHeight(132)
        self.log.setLineWrapMode(QPlainTextEdit.LineWrapMode.NoWrap)
        self.log.setPlaceholderText(self.tr("What the training prints."))
        describe(self.log, "lab.log", self.tr("Training log"))
        card.body.addWidget(self.log)
        return card

    # What is shown

    def show_plan(self, settings: DemoSettings) -> None:
        """The layers that these settings would build."""
        self._show_layers(planned_layers(settings), planned=True)

    def show_layers(self, layers: Sequence[LayerRow]) -> None:
        """The layers of a model that exists."""
        self._show_layers(layers, planned=False)

    def start(self, settings: DemoSettings) -> None:
        """A training begins: empty everything that belongs to the last one."""
        self.curves.clear()
        self.epochs.set_rows([])
        self._epoch_names = []
        self._new_epochs = []
        self._epoch_table.hide()
        self._epochs_empty.show()
        self._epoch_chip.setText("")
        self._epoch_chip.hide()
        self.log.clear()
        self._epochs_planned = settings.epochs
        self._rate = settings.learning_rate
        self._diverged.hide()
        self._epoch_began = 0.0
        self.progress.setRange(0, 0)
        self.progress_text.setText(self.tr("Waiting for the engine"))

    def show_built(self, built: Built) -> None:
        """The model exists, and is to be trained."""
        self.show_layers(built.layers)
        self.progress.setRange(0, max(built.steps, 1))

    def show_progress(self, progress: Progress) -> None:
        """How far the training is."""
        self.progress.setRange(0, max(progress.total, 1))
        self.progress.setValue(progress.done)
        step = left = ""
        if progress.total:
            step = self.tr("step {done} of {total}").format(
                done=progress.done, total=progress.total
            )
        if progress.seconds_left is not None:
            left = self.tr("{time} left").format(time=duration_text(progress.seconds_left))
        self.progress_text.setText(
            _joined(progress.text, step, left), _joined(progress.text, left), left or progress.text
        )

    def show_metric(self, metric: Metric) -> None:
        """Values of a batch or an epoch."""
        if metric.epoch_end:
            self._add_epoch(metric)
        self.curves.add(metric.step, metric.values, epoch_end=metric.epoch_end)
        known = {self.metric_choice.itemText(i) for i in range(self.metric_choice.count())}
        self.metric_choice.addItems([name for name in self.curves.metrics() if name not in known])

    def show_log(self, text: str) -> None:
        """A line that the training printed."""
        self.log.appendPlainText(text)

    def finish(self, text: str) -> None:
        """The training ended, one way or another; ``text`` says how."""
        self._show_epochs()
        self.progress.setRange(0, 1)
        self.progress_text.setText(text)

    def finish_done(self, epochs: int, steps: int, seconds: float) -> None:
        """The training is complete."""
        self._show_epochs()
        self.progress.setRange(0, 1)
        self.progress.setValue(1)
        taken = duration_text(seconds)
        done = count_text(epochs, "epoch")
        self.progress_text.setText(
            _joined(done, count_text(steps, "step"), taken), _joined(done, taken)
        )

    def _show_layers(self, rows: Sequence[LayerRow], *, planned: bool) -> None:
        self.layers.set_rows(
            (
                self._name_text(row),
                _joined(row.class_name, row.activation),
                tuple_text(row.output_shape),
                f"{row.parameters:,}",
            )
            for row in rows
        )
        total = sum(row.parameters for row in rows)
        set_tone(self._parameters, count_text(total, "parameter"), "neutral")
        self._planned.setVisible(planned)

    def _name_text(self, row: LayerRow) -> str:
        """Its name in the code that makes the model; files may hold Keras's own."""
        if row.attribute in ("", row.name):
            return row.name
        return self.tr("{attribute} (Keras: {name})").format(attribute=row.attribute, name=row.name)

    def _epoch_headers(self, names: Sequence[str]) -> list[str]:
        return [self.tr("Epoch"), *(_short(name) for name in names), self.tr("time")]

    def _add_epoch(self, metric: Metric) -> None:
        if not self._epoch_names:
            self._epoch_names = list(metric.values)
            headers = self._epoch_headers(self._epoch_names)
            self.epochs.set_headers(headers, range(1, len(headers)))
            self._epochs_empty.hide()
            self._epoch_table.show()
        numbers = [value_text(metric.values.get(name, math.nan)) for name in self._epoch_names]
        epoch = metric.epoch + 1
        if has_diverged(metric.values) and self._diverged.isHidden():
            self._show_divergence(epoch)
        taken = metric.seconds - self._epoch_began
        self._epoch_began = metric.seconds
        self._new_epochs.append((str(epoch), *numbers, _epoch_time(taken)))
        if not self._epochs_due.isActive():
            self._epochs_due.start()

    def _show_divergence(self, epoch: int) -> None:
        self._divergence_text.setText(
            self.tr(
                "Since epoch {epoch} the loss is no finite number: the steps are so large that "
                "the weights grow without end. Train again with a learning rate below {rate}."
            ).format(epoch=epoch, rate=f"{self._rate:g}")
        )
        self._diverged.show()

    def _show_epochs(self) -> None:
        """Together, since each change of the table lays the column out anew."""
        self._epochs_due.stop()
        self.epochs.extend(self._new_epochs)
        self._new_epochs = []
        done = self.epochs.rowCount()
        self._epoch_chip.setText(
            self.tr("{done} of {total}").format(done=done, total=self._epochs_planned)
        )
        self._epoch_chip.setVisible(done > 0)

    def _metric_chosen(self, name: str) -> None:
        self.curves.show_metric(name)


def _epoch_time(seconds: float) -> str:
    """In one unit down the column, and short: its room is what the headings lack."""
    if seconds < 10:
        return f"{seconds:.2f} s"
    return duration_text(seconds)


def _joined(*parts: str) -> str:
    return " · ".join(filter(None, parts))


def _short(name: str) -> str:
    """``val_sparse_categorical_accuracy`` as ``val_accuracy``, so that the column fits."""
    for long in ("sparse_categorical_accuracy", "categorical_accuracy"):
        name = name.replace(long, "accuracy")
    return name
