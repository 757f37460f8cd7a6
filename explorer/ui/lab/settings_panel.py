"""The left column of the Lab: which demo model, on which Keras line, trained how."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QKeyEvent, QMouseEvent
from PySide6.QtWidgets import (
    QComboBox,
    QFrame,
    QGridLayout,
    QSpinBox,
    QVBoxLayout,
    QWidget,
)

from explorer.lab.catalog import DATASETS, DEMOS, LOSSES, OPTIMIZERS, Demo, DemoSettings, Line
from explorer.ui.lab.fields import NumberField, Rate, WholeNumber
from explorer.ui.widgets import Card, ComboBox, Segmented, button, describe, label, restyle


class _Choice(QFrame):
    """A demo model to choose: title and a line about it."""

    clicked = Signal()

    def __init__(self, demo: Demo) -> None:
        super().__init__()
        self.setProperty("role", "option")
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        describe(self, f"lab.demo.{demo.key}", demo.title, f"{demo.title}: {demo.subtitle}")
        column = QVBoxLayout(self)
        column.setContentsMargins(9, 7, 9, 8)
        column.setSpacing(1)
        column.addWidget(label(demo.title, "strong"))
        column.addWidget(label(demo.subtitle, "small", wrap=True))

    def set_chosen(self, chosen: bool) -> None:
        self.setProperty("chosen", "true" if chosen else "false")
        restyle(self)

    def mousePressEvent(self, event: QMouseEvent) -> None:
        self.clicked.emit()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.key() in (Qt.Key.Key_Space, Qt.Key.Key_Return):
            self.clicked.emit()
        else:
            super().keyPressEvent(event)


class SettingsPanel(QWidget):
    """Edits a `DemoSettings`. ``changed`` is emitted at every edit by the person or by code."""

    changed = Signal()
    edit_layers = Signal()

    def __init__(self) -> None:
        super().__init__()
        self._demo = DEMOS["functional"]
        self._layers = self._demo.layers
        self._filling = False
        self._fields: list[NumberField] = []
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(12)
        column.addWidget(self._model_card())
        column.addWidget(self._training_card())
        column.addStretch(1)
        self.reset()

    # Layout

    def _model_card(self) -> Card:
        card = Card(self.tr("Model"))
        self._choices: dict[str, _Choice] = {}
        for demo in DEMOS.values():
            choice = _Choice(demo)
            choice.clicked.connect(lambda key=demo.key: self.choose_demo(key))
            self._choices[demo.key] = choice
            card.body.addWidget(choice)
        card.body.addWidget(label(self.tr("Keras line"), "small"))
        self.line = Segmented(
            "lab.line", [(line.value, line.title) for line in Line], self.tr("Keras line")
        )
        self.line.chosen.connect(self._line_chosen)
        card.body.addWidget(self.line)
        self._form_label = label(self.tr("Form of the subclass"), "small")
        card.body.addWidget(self._form_label)
        self.form = Segmented(
            "lab.form",
            [("as_written", self.tr("As written")), ("ported", self.tr("Ported"))],
            self.tr("Form of the subclass"),
        )
        self.form.chosen.connect(self._line_chosen)
        card.body.addWidget(self.form)
        self._form_note = label("", "small", wrap=True)
        card.body.addWidget(self._form_note)
        return card

    def _training_card(self) -> Card:
        card = Card(self.tr("Training"))
        grid = QGridLayout()
        grid.setHorizontalSpacing(10)
        grid.setVerticalSpacing(4)
        grid.setColumnStretch(0, 1)
        grid.setColumnStretch(1, 1)
        card.body.addLayout(grid)
        self.dataset = self._combo(
            "lab.dataset", [(d.key, self.tr(d.title)) for d in DATASETS.values()], self.tr("Data")
        )
        self.dataset.activated.connect(self._dataset_chosen)
        self.epochs = self._spin("lab.epochs", self.tr("Epochs"), 1, 10_000)
        self.batch_size = self._spin("lab.batch_size", self.tr("Batch size"), 1, 100_000)
        self.optimizer = self._combo(
            "lab.optimizer", [(o, o) for o in OPTIMIZERS], self.tr("Optimizer")
        )
        self.learning_rate = self._rate()
        self.loss = self._combo("lab.loss", [(name, name) for name in LOSSES], self.tr("Loss"))
        self.train_rows = self._spin("lab.train_rows", self.tr("Training rows"), 1, 1_000_000)
        self.validation_rows = self._spin(
            "lab.validation_rows", self.tr("Validation rows"), 1, 1_000_000
        )
        self.test_rows = self._spin("lab.test_rows", self.tr("Test rows"), 1, 1_000_000)
        self.features = self._spin("lab.features", self.tr("Features"), 1, 100_000)
        self.seed = self._spin("lab.seed", self.tr("Seed"), 0, 2_147_483_647)
        self.layers_button = button(
            "",
            "lab.layers.edit",
            tip=self.tr("Change the layers, their sizes and activations"),
            elided=True,
        )
        self.layers_button.clicked.connect(self.edit_layers)
        self._place(grid, self.tr("Data"), self.dataset, 0, 0, wide=True)
        self._place(grid, self.tr("Epochs"), self.epochs, 2, 0)
        self._place(grid, self.tr("Batch size"), self.batch_size, 2, 1)
        self._place(grid, self.tr("Optimizer"), self.optimizer, 4, 0, wide=True)
        self._place(grid, self.tr("Loss"), self.loss, 6, 0, wide=True)
        self._place(grid, self.tr("Layers"), self.layers_button, 8, 0, wide=True)
        self._place(grid, self.tr("Training rows"), self.train_rows, 10, 0)
        self._place(grid, self.tr("Validation rows"), self.validation_rows, 10, 1)
        self._place(grid, self.tr("Test rows"), self.test_rows, 12, 0)
        self._place(grid, self.tr("Features"), self.features, 12, 1)
        self._place(grid, self.tr("Learning rate"), self.learning_rate, 14, 0)
        self._place(grid, self.tr("Seed"), self.seed, 14, 1)
        self._problem = label("", "problem", wrap=True, name="lab.problem")
        card.body.addWidget(self._problem)
        return card

    def _place(
        self,
        grid: QGridLayout,
        text: str,
        field: QWidget,
        row: int,
        column: int,
        wide: bool = False,
    ) -> None:
        caption = label(text, "small")
        caption.setBuddy(field)
        span = 2 if wide else 1
        grid.addWidget(caption, row, column, 1, span)
        grid.addWidget(field, row + 1, column, 1, span)

    def _combo(self, name: str, choices: list[tuple[str, str]], accessible: str) -> ComboBox:
        box = ComboBox(name, accessible)
        for key, text in choices:
            box.addItem(text, key)
        box.currentIndexChanged.connect(self._edited)
        return box

    def _spin(self, name: str, accessible: str, low: int, high: int) -> WholeNumber:
        box = WholeNumber(name, accessible, low, high)
        box.edited.connect(self._edited)
        self._fields.append(box)
        return box

    def _rate(self) -> Rate:
        field = Rate("lab.learning_rate", self.tr("Learning rate"))
        field.edited.connect(self._edited)
        self._fields.append(field)
        return field

    # Values

    def settings(self) -> DemoSettings:
        """What the fields say."""
        line = Line(self.line.key())
        base = self._demo.settings(line, ported=self._is_ported())
        return msgspec.structs.replace(
            base,
            layers=self._layers,
            features=self.features.value(),
            dataset=self.dataset.currentData(),
            train_rows=self.train_rows.value(),
            validation_rows=self.validation_rows.value(),
            test_rows=self.test_rows.value(),
            loss=self.loss.currentData(),
            optimizer=self.optimizer.currentData(),
            learning_rate=self.learning_rate.value(),
            batch_size=self.batch_size.value(),
            epochs=self.epochs.value(),
            seed=self.seed.value(),
        )

    def wrong_field(self) -> NumberField | None:
        """The first field that holds no number that will do."""
        return next((field for field in self._fields if field.problem()), None)

    def show_settings(self, settings: DemoSettings) -> None:
        """Fill every field."""
        with self._quietly():
            self._demo = DEMOS[settings.demo]
            self.line.choose(settings.line.value)
            self.form.choose("ported" if settings.ported else "as_written")
            self._layers = settings.layers
            self._choose_data(self.dataset, settings.dataset)
            self._choose_data(self.loss, settings.loss)
            self._choose_data(self.optimizer, settings.optimizer)
            self.learning_rate.setText(f"{settings.learning_rate:g}")
            for name in _NUMBERS:
                getattr(self, name).setValue(getattr(settings, name))
        self._refresh()

    def reset(self) -> None:
        """The notes' own values for this demo model."""
        self.show_settings(self._demo.settings(Line(self.line.key()), ported=self._is_ported()))

    def set_layers(self, settings: DemoSettings) -> None:
        """Take layers and features from an edited copy of the settings."""
        self._layers = settings.layers
        self.features.setValue(settings.features)
        self._refresh()

    def choose_demo(self, key: str) -> None:
        """Change the demo model; the other fields get its defaults, the line stays."""
        if key != self._demo.key:
            self._demo = DEMOS[key]
            self.reset()

    def set_enabled(self, enabled: bool) -> None:
        """Lock the fields while a model trains."""
        for field in (*self.findChildren(QComboBox), *self.findChildren(QSpinBox)):
            field.setEnabled(enabled)
        for widget in (self.line, self.form, self.learning_rate, self.layers_button):
            widget.setEnabled(enabled)
        for choice in self._choices.values():
            choice.setEnabled(enabled)
        if enabled:
            self._lock_fixed()

    def _is_ported(self) -> bool:
        return (
            self._demo.key == "subclass"
            and self.line.key() == Line.KERAS3.value
            and self.form.key() == "ported"
        )

    def _choose_data(self, box: QComboBox, key: str) -> None:
        box.setCurrentIndex(max(box.findData(key), 0))

    def _quietly(self) -> _Filling:
        return _Filling(self._set_filling)

    def _set_filling(self, filling: bool) -> None:
        self._filling = filling

    # Reactions

    def _edited(self) -> None:
        if not self._filling:
            self._refresh()

    def _line_chosen(self) -> None:
        if not self._filling:
            self._refresh()

    def _dataset_chosen(self) -> None:
        """Data with a fixed width and size sets the fields that must follow."""
        dataset = DATASETS[self.dataset.currentData()]
        defaults = self._demo.settings(Line(self.line.key()), ported=self._is_ported())
        epochs, rate = (dataset.proposed or {}).get(
            self._demo.key, (defaults.epochs, defaults.learning_rate)
        )
        rows = (1000, 200, 200) if dataset.rows is None else (1197, 300, 300)
        with self._quietly():
            self.features.setValue(dataset.features or defaults.features)
            self.epochs.setValue(epochs)
            self.learning_rate.setText(f"{rate:g}")
            for field, value in zip(
                (self.train_rows, self.validation_rows, self.test_rows), rows, strict=True
            ):
                field.setValue(value)
        self._refresh()

    def _refresh(self) -> None:
        subclass = self._demo.key == "subclass"
        forms = subclass and self.line.key() == Line.KERAS3.value
        for key, choice in self._choices.items():
            choice.set_chosen(key == self._demo.key)
        for widget in (self._form_label, self.form, self._form_note):
            widget.setVisible(forms)
        self._form_note.setText(
            self.tr("A plain call; the signature is given when it is saved.")
            if self._is_ported()
            else self.tr(
                "With @tf.function on call, as in the notes. Keras 3 then saves and reloads some "
                "formats wrongly, without an error."
            )
        )
        self.layers_button.setText(
            "{} …".format("-".join(str(layer.units) for layer in self._layers))
        )
        self._lock_fixed()
        wrong = self.wrong_field()
        self._problem.setText(wrong.problem() if wrong else "")
        self._problem.setVisible(wrong is not None)
        self.changed.emit()

    def _lock_fixed(self) -> None:
        fixed = DATASETS[self.dataset.currentData()].features
        self.features.setEnabled(fixed is None)


_NUMBERS = (
    "features",
    "train_rows",
    "validation_rows",
    "test_rows",
    "batch_size",
    "epochs",
    "seed",
)


class _Filling:
    """While it is open, edits come from code and are told once at the end."""

    def __init__(self, set_filling: Callable[[bool], None]) -> None:
        self._set = set_filling

    def __enter__(self) -> None:
        self._set(True)

    def __exit__(self, *_: object) -> None:
        self._set(False)
